#pragma once

// Who may try a password: so often an account a minute, so often an address in ten minutes. A try is taken
// before the password is looked at, so that many at once do not get through, and given back when it was
// right. An account's tries are shared by all addresses but those from which somebody lately gave the
// right password: each of those has tries of its own, so that strangers cannot lock out an
// honest user. Memory is bounded (core/limit). Loop thread.

#include <stdint.h>

typedef struct attempts attempts;

typedef struct attempts_options {
    uint32_t per_account; // a minute; 0: no limit
    uint32_t per_address; // in ten minutes; 0: no limit
} attempts_options;

// Heap; attempts_free. NULL when out of memory.
attempts *attempts_new(const attempts_options *options);
attempts *attempts_free(attempts *a);

// Who tries. `kind` keeps the accounts of players and operators apart.
typedef struct attempt {
    const char *kind, *title, *account;
    const char *address; // of the client; "": unknown, not limited
} attempt;

// Takes a try at `now_us` (monotonic). 0: go on, and tell when the password was right; else the
// microseconds until the next one is there.
int64_t attempts_take(attempts *a, const attempt *who, int64_t now_us);
void attempts_succeeded(attempts *a, const attempt *who);
