// CreateWebhook, GetWebhook, ListWebhooks, SetWebhookDisabled, DeleteWebhook.

#include "services/events/declarations.h"
#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"
#include "services/events/webhooks_store.h"

#include "core/audit/audit.h"
#include "core/request_key/request_key.h"
#include "core/timestamp/timestamp.h"

#include <string.h>

enum { SECRET_MIN = 16, SECRET_MAX = 256 };

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static const char *state_of(const webhook_row *row, ow_arena *arena) {
    const webhook_msg *w = row->declared;
    return ow_audit_state_in(arena, "tttbs", "event_type", w->event_type, "verification",
                             w->verification, "header", w->header, "disabled", (int)row->disabled,
                             "secret");
}

static bool fill(webhook_state_msg *to, const webhook_row *row, ow_arena *arena) {
    to->virtual_server = borrow(row->virtual_server);
    to->declared = (webhook_msg *)(uintptr_t)row->declared;
    to->from_manifest = row->deployment > 0;
    to->disabled = row->disabled;
    to->created = ow_timestamp_in(arena, row->created_us);
    to->updated = ow_timestamp_in(arena, row->updated_us);
    to->path = ow_arena_printf_in(arena, "/hooks/%s/%s", row->title_id, row->name);
    return to->created != NULL && to->updated != NULL && to->path != NULL;
}

// ---- CreateWebhook ----

// A sender's own secret is whatever it says; Standard Webhooks has a form.
static ow_code check_secret(const create_webhook_request *request, ow_err *err) {
    const char *secret = request->secret;
    size_t size = strlen(secret);
    bool standard = strcmp(request->webhook->verification, "standard") == 0;
    bool sound = size == 0 || (standard ? ow_webhook_is_secret(secret)
                                        : size >= SECRET_MIN && size <= SECRET_MAX);
    return sound ? OW_OK
                 : ow_fail(err, OW_INVALID_ARGUMENT, "bad_secret",
                           standard ? "a secret is whsec_ and base64 of 24 to 64 bytes"
                                    : "a secret has 16 to 256 characters");
}

ow_code create_webhook_check(ow_run *run) {
    const create_webhook_request *request = run->request;
    rule_change_begin(run);
    ow_code code = events_check_title(run);
    code = code == OW_OK ? ow_request_key_check(request->request_key, run->err) : code;
    code = code == OW_OK ? webhook_check(request->webhook, run->err) : code;
    return code == OW_OK ? check_secret(request, run->err) : code;
}

static ow_code create(ow_run *run) {
    const create_webhook_request *request = run->request;
    create_webhook_response *reply = run->reply;
    const rule_change *c = run->state;
    ow_arena *arena = run->call->arena;
    bool made = request->secret[0] == '\0';
    webhook_row row = {
        .title_id = run->call->principal->title,
        .name = request->webhook->name,
        .virtual_server = "",
        .declared = request->webhook,
        .secret = made ? c->secret : request->secret,
        .disabled = request->webhook->disabled,
        .created_us = c->now_us,
        .updated_us = c->now_us,
    };
    ow_code code = webhook_insert(run->db, &row, arena, run->err);
    if (code == OW_OK) {
        code = rule_change_end(run, "webhook.create", row.name, "", state_of(&row, arena));
    }
    reply->webhook = ow_arena_alloc(arena, sizeof *reply->webhook);
    if (code != OW_OK || reply->webhook == NULL) {
        return code != OW_OK ? code : events_no_memory(run->err);
    }
    overworld__events__v1__webhook_state__init(reply->webhook);
    reply->secret = borrow(made ? c->secret : "");
    return fill(reply->webhook, &row, arena) ? OW_OK : events_no_memory(run->err);
}

