#include "core/bus/bus.h"

#include "core/json/moment.h"
#include "core/json/writer.h"
#include "core/log/log.h"
#include "core/rpc/call.h"
#include "core/timestamp/timestamp.h"
#include "overworld/api/bus.pb-c.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BATCH_MAX = 100,
    DATA_MAX = 8192,
    ARENA_MAX = 8 << 20,
    CALL_TIMEOUT_US = 30 * 1000 * 1000,
    LOOK_EVERY_US = 30 * 1000 * 1000, // when nothing was kicked
    RETRY_FIRST_US = 200 * 1000,
    RETRY_MAX_US = 10 * 1000 * 1000,
};

typedef Overworld__Api__BusEvent bus_event;

// One batch at a time: read, relay, delete.
struct ow_bus {
    ow_bus_options options;
    char *name;
    unsigned method;
    ow_timer timer;
    ow_db_job job;
    ow_arena *arena; // NULL: nothing is under way
    ow_call *call;
    Overworld__Api__RelayRequest request;
    bus_event events[BATCH_MAX];
    bus_event *list[BATCH_MAX];
    char title_id[OW_ID_MAX];
    int64_t waiting;
    int64_t limit; // of the next batch: 1 looks for the one that is refused
    int64_t retry_us;
    bool again, stopping;
    atomic_bool full; // written on the loop, read in write steps
    ow_counter *relayed, *failed, *dropped;
    ow_gauge *waits;
};

static void set_timer(ow_bus *bus, int64_t in_us) {
    if (!bus->stopping) {
        ow_loop_timer_set(bus->options.loop, &bus->timer,
                          ow_loop_now_us(bus->options.loop) + in_us);
    }
}

// ---- In the store ----

void ow_bus_event_about(ow_bus_event *event, const char *prefix, const char *about) {
    const char *rest = strchr(about, '_');
    snprintf(event->event_id, sizeof event->event_id, "%s%.30s", prefix,
             rest != NULL ? rest + 1 : about);
}

ow_code ow_bus_publish(const ow_bus *bus, ow_db_conn *db, const ow_bus_event *event, ow_err *err) {
    if (atomic_load_explicit(&bus->full, memory_order_relaxed)) {
        ow_counter_add(bus->dropped, 1);
        return OW_OK;
    }
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO outbox (event_id, title_id, type, at_us, request_id, data_json)"
                      " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
                      "tttitt", event->event_id, event->title_id, event->type, event->at_us,
                      event->request_id, event->data_json);
}

static void write_field(ow_json_writer *w, const ow_bus_field *field) {
    char moment[OW_MOMENT_MAX];
    const char *text = field->text;
    if (field->kind == OW_BUS_MOMENT) {
        text = ow_moment_print(field->number, moment) ? moment : NULL;
    }
    bool is_text = field->kind == OW_BUS_TEXT || field->kind == OW_BUS_MOMENT;
    if (is_text && text == NULL) {
        return;
    }
    ow_json_name(w, field->name);
    if (is_text) {
        ow_json_text(w, text);
    } else if (field->kind == OW_BUS_BOOL) {
        ow_json_bool(w, field->number != 0);
    } else {
        ow_json_int(w, field->number);
    }
}

ow_code ow_bus_tell(const ow_bus *bus, ow_db_conn *db, ow_arena *arena, ow_bus_event *event,
                    const ow_bus_field *fields, ow_err *err) {
    ow_json_writer w;
    if (bus == NULL) {
        return OW_OK;
    }
    ow_json_writer_init(&w, arena, DATA_MAX);
    ow_json_object_open(&w);
    for (; fields->name != NULL; fields++) {
        write_field(&w, fields);
    }
    ow_json_object_close(&w);
    event->data_json = ow_json_writer_end(&w, NULL);
    return event->data_json != NULL
               ? ow_bus_publish(bus, db, event, err)
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for an event");
}

static ow_code count_waiting(ow_bus *bus, ow_db_conn *db, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err, "SELECT count(*) FROM outbox", "");
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    bus->waiting = code == OW_OK && found ? ow_rows_int(rows, 0) : bus->waiting;
    ow_rows_close(rows);
    return code;
}

