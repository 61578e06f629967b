#pragma once

// The portal's files as the server has them inside.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ow_portal_asset {
    const char *path; // "/assets/index-1a2b3c.js"
    const char *type; // Content-Type
    const uint8_t *bytes;
    size_t size;
    bool is_page; // the document, as it is; else compressed with gzip
} ow_portal_asset;

// By the path of a request; NULL when there is none. Static. Any thread.
const ow_portal_asset *ow_portal_asset_find(const char *path);
