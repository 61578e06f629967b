#pragma once

// Operators, their tokens and roles as gateways are told of them.

#include "services/identity/members_store.h"
#include "services/identity/messages.h"

typedef struct operators_state operators_state;

// Copies the rows. Heap; operators_state_free. NULL when out of memory.
operators_state *operators_state_new(const operator_rows *rows);
operators_state *operators_state_free(operators_state *s); // NULL is accepted

// Points the message's operators at `s`, which must outlive it. NULL: none.
void operators_state_fill(operators_state *s, verification_state *message);
