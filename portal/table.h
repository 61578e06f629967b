#pragma once

// What embed.mjs writes, or stub.c instead.

#include "portal/assets.h"

extern const ow_portal_asset ow_portal_assets[]; // ends with path == NULL
