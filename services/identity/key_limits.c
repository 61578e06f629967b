#include "services/identity/key_limits.h"

#include <stdlib.h>
#include <string.h>

struct key_limits {
    size_t count;
    key_limit_row *rows;
    key_limit_msg *messages;
    key_limit_msg **list;
};

key_limits *key_limits_new(const key_limit_rows *rows) {
    key_limits *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return NULL;
    }
    k->count = rows->count;
    k->rows = calloc(rows->count + 1, sizeof *k->rows);
    k->messages = calloc(rows->count + 1, sizeof *k->messages);
    k->list = calloc(rows->count + 1, sizeof(key_limit_msg *));
    if (k->rows == NULL || k->messages == NULL || k->list == NULL) {
        return key_limits_free(k);
    }
    for (size_t i = 0; i < rows->count; i++) {
        k->rows[i] = rows->rows[i];
        overworld__identity__v1__server_key_limit__init(&k->messages[i]);
        k->messages[i].key_id = k->rows[i].key_id;
        k->messages[i].calls = k->rows[i].calls;
        k->list[i] = &k->messages[i];
    }
    return k;
}

key_limits *key_limits_free(key_limits *k) {
    if (k != NULL) {
        free(k->rows);
        free(k->messages);
        free(k->list);
        free(k);
    }
    return NULL;
}

void key_limits_fill(key_limits *k, verification_state *message) {
    if (k != NULL) {
        message->server_key_limits = k->list;
        message->n_server_key_limits = k->count;
    }
}
