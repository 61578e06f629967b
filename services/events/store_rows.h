#pragma once

// What the stores of this service share about rows.

#include "core/db/db.h"
#include "core/id/id.h"

#include <string.h>

// The only row of a query that is wanted; the rows are closed when there is none.
static inline ow_code rows_one(ow_code code, ow_rows *rows, bool *ret_found, ow_err *err) {
    *ret_found = false;
    return code == OW_OK ? ow_rows_next(rows, ret_found, err) : code;
}

// An id, cut if it is none.
static inline void rows_copy_id(ow_rows *rows, int column, char id[static OW_ID_MAX]) {
    const char *text = ow_rows_text(rows, column);
    size_t size = text == NULL ? 0 : strnlen(text, OW_ID_MAX - 1);
    if (size > 0) {
        memcpy(id, text, size);
    }
    id[size] = '\0';
}
