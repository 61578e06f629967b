// CreateSubscription, GetSubscription, ListSubscriptions, UpdateSubscription, SetSubscriptionDisabled,
// DeleteSubscription.

#include "services/events/declarations.h"
#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"

#include "core/audit/audit.h"
#include "core/request_key/request_key.h"
#include "core/timestamp/timestamp.h"

#include <stdio.h>
#include <string.h>

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

void rule_change_begin(ow_run *run) {
    const events *e = run->self;
    rule_change *c = run->state;
    c->now_us = ow_clock_wall_us(e->env->clock);
    ow_id_make(c->version, "rul_", c->now_us);
    ow_id_make(c->id, "sub_", c->now_us);
    ow_webhook_make_secret(c->secret);
}

ow_code rule_change_end(ow_run *run, const char *action, const char *object, const char *before,
                        const char *after) {
    const rule_change *c = run->state;
    ow_audit_entry entry = ow_audit_of_call(run->call, c->now_us);
    entry.action = action;
    entry.object = object;
    entry.before = before;
    entry.after = after;
    ow_code code = ow_audit_append(run->db, &entry, run->err);
    return code == OW_OK ? rules_changed(run->db, run->call->principal->title, c->version, run->err)
                         : code;
}

static const char *state_of(const subscription_row *row, ow_arena *arena) {
    const subscription_msg *s = row->declared;
    return ow_audit_state_in(arena, "tttttttb", "virtual_server", row->virtual_server, "name",
                             row->name, "alias", row->alias, "event_type", s->event_type,
                             "function", s->function, "url", s->url, "args", s->args, "disabled",
                             (int)row->disabled);
}

static bool fill(subscription_state_msg *to, const subscription_row *row, ow_arena *arena) {
    to->subscription_id = ow_arena_strdup_in(arena, row->subscription_id);
    to->virtual_server = borrow(row->virtual_server);
    to->declared = (subscription_msg *)(uintptr_t)row->declared;
    to->from_manifest = row->deployment > 0;
    to->disabled = row->disabled;
    to->disabled_reason = borrow(row->disabled_reason);
    to->created = ow_timestamp_in(arena, row->created_us);
    to->updated = ow_timestamp_in(arena, row->updated_us);
    to->etag = events_etag_in(arena, row->version);
    return to->subscription_id != NULL && to->created != NULL && to->updated != NULL &&
           to->etag != NULL;
}

// ---- CreateSubscription ----

ow_code create_subscription_check(ow_run *run) {
    const create_subscription_request *request = run->request;
    rule_change_begin(run);
    ow_code code = events_check_title(run);
    code = code == OW_OK ? ow_request_key_check(request->request_key, run->err) : code;
    return code == OW_OK
               ? subscription_check(request->virtual_server, request->subscription, run->err)
               : code;
}

static ow_code create(ow_run *run) {
    const create_subscription_request *request = run->request;
    const rule_change *c = run->state;
    ow_arena *arena = run->call->arena;
    subscription_state_msg *reply = run->reply;
    const subscription_msg *declared = request->subscription;
    bool signs = declared->url[0] != '\0' && declared->secret[0] == '\0';
    subscription_row other;
    bool found = false;
    subscription_row row = {
        .title_id = run->call->principal->title,
        .virtual_server = request->virtual_server,
        .alias = declared->alias,
        .name = declared->name,
        .declared = declared,
        .url_secret = signs ? c->secret : "",
        .disabled = declared->disabled,
        .disabled_reason = "",
        .created_us = c->now_us,
        .updated_us = c->now_us,
        .version = 1,
    };
    snprintf(row.subscription_id, sizeof row.subscription_id, "%s", c->id);
    ow_code code = subscription_find(run->db, &row, arena, &other, &found, run->err);
    if (code == OW_OK && found) {
        code = ow_fail(run->err, OW_ALREADY_EXISTS, "subscription_exists",
                       "there is a subscription %s already", row.name);
    }
    code = code == OW_OK ? subscription_insert(run->db, &row, arena, run->err) : code;
    if (code == OW_OK) {
        code = rule_change_end(run, "subscription.create", row.subscription_id, "",
                               state_of(&row, arena));
    }
    reply->url_secret = borrow(row.url_secret);
    return code == OW_OK && !fill(reply, &row, arena) ? events_no_memory(run->err) : code;
}

