#include "portal/table.h"

#include <string.h>

const ow_portal_asset *ow_portal_asset_find(const char *path) {
    for (const ow_portal_asset *each = ow_portal_assets; each->path != NULL; each++) {
        if (strcmp(each->path, path) == 0) {
            return each;
        }
    }
    return NULL;
}
