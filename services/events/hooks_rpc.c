// ReceiveWebhook: a request to /hooks/{title}/{name}, verified and published. And Relay: the platform's own.

#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"

#include "core/log/log.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

// ---- Finding and verifying ----

static const char *header_of(const receive_webhook_request *request, const char *name) {
    for (size_t i = 0; i < request->n_headers; i++) {
        if (strcasecmp(request->headers[i]->name, name) == 0) {
            return request->headers[i]->value;
        }
    }
    return NULL;
}

// One that is switched off is as if it were not there.
ow_code receive_webhook_find(ow_run *run) {
    const events *e = run->self;
    const receive_webhook_request *request = run->request;
    hook_state *s = run->state;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = webhook_read(run->db, run->call->principal->title, request->name, run->call->arena,
                            &s->row, run->err);
    }
    if (code == OW_OK && s->row.disabled) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_webhook", "there is no such webhook");
    }
    return code == OW_OK ? rules_warm(e->rules, run->db, run->call->principal->title, run->err)
                         : code;
}

static ow_code verify(ow_run *run, const char *secret) {
    const receive_webhook_request *request = run->request;
    const hook_state *s = run->state;
    const webhook_msg *declared = s->row.declared;
    const ProtobufCBinaryData *body = &request->body;
    if (strcmp(declared->verification, "standard") == 0) {
        ow_webhook_headers headers = {header_of(request, "webhook-id"),
                                      header_of(request, "webhook-timestamp"),
                                      header_of(request, "webhook-signature")};
        return ow_webhook_verify(secret, &headers, body->data, body->len, s->now_us / SECOND_US,
                                 run->err);
    }
    const char *header = header_of(request, declared->header);
    size_t prefix = strlen(declared->prefix);
    if (header != NULL && strncmp(header, declared->prefix, prefix) != 0) {
        header = NULL;
    }
    return ow_webhook_verify_hmac(secret, header != NULL ? header + prefix : NULL, body->data,
                                  body->len, run->err);
}

// The event's id is the sender's, where it has one: what comes again is known.
static ow_code prepare(ow_run *run) {
    const receive_webhook_request *request = run->request;
    const ow_call *call = run->call;
    hook_state *s = run->state;
    const char *content_type = header_of(request, "Content-Type");
    const char *id = header_of(request, "webhook-id");
    overworld__events__v1__new_event__init(&s->event);
    s->event.type = s->row.declared->event_type;
    s->event.source = ow_arena_printf_in(call->arena, "/hooks/%s", s->row.name);
    s->event.id = borrow(id != NULL ? id : "");
    s->event.data = request->body;
    s->event.content_type = borrow(content_type != NULL ? content_type : "");
    s->by = (publisher){.title_id = call->principal->title,
                        .principal = &s->principal,
                        .request_id = call->request_id,
                        .client_address = call->client_address,
                        .trace = &call->trace,
                        .now_us = s->now_us,
                        .via = "webhook",
                        .any_type = true};
    s->principal = (ow_principal){.kind = OW_PLATFORM};
    new_event_msg *events[] = {&s->event};
    return s->event.source == NULL
               ? events_no_memory(run->err)
               : publication_prepare(&s->publication, &s->by, events, 1, call->arena, run->err);
}

static ow_code admit(ow_run *run, const char *secret) {
    ow_code code = verify(run, secret);
    return code == OW_OK ? prepare(run) : code;
}

static const secret_value *find_value(const get_secret_values_response *reply, const char *name) {
    for (size_t i = 0; i < reply->n_values; i++) {
        if (strcmp(reply->values[i]->name, name) == 0) {
            return reply->values[i];
        }
    }
    return NULL;
}

static void on_secrets(const get_secret_values_response *reply, void *closure_data) {
    ow_call *sub = closure_data;
    ow_run *run = sub->user;
    const hook_state *s = run->state;
    const secret_value *value = reply != NULL ? find_value(reply, s->row.declared->secret) : NULL;
    ow_code code;
    if (reply == NULL) {
        *run->err = sub->err;
        code = sub->err.code;
    } else if (value == NULL) {
        code = ow_fail(run->err, OW_FAILED_PRECONDITION, "no_secret",
                       "%s has no secret %s to verify it with", s->row.virtual_server,
                       s->row.declared->secret);
    } else {
        char *secret = ow_arena_memdup_in(run->call->arena, value->value.data, value->value.len);
        code = secret != NULL ? admit(run, secret) : events_no_memory(run->err);
    }
    ow_call_free(sub);
    ow_run_resume(run, code);
}

// Of a manifest's webhook registry has the secret.
ow_code receive_webhook_verify(ow_run *run) {
    const events *e = run->self;
    hook_state *s = run->state;
    s->now_us = ow_clock_wall_us(e->env->clock);
    ow_code code = events_check_room(run, 1);
    if (code != OW_OK) {
        return code;
    }
    if (s->row.secret[0] != '\0') {
        return admit(run, s->row.secret);
    }
    ow_call *sub = ow_call_child(run->call);
    if (sub == NULL) {
        return events_no_memory(run->err);
    }
    overworld__registry__v1__get_secret_values_request__init(&s->secrets);
    s->secrets.virtual_server = borrow(s->row.virtual_server);
    sub->user = run;
    overworld__registry__v1__registry__get_secret_values(e->registry, &s->secrets, on_secrets, sub);
    return OW_PENDING;
}

// ---- Storing ----

ow_code receive_webhook_validate(ow_run *run) {
    const hook_state *s = run->state;
    return publication_check_json(&s->publication, run->err);
}

ow_code receive_webhook_reserve(ow_run *run) {
    events *e = run->self;
    hook_state *s = run->state;
    events_reserve_ids(e, s->now_us, s->base_id);
    publication_number(&s->publication, s->base_id);
    return OW_OK;
}

ow_code receive_webhook_store(ow_run *run) {
    const events *e = run->self;
    hook_state *s = run->state;
    receive_webhook_response *reply = run->reply;
    publication_store to = {.db = run->db,
                            .cache = e->rules,
                            .arena = run->call->arena,
                            .limits = {.concurrency = e->config.concurrency},
                            .now_us = s->now_us,
                            .base_id = s->base_id};
    ow_code code = publication_write(&s->publication, &s->by, &to, run->err);
    reply->trigger_id = s->publication.told[0]->trigger_id;
    reply->duplicate = s->publication.told[0]->duplicate;
    return code;
}

ow_code receive_webhook_kick(ow_run *run) {
    events *e = run->self;
    const hook_state *s = run->state;
    events_note_spread(e, s->by.title_id, &s->publication.spread, s->now_us);
    return OW_OK;
}
