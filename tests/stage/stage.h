#pragma once

// One module of a service in the process of a test: a real loop, store, pool and directory in a
// folder of its own below the test's temporary one, a clock that the test steers, and calls made
// as one would make them. Other services are offered to the directory by the test as fakes.
//
// Everything that cannot fail in a sound test fails the test.

#include "core/clock/clock.h"
#include "core/config/config.h"
#include "core/module/env.h"
#include "core/module/module.h"
#include "core/rpc/directory.h"
#include "core/testing/ow_test.h"

#define STAGE_PATH_MAX 400

typedef struct stage {
    char folder[STAGE_PATH_MAX];
    ow_loop *loop;
    ow_clock *clock;
    ow_api *api;
    struct ow_pool *pool;
    struct ow_metrics *metrics;
    ow_directory *directory;
    ow_module_env env;
    const ow_module *module;
    ow_config_table tables[2];
    ow_config *config;
    void *self;
    ow_arena *arena; // of replies
    ow_err err;      // how the last call ended
} stage;

// In place. `flags`: "--module.key=value", NULL-ended, or NULL.
void stage_open(stage *s, const ow_module *module, ow_channel_kind kind, const char *const *flags);
// Offers a service of the test's own to the module, of whom it asks; before stage_start. The caller frees it
// with ow_service_free after stage_close; `self` and `methods` live as long.
ProtobufCService *stage_offer(stage *s, const ProtobufCServiceDescriptor *descriptor,
                              const ow_method *methods, void *self);
// Starts the module (fakes were offered), and waits until it is ready.
void stage_start(stage *s);
// Stops it in good order and begins anew on the same folder.
void stage_restart(stage *s);
void stage_close(stage *s);

// Turns the loop until `done(self)`; fails the test after 20 s.
void stage_until(stage *s, bool (*done)(void *self), void *self);

typedef struct stage_caller {
    ow_principal_kind kind;
    ow_role role;
    const char *id, *title;
    bool every_title; // of an operator
} stage_caller;

// A call of that caller, to be freed with ow_call_free.
ow_call *stage_call_new(stage *s, const stage_caller *who);

// Calls a unary method and waits. NULL: failed, see s->err. The reply lives until stage_close.
void *stage_call(stage *s, const ProtobufCServiceDescriptor *service, const char *method,
                 const void *request, const stage_caller *who);
