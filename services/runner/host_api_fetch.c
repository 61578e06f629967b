// Whose request it is, and how many a run may send.

#include "services/runner/host_api.h"
#include "services/runner/internal.h"

static char *text_of(const char *text) {
    return (char *)(uintptr_t)text;
}

ow_code host_api_fetch(const struct host_api_caller *caller, ProtobufCMessage *message,
                       ow_err *err) {
    fetch_request *request = (fetch_request *)message;
    int64_t most = caller->run->runner->config->fetch_calls;
    if (caller->run->fetches++ >= most) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_fetches",
                       "a call of a function sends at most %lld requests", (long long)most);
    }
    request->virtual_server = text_of(caller->virtual_server);
    request->function = text_of(caller->function);
    request->revision_id = text_of(caller->run->entry->revision_id);
    return OW_OK;
}
