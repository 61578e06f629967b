#pragma once

// A service's own events: kept in its store with the change that they tell of, passed on afterwards,
// deleted when they were taken. At least once, oldest first; the taker knows them by their ids. Knows no
// product: what takes them is a service with a method Relay (proto/overworld/api/bus.proto).
//
//     ow_bus_event event = {.title_id = title, .type = "player.login", ...};
//     ow_bus_event_about(&event, "lgn_", session_id);
//     ow_bus_field fields[] = {{"player_id", OW_BUS_TEXT, .text = id}, {0}};
//     code = ow_bus_tell(bus, run->db, arena, &event, fields, run->err);   // in the write step of the change
//     ...
//     ow_bus_kick(bus);                                        // in a loop step behind it
//
// Nothing waits for the taker: while it is away events stay in the store, OW_BUS_WAITING_MAX of them;
// beyond that new ones are dropped and counted, since a login must not fail for them.

#include "core/arena/arena.h"
#include "core/db/db.h"
#include "core/id/id.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"

#include <protobuf-c/protobuf-c.h>

// The table, for one of the service's migrations.
#define OW_BUS_TABLES                                                                              \
    "CREATE TABLE outbox ("                                                                        \
    "  event_id TEXT NOT NULL PRIMARY KEY,"                                                        \
    "  title_id TEXT NOT NULL,"                                                                    \
    "  type TEXT NOT NULL,"                                                                        \
    "  at_us BIGINT NOT NULL,"                                                                     \
    "  request_id TEXT NOT NULL,"                                                                  \
    "  data_json TEXT NOT NULL);"                                                                  \
    "CREATE INDEX outbox_order ON outbox (at_us, event_id);"

#define OW_BUS_WAITING_MAX 100000

typedef struct ow_bus ow_bus;

typedef struct ow_bus_options {
    const char *name; // of the service, for metrics and logs
    ow_loop *loop;
    ow_db *db;
    ow_metrics *metrics;
    ProtobufCService *taker; // has a method Relay; from the directory
} ow_bus_options;

// Heap; begins with what the store holds. NULL: out of memory, or the taker has no such method.
ow_bus *ow_bus_new(const ow_bus_options *options);
// Before the store is closed: ends what is on its way, it stays in the store. Loop thread.
void ow_bus_stop(ow_bus *bus);
// After it. Accepts NULL; returns NULL.
ow_bus *ow_bus_free(ow_bus *bus);

typedef struct ow_bus_event {
    // The same whenever the write step runs: made of what it is about, or before the step.
    char event_id[OW_ID_MAX];
    const char *title_id, *type;
    int64_t at_us;
    const char *request_id; // "": nobody asked
    const char *data_json;
} ow_bus_event;

// Makes the id of one that happens once to what has the id `about`: the prefix instead of its own, or before
// what has none. Any thread.
void ow_bus_event_about(ow_bus_event *event, const char *prefix, const char *about);

// Keeps it, in the write step of the change that it tells of; one whose id is there already is that one.
// Codes as ow_db_exec.
ow_code ow_bus_publish(const ow_bus *bus, ow_db_conn *db, const ow_bus_event *event, ow_err *err);

typedef enum ow_bus_kind { OW_BUS_TEXT, OW_BUS_INT, OW_BUS_BOOL, OW_BUS_MOMENT } ow_bus_kind;

typedef struct ow_bus_field {
    const char *name; // NULL: behind the last
    ow_bus_kind kind;
    const char *text; // TEXT; NULL: the field is left out
    int64_t
        number; // INT, BOOL; MOMENT: microseconds UTC, left out when no calendar has it (INT64_MAX)
} ow_bus_field;

// The same of an object with these fields, at most 8 KB of JSON, which stays in the arena as the event's data.
// `bus` NULL: nobody is told. resource_exhausted "memory", too.
ow_code ow_bus_tell(const ow_bus *bus, ow_db_conn *db, ow_arena *arena, ow_bus_event *event,
                    const ow_bus_field *fields, ow_err *err);

// There is something to pass on. Loop thread.
void ow_bus_kick(ow_bus *bus);
