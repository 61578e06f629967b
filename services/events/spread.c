#include "services/events/spread.h"

#include "core/cloudevents/cloudevents.h"

#include <stdio.h>
#include <string.h>

enum { COSTLY = 4 }; // so many plain ones does one cost that is looked up or stored by itself
enum { CONDITION_COST = 64 }; // beside looking through the data; in its bytes
enum { ID_TAIL = 4, BATCH_ROOM = (256 << 10) - EVENT_ARGS_MAX - 256 };

#define MICROS_A_SECOND ((int64_t)1000000)
#define BATCH_WAIT_US MICROS_A_SECOND // when a subscription names none

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for what follows an event");
}

static char *borrow(const char *text) {
    return (char *)(uintptr_t)text;
}

// ---- Ids ----

void spread_id(const char *base_id, uint32_t n, const char *prefix, char id[static OW_ID_MAX]) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    snprintf(id, OW_ID_MAX, "%s%s", prefix, base_id + 4);
    size_t size = strlen(id);
    for (size_t i = 1; i <= ID_TAIL && i <= size; i++) {
        id[size - i] = digits[n & 31];
        n >>= 5;
    }
}

void spread_begin(spread *s, int executions) {
    int occurrences = (int)((int64_t)SPREAD_OCCURRENCES_MAX * executions / SPREAD_EXECUTIONS_MAX);
    s->executions_left = executions;
    s->occurrences_max = occurrences > 0 ? occurrences : 1;
    s->plain_count = 0;
    s->bytes_left = SPREAD_BYTES_MAX;
    s->work_left = (int64_t)SPREAD_WORK_MAX * executions / SPREAD_EXECUTIONS_MAX;
    s->executions = s->items = s->spread = s->skipped = 0;
    s->ids_used = (uint32_t)s->told_count;
    s->next_batch_us = 0;
    s->more = false;
}

int spread_next_size(int executions, bool went_well) {
    int next = went_well ? executions * 2 : executions / 2;
    return next > SPREAD_EXECUTIONS_MAX   ? SPREAD_EXECUTIONS_MAX
           : next < SPREAD_EXECUTIONS_MIN ? SPREAD_EXECUTIONS_MIN
                                          : next;
}

// ---- Executions ----

static int64_t micros(const Google__Protobuf__Duration *d) {
    return d != NULL ? d->seconds * MICROS_A_SECOND + d->nanos / 1000 : 0;
}

// Of one event or a batch; it is as if the first one had caused it.
typedef struct delivery {
    const char *title_id;
    const occurrence_facts *facts;
    const ow_trace *trace;
    const subscription_rule *rule;
    const char *ordering_key;
    char execution_id[OW_ID_MAX];
    ProtobufCBinaryData payload;
} delivery;

static void take_trace(const occurrence_facts *facts, ow_trace *trace) {
    if (!ow_trace_parse(facts->traceparent, trace)) {
        ow_trace_begin(trace);
    }
}

// Before how far it has got is written.
static ow_code store_plain(ow_db_conn *db, spread *s, ow_err *err) {
    int count = s->plain_count;
    s->plain_count = 0;
    return executions_insert_plain(db, s->plain, count, err);
}

static ow_code store(ow_db_conn *db, spread *s, const new_execution *new, ow_err *err) {
    bool duplicate;
    char first_id[OW_ID_MAX];
    if (!execution_is_plain(new)) {
        return execution_insert(db, new, &duplicate, first_id, err);
    }
    s->plain[s->plain_count++] = *new;
    return s->plain_count == PLAIN_AT_ONCE ? store_plain(db, s, err) : OW_OK;
}

static ow_code insert(ow_db_conn *db, spread *s, const delivery *d, const new_execution_msg *wanted,
                      ow_err *err) {
    ow_principal platform = {.kind = OW_PLATFORM};
    execution_origin origin = {
        .title_id = d->title_id,
        .request_id = d->facts->request_id,
        .client_address = d->facts->client_address,
        .principal = &platform,
        .trace = d->trace,
        .now_us = s->now_us,
    };
    new_execution new;
    ow_code code = execution_prepare(wanted, &origin, &s->limits, s->arena, &new, err);
    if (code == OW_INVALID_ARGUMENT) {
        s->skipped++; // what nobody can run holds nothing up
        s->executions_left--;
        return OW_OK;
    }
    if (code == OW_OK) {
        memcpy(new.execution_id, d->execution_id, OW_ID_MAX);
        code = store(db, s, &new, err);
    }
    if (s->made != NULL) {
        shares_add(s->made, d->title_id, 1);
    }
    s->executions++;
    s->executions_left -= execution_is_plain(&new) ? 1 : COSTLY;
    s->bytes_left -= (int64_t)d->payload.len;
    return code;
}

