// Which keys and values a function reaches: those of its virtual server and of its title, and those of
// players. Behind a player's call that player's alone.

#include <string.h>

#include "overworld/data/v1/data.pb-c.h"
#include "services/runner/host_api.h"

typedef Overworld__Data__V1__Scope scope_msg;
typedef Overworld__Data__V1__KvGetRequest kv_get_request;
typedef Overworld__Data__V1__KvSetRequest kv_set_request;
typedef Overworld__Data__V1__KvDeleteRequest kv_delete_request;
typedef Overworld__Data__V1__KvIncrementRequest kv_increment_request;
typedef Overworld__Data__V1__KvListRequest kv_list_request;
typedef Overworld__Data__V1__KvBatchRequest kv_batch_request;
typedef Overworld__Data__V1__KvDeletePrefixRequest kv_delete_prefix_request;

// A request's texts are never freed one by one, nor written to.
static char *text_of(const char *text) {
    return (char *)(uintptr_t)text;
}

static ow_code admit_server(const struct host_api_caller *caller, scope_msg *scope, ow_err *err) {
    if (scope->virtual_server[0] != '\0' &&
        strcmp(scope->virtual_server, caller->virtual_server) != 0) {
        return ow_fail(err, OW_PERMISSION_DENIED, "not_your_scope",
                       "a function reaches the keys of its own virtual server");
    }
    scope->virtual_server = text_of(caller->virtual_server);
    return OW_OK;
}

static ow_code admit_player(const struct host_api_caller *caller, scope_msg *scope, ow_err *err) {
    if (caller->principal->kind != OW_PLAYER) {
        return scope->player_id[0] != '\0' ? OW_OK
                                           : ow_fail(err, OW_INVALID_ARGUMENT, "no_player",
                                                     "no player set this function going: name one");
    }
    if (scope->player_id[0] != '\0' && strcmp(scope->player_id, caller->principal->id) != 0) {
        return ow_fail(err, OW_PERMISSION_DENIED, "not_your_scope",
                       "behind a player's call a function reaches the keys of that player");
    }
    scope->player_id = text_of(caller->principal->id);
    return OW_OK;
}

static ow_code admit_scope(const struct host_api_caller *caller, scope_msg *scope, ow_err *err) {
    if (scope != NULL && scope->kind == OVERWORLD__DATA__V1__SCOPE__KIND__VIRTUAL_SERVER) {
        return admit_server(caller, scope, err);
    }
    if (scope != NULL && scope->kind == OVERWORLD__DATA__V1__SCOPE__KIND__PLAYER) {
        return admit_player(caller, scope, err);
    }
    return OW_OK; // the title's own, or refused by data
}

ow_code host_api_kv_get(const struct host_api_caller *caller, ProtobufCMessage *request,
                        ow_err *err) {
    return admit_scope(caller, ((kv_get_request *)request)->scope, err);
}

ow_code host_api_kv_set(const struct host_api_caller *caller, ProtobufCMessage *request,
                        ow_err *err) {
    return admit_scope(caller, ((kv_set_request *)request)->scope, err);
}

ow_code host_api_kv_delete(const struct host_api_caller *caller, ProtobufCMessage *request,
                           ow_err *err) {
    return admit_scope(caller, ((kv_delete_request *)request)->scope, err);
}

ow_code host_api_kv_increment(const struct host_api_caller *caller, ProtobufCMessage *request,
                              ow_err *err) {
    return admit_scope(caller, ((kv_increment_request *)request)->scope, err);
}

ow_code host_api_kv_list(const struct host_api_caller *caller, ProtobufCMessage *request,
                         ow_err *err) {
    return admit_scope(caller, ((kv_list_request *)request)->scope, err);
}

ow_code host_api_kv_delete_prefix(const struct host_api_caller *caller, ProtobufCMessage *request,
                                  ow_err *err) {
    return admit_scope(caller, ((kv_delete_prefix_request *)request)->scope, err);
}

ow_code host_api_kv_batch(const struct host_api_caller *caller, ProtobufCMessage *request,
                          ow_err *err) {
    const kv_batch_request *batch = (const kv_batch_request *)request;
    ow_code code = admit_scope(caller, batch->scope, err);
    for (size_t i = 0; i < batch->n_operations && code == OW_OK; i++) {
        code = admit_scope(caller, batch->operations[i]->scope, err);
    }
    return code;
}
