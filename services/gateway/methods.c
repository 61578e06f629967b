#include "services/gateway/methods.h"

#include "services/gateway/messages.h"

#include <stdlib.h>
#include <string.h>

#define EXTERNAL                                                                                   \
    (OW_ALLOW_PUBLIC | OW_ALLOW_PLAYER | OW_ALLOW_SERVER | OW_ALLOW_OPERATOR | OW_ALLOW_CONSOLE)
#define ON_PUBLIC_LISTENER (OW_ALLOW_PUBLIC | OW_ALLOW_PLAYER | OW_ALLOW_SERVER)

static const ProtobufCServiceDescriptor *const services[] = {
    &overworld__data__v1__data__descriptor,       &overworld__events__v1__events__descriptor,
    &overworld__events__v1__hands__descriptor,    &overworld__events__v1__queue__descriptor,
    &overworld__gateway__v1__gateway__descriptor, &overworld__identity__v1__identity__descriptor,
    &overworld__push__v1__push__descriptor,       &overworld__registry__v1__registry__descriptor,
    &overworld__runner__v1__runner__descriptor,   &overworld__telemetry__v1__telemetry__descriptor,
    &overworld__timers__v1__timers__descriptor,
};

#define SERVICES (sizeof services / sizeof services[0])

struct methods {
    size_t count;
    method items[]; // sorted by path
};

static int by_path(const void *a, const void *b) {
    return strcmp(((const method *)a)->rule->path, ((const method *)b)->rule->path);
}

static ow_code add_service(methods *all, const ow_api *api, ow_directory *directory,
                           const ProtobufCServiceDescriptor *descriptor, ow_err *err) {
    ProtobufCService *service = ow_directory_get(directory, descriptor);
    for (unsigned i = 0; i < descriptor->n_methods; i++) {
        const ProtobufCMethodDescriptor *each = &descriptor->methods[i];
        const ow_api_method *rule = ow_api_find_named(api, descriptor->name, each->name);
        if (rule == NULL || service == NULL) {
            return ow_fail(err, OW_INTERNAL, "no_rule", "%s.%s has no access rule or no channel",
                           descriptor->name, each->name);
        }
        if ((rule->allow & EXTERNAL) != 0) {
            all->items[all->count++] =
                (method){rule, each->input, service, i, (rule->allow & ON_PUBLIC_LISTENER) != 0};
        }
    }
    return OW_OK;
}

ow_code methods_new(const ow_api *api, ow_directory *directory, methods **ret_methods,
                    ow_err *err) {
    size_t room = 0;
    for (size_t i = 0; i < SERVICES; i++) {
        room += services[i]->n_methods;
    }
    methods *all = calloc(1, sizeof *all + room * sizeof *all->items);
    if (all == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the methods");
    }
    for (size_t i = 0; i < SERVICES; i++) {
        ow_code code = add_service(all, api, directory, services[i], err);
        if (code != OW_OK) {
            methods_free(all);
            return code;
        }
    }
    qsort(all->items, all->count, sizeof *all->items, by_path);
    *ret_methods = all;
    return OW_OK;
}

methods *methods_free(methods *all) {
    free(all);
    return NULL;
}

const method *methods_find(const methods *all, const char *path) {
    ow_api_method wanted = {.path = path};
    method key = {.rule = &wanted};
    return bsearch(&key, all->items, all->count, sizeof *all->items, by_path);
}