// What goes to a function is JSON; what goes to a URL is what it asked for.
static bool wants_cloudevents(const subscription_msg *declared) {
    return declared->url[0] != '\0' && strncmp(declared->format, "cloudevents", 11) == 0;
}

static const char *content_type_of(const subscription_msg *declared) {
    if (!wants_cloudevents(declared)) {
        return "application/json";
    }
    return declared->batch_size > 1 ? OW_CLOUDEVENTS_JSON : OW_CLOUDEVENT_JSON;
}

static destination_msg *fill_destination(destination_msg *to, const destination_declaration *from,
                                         char *virtual_server) {
    if (from == NULL) {
        return NULL;
    }
    overworld__events__v1__destination__init(to);
    to->virtual_server = virtual_server;
    to->function = from->function;
    to->qualifier = from->alias;
    to->event_type = from->event_type;
    return to;
}

static ow_code make_execution(ow_db_conn *db, spread *s, const delivery *d, ow_err *err) {
    const subscription_msg *declared = d->rule->declared;
    destination_msg ends[2];
    new_execution_msg wanted;
    principal_msg principal;
    retry_msg retry;
    overworld__events__v1__new_execution__init(&wanted);
    overworld__events__v1__execution_principal__init(&principal);
    overworld__events__v1__retry_policy__init(&retry);
    principal.kind = d->facts->principal_kind;
    principal.id = d->facts->principal_id;
    if (declared->retry != NULL) {
        retry.max_attempts = declared->retry->max_attempts;
        retry.base_us = micros(declared->retry->first_delay);
        retry.max_age_us = micros(declared->retry->max_age);
    }
    wanted.url = declared->url;
    wanted.content_type = borrow(content_type_of(declared));
    wanted.virtual_server = d->rule->virtual_server;
    wanted.function = declared->function;
    wanted.qualifier = declared->alias;
    wanted.source = d->facts->via;
    wanted.payload = d->payload;
    wanted.principal = &principal;
    wanted.ordering_key = borrow(d->ordering_key);
    wanted.subscription_key = borrow(d->rule->subscription_id);
    wanted.concurrency = declared->concurrency;
    wanted.retry = &retry;
    wanted.on_success = fill_destination(&ends[0], declared->on_success, d->rule->virtual_server);
    wanted.on_failure = fill_destination(&ends[1], declared->on_failure, d->rule->virtual_server);
    wanted.depth = d->facts->depth;
    wanted.trigger_id = d->facts->trigger_id;
    return insert(db, s, d, &wanted, err);
}

ow_code spread_payload(const occurrence_facts *facts, const subscription_msg *declared,
                       const char *execution_id, ow_arena *arena, ProtobufCBinaryData *ret_payload,
                       ow_err *err) {
    const char *text =
        wants_cloudevents(declared)
            ? envelope_cloudevent_in(arena, facts, &ret_payload->len)
            : envelope_in(arena, facts, execution_id, declared->args, &ret_payload->len);
    ret_payload->data = (uint8_t *)(uintptr_t)text;
    return text != NULL ? OW_OK : no_memory(err);
}

// ---- Batches ----

static ow_code make_batch_payload(spread *s, const batch_item *items, size_t count, delivery *d,
                                  ow_err *err) {
    envelope_items list = {.count = count};
    list.texts = ow_arena_calloc(s->arena, count, sizeof *list.texts);
    list.sizes = ow_arena_calloc(s->arena, count, sizeof *list.sizes);
    if (list.texts == NULL || list.sizes == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < count; i++) {
        list.texts[i] = (const char *)items[i].item.data;
        list.sizes[i] = items[i].item.len;
    }
    const subscription_msg *declared = d->rule->declared;
    const char *text =
        wants_cloudevents(declared)
            ? envelope_list_in(s->arena, &list, &d->payload.len)
            : envelope_batch_in(s->arena, &list, d->execution_id, declared->args, &d->payload.len);
    d->payload.data = (uint8_t *)(uintptr_t)text;
    return text != NULL ? OW_OK : no_memory(err);
}

