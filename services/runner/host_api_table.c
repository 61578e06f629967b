#include "overworld/data/v1/data.pb-c.h"
#include "overworld/events/v1/events.pb-c.h"
#include "overworld/events/v1/queue.pb-c.h"
#include "overworld/push/v1/push.pb-c.h"
#include "overworld/runner/v1/runner.pb-c.h"
#include "services/runner/host_api.h"

#define DATA &overworld__data__v1__data__descriptor
#define EVENTS &overworld__events__v1__events__descriptor
#define PUSH &overworld__push__v1__push__descriptor
#define RUNNER &overworld__runner__v1__runner__descriptor
#define QUEUE &overworld__events__v1__queue__descriptor
#define KB (size_t)1024
#define MB (size_t)(1024 * 1024)

const struct host_api_row host_api_rows[] = {
    {"kv.get", DATA, "KvGet", NESTED_IN_INIT_TOO, 64 * KB, host_api_kv_get},
    {"kv.set", DATA, "KvSet", NESTED_IN_INIT_TOO, 1 * MB, host_api_kv_set},
    {"kv.delete", DATA, "KvDelete", NESTED_IN_INIT_TOO, 4 * KB, host_api_kv_delete},
    {"kv.increment", DATA, "KvIncrement", NESTED_IN_INIT_TOO, 4 * KB, host_api_kv_increment},
    {"kv.list", DATA, "KvList", NESTED_IN_INIT_TOO, 4 * KB, host_api_kv_list},
    {"kv.batch", DATA, "KvBatch", NESTED_IN_INIT_TOO, 2 * MB, host_api_kv_batch},
    {"kv.delete_prefix", DATA, "KvDeletePrefix", NESTED_IN_INIT_TOO, 4 * KB,
     host_api_kv_delete_prefix},
    {"fetch", RUNNER, "Fetch", NESTED_IN_RUN, 2 * MB, host_api_fetch},
    {"publish", EVENTS, "Publish", NESTED_IN_RUN, 512 * KB, host_api_publish},
    {"push", PUSH, "Send", NESTED_IN_RUN, 64 * KB, host_api_push},
    {"spawn", QUEUE, "Enqueue", NESTED_IN_RUN, 4 * MB, host_api_spawn},
    {.name = NULL},
};
