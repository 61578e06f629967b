#pragma once

// Secrets for functions: the runner's copy of the values of each virtual server whose functions asked
// for one, fetched from registry when the routing table says that they changed. Served from the copy
// while registry is away. Loop thread.

#include "core/rpc/call.h"
#include "runtimes/host/host.h"
#include "services/runner/messages.h"

struct instance;
struct runner;
struct secret_set;

struct secrets {
    struct secret_set *sets;
};

// Answers an instance's call for the secret that its target names, now or when the values are here.
void secrets_answer(struct runner *runner, struct instance *instance, const ow_host_call *call);

// The instance is gone: nobody waits any more.
void secrets_abandon_of(struct runner *runner, const struct instance *instance);

// A virtual server is gone: its values are wiped.
void secrets_forget(struct runner *runner, const char *title_id, const char *virtual_server);

void secrets_deinit(struct runner *runner);
