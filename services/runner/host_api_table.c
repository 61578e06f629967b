#include "overworld/data/v1/data.pb-c.h"
#include "overworld/events/v1/events.pb-c.h"
#include "services/runner/host_api.h"

#define DATA &overworld__data__v1__data__descriptor
#define EVENTS &overworld__events__v1__events__descriptor
#define KB (size_t)1024
#define MB (size_t)(1024 * 1024)

const struct host_api_row host_api_rows[] = {
    {"kv.get", DATA, "KvGet", NESTED_IN_INIT_TOO, 64 * KB, host_api_kv_get},
    {"kv.set", DATA, "KvSet", NESTED_IN_INIT_TOO, 1 * MB, host_api_kv_set},
    {"publish", EVENTS, "Publish", NESTED_IN_RUN, 512 * KB, host_api_publish},
    {.name = NULL},
};