// The secret is kept with the answer: the subscription beside it has it too, to sign with.
ow_code create_subscription_store(ow_run *run) {
    const create_subscription_request *request = run->request;
    const ow_principal *who = run->call->principal;
    const rule_change *c = run->state;
    subscription_state_msg *reply = run->reply;
    ow_request_key key = {.title = who->title,
                          .principal = who->id,
                          .method = "CreateSubscription",
                          .key = request->request_key,
                          .request = run->request,
                          .arena = run->call->arena,
                          .now_us = c->now_us};
    bool is_repeat = false;
    ow_code code = ow_request_key_find(run->db, &key, &reply->base, &is_repeat, run->err);
    if (code != OW_OK || is_repeat) {
        return code;
    }
    code = create(run);
    return code == OW_OK ? ow_request_key_keep(run->db, &key, &reply->base, run->err) : code;
}

// ---- GetSubscription, ListSubscriptions ----

ow_code get_subscription(ow_run *run) {
    const get_subscription_request *request = run->request;
    ow_arena *arena = run->call->arena;
    subscription_row row;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = subscription_read(run->db, run->call->principal->title, request->subscription_id,
                                 arena, &row, run->err);
    }
    return code == OW_OK && !fill(run->reply, &row, arena) ? events_no_memory(run->err) : code;
}

static bool fill_list(list_subscriptions_response *reply, const subscription_row *rows,
                      size_t count, int limit, ow_arena *arena) {
    reply->subscriptions = ow_arena_calloc(arena, count + 1, sizeof *reply->subscriptions);
    for (size_t i = 0; reply->subscriptions != NULL && i < count && i < (size_t)limit; i++) {
        subscription_state_msg *made = ow_arena_alloc(arena, sizeof *made);
        if (made == NULL) {
            return false;
        }
        overworld__events__v1__subscription_state__init(made);
        if (!fill(made, &rows[i], arena)) {
            return false;
        }
        reply->subscriptions[reply->n_subscriptions++] = made;
    }
    if (count > (size_t)limit) {
        reply->next_page_token = events_page_token_in(arena, rows[limit - 1].subscription_id);
    }
    return reply->subscriptions != NULL && reply->next_page_token != NULL;
}

