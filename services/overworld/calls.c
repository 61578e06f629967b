#include "services/overworld/calls.h"

#include "core/rpc/api.h"
#include "core/rpc/directory.h"
#include "core/rpc/pool.h"
#include "proto/descriptors.h"

enum { POOL_WAITING_MAX = 256 };

ow_code calls_open(calls *calls, const calls_options *options, ow_err *err) {
    ow_code code = ow_api_open(ow_descriptors, ow_descriptors_size, &calls->api, err);
    if (code == OW_OK) {
        code = ow_pool_new(options->pool_threads, POOL_WAITING_MAX, &calls->pool, err);
    }
    if (code != OW_OK) {
        return code;
    }
    ow_directory_options directory = {
        .loop = options->loop,
        .local_kind = options->packed ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL,
        .seed = options->seed,
        .api = calls->api,
    };
    return ow_directory_new(&directory, &calls->directory, err);
}

void calls_stop(calls *calls) {
    calls->pool = ow_pool_free(calls->pool);
}

void calls_close(calls *calls) {
    calls_stop(calls);
    calls->directory = ow_directory_free(calls->directory);
    calls->api = ow_api_free(calls->api);
}