static bool take_event(ow_rows *rows, ow_arena *arena, bus_event *event) {
    overworld__api__bus_event__init(event);
    event->event_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 0));
    event->type = ow_arena_strdup_in(arena, ow_rows_text(rows, 2));
    event->time = ow_timestamp_in(arena, ow_rows_int(rows, 3));
    event->request_id = ow_arena_strdup_in(arena, ow_rows_text(rows, 4));
    event->data_json = ow_arena_strdup_in(arena, ow_rows_text(rows, 5));
    return event->event_id != NULL && event->type != NULL && event->time != NULL &&
           event->request_id != NULL && event->data_json != NULL;
}

// The oldest, as long as they are of one title.
static ow_code read_batch(ow_db_conn *db, void *self, ow_err *err) {
    ow_bus *bus = self;
    ow_rows *rows = NULL;
    bool found = true;
    ow_code code = count_waiting(bus, db, err);
    bus->request.n_events = 0;
    if (code == OW_OK) {
        code = ow_db_query(db, &rows, err,
                           "SELECT event_id, title_id, type, at_us, request_id, data_json"
                           " FROM outbox ORDER BY at_us, event_id LIMIT $1",
                           "i", bus->limit);
    }
    while (code == OW_OK && bus->request.n_events < BATCH_MAX) {
        code = ow_rows_next(rows, &found, err);
        if (code != OW_OK || !found) {
            break;
        }
        const char *title = ow_rows_text(rows, 1);
        if (bus->request.n_events == 0) {
            snprintf(bus->title_id, sizeof bus->title_id, "%s", title);
        } else if (strcmp(title, bus->title_id) != 0) {
            break;
        }
        size_t at = bus->request.n_events;
        if (!take_event(rows, bus->arena, &bus->events[at])) {
            break; // the rest with the next batch
        }
        bus->list[at] = &bus->events[at];
        bus->request.n_events++;
    }
    ow_rows_close(rows);
    return code;
}

static ow_code delete_batch(ow_db_conn *db, void *self, ow_err *err) {
    ow_bus *bus = self;
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < bus->request.n_events; i++) {
        code = ow_db_exec(db, NULL, err, "DELETE FROM outbox WHERE event_id = $1", "t",
                          bus->events[i].event_id);
    }
    return code;
}

// ---- A batch ----

static void end_batch(ow_bus *bus, bool well) {
    bool more = bus->waiting > (int64_t)bus->request.n_events || bus->again;
    bus->arena = ow_arena_free(bus->arena);
    bus->again = false;
    if (well) {
        bus->retry_us = RETRY_FIRST_US;
        set_timer(bus, more ? 0 : LOOK_EVERY_US);
        return;
    }
    set_timer(bus, bus->retry_us);
    bus->retry_us = bus->retry_us * 2 < RETRY_MAX_US ? bus->retry_us * 2 : RETRY_MAX_US;
}

static void fail_batch(ow_bus *bus, const char *what, const ow_err *err) {
    if (!bus->stopping) {
        ow_log(OW_LOG_WARN, "events wait to be relayed", "service=%s step=%s reason=%s", bus->name,
               what, err != NULL ? err->reason : "memory");
        ow_counter_add(bus->failed, 1);
    }
    end_batch(bus, false);
}

static void on_deleted(void *self, ow_code code, const ow_err *err) {
    ow_bus *bus = self;
    if (code != OW_OK) {
        fail_batch(bus, "delete", err);
        return;
    }
    ow_counter_add(bus->relayed, bus->request.n_events);
    end_batch(bus, true);
}

static void on_relayed(const ProtobufCMessage *reply, void *closure_data) {
    ow_call *call = closure_data;
    ow_bus *bus = call->user;
    ow_err err = call->err;
    bus->call = NULL;
    ow_call_free(call);
    bool refused = reply == NULL && err.code == OW_INVALID_ARGUMENT;
    bool single = bus->request.n_events == 1;
    // What is too much for the taker at once must not be sent unchanged for ever.
    bus->limit = refused ? 1 : reply != NULL ? BATCH_MAX : (bus->limit + 1) / 2;
    if (refused && single) {
        ow_log(OW_LOG_WARN, "an event is refused and dropped", "service=%s event=%s reason=%s",
               bus->name, bus->events[0].event_id, err.reason);
        ow_counter_add(bus->dropped, 1);
    } else if (reply == NULL || bus->stopping) {
        fail_batch(bus, "relay", &err);
        return;
    }
    bus->job = (ow_db_job){.run = delete_batch, .done = on_deleted, .self = bus};
    ow_db_write(bus->options.db, &bus->job);
}

