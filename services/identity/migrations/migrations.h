#pragma once

#include "core/db/db.h"

extern const ow_db_migration identity_migrations[];
