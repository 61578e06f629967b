#include "core/rpc/directory.h"

#include "core/rpc/internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

// What callers hold: the same pointer whether the service is here, elsewhere, gone or not yet there.
typedef struct front {
    ProtobufCService base; // first
    ProtobufCService local;
    spread *spread; // NULL: there is one copy
    ow_directory *directory;
    ProtobufCService *here;   // offered by this process
    ProtobufCService *remote; // opened by the connector
    bool expected_here;
    struct front *next;
} front;

struct ow_directory {
    ow_directory_options options;
    packed_channel *packed; // of OW_CHANNEL_PACKED
    front *fronts;
};

static ProtobufCService *remote_of(front *f, ow_err *err) {
    const ow_connector *connector = f->directory->options.connector;
    if (connector == NULL || f->expected_here) {
        ow_fail(err, OW_UNAVAILABLE, "not_running", "%s is not running", f->base.descriptor->name);
        return NULL;
    }
    if (f->remote == NULL) {
        f->remote = connector->connect(connector->self, f->base.descriptor, NULL, err);
    }
    return f->remote;
}

static void front_invoke(ProtobufCService *base, unsigned method, const ProtobufCMessage *request,
                         ProtobufCClosure closure, void *closure_data) {
    front *f = (front *)base;
    ow_call *call = closure_data;
    ProtobufCService *to = f->here;
    if (f->spread != NULL) {
        spread_invoke(f->spread, method, request, closure, call);
        return;
    }
    if (to != NULL && f->directory->packed != NULL) {
        packed_invoke(f->directory->packed, &f->here, method, request, closure, call);
        return;
    }
    if (to == NULL) {
        to = remote_of(f, &call->err);
    }
    if (to == NULL) {
        closure(NULL, call);
        return;
    }
    to->invoke(to, method, request, closure, closure_data);
}

static void local_invoke(ProtobufCService *base, unsigned method, const ProtobufCMessage *request,
                         ProtobufCClosure closure, void *closure_data) {
    front *f = (front *)(void *)((char *)base - offsetof(front, local));
    ow_call *call = closure_data;
    if (f->here == NULL) {
        ow_fail(&call->err, OW_UNAVAILABLE, "not_running", "%s is not running",
                base->descriptor->name);
        closure(NULL, call);
    } else if (f->directory->packed != NULL) {
        packed_invoke(f->directory->packed, &f->here, method, request, closure, call);
    } else {
        f->here->invoke(f->here, method, request, closure, closure_data);
    }
}

static front *front_of(ow_directory *directory, const ProtobufCServiceDescriptor *descriptor) {
    for (front *f = directory->fronts; f != NULL; f = f->next) {
        if (strcmp(f->base.descriptor->name, descriptor->name) == 0) {
            return f;
        }
    }
    front *f = calloc(1, sizeof *f);
    if (f != NULL) {
        f->base = (ProtobufCService){.descriptor = descriptor, .invoke = front_invoke};
        f->local = (ProtobufCService){.descriptor = descriptor, .invoke = local_invoke};
        f->directory = directory;
        f->next = directory->fronts;
        directory->fronts = f;
    }
    return f;
}

ow_code ow_directory_new(const ow_directory_options *options, ow_directory **ret_directory,
                         ow_err *err) {
    ow_directory *directory = calloc(1, sizeof *directory);
    if (directory == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a directory");
    }
    directory->options = *options;
    if (options->local_kind == OW_CHANNEL_PACKED) {
        directory->packed = packed_new(options->loop, options->api, options->seed);
        if (directory->packed == NULL) {
            free(directory);
            return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a channel");
        }
    }
    *ret_directory = directory;
    return OW_OK;
}

ow_directory *ow_directory_free(ow_directory *directory) {
    if (directory == NULL) {
        return NULL;
    }
    packed_free(directory->packed);
    while (directory->fronts != NULL) {
        front *next = directory->fronts->next;
        spread_free(directory->fronts->spread);
        free(directory->fronts);
        directory->fronts = next;
    }
    free(directory);
    return NULL;
}

ow_code ow_directory_offer(ow_directory *directory, ProtobufCService *service, ow_err *err) {
    front *f = front_of(directory, service->descriptor);
    if (f == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a service");
    }
    if (f->here != NULL) {
        return ow_fail(err, OW_ALREADY_EXISTS, "offered_twice", "%s is offered already",
                       service->descriptor->name);
    }
    f->here = service;
    f->expected_here = true;
    return OW_OK;
}

void ow_directory_withdraw(ow_directory *directory, ProtobufCService *service) {
    for (front *f = directory->fronts; f != NULL; f = f->next) {
        if (f->here == service) {
            f->here = NULL;
        }
    }
}

ProtobufCService *ow_directory_get(ow_directory *directory,
                                   const ProtobufCServiceDescriptor *descriptor) {
    front *f = front_of(directory, descriptor);
    return f == NULL ? NULL : &f->base;
}

void ow_directory_expect_here(ow_directory *directory,
                              const ProtobufCServiceDescriptor *descriptor) {
    front *f = front_of(directory, descriptor);
    if (f != NULL) {
        f->expected_here = true;
    }
}

ProtobufCService *ow_directory_get_here(ow_directory *directory,
                                        const ProtobufCServiceDescriptor *descriptor) {
    front *f = front_of(directory, descriptor);
    return f == NULL ? NULL : &f->local;
}

ow_code ow_directory_spread(ow_directory *directory, const ow_spread *wanted, ow_err *err) {
    front *f = front_of(directory, wanted->descriptor);
    if (f == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a service");
    }
    return spread_new(wanted, directory->options.connector, &f->local, &f->spread, err);
}
