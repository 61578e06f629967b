// The methods about aliases: validate, call the store.

#include "services/registry/internal.h"
#include "services/registry/registry_logic.h"

#include <string.h>

ow_code create_alias_check(ow_run *run) {
    alias_change *state = run->state;
    const create_alias_request *request = run->request;
    ow_code code = check_alias_name(request->name, run->err);
    if (code == OW_OK) {
        code = read_targets(request->targets, request->n_targets, &state->aim, run->err);
    }
    if (code == OW_OK) {
        code = check_split(request->split, run->err);
    }
    if (code == OW_OK) {
        code = ow_request_key_check(request->request_key, run->err);
    }
    return code == OW_OK ? begin_change(run) : code;
}

ow_code create_alias_store(ow_run *run) {
    alias_change *state = run->state;
    const create_alias_request *request = run->request;
    tx t = tx_of(run, &state->change);
    ow_code code = store_title_resolve(&t);
    if (code == OW_OK) {
        code = store_key_find(&t, "CreateAlias", request->request_key, run->request, run->reply,
                              &state->change.answered);
    }
    if (code != OW_OK || state->change.answered) {
        return code;
    }
    code = store_alias_create(&t, request, &state->aim, run->reply);
    return code == OW_OK
               ? store_key_keep(&t, "CreateAlias", request->request_key, run->request, run->reply)
               : code;
}

ow_code update_alias_check(ow_run *run) {
    alias_change *state = run->state;
    const update_alias_request *request = run->request;
    ow_code code = OW_OK;
    if (request->n_targets > 0) {
        code = read_targets(request->targets, request->n_targets, &state->aim, run->err);
    }
    if (code == OW_OK) {
        code = check_split(request->split, run->err);
    }
    if (code == OW_OK) {
        code = check_visibility(request->visibility, run->err);
    }
    return code == OW_OK ? begin_change(run) : code;
}

ow_code update_alias_store(ow_run *run) {
    alias_change *state = run->state;
    const update_alias_request *request = run->request;
    tx t = tx_of(run, &state->change);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_alias_update(
                               &t, request, request->n_targets > 0 ? &state->aim : NULL, run->reply)
                         : code;
}

ow_code rollback_alias_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_alias_rollback(&t, run->request, run->reply) : code;
}

ow_code delete_alias_check(ow_run *run) {
    const delete_alias_request *request = run->request;
    if (strcmp(request->name, DEFAULT_ALIAS) == 0) {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "default_alias",
                       "$DEFAULT cannot be deleted: calls that name nothing go there");
    }
    return begin_change(run);
}

ow_code delete_alias_store(ow_run *run) {
    tx t = tx_of(run, run->state);
    ow_code code = store_title_resolve(&t);
    return code == OW_OK ? store_alias_delete(&t, run->request) : code;
}
