// ApplyTriggers: subscriptions and webhooks as a deployment declares them. What it does not list any more
// goes; what was made by hand stays; a switch that somebody has thrown stays as it is.

#include "services/events/declarations.h"
#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"
#include "services/events/store_rows.h"

#include <stdio.h>
#include <string.h>

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

// One application: what the steps below share.
typedef struct applying {
    ow_run *run;
    const apply_triggers_request *request;
    apply_triggers_response *reply;
    const char *title;
    int64_t now_us;
    ow_err why; // of the last problem
} applying;

ow_code apply_triggers_check(ow_run *run) {
    const apply_triggers_request *request = run->request;
    rule_change_begin(run);
    ow_code code = events_check_title(run);
    return code == OW_OK && !declared_name_is_sound(request->virtual_server)
               ? ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_name", "no virtual server is named")
               : code;
}

// ---- Deployments ----

static ow_code read_deployment(const applying *a, int64_t *ret_deployment) {
    ow_rows *rows = NULL;
    bool found;
    ow_code code = ow_db_query(a->run->db, &rows, a->run->err,
                               "SELECT deployment FROM trigger_deployments"
                               " WHERE title_id = $1 AND virtual_server = $2",
                               "tt", a->title, a->request->virtual_server);
    code = rows_one(code, rows, &found, a->run->err);
    *ret_deployment = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code;
}

static ow_code write_deployment(const applying *a) {
    return ow_db_exec(a->run->db, NULL, a->run->err,
                      "INSERT INTO trigger_deployments (title_id, virtual_server, deployment)"
                      " VALUES ($1, $2, $3) ON CONFLICT (title_id, virtual_server)"
                      " DO UPDATE SET deployment = excluded.deployment",
                      "tti", a->title, a->request->virtual_server, a->request->deployment);
}

// ---- Problems ----

static ow_code add_problem(applying *a, const char *kind, const char *alias, const char *name) {
    ow_arena *arena = a->run->call->arena;
    apply_triggers_response *reply = a->reply;
    trigger_problem_msg *made = ow_arena_alloc(arena, sizeof *made);
    if (made == NULL) {
        return events_no_memory(a->run->err);
    }
    overworld__api__trigger_problem__init(made);
    made->kind = borrow(kind);
    made->alias = borrow(alias);
    made->name = borrow(name);
    made->reason = ow_arena_strdup_in(arena, a->why.reason);
    made->message = ow_arena_strdup_in(arena, a->why.message);
    reply->problems[reply->n_problems++] = made;
    return made->reason != NULL && made->message != NULL ? OW_OK : events_no_memory(a->run->err);
}

static ow_code make_room(applying *a) {
    const Overworld__Api__Triggers *t = a->request->triggers;
    size_t count = t != NULL ? t->n_subscriptions + t->n_webhooks : 0;
    a->reply->n_problems = 0;
    a->reply->problems =
        ow_arena_calloc(a->run->call->arena, count + 1, sizeof *a->reply->problems);
    return a->reply->problems != NULL ? OW_OK : events_no_memory(a->run->err);
}

// ---- Subscriptions ----

static bool is_declared(const applying *a, const subscription_row *row) {
    const Overworld__Api__Triggers *t = a->request->triggers;
    for (size_t i = 0; t != NULL && !a->request->removed && i < t->n_subscriptions; i++) {
        const subscription_msg *s = t->subscriptions[i];
        if (strcmp(s->name, row->name) == 0 && strcmp(s->alias, row->alias) == 0) {
            return true;
        }
    }
    return false;
}

static ow_code drop_subscriptions(applying *a) {
    subscription_range range = {.title_id = a->title,
                                .virtual_server = a->request->virtual_server,
                                .after = "",
                                .of_manifests = !a->request->removed,
                                .limit = SUBSCRIPTIONS_MAX};
    subscription_row *rows;
    size_t count = 0;
    ow_code code =
        subscriptions_list(a->run->db, &range, a->run->call->arena, &rows, &count, a->run->err);
    for (size_t i = 0; code == OW_OK && i < count; i++) {
        if (!is_declared(a, &rows[i])) {
            code = subscription_delete(a->run->db, rows[i].subscription_id, a->run->err);
        }
    }
    return code;
}

static ow_code put_subscription(applying *a, const subscription_msg *declared) {
    ow_arena *arena = a->run->call->arena;
    subscription_row old;
    bool found = false;
    subscription_row row = {.title_id = a->title,
                            .virtual_server = a->request->virtual_server,
                            .alias = declared->alias,
                            .name = declared->name,
                            .deployment = a->request->deployment,
                            .declared = declared,
                            .url_secret = "",
                            .disabled = declared->disabled,
                            .disabled_reason = "",
                            .created_us = a->now_us,
                            .updated_us = a->now_us};
    ow_code code = subscription_find(a->run->db, &row, arena, &old, &found, a->run->err);
    if (code == OW_OK && found && old.deployment == 0) {
        ow_fail(&a->why, OW_ALREADY_EXISTS, "name_taken", "one of this name was made by hand");
        return add_problem(a, "subscription", declared->alias, declared->name);
    }
    if (code == OW_OK && !found) {
        ow_id_make(row.subscription_id, "sub_", a->now_us);
        return subscription_insert(a->run->db, &row, arena, a->run->err);
    }
    if (code == OW_OK) {
        memcpy(row.subscription_id, old.subscription_id, OW_ID_MAX);
        if (old.declared->disabled == declared->disabled) {
            row.disabled = old.disabled;
            row.disabled_reason = old.disabled_reason;
        }
        code = subscription_update(a->run->db, &row, arena, a->run->err);
    }
    return code;
}

