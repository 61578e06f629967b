#pragma once

// Where the server may send requests of its own: which hosts, and which addresses stand behind them.
// Names lie (a name of the outside may have an address of the inside, and another one a moment later),
// so both are checked: the host before anything is resolved, the address when it is connected to.
//
// Without a rule that allows it no request reaches an address that is not public: loopback, private,
// link-local, shared, unique local, multicast, reserved, documentation, and the metadata services of
// clouds. An IPv4 address inside an IPv6 one (mapped, NAT64) is judged as the IPv4 address; one that
// is tunnelled (6to4, Teredo) is not public.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

typedef struct ow_egress ow_egress;

#define OW_EGRESS_ENTRIES_MAX 64

// Lists are separated by commas, blanks or both. The text is copied.
typedef struct ow_egress_options {
    const char *hosts;    // "api.example.com *.example.org"; NULL or "": all
    const char *networks; // allowed though not public: "10.1.0.0/16 fd00::1"; NULL or "": none
    bool plain;           // also without TLS
} ow_egress_options;

// Heap; ow_egress_free. Codes: invalid_argument "bad_egress" (names the entry), resource_exhausted.
ow_code ow_egress_new(const ow_egress_options *options, ow_egress **ret_egress, ow_err *err);
ow_egress *ow_egress_free(ow_egress *egress);

// Whether a host may be asked for: a name, whatever its case and with or without a last dot, or the
// text of an address. "*.example.org" has every name below example.org, not itself. Any thread.
bool ow_egress_allows_host(const ow_egress *egress, const char *host);

// Whether this address may be connected to. Any thread.
bool ow_egress_allows_address(const ow_egress *egress, const struct sockaddr *address);

bool ow_egress_allows_plain(const ow_egress *egress);