static void relay(ow_bus *bus) {
    ow_principal platform = {.kind = OW_PLATFORM};
    snprintf(platform.title, sizeof platform.title, "%s", bus->title_id);
    ow_call_options options = {.principal = &platform, .timeout_us = CALL_TIMEOUT_US};
    bus->call = ow_call_new(bus->options.loop, &options);
    if (bus->call == NULL) {
        fail_batch(bus, "call", NULL);
        return;
    }
    bus->call->user = bus;
    bus->options.taker->invoke(bus->options.taker, bus->method, &bus->request.base, on_relayed,
                               bus->call);
}

static void on_read(void *self, ow_code code, const ow_err *err) {
    ow_bus *bus = self;
    if (code != OW_OK || bus->stopping) {
        fail_batch(bus, "read", err);
        return;
    }
    ow_gauge_set(bus->waits, bus->waiting);
    atomic_store_explicit(&bus->full, bus->waiting >= OW_BUS_WAITING_MAX, memory_order_relaxed);
    if (bus->request.n_events == 0) {
        end_batch(bus, true);
        return;
    }
    relay(bus);
}

static void on_due(void *self) {
    ow_bus *bus = self;
    if (bus->arena != NULL) {
        bus->again = true;
        return;
    }
    bus->arena = ow_arena_new(ARENA_MAX);
    if (bus->arena == NULL) {
        set_timer(bus, RETRY_MAX_US);
        return;
    }
    bus->job = (ow_db_job){.run = read_batch, .done = on_read, .self = bus};
    ow_db_read(bus->options.db, &bus->job);
}

void ow_bus_kick(ow_bus *bus) {
    if (bus->arena != NULL) {
        bus->again = true;
    } else if (bus->retry_us == RETRY_FIRST_US) {
        set_timer(bus, 0);
    } // else the taker is away: it is asked when its time has come
}

// ---- Opening and closing ----

static bool find_method(ow_bus *bus) {
    const ProtobufCServiceDescriptor *service = bus->options.taker->descriptor;
    for (unsigned i = 0; i < service->n_methods; i++) {
        if (strcmp(service->methods[i].name, "Relay") == 0 &&
            service->methods[i].input == &overworld__api__relay_request__descriptor) {
            bus->method = i;
            return true;
        }
    }
    return false;
}

static void register_metrics(ow_bus *bus) {
    ow_metrics *m = bus->options.metrics;
    ow_metric_labels shown = {{"service"}, {bus->name}};
    const ow_metric_labels *labels = &shown;
    bus->relayed = ow_metrics_counter(m, "overworld_bus_relayed_total",
                                      "Events of a service that were passed on", labels);
    bus->failed = ow_metrics_counter(m, "overworld_bus_failures_total",
                                     "Attempts to pass events on that failed", labels);
    bus->dropped = ow_metrics_counter(m, "overworld_bus_dropped_total",
                                      "Events not kept because too many waited", labels);
    bus->waits = ow_metrics_gauge(m, "overworld_bus_waiting",
                                  "Events of a service that wait to be passed on", labels);
}

ow_bus *ow_bus_new(const ow_bus_options *options) {
    ow_bus *bus = calloc(1, sizeof *bus);
    if (bus == NULL) {
        return NULL;
    }
    bus->options = *options;
    bus->name = strdup(options->name);
    if (bus->name == NULL || options->taker == NULL || !find_method(bus)) {
        return ow_bus_free(bus);
    }
    bus->timer = (ow_timer){.on_due = on_due, .self = bus};
    bus->retry_us = RETRY_FIRST_US;
    bus->limit = BATCH_MAX;
    overworld__api__relay_request__init(&bus->request);
    bus->request.events = bus->list;
    register_metrics(bus);
    set_timer(bus, 0); // what waited when the last process ended
    return bus;
}

void ow_bus_stop(ow_bus *bus) {
    bus->stopping = true;
    ow_loop_timer_cancel(bus->options.loop, &bus->timer);
    if (bus->call != NULL) {
        ow_call_cancel(bus->call, OW_CANCELLED);
    }
}

ow_bus *ow_bus_free(ow_bus *bus) {
    if (bus != NULL) {
        ow_arena_free(bus->arena);
        free(bus->name);
    }
    free(bus);
    return NULL;
}
