#pragma once

// Who stands behind a bearer token: player and server tokens by their signature, operator tokens by
// their hash. Works alone, from the last state that identity sent.

#include "core/clock/clock.h"
#include "core/rpc/call.h"
#include "services/gateway/messages.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct verifier verifier;

// `cache_entries`: verified tokens that are remembered; a power of two. Heap. NULL when out of
// memory.
verifier *verifier_new(size_t cache_entries);
verifier *verifier_free(verifier *v);

// Takes a whole new state and forgets the old one and all remembered tokens, or adds the sessions that
// have ended to the state that is there. Codes: those of the key ring (the old state stays);
// invalid_argument "no_state" (an addition came first).
ow_code verifier_apply(verifier *v, const verification_state *state, ow_err *err);

// True once a state has been received.
bool verifier_has_state(const verifier *v);

// Verifies the value of an Authorization header ("Bearer ..."). An operator's principal has no
// title, and as its role the most that the token may; see verifier_grant. Codes: unauthenticated "bad_token", "token_expired" or "session_ended", unavailable "starting" (no state has
// come yet).
ow_code verifier_check(verifier *v, const char *authorization, int64_t wall_us,
                       ow_principal *ret_principal, ow_err *err);

// Gives an operator the role that it has in the title of `who` ("": in every title), at most the one
// that stands there. False: none.
bool verifier_grant(const verifier *v, ow_principal *who);

// The limit of a server key's own, in calls; 0: none.
int32_t verifier_limit_of(const verifier *v, const char *key_id);

// The title of an operator who has a role in one alone; else NULL. Borrowed until the next state.
const char *verifier_only_title(const verifier *v, const ow_principal *who);

// Has the operator a role that holds in every title?
bool verifier_knows_every_title(const verifier *v, const ow_principal *who);
