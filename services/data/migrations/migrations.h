#pragma once

#include "core/db/db.h"

extern const ow_db_migration data_migrations[]; // ends with number 0
