#pragma once

// The limits of server keys as gateways are told of them.

#include "services/identity/identity_store.h"

typedef struct key_limits key_limits;

// Copies. Heap. NULL when out of memory.
key_limits *key_limits_new(const key_limit_rows *rows);
key_limits *key_limits_free(key_limits *k);

// The message borrows from `k` (NULL: none).
void key_limits_fill(key_limits *k, verification_state *message);
