#pragma once

// What every service with a store does at its start: open the store in the process's data folder, and offer
// its methods to the process's directory. Which database stands behind a store is decided here.

#include "core/db/db.h"
#include "core/module/env.h"
#include "core/rpc/service.h"

// Opens the store of `wanted->name` in <data folder>/<name>. Of `wanted`: name, migrations and the sizes;
// folder, loop, rerun_writes and on_fatal are the process's. Heap; freed by ow_db_close. Loop thread. Codes:
// as ow_db_sqlite_open; resource_exhausted "memory".
ow_code ow_hosting_open_store(const struct ow_module_env *env, const ow_db_options *wanted,
                              ow_db **ret_db, ow_err *err);

// Makes the service and offers it to the directory. Of `wanted`: descriptor, methods, self and db; api, loop
// and pool are the process's. Heap; freed by ow_service_free. On failure *ret_service may be set: free it
// all the same. Loop thread. Codes: as ow_service_new and ow_directory_offer.
ow_code ow_hosting_offer(const struct ow_module_env *env, const ow_service_options *wanted,
                         ProtobufCService **ret_service, ow_err *err);
