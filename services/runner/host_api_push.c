// What functions push: to players of their title, which the call carries; nothing is filled in.

#include "services/runner/host_api.h"

ow_code host_api_push(const struct host_api_caller *caller, ProtobufCMessage *request,
                      ow_err *err) {
    (void)caller;
    (void)request;
    (void)err;
    return OW_OK;
}
