// What a timer is to call: a virtual server must be there, its function and alias may come with a later deployment.

#include "services/timers/internal.h"

#include <string.h>

#define PATIENCE_US (3 * SECOND_US) // a registry that is away keeps nobody from making timers

static bool has_function(const virtual_server_msg *server, const char *name) {
    for (size_t i = 0; server->latest != NULL && i < server->latest->n_functions; i++) {
        if (strcmp(server->latest->functions[i]->name, name) == 0) {
            return true;
        }
    }
    return false;
}

// Versions are numbers; they and $LATEST need no alias.
static bool has_alias(const virtual_server_msg *server, const char *name) {
    bool is_version = strcmp(name, "$LATEST") == 0 || strspn(name, "0123456789") == strlen(name);
    for (size_t i = 0; !is_version && i < server->n_aliases; i++) {
        is_version = strcmp(server->aliases[i]->name, name) == 0;
    }
    return is_version;
}

static const char *look(const virtual_server_msg *server, const timer_spec *spec, ow_arena *arena) {
    if (!has_alias(server, spec_alias(spec))) {
        return ow_arena_printf_in(arena, "%s has no alias %s yet: slots fail until it has",
                                  server->name, spec_alias(spec));
    }
    if (!has_function(server, spec->function)) {
        return ow_arena_printf_in(arena,
                                  "the newest code of %s has no function %s yet: slots fail until "
                                  "it has",
                                  server->name, spec->function);
    }
    return NULL;
}

static void on_server(const virtual_server_msg *server, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    const create_timer_request *request = run->request;
    timer_change *c = run->state;
    ow_code code = OW_OK;
    if (server != NULL) {
        c->warning = look(server, request->spec, run->call->arena);
    } else if (sub->err.code == OW_NOT_FOUND) {
        *run->err = sub->err;
        code = OW_NOT_FOUND;
    } else {
        c->warning = ow_arena_printf_in(run->call->arena, "it is not known whether %s is there: %s",
                                        request->virtual_server, sub->err.reason);
    }
    ow_call_free(sub);
    ow_run_resume(run, code);
}

ow_code target_ask(ow_run *run) {
    const timers *t = run->self;
    const create_timer_request *request = run->request;
    timer_change *c = run->state;
    ow_call *sub = ow_call_child(run->call);
    if (sub == NULL) {
        return no_room(run->err);
    }
    int64_t until_us = ow_loop_now_us(t->env->loop) + PATIENCE_US;
    sub->deadline_us = sub->deadline_us < until_us ? sub->deadline_us : until_us;
    sub->user = run;
    overworld__registry__v1__get_virtual_server_request__init(&c->target);
    c->target.name = request->virtual_server;
    overworld__registry__v1__registry__get_virtual_server(t->registry, &c->target, on_server, sub);
    return OW_PENDING;
}
