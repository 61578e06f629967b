// ListOccurrences, GetOccurrence, TrySubscription.

#include "services/events/declarations.h"
#include "services/events/event_reply.h"
#include "services/events/events_rpc.h"
#include "services/events/publication.h"

#include "core/timestamp/timestamp.h"

#include <string.h>

enum { WHY_MAX = 1000, LIST_DATA_MAX = 4 << 20 };

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

static bool is_somebody(const occurrence_facts *facts) {
    return facts->principal_kind[0] != '\0' && strcmp(facts->principal_kind, "platform") != 0;
}

static bool fill(occurrence_msg *to, const occurrence_row *row, bool data, ow_arena *arena) {
    const occurrence_facts *facts = row->facts;
    const new_event_msg *event = facts->event;
    to->trigger_id = facts->trigger_id;
    to->type = event->type;
    to->id = event->id;
    to->source = event->source;
    to->subject = event->subject;
    to->time = event->time;
    to->received = ow_timestamp_in(arena, row->received_us);
    to->content_type = event->content_type;
    to->data_size = (int64_t)event->data.len;
    to->n_extensions = event->n_extensions;
    to->extensions = event->extensions;
    to->request_id = facts->request_id;
    to->matched = (int32_t)row->matched;
    to->spreading = row->spreading;
    if (data) {
        to->data = event->data;
    }
    if (is_somebody(facts)) {
        to->principal =
            ow_arena_printf_in(arena, "%s:%s", facts->principal_kind, facts->principal_id);
    }
    return to->received != NULL && to->principal != NULL;
}

ow_code get_occurrence(ow_run *run) {
    const get_occurrence_request *request = run->request;
    ow_arena *arena = run->call->arena;
    occurrence_row row;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = occurrence_read(run->db, run->call->principal->title, request->trigger_id, arena,
                               &row, run->err);
    }
    return code == OW_OK && !fill(run->reply, &row, true, arena) ? events_no_memory(run->err)
                                                                 : code;
}

// The data of a list as far as there is room in an answer.
static bool fill_list(list_occurrences_response *reply, const occurrence_list *list, bool data,
                      ow_arena *arena) {
    const occurrence_row *rows = list->rows;
    size_t room = data ? LIST_DATA_MAX : 0;
    reply->occurrences = ow_arena_calloc(arena, list->count + 1, sizeof *reply->occurrences);
    for (size_t i = 0; reply->occurrences != NULL && i < list->count; i++) {
        occurrence_msg *made = ow_arena_alloc(arena, sizeof *made);
        if (made == NULL) {
            return false;
        }
        overworld__events__v1__occurrence__init(made);
        size_t size = rows[i].facts->event->data.len;
        if (!fill(made, &rows[i], size <= room, arena)) {
            return false;
        }
        room -= size <= room ? size : 0;
        reply->occurrences[reply->n_occurrences++] = made;
    }
    if (list->more) {
        reply->next_page_token = events_page_token_in(arena, rows[list->count - 1].trigger_id);
    }
    return reply->occurrences != NULL && reply->next_page_token != NULL;
}

ow_code list_occurrences(ow_run *run) {
    const list_occurrences_request *request = run->request;
    ow_arena *arena = run->call->arena;
    events_page page;
    occurrence_list list;
    ow_code code = events_check_title(run);
    if (code == OW_OK) {
        code = events_page_begin(request->page_size, request->page_token, &page, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    occurrence_range range = {
        .title_id = run->call->principal->title,
        .type = request->type,
        .before = page.after,
        .since_us = ow_timestamp_us(request->since),
        .until_us = request->until != NULL ? ow_timestamp_us(request->until) : INT64_MAX,
        .limit = page.limit,
    };
    code = occurrences_list(run->db, &range, arena, &list, run->err);
    return code == OW_OK && !fill_list(run->reply, &list, request->data, arena)
               ? events_no_memory(run->err)
               : code;
}

// ---- TrySubscription ----

typedef struct trial {
    const subscription_msg *declared;
    const occurrence_facts *facts;
} trial;

static ow_code find_subscription(ow_run *run, trial *t) {
    const try_subscription_request *request = run->request;
    subscription_row row;
    if (request->subscription != NULL) {
        t->declared = request->subscription;
        return subscription_check("any", request->subscription, run->err);
    }
    ow_code code = subscription_read(run->db, run->call->principal->title, request->subscription_id,
                                     run->call->arena, &row, run->err);
    t->declared = code == OW_OK ? row.declared : NULL;
    return code;
}

// One that is made up is as complete as one that was published.
static ow_code invent(ow_run *run, new_event_msg *event, occurrence_row *ret_row) {
    const events *e = run->self;
    const ow_call *call = run->call;
    publication made;
    publisher by = {.title_id = call->principal->title,
                    .principal = call->principal,
                    .request_id = call->request_id,
                    .client_address = call->client_address,
                    .trace = &call->trace,
                    .now_us = ow_clock_wall_us(e->env->clock),
                    .via = "event",
                    .any_type = true};
    ow_code code = publication_prepare(&made, &by, &event, 1, call->arena, run->err);
    code = code == OW_OK ? publication_check_json(&made, run->err) : code;
    if (code == OW_OK) {
        *ret_row = made.rows[0];
    }
    return code;
}

static ow_code find_event(ow_run *run, trial *t) {
    const try_subscription_request *request = run->request;
    occurrence_row row;
    ow_code code = request->event != NULL
                       ? invent(run, request->event, &row)
                       : occurrence_read(run->db, run->call->principal->title, request->trigger_id,
                                         run->call->arena, &row, run->err);
    t->facts = code == OW_OK ? row.facts : NULL;
    return code;
}

static ow_code explain(ow_run *run, const trial *t, const filter *filter, const ow_json *data) {
    try_subscription_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    char key[ORDERING_KEY_MAX + 1];
    ProtobufCBinaryData payload;
    char *why = ow_arena_calloc(arena, 1, WHY_MAX);
    if (why == NULL) {
        return events_no_memory(run->err);
    }
    if (!event_type_matches(t->declared->event_type, t->facts->event->type)) {
        why = ow_arena_printf_in(arena, "not the type %s", t->declared->event_type);
    } else {
        filter_explain(filter, data, why, WHY_MAX);
    }
    ordering_key_of(data, t->declared->ordering_key, key);
    reply->why_not = why;
    reply->matches = why != NULL && why[0] == '\0';
    reply->ordering_key = ow_arena_strdup_in(arena, key);
    ow_code code = spread_payload(t->facts, t->declared, "exe_00000000000000000000000000", arena,
                                  &payload, run->err);
    reply->envelope_json = code == OW_OK ? (char *)payload.data : borrow("");
    return code == OW_OK && (why == NULL || reply->ordering_key == NULL)
               ? events_no_memory(run->err)
               : code;
}

ow_code try_subscription(ow_run *run) {
    trial t = {0};
    filter *filter = NULL;
    ow_json *data = NULL;
    ow_code code = events_check_title(run);
    code = code == OW_OK ? find_subscription(run, &t) : code;
    code = code == OW_OK ? find_event(run, &t) : code;
    code = code == OW_OK ? subscription_filter(t.declared, &filter, run->err) : code;
    if (code == OW_OK && event_is_json(t.facts->event)) {
        code = ow_json_parse((const char *)t.facts->event->data.data, t.facts->event->data.len, 64,
                             &data, run->err);
    }
    code = code == OW_OK ? explain(run, &t, filter, data) : code;
    filter_free(filter);
    ow_json_free(data);
    return code;
}
