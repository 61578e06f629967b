#pragma once

// The directory of services of one process: who offers a service here, and how to reach the others.
// A call site asks once for a service by its descriptor and then uses the generated stubs; it does
// not know whether the callee is local, packed or behind gRPC.

#include "core/rpc/service.h"

typedef struct ow_directory ow_directory;

typedef enum ow_channel_kind {
    OW_CHANNEL_LOCAL,  // direct call
    OW_CHANNEL_PACKED, // encode and decode in process, deferred in seeded random order
} ow_channel_kind;

// Opens channels to services that run elsewhere: returns a ProtobufCService that lives until the
// connector is closed, or NULL with err. Implemented by core/rpc_grpc; tests have their own.
typedef struct ow_connector {
    // `copy`: which of several copies of the service (see ow_spread); NULL: there is one.
    ProtobufCService *(*connect)(void *self, const ProtobufCServiceDescriptor *descriptor,
                                 const char *copy, ow_err *err);
    // Whether a call of what connect returned would be sent at once, and to a process that has not said that it
    // is stopping; begins to connect when not.
    bool (*is_connected)(void *self, ProtobufCService *service);
    void *self;
} ow_connector;

typedef struct ow_directory_options {
    ow_loop *loop;
    ow_channel_kind local_kind;
    uint64_t seed;                 // of the packed channel's order
    const ow_connector *connector; // NULL: everything is here
    const ow_api *api;             // which methods are streams
} ow_directory_options;

// Heap; freed with ow_directory_free after all services. Codes: resource_exhausted.
ow_code ow_directory_new(const ow_directory_options *options, ow_directory **ret_directory,
                         ow_err *err);
ow_directory *ow_directory_free(ow_directory *directory);

// Offers a service of this process. `service` stays the caller's and must live until withdrawn;
// calls made after that end with unavailable, those running go on. Codes: already_exists. Loop
// thread.
ow_code ow_directory_offer(ow_directory *directory, ProtobufCService *service, ow_err *err);
void ow_directory_withdraw(ow_directory *directory, ProtobufCService *service);

// The service of that descriptor as callers use it: a stable pointer owned by the directory, valid
// before the service was offered (calls are answered unavailable "not_running" until then). A
// service expected elsewhere (see ow_directory_expect_here) goes through the connector, which is
// first asked when the first call is made. NULL when out of memory.
ProtobufCService *ow_directory_get(ow_directory *directory,
                                   const ProtobufCServiceDescriptor *descriptor);

// The same, but never another process's: for a door by which others call what is here.
ProtobufCService *ow_directory_get_here(ow_directory *directory,
                                        const ProtobufCServiceDescriptor *descriptor);

// How calls find their copy of a service that several processes run.
typedef struct ow_spread_rules {
    // Whether there is a rule for a method; calls of the others are answered unimplemented "no_rule".
    // NULL: there is one for each.
    bool (*knows)(unsigned method);
    // Writes the key of a call: it belongs to the copy whose name has the highest hash with it, of those that
    // are connected. False: it is put to all copies, and what those that are there answer is added up.
    bool (*key)(const ow_call *call, unsigned method, const ProtobufCMessage *request, char *key,
                size_t room);
    // Adds one more answer to `sum`; both live in `arena`. False: no memory.
    bool (*add)(unsigned method, ProtobufCMessage *sum, ProtobufCMessage *part, ow_arena *arena);
} ow_spread_rules;

#define OW_SPREAD_KEY_MAX 256
#define OW_SPREAD_COPIES_MAX 16
#define OW_SPREAD_NAME_MAX 32 // with NUL; letters, digits, '-' and '_'

typedef struct ow_spread {
    const ProtobufCServiceDescriptor *descriptor;
    const ow_spread_rules *rules; // static
    const char *copies;           // their names, "a,b,c". Copied
    const char *here;             // which of them is this process's; "": none
} ow_spread;

// Says that a service has several copies: call before ow_directory_get; needs a connector. Streams go to one
// copy. Codes: invalid_argument "bad_copies", resource_exhausted.
ow_code ow_directory_spread(ow_directory *directory, const ow_spread *spread, ow_err *err);

// Says that a service runs in this process and will be offered: call before ow_directory_get.
void ow_directory_expect_here(ow_directory *directory,
                              const ProtobufCServiceDescriptor *descriptor);