ow_code create_webhook_store(ow_run *run) {
    const create_webhook_request *request = run->request;
    create_webhook_response *reply = run->reply;
    const ow_principal *who = run->call->principal;
    const rule_change *c = run->state;
    // Whose secret it is may be guessed from a hash: it is no part of what is compared.
    create_webhook_request asked = *request;
    asked.secret = borrow("");
    ow_request_key key = {.title = who->title,
                          .principal = who->id,
                          .method = "CreateWebhook",
                          .key = request->request_key,
                          .request = &asked.base,
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

// ---- GetWebhook ----

ow_code get_webhook(ow_run *run) {
    const get_webhook_request *request = run->request;
    ow_arena *arena = run->call->arena;
    webhook_row row;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = webhook_read(run->db, run->call->principal->title, request->name, arena, &row,
                            run->err);
    }
    return code == OW_OK && !fill(run->reply, &row, arena) ? events_no_memory(run->err) : code;
}

// ---- ListWebhooks ----

static bool fill_list(list_webhooks_response *reply, const webhook_row *rows, size_t count,
                      int limit, ow_arena *arena) {
    reply->webhooks = ow_arena_calloc(arena, count + 1, sizeof *reply->webhooks);
    for (size_t i = 0; reply->webhooks != NULL && i < count && i < (size_t)limit; i++) {
        webhook_state_msg *made = ow_arena_alloc(arena, sizeof *made);
        if (made == NULL) {
            return false;
        }
        overworld__events__v1__webhook_state__init(made);
        if (!fill(made, &rows[i], arena)) {
            return false;
        }
        reply->webhooks[reply->n_webhooks++] = made;
    }
    if (count > (size_t)limit) {
        reply->next_page_token = events_page_token_in(arena, rows[limit - 1].name);
    }
    return reply->webhooks != NULL && reply->next_page_token != NULL;
}

ow_code list_webhooks(ow_run *run) {
    const list_webhooks_request *request = run->request;
    ow_arena *arena = run->call->arena;
    events_page page;
    webhook_row *rows = NULL;
    size_t count = 0;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = events_page_begin(request->page_size, request->page_token, &page, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    webhook_range range = {.title_id = run->call->principal->title,
                           .virtual_server = "",
                           .after = page.after,
                           .limit = page.limit + 1};
    code = webhooks_list(run->db, &range, arena, &rows, &count, run->err);
    return code == OW_OK && !fill_list(run->reply, rows, count, page.limit, arena)
               ? events_no_memory(run->err)
               : code;
}

// ---- SetWebhookDisabled, DeleteWebhook ----

ow_code change_webhook_check(ow_run *run) {
    rule_change_begin(run);
    return events_check_title(run);
}

ow_code disable_webhook_store(ow_run *run) {
    const set_webhook_disabled_request *request = run->request;
    const rule_change *c = run->state;
    ow_arena *arena = run->call->arena;
    webhook_row row;
    ow_code code =
        webhook_read(run->db, run->call->principal->title, request->name, arena, &row, run->err);
    if (code != OW_OK) {
        return code;
    }
    const char *before = state_of(&row, arena);
    row.disabled = request->disabled;
    row.updated_us = c->now_us;
    code = webhook_update(run->db, &row, arena, run->err);
    if (code == OW_OK) {
        code = rule_change_end(run, request->disabled ? "webhook.disable" : "webhook.enable",
                               row.name, before, state_of(&row, arena));
    }
    return code == OW_OK && !fill(run->reply, &row, arena) ? events_no_memory(run->err) : code;
}

ow_code delete_webhook_store(ow_run *run) {
    const delete_webhook_request *request = run->request;
    const char *title = run->call->principal->title;
    ow_arena *arena = run->call->arena;
    webhook_row row;
    ow_code code = webhook_read(run->db, title, request->name, arena, &row, run->err);
    if (code == OW_OK && row.deployment > 0) {
        code = ow_fail(run->err, OW_FAILED_PRECONDITION, "from_manifest",
                       "%s is declared by virtualserver.json of %s: change it there and deploy",
                       row.name, row.virtual_server);
    }
    code = code == OW_OK ? webhook_delete(run->db, title, request->name, run->err) : code;
    return code == OW_OK
               ? rule_change_end(run, "webhook.delete", row.name, state_of(&row, arena), "")
               : code;
}
