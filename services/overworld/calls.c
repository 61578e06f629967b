#include "services/overworld/calls.h"

#include "core/module/module.h"
#include "core/rpc/api.h"
#include "core/rpc/directory.h"
#include "core/rpc/pool.h"
#include "core/rpc_grpc/rpc_grpc.h"
#include "proto/descriptors.h"

enum { POOL_WAITING_MAX = 256 };

static bool all_are_here(const calls_options *options) {
    for (const platform_service *s = options->services; s->module != NULL; s++) {
        if (!ow_modules_chosen(options->modules, s->module)) {
            return false;
        }
    }
    return true;
}

static ow_code open_grpc(calls *calls, ow_err *err) {
    if (all_are_here(&calls->options) && calls->options.listen[0] == '\0' &&
        calls->options.copies[0] == '\0') {
        return OW_OK;
    }
    ow_grpc_options options = {
        .loop = calls->options.loop,
        .api = calls->api,
        .folder = calls->options.socket_folder,
        .listen = calls->options.listen,
        .peers = calls->options.peers,
        .tls = calls->options.tls,
    };
    return ow_grpc_new(&options, &calls->grpc, err);
}

static ow_code open_directory(calls *calls, ow_err *err) {
    ow_directory_options options = {
        .loop = calls->options.loop,
        .local_kind = calls->options.packed ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL,
        .seed = calls->options.seed,
        .connector = calls->grpc == NULL ? NULL : ow_grpc_connector(calls->grpc),
        .api = calls->api,
    };
    return ow_directory_new(&options, &calls->directory, err);
}

static bool is_copied(const calls *calls, const platform_service *s) {
    return s->spread != NULL && calls->options.copies[0] != '\0';
}

static ow_code spread_services(calls *calls, ow_err *err) {
    const calls_options *options = &calls->options;
    ow_code code = OW_OK;
    for (const platform_service *s = options->services; code == OW_OK && s->module != NULL; s++) {
        bool here = ow_modules_chosen(options->modules, s->module);
        if (is_copied(calls, s) && here && options->id[0] == '\0') {
            code = ow_fail(err, OW_INVALID_ARGUMENT, "bad_copies",
                           "server.runners says that there are several: which of them runs here is "
                           "to be said by server.id");
        } else if (is_copied(calls, s)) {
            ow_spread spread = {s->descriptor, s->spread, options->copies, here ? options->id : ""};
            code = ow_directory_spread(calls->directory, &spread, err);
        }
    }
    return code;
}

ow_code calls_open(calls *calls, const calls_options *options, ow_err *err) {
    calls->options = *options;
    ow_code code = ow_api_open(ow_descriptors, ow_descriptors_size, &calls->api, err);
    if (code == OW_OK) {
        code = ow_pool_new(options->pool_threads, POOL_WAITING_MAX, &calls->pool, err);
    }
    if (code == OW_OK) {
        code = open_grpc(calls, err);
    }
    calls->options.tls = NULL; // the caller's
    code = code == OW_OK ? open_directory(calls, err) : code;
    return code == OW_OK ? spread_services(calls, err) : code;
}

ow_code calls_offer(calls *calls, ow_err *err) {
    const calls_options *options = &calls->options;
    ow_code code = OW_OK;
    for (const platform_service *s = options->services;
         code == OW_OK && calls->grpc != NULL && s->module != NULL; s++) {
        if (ow_modules_chosen(options->modules, s->module)) {
            ProtobufCService *service = ow_directory_get_here(calls->directory, s->descriptor);
            const char *copy = is_copied(calls, s) ? options->id : NULL;
            code = ow_grpc_offer(calls->grpc, service, copy, err);
        }
    }
    return code;
}

bool calls_drain(calls *calls) {
    if (calls->grpc == NULL) {
        return true;
    }
    ow_grpc_drain(calls->grpc);
    return ow_grpc_drained(calls->grpc);
}

void calls_cut(calls *calls) {
    if (calls->grpc != NULL) {
        ow_grpc_stop(calls->grpc);
    }
}

void calls_stop(calls *calls) {
    calls->pool = ow_pool_free(calls->pool);
}

void calls_close(calls *calls) {
    calls_stop(calls);
    calls->directory = ow_directory_free(calls->directory);
    calls->grpc = ow_grpc_free(calls->grpc);
    calls->api = ow_api_free(calls->api);
}