// The first items of a lane become an execution.
static ow_code flush(ow_db_conn *db, spread *s, delivery *d, ow_err *err) {
    batch_item *items;
    size_t count = 0;
    batch_take take = {.subscription_id = d->rule->subscription_id,
                       .lane = d->ordering_key,
                       .limit = d->rule->declared->batch_size,
                       .bytes = BATCH_ROOM};
    ow_code code = batch_read(db, &take, s->arena, &items, &count, err);
    if (code != OW_OK || count == 0) {
        return code;
    }
    spread_id(s->base_id, s->ids_used++, "exe_", d->execution_id);
    code = make_batch_payload(s, items, count, d, err);
    code = code == OW_OK ? make_execution(db, s, d, err) : code;
    for (size_t i = 0; code == OW_OK && i < count; i++) {
        code = batch_delete(db, &items[i], err);
    }
    return code;
}

static ow_code add_to_batch(ow_db_conn *db, spread *s, delivery *d, ow_err *err) {
    const subscription_msg *declared = d->rule->declared;
    int64_t wait_us = micros(declared->batch_wait);
    int64_t count = 0, bytes = 0;
    batch_item item = {
        .title_id = d->title_id,
        .subscription_id = d->rule->subscription_id,
        .lane = d->ordering_key,
        .trigger_id = d->facts->trigger_id,
        .due_us = s->now_us + (wait_us > 0 ? wait_us : BATCH_WAIT_US),
    };
    const char *text = wants_cloudevents(declared)
                           ? envelope_cloudevent_in(s->arena, d->facts, &item.item.len)
                           : envelope_item_in(s->arena, d->facts, &item.item.len);
    if (text == NULL) {
        return no_memory(err);
    }
    item.item.data = (uint8_t *)(uintptr_t)text;
    if (item.item.len > BATCH_ROOM) {
        s->skipped++; // no batch could hold it
        return OW_OK;
    }
    spread_id(s->base_id, s->ids_used++, "bat_", item.item_id);
    ow_code code = batch_add(db, &item, err);
    if (code == OW_OK) {
        code = batch_measure(db, item.subscription_id, item.lane, &count, &bytes, err);
    }
    s->items++;
    s->executions_left -= COSTLY;
    s->bytes_left -= (int64_t)item.item.len;
    bool full = count >= declared->batch_size || bytes + count > BATCH_ROOM;
    return code == OW_OK && full ? flush(db, s, d, err) : code;
}

// ---- Occurrences ----

static ow_code deliver(ow_db_conn *db, spread *s, delivery *d, ow_err *err) {
    if (d->rule->declared->batch_size > 1) {
        return add_to_batch(db, s, d, err);
    }
    spread_id(s->base_id, s->ids_used++, "exe_", d->execution_id);
    ow_code code =
        spread_payload(d->facts, d->rule->declared, d->execution_id, s->arena, &d->payload, err);
    return code == OW_OK ? make_execution(db, s, d, err) : code;
}

static bool is_about(spread *s, const subscription_rule *rule, const occurrence_facts *facts,
                     const ow_json *data) {
    if (!event_type_matches(rule->declared->event_type, facts->event->type)) {
        return false;
    }
    s->work_left -=
        (int64_t)filter_size(rule->filter) * ((int64_t)facts->event->data.len + CONDITION_COST);
    return filter_matches(rule->filter, data);
}

// At least one subscription a slice: an event with much in it, held against many conditions, takes several.
static ow_code walk(ow_db_conn *db, spread *s, const rules *rules, occurrence_row *row,
                    const ow_json *data, ow_err *err) {
    char key[ORDERING_KEY_MAX + 1];
    ow_trace trace;
    ow_code code = OW_OK;
    take_trace(row->facts, &trace);
    for (size_t i = 0; i < rules->subscription_count && code == OW_OK; i++) {
        const subscription_rule *rule = &rules->subscriptions[i];
        if (strcmp(rule->subscription_id, row->spread_to) <= 0) {
            continue;
        }
        s->more = s->work_left <= 0;
        bool about = !s->more && is_about(s, rule, row->facts, data);
        s->more = s->more || (about && (s->executions_left <= 0 || s->bytes_left <= 0));
        if (s->more) {
            return OW_OK; // from this one on, the next time
        }
        row->spread_to = rule->subscription_id;
        if (!about) {
            continue;
        }
        ordering_key_of(data, rule->declared->ordering_key, key);
        delivery d = {.title_id = row->title_id,
                      .facts = row->facts,
                      .trace = &trace,
                      .rule = rule,
                      .ordering_key = key};
        code = deliver(db, s, &d, err);
        row->matched++;
    }
    row->spreading = false;
    return code;
}

