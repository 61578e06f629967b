// Is the player there, whose keys are to be written? Of players who are made up nothing is kept: their keys would count
// for the title for good, and nobody could find them.

#include "services/data/internal.h"

#include "overworld/identity/v1/identity.pb-c.h"

#include <string.h>

typedef Overworld__Identity__V1__FindPlayerRequest find_player_request;
typedef Overworld__Identity__V1__Player player_msg;

// Of "<title>:p:<player>".
static const char *player_of(const kv_scope *scope) {
    return strrchr(scope->text, ':') + 1;
}

// Who calls is there.
static bool is_in_question(const ow_run *run, const kv_operation *operation) {
    const data *self = run->self;
    const ow_principal *who = run->call->principal;
    const kv_scope *scope = operation->scope;
    bool makes = operation->action == KV_SET || operation->action == KV_INCREMENT;
    return makes && scope->kind == KV_OF_PLAYER && !known_players_has(self->known, scope) &&
           (who->kind != OW_PLAYER || strcmp(who->id, player_of(scope)) != 0);
}

static ow_code ask_on(ow_run *run);

static void on_player(const player_msg *player, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    const data *self = run->self;
    const kv_change *change = run->state;
    ow_code code = sub->err.code;
    if (player != NULL) {
        known_players_add(self->known, change->operations[change->at].scope);
    } else {
        *run->err = sub->err;
    }
    ow_call_free(sub);
    if (player == NULL && change->count > 1) {
        ow_err_context(run->err, "operation %zu", change->at);
    }
    code = player != NULL ? ask_on(run) : code;
    if (code != OW_PENDING) {
        ow_run_resume(run, code);
    }
}

static ow_code ask(ow_run *run, const kv_scope *scope) {
    const data *self = run->self;
    ow_call *sub = ow_call_child(run->call);
    find_player_request *request = sub != NULL ? ow_arena_alloc(sub->arena, sizeof *request) : NULL;
    if (request == NULL) {
        ow_call_free(sub);
        return kv_no_memory(run);
    }
    overworld__identity__v1__find_player_request__init(request);
    request->by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_PLAYER_ID;
    request->player_id = (char *)(uintptr_t)player_of(scope);
    sub->user = run;
    overworld__identity__v1__identity__find_player(self->identity, request, on_player, sub);
    return OW_PENDING;
}

static ow_code ask_on(ow_run *run) {
    kv_change *change = run->state;
    for (; change->at < change->count; change->at++) {
        if (is_in_question(run, &change->operations[change->at])) {
            return ask(run, change->operations[change->at].scope);
        }
    }
    return OW_OK;
}

ow_code kv_players_ask(ow_run *run) {
    kv_change *change = run->state;
    change->at = 0;
    return ask_on(run);
}
