#pragma once

// What runner_world.c and the fake services behind it share.

#include "core/clock/clock.h"
#include "core/config/config.h"
#include "core/crypto/hash.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/api.h"
#include "core/rpc/pool.h"
#include "core/rpc/service.h"
#include "services/runner/runner_world.h"

#define BLOBS_MAX 64
#define SERVERS_MAX 16
#define REVISIONS_MAX 8
#define WATCHERS_MAX 4
#define TEXT_MAX (256 * 1024)

struct stored_blob {
    char sha256[OW_SHA256_HEX_SIZE];
    uint8_t *bytes;
    size_t size;
};

struct stored_server {
    server_routes routes;
    route_revision *revisions[REVISIONS_MAX];
    route_alias alias;
    route_alias *aliases[1];
    char latest[65];
    bool removed;
};

struct world {
    ow_loop *loop;
    ow_clock *clock;
    ow_api *api;
    ow_pool *pool;
    ow_metrics *metrics;
    ow_directory *directory;
    ow_config *config;
    ow_module_env env;
    void *runner;
    ProtobufCService *registry_service, *telemetry_service;
    ProtobufCService *runner_stub;
    char folder[256], data[300], binaries[300], clock_file[300];
    ow_arena *arena;
    struct stored_blob blobs[BLOBS_MAX];
    unsigned blob_count;
    struct stored_server servers[SERVERS_MAX];
    unsigned server_count;
    ow_run *watchers[WATCHERS_MAX];
    int64_t sequence;
    bool away;
    char *text; // what telemetry got
    size_t text_length;
    char last_request_id[OW_ID_MAX];
};

extern const ow_method world_registry_methods[];  // self is the world
extern const ow_method world_telemetry_methods[]; // likewise

// Sends every watcher what is known of a virtual server.
void world_tell_watchers(world *w, struct stored_server *server);