ow_code list_subscriptions(ow_run *run) {
    const list_subscriptions_request *request = run->request;
    ow_arena *arena = run->call->arena;
    events_page page;
    subscription_row *rows = NULL;
    size_t count = 0;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = events_page_begin(request->page_size, request->page_token, &page, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    subscription_range range = {.title_id = run->call->principal->title,
                                .virtual_server = request->virtual_server,
                                .after = page.after,
                                .limit = page.limit + 1};
    code = subscriptions_list(run->db, &range, arena, &rows, &count, run->err);
    return code == OW_OK && !fill_list(run->reply, rows, count, page.limit, arena)
               ? events_no_memory(run->err)
               : code;
}

// ---- UpdateSubscription ----

ow_code update_subscription_check(ow_run *run) {
    const update_subscription_request *request = run->request;
    rule_change_begin(run);
    ow_code code = events_check_title(run);
    if (code == OW_OK && request->etag[0] == '\0') {
        code = ow_fail(run->err, OW_INVALID_ARGUMENT, "etag_needed",
                       "name the etag that you have read");
    }
    return code;
}

static ow_code fail_if_declared(const subscription_row *row, ow_err *err) {
    return row->deployment == 0
               ? OW_OK
               : ow_fail(err, OW_FAILED_PRECONDITION, "from_manifest",
                         "%s is declared by virtualserver.json of %s: change it there and deploy",
                         row->name, row->virtual_server);
}

static ow_code fail_if_renamed_onto(ow_run *run, const subscription_row *row) {
    subscription_row other;
    bool found = false;
    ow_code code = subscription_find(run->db, row, run->call->arena, &other, &found, run->err);
    bool is_other = found && strcmp(other.subscription_id, row->subscription_id) != 0;
    return code == OW_OK && is_other ? ow_fail(run->err, OW_ALREADY_EXISTS, "subscription_exists",
                                               "there is a subscription %s already", row->name)
                                     : code;
}

static void redeclare(subscription_row *row, const subscription_msg *declared, rule_change *c) {
    bool signs = declared->url[0] != '\0' && declared->secret[0] == '\0';
    row->declared = declared;
    row->alias = declared->alias;
    row->name = declared->name;
    row->disabled = declared->disabled;
    row->disabled_reason = "";
    row->url_secret = !signs ? "" : row->url_secret[0] != '\0' ? row->url_secret : c->secret;
    row->updated_us = c->now_us;
}

ow_code update_subscription_store(ow_run *run) {
    const update_subscription_request *request = run->request;
    rule_change *c = run->state;
    ow_arena *arena = run->call->arena;
    subscription_state_msg *reply = run->reply;
    subscription_row row;
    ow_code code = subscription_read(run->db, run->call->principal->title, request->subscription_id,
                                     arena, &row, run->err);
    code = code == OW_OK ? fail_if_declared(&row, run->err) : code;
    code = code == OW_OK ? events_check_etag(request->etag, row.version, run->err) : code;
    code = code == OW_OK ? subscription_check(row.virtual_server, request->subscription, run->err)
                         : code;
    if (code != OW_OK) {
        return code;
    }
    const char *before = state_of(&row, arena);
    const char *secret = row.url_secret;
    redeclare(&row, request->subscription, c);
    code = fail_if_renamed_onto(run, &row);
    code = code == OW_OK ? subscription_update(run->db, &row, arena, run->err) : code;
    if (code == OW_OK) {
        code = rule_change_end(run, "subscription.update", row.subscription_id, before,
                               state_of(&row, arena));
    }
    row.version++;
    reply->url_secret = borrow(strcmp(secret, row.url_secret) != 0 ? row.url_secret : "");
    return code == OW_OK && !fill(reply, &row, arena) ? events_no_memory(run->err) : code;
}

// ---- SetSubscriptionDisabled ----

ow_code disable_subscription_check(ow_run *run) {
    const set_subscription_disabled_request *request = run->request;
    rule_change_begin(run);
    ow_code code = events_check_title(run);
    return code == OW_OK && strlen(request->reason) > REASON_TEXT_MAX
               ? ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_reason",
                         "a reason has at most %d bytes", REASON_TEXT_MAX)
               : code;
}

ow_code disable_subscription_store(ow_run *run) {
    const set_subscription_disabled_request *request = run->request;
    const rule_change *c = run->state;
    ow_arena *arena = run->call->arena;
    subscription_row row;
    ow_code code = subscription_read(run->db, run->call->principal->title, request->subscription_id,
                                     arena, &row, run->err);
    if (code != OW_OK) {
        return code;
    }
    const char *before = state_of(&row, arena);
    row.disabled = request->disabled;
    row.disabled_reason = request->disabled ? request->reason : "";
    row.updated_us = c->now_us;
    code = subscription_update(run->db, &row, arena, run->err);
    if (code == OW_OK) {
        code =
            rule_change_end(run, request->disabled ? "subscription.disable" : "subscription.enable",
                            row.subscription_id, before, state_of(&row, arena));
    }
    row.version++;
    return code == OW_OK && !fill(run->reply, &row, arena) ? events_no_memory(run->err) : code;
}

// ---- DeleteSubscription ----

ow_code delete_subscription_check(ow_run *run) {
    rule_change_begin(run);
    return events_check_title(run);
}

ow_code delete_subscription_store(ow_run *run) {
    const delete_subscription_request *request = run->request;
    ow_arena *arena = run->call->arena;
    subscription_row row;
    ow_code code = subscription_read(run->db, run->call->principal->title, request->subscription_id,
                                     arena, &row, run->err);
    code = code == OW_OK ? fail_if_declared(&row, run->err) : code;
    code = code == OW_OK ? events_check_etag(request->etag, row.version, run->err) : code;
    code = code == OW_OK ? subscription_delete(run->db, row.subscription_id, run->err) : code;
    return code == OW_OK ? rule_change_end(run, "subscription.delete", row.subscription_id,
                                           state_of(&row, arena), "")
                         : code;
}
