#pragma once

// Shared by the files that hold the registry's SQL.

#include "services/registry/registry_store.h"

// A column as text in the call's arena; "" when it did not fit, which tx_end reports.
const char *row_text(tx *t, ow_rows *rows, int column);

// As row_text, for text made by ow_arena_printf_in and others.
const char *kept_text(tx *t, char *text);

// An array of pointers that grows in the arena; NULL when it did not fit.
void **grown(tx *t, void **array, size_t count, size_t *room);

// Writes what changed the routes of a virtual server, under a new number for them.
ow_code touch_server(tx *t, const server_row *row);

// Points $DEFAULT at a version. *ret_changed is set when that changed something, else left.
ow_code move_default(tx *t, const char *server, int64_t version, bool *ret_changed);

enum {
    MAX_SERVERS_OF_TITLE = 4096,
    MAX_ALIASES_OF_SERVER = 50,
    MAX_ROUTE_BYTES = 6 << 20, // of one virtual server: one message between services has 8 MB
};
