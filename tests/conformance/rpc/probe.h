#pragma once

// The service behind probe.proto, and where it stands: a loop, a directory, a pool, a store.

#include "core/rpc/directory.h"
#include "core/rpc/pool.h"

#include "probe.pb-c.h"

typedef struct probe {
    ow_loop *loop;
    ow_api *api;
    ow_directory *directory;
    ow_pool *pool;
    ow_db *db;
    ProtobufCService *service; // itself
    ProtobufCService *front;   // as callers see it
    int cancelled;
    int refused_sends;
} probe;

// Everything but a gRPC server; `folder` is for the store. Aborts the test on failure.
void probe_open(probe *p, ow_channel_kind kind, const char *folder);
void probe_close(probe *p);
