#pragma once

// Whose word about a client's address is taken: X-Forwarded-For counts only as far as the proxies
// that are configured have written it. Pure.

#include "core/error/error.h"
#include "core/rpc/call.h"

#include <stdbool.h>

typedef struct proxies proxies;

// `list`: addresses and networks, "127.0.0.1, 10.0.0.0/8, fd00::/8"; "" trusts nobody. Heap;
// proxies_free. Codes: invalid_argument "bad_proxies".
ow_code proxies_new(const char *list, proxies **ret_proxies, ow_err *err);
proxies *proxies_free(proxies *p); // NULL is accepted

// Is that address one of theirs?
bool proxies_trust(const proxies *p, const char *address);

// Goes through one X-Forwarded-For line from its end for as long as `address` is a proxy's, and
// leaves there what the last trusted one has seen. False: the line is used up and the address still
// is a proxy's, so the line before goes on. What is no address ends the walk.
bool proxies_follow(const proxies *p, const char *line, char address[static OW_ADDRESS_MAX]);
