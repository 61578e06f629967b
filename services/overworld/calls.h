#pragma once

// What carries calls between the modules of this process: access rules, directory, CPU pool,
// and gRPC when some of them run elsewhere.

#include "core/error/error.h"

#include <protobuf-c/protobuf-c.h>

#include <stdbool.h>
#include <stdint.h>

struct ow_api;
struct ow_directory;
struct ow_grpc;
struct ow_loop;
struct ow_modules;
struct ow_pool;

// A service of the platform and the module that has it.
typedef struct platform_service {
    const char *module;
    const ProtobufCServiceDescriptor *descriptor;
    const struct ow_spread_rules *spread; // NULL: it runs once
} platform_service;

typedef struct calls_options {
    struct ow_loop *loop;
    const struct ow_modules *modules;
    const platform_service *services; // all, here and elsewhere; ends with module == NULL
    const char *socket_folder;
    const char *listen, *peers; // other hosts, see core/rpc_grpc
    const char *copies,
        *id; // of services with a spread: their names, and this process's; "": there is one
    const struct ow_grpc_tls *tls;
    int pool_threads;
    bool packed;
    uint64_t seed;
} calls_options;

typedef struct calls {
    calls_options options;
    struct ow_api *api;
    struct ow_pool *pool;
    struct ow_grpc *grpc; // NULL: every service is here
    struct ow_directory *directory;
} calls;

// Fills a zeroed `calls`; after a failure too call calls_close. Codes: internal, resource_exhausted,
// invalid_argument.
ow_code calls_open(calls *calls, const calls_options *options, ow_err *err);

// Lets other processes call the services that are here, once their modules have started. Codes: as
// ow_grpc_offer.
ow_code calls_offer(calls *calls, ow_err *err);

// Lets no new calls in from other processes; true once those that run have ended. Call it each turn
// of a drain.
bool calls_drain(calls *calls);

// Ends the calls between processes. Before the modules are stopped, while they can still hear it.
void calls_cut(calls *calls);

// Works off what waits in the pool and ends its threads; the results are then on their way to the
// loop. After the modules were stopped.
void calls_stop(calls *calls);

// Frees all. After the modules were freed.
void calls_close(calls *calls);
