#include "core/hosting/hosting.h"

#include "core/db_sqlite/db_sqlite.h"
#include "core/rpc/directory.h"

#include <stdio.h>
#include <stdlib.h>

ow_code ow_hosting_open_store(const struct ow_module_env *env, const ow_db_options *wanted,
                              ow_db **ret_db, ow_err *err) {
    ow_db_options options = *wanted;
    char *folder = NULL;
    if (asprintf(&folder, "%s/%s", env->data_folder, wanted->name) < 0) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a path");
    }
    options.folder = folder;
    options.loop = env->loop;
    options.rerun_writes = env->rerun_writes;
    options.on_fatal = env->on_fatal;
    options.on_fatal_self = env->on_fatal_self;
    ow_code code = ow_db_sqlite_open(&options, ret_db, err);
    free(folder);
    return code;
}

ow_code ow_hosting_offer(const struct ow_module_env *env, const ow_service_options *wanted,
                         ProtobufCService **ret_service, ow_err *err) {
    ow_service_options options = *wanted;
    options.api = env->api;
    options.loop = env->loop;
    options.pool = env->pool;
    ow_code code = ow_service_new(&options, ret_service, err);
    return code == OW_OK ? ow_directory_offer(env->directory, *ret_service, err) : code;
}