static ow_code apply_subscription(applying *a, const subscription_msg *declared) {
    ow_code code = subscription_check(a->request->virtual_server, declared, &a->why);
    if (code == OW_OK && declared->url[0] != '\0' && declared->secret[0] == '\0') {
        code = ow_fail(&a->why, OW_INVALID_ARGUMENT, "no_secret",
                       "a URL needs the name of a secret to sign with");
    }
    return code == OW_OK ? put_subscription(a, declared)
                         : add_problem(a, "subscription", declared->alias, declared->name);
}

// ---- Webhooks ----

static bool webhook_is_declared(const applying *a, const webhook_row *row) {
    const Overworld__Api__Triggers *t = a->request->triggers;
    for (size_t i = 0; t != NULL && !a->request->removed && i < t->n_webhooks; i++) {
        if (strcmp(t->webhooks[i]->name, row->name) == 0) {
            return true;
        }
    }
    return false;
}

static ow_code drop_webhooks(applying *a) {
    webhook_range range = {.title_id = a->title,
                           .virtual_server = a->request->virtual_server,
                           .after = "",
                           .of_manifests = true,
                           .limit = WEBHOOKS_MAX};
    webhook_row *rows;
    size_t count = 0;
    ow_code code =
        webhooks_list(a->run->db, &range, a->run->call->arena, &rows, &count, a->run->err);
    for (size_t i = 0; code == OW_OK && i < count; i++) {
        if (!webhook_is_declared(a, &rows[i])) {
            code = webhook_delete(a->run->db, a->title, rows[i].name, a->run->err);
        }
    }
    return code;
}

static bool is_ours(const applying *a, const webhook_row *row) {
    return row->deployment > 0 && strcmp(row->virtual_server, a->request->virtual_server) == 0;
}

static ow_code put_webhook(applying *a, const webhook_msg *declared) {
    ow_arena *arena = a->run->call->arena;
    webhook_row old;
    webhook_row row = {.title_id = a->title,
                       .name = declared->name,
                       .virtual_server = a->request->virtual_server,
                       .deployment = a->request->deployment,
                       .declared = declared,
                       .secret = "",
                       .disabled = declared->disabled,
                       .created_us = a->now_us,
                       .updated_us = a->now_us};
    ow_code code = webhook_read(a->run->db, a->title, declared->name, arena, &old, a->run->err);
    if (code == OW_NOT_FOUND) {
        return webhook_insert(a->run->db, &row, arena, a->run->err);
    }
    if (code == OW_OK && !is_ours(a, &old)) {
        ow_fail(&a->why, OW_ALREADY_EXISTS, "name_taken",
                "one of this name is another virtual server's or was made by hand");
        return add_problem(a, "webhook", declared->alias, declared->name);
    }
    if (code == OW_OK) {
        row.disabled = old.declared->disabled == declared->disabled ? old.disabled : row.disabled;
        code = webhook_update(a->run->db, &row, arena, a->run->err);
    }
    return code;
}

static ow_code apply_webhook(applying *a, const webhook_msg *declared) {
    ow_code code = webhook_check(declared, &a->why);
    if (code == OW_OK && declared->secret[0] == '\0') {
        code = ow_fail(&a->why, OW_INVALID_ARGUMENT, "no_secret",
                       "a webhook names the secret that it is verified with");
    }
    return code == OW_OK ? put_webhook(a, declared)
                         : add_problem(a, "webhook", declared->alias, declared->name);
}

// ---- The whole ----

static ow_code apply(applying *a) {
    const Overworld__Api__Triggers *t = a->request->triggers;
    bool any = t != NULL && !a->request->removed;
    ow_code code = make_room(a);
    code = code == OW_OK ? drop_subscriptions(a) : code;
    code = code == OW_OK ? drop_webhooks(a) : code;
    for (size_t i = 0; code == OW_OK && any && i < t->n_subscriptions; i++) {
        code = apply_subscription(a, t->subscriptions[i]);
    }
    for (size_t i = 0; code == OW_OK && any && i < t->n_webhooks; i++) {
        code = apply_webhook(a, t->webhooks[i]);
    }
    code = code == OW_OK ? write_deployment(a) : code;
    const rule_change *c = a->run->state;
    return code == OW_OK ? rules_changed(a->run->db, a->title, c->version, a->run->err) : code;
}

ow_code apply_triggers_store(ow_run *run) {
    const rule_change *c = run->state;
    applying a = {.run = run,
                  .request = run->request,
                  .reply = run->reply,
                  .title = run->call->principal->title,
                  .now_us = c->now_us};
    int64_t known = 0;
    ow_code code = read_deployment(&a, &known);
    a.reply->deployment = a.request->deployment > known ? a.request->deployment : known;
    return code == OW_OK && a.request->deployment > known ? apply(&a) : code;
}
