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
#define STAGE_FLAGS_MAX 8

typedef struct stage {
    char folder[STAGE_PATH_MAX];   // the test's own
    char data[STAGE_PATH_MAX + 8]; // in it, of the service
    ow_loop *loop;
    ow_clock *clock;
    ow_api *api;
    struct ow_pool *pool;
    struct ow_metrics *metrics;
    ow_directory *directory;
    ow_module_env env;
    const ow_module *module;
    const char *flags[STAGE_FLAGS_MAX]; // of the next start
    ow_config_table tables[2];          // of the configuration, which borrows them
    ow_config *config;
    void *self; // of the module; NULL while it does not run
    int64_t call_timeout_us;
    ow_arena *arena; // of replies
    ow_err err;      // how the last call ended
} stage;

// In place; nothing of the module runs yet. `flags` (NULL-ended) may be NULL. The environment and the call's timeout (15 s)
// may be changed until it starts.
void stage_open(stage *s, const ow_module *module, ow_channel_kind kind, const char *const *flags);
// "--module.key=value" (copied), of the next start: instead of what this key has, or besides.
void stage_set_flag(stage *s, const char *flag);
// A service of the test's own, of which the module may be told to ask. The caller frees it with ow_service_free
// after stage_close; `self` and `methods` live as long.
ProtobufCService *stage_stand_in(stage *s, const ProtobufCServiceDescriptor *descriptor,
                                 const ow_method *methods, void *self);
// The same, and the directory has it; before stage_start.
ProtobufCService *stage_offer(stage *s, const ProtobufCServiceDescriptor *descriptor,
                              const ow_method *methods, void *self);
// Starts the module and waits until it is ready. stage_try_start only starts it, and answers what its start does.
void stage_start(stage *s);
ow_code stage_try_start(stage *s, ow_err *err);
void stage_wait_ready(stage *s);
// Stops it in good order; it may be started anew on the same folder.
void stage_stop(stage *s);
void stage_restart(stage *s);
// Stops what runs and removes the folder.
void stage_close(stage *s);

// Turns the loop until `done(self)`; fails the test after 60 s.
void stage_until(stage *s, bool (*done)(void *self), void *self);

typedef struct stage_caller {
    ow_principal_kind kind;
    ow_role role;
    const char *id, *title;
    bool every_title; // of an operator
    bool with_api_key;
} stage_caller;

// A call of that caller, to be freed with ow_call_free.
ow_call *stage_call_new(stage *s, const stage_caller *who);

// Calls a unary method and waits. NULL: failed, see s->err. The reply lives until stage_close.
void *stage_call(stage *s, const ProtobufCServiceDescriptor *service, const char *method,
                 const void *request, const stage_caller *who);
