#pragma once

// Identity providers whose id tokens players may log in with: read from one file at start (docs/guide/
// players.md has its form), with the keys that each of them publishes, from a file or by HTTP. Keys are
// looked for when they are an hour old, or when a token names one that is not known, at most every
// ten seconds; the last ones stay good while the provider is away. Loop thread, but for reading a key
// set that provider_keys gave.

#include "core/clock/clock.h"
#include "core/crypto/id_token.h"
#include "core/error/error.h"
#include "core/loop/loop.h"

#include <stdbool.h>

struct ow_http_client;

enum { PROVIDERS_MAX = 16, PROVIDER_ISSUERS_MAX = 4, PROVIDER_AUDIENCES_MAX = 16 };

typedef struct provider provider;
typedef struct providers providers;

typedef struct providers_options {
    const char *path; // of the file; "": no providers
    ow_clock *clock;
    struct ow_http_client *client;
} providers_options;

// Heap; providers_close, when nobody waits. Codes: invalid_argument "bad_providers" (names what is wrong),
// not_found "no_providers", internal.
ow_code providers_open(const providers_options *options, providers **ret_providers, ow_err *err);
providers *providers_close(providers *all);

// The provider of this name for a title; NULL when there is none.
provider *providers_find(providers *all, const char *title, const char *name);

// The issuer by which logins are stored, whatever the provider is called.
const char *provider_issuer(const provider *p);

// What its id tokens must say, at this time. Lives as long as the provider.
ow_id_rules provider_rules(const provider *p, const char *nonce);

// The newest keys; NULL: none could be had yet. Good for some minutes at least, also when others have
// come meanwhile.
const ow_jwks *provider_keys(const provider *p);

// Somebody who waits for keys.
typedef struct key_waiter {
    void (*on_keys)(void *self); // not from within provider_renew
    void *self;
    provider *of; // NULL: does not wait
    struct key_waiter *next;
} key_waiter;

// Keys that are old: looks for new ones. They are taken when they come.
void provider_look(provider *p);

// A key is missing: looks for new ones. True: `w` will be told when it is done, however it ended.
// False: nothing to wait for, they have just been looked for.
bool provider_renew(provider *p, key_waiter *w);
void provider_forget(key_waiter *w); // one that does not wait is accepted