static ow_code spread_one(ow_db_conn *db, spread *s, occurrence_row *row, ow_err *err) {
    const new_event_msg *event = row->facts->event;
    const rules *rules = NULL;
    ow_json *data = NULL;
    ow_code code = rules_current(s->cache, db, row->title_id, &rules, err);
    if (code == OW_OK && event_is_json(event)) {
        code = ow_json_parse((const char *)event->data.data, event->data.len, 64, &data, err);
    }
    code = code == OW_OK ? walk(db, s, rules, row, data, err) : code;
    code = code == OW_OK ? store_plain(db, s, err) : code;
    s->bytes_left -= (int64_t)event->data.len; // read and parsed, whether or not anything follows
    code = code == OW_OK ? occurrence_progress(db, row, err) : code;
    ow_json_free(data);
    rules_put_back(s->cache, rules);
    return code;
}

static void tell(const spread *s, const occurrence_row *row) {
    for (size_t i = 0; i < s->told_count; i++) {
        if (strcmp(s->told[i]->trigger_id, row->trigger_id) == 0) {
            s->told[i]->matched = (int32_t)row->matched;
            return;
        }
    }
}

ow_code spread_occurrences(ow_db_conn *db, spread *s, const char *title_id, ow_err *err) {
    ow_code code = OW_OK;
    bool found = true;
    while (code == OW_OK && found && !s->more) {
        occurrence_row row;
        s->more = s->spread >= s->occurrences_max || s->bytes_left <= 0 || s->work_left <= 0;
        if (s->more) {
            break;
        }
        code = occurrence_next_spreading(db, title_id, s->arena, &row, &found, err);
        if (code == OW_OK && found) {
            code = spread_one(db, s, &row, err);
            tell(s, &row);
            s->spread++;
        }
    }
    return code;
}

// ---- Batches that are due ----

static const subscription_rule *find_rule(const rules *rules, const char *subscription_id) {
    for (size_t i = 0; i < rules->subscription_count; i++) {
        if (strcmp(rules->subscriptions[i].subscription_id, subscription_id) == 0) {
            return &rules->subscriptions[i];
        }
    }
    return NULL;
}

// Of an occurrence that is not kept any more, what a batch needs to know.
static void stand_in(const batch_item *item, occurrence_facts *facts) {
    overworld__events__v1__occurrence_facts__init(facts);
    facts->trigger_id = borrow(item->trigger_id);
    facts->principal_kind = borrow("platform");
    facts->via = borrow("event");
}

// The execution runs as the batch's first event would have.
static ow_code flush_lane(ow_db_conn *db, spread *s, const batch_item *first,
                          const subscription_rule *rule, ow_err *err) {
    occurrence_row row;
    occurrence_facts unknown;
    ow_code code = occurrence_read(db, first->title_id, first->trigger_id, s->arena, &row, err);
    if (code == OW_NOT_FOUND) {
        stand_in(first, &unknown);
        row.facts = &unknown;
        code = OW_OK;
    }
    if (code != OW_OK) {
        return code;
    }
    ow_trace trace;
    take_trace(row.facts, &trace);
    delivery d = {.title_id = first->title_id,
                  .facts = row.facts,
                  .trace = &trace,
                  .rule = rule,
                  .ordering_key = first->lane};
    code = flush(db, s, &d, err);
    return code == OW_OK ? store_plain(db, s, err) : code;
}

static ow_code flush_due(ow_db_conn *db, spread *s, const batch_item *first, ow_err *err) {
    const rules *rules = NULL;
    ow_code code = rules_current(s->cache, db, first->title_id, &rules, err);
    if (code == OW_OK) {
        const subscription_rule *rule = find_rule(rules, first->subscription_id);
        // Switched off meanwhile: nothing is delivered, and no more of that in a slice than of the rest.
        s->executions_left -= rule == NULL ? 1 : 0;
        code = rule != NULL ? flush_lane(db, s, first, rule, err) : batch_delete(db, first, err);
    }
    rules_put_back(s->cache, rules);
    return code;
}

ow_code spread_batches(ow_db_conn *db, spread *s, ow_err *err) {
    ow_code code = OW_OK;
    bool found = true;
    while (code == OW_OK && found) {
        batch_item item;
        code = batch_next_due(db, s->arena, &item, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        if (item.due_us > s->now_us) {
            s->next_batch_us = item.due_us;
            break;
        }
        if (s->executions_left <= 0 || s->bytes_left <= 0) {
            s->more = true;
            break;
        }
        code = flush_due(db, s, &item, err);
    }
    return code;
}
