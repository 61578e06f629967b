// Publish.

#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"
#include "services/events/publication.h"

#include <string.h>

static publisher publisher_of(const ow_run *run) {
    const publish_request *request = run->request;
    const publish_state *s = run->state;
    const ow_call *call = run->call;
    return (publisher){
        .title_id = call->principal->title,
        .principal = call->principal,
        .request_id = call->request_id,
        .client_address = call->client_address,
        .trace = &call->trace,
        .now_us = s->now_us,
        .via = "event",
        .depth = call->from_outside ? 0 : request->depth,
        .outside = call->from_outside,
    };
}

ow_code publish_check(ow_run *run) {
    const events *e = run->self;
    const publish_request *request = run->request;
    publish_state *s = run->state;
    s->now_us = ow_clock_wall_us(e->env->clock);
    s->by = publisher_of(run);
    ow_code code = events_check_title(run);
    code = code == OW_OK ? events_check_room(run, 1) : code;
    return code == OW_OK ? publication_prepare(&s->publication, &s->by, request->events,
                                               request->n_events, run->call->arena, run->err)
                         : code;
}

ow_code publish_warm(ow_run *run) {
    const events *e = run->self;
    const publish_state *s = run->state;
    return rules_warm(e->rules, run->db, s->by.title_id, run->err);
}

// What an old copy of the rules refuses may be right by now: the write step decides that.
ow_code publish_validate(ow_run *run) {
    const events *e = run->self;
    publish_state *s = run->state;
    ow_code code = publication_check_json(&s->publication, run->err);
    const rules *rules = code == OW_OK ? rules_cache_get(e->rules, s->by.title_id) : NULL;
    if (rules != NULL && publication_check_types(&s->publication, &s->by, rules, NULL) == OW_OK) {
        memcpy(s->publication.checked, rules->version, OW_ID_MAX);
    }
    rules_put_back(e->rules, rules);
    return code;
}

ow_code publish_reserve(ow_run *run) {
    events *e = run->self;
    publish_state *s = run->state;
    events_reserve_ids(e, s->now_us, s->base_id);
    publication_number(&s->publication, s->base_id);
    return OW_OK;
}

ow_code publish_store(ow_run *run) {
    const events *e = run->self;
    publish_state *s = run->state;
    publication_store to = {
        .db = run->db,
        .cache = e->rules,
        .arena = run->call->arena,
        .limits = {.concurrency = e->config.concurrency},
        .now_us = s->now_us,
        .base_id = s->base_id,
    };
    return publication_write(&s->publication, &s->by, &to, run->err);
}

ow_code publish_kick(ow_run *run) {
    events *e = run->self;
    const publish_state *s = run->state;
    events_note_spread(e, s->by.title_id, &s->publication.spread, s->now_us);
    return OW_OK;
}

ow_code publish_reply(ow_run *run) {
    const publish_state *s = run->state;
    publish_response *reply = run->reply;
    reply->events = s->publication.told;
    reply->n_events = s->publication.count;
    return publish_kick(run);
}
