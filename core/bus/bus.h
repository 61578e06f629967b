#pragma once

// A service's own events: kept in its store with the change that they tell of, passed on afterwards,
// deleted when they were taken. At least once, oldest first; the taker knows them by their ids. Knows no
// product: what takes them is a service with a method Relay (proto/overworld/api/bus.proto).
//
//     ow_bus_event event = {.title_id = title, .type = "player.login", .data_json = json, ...};
//     code = ow_bus_publish(bus, run->db, &event, run->err);   // in the write step of the change
//     ...
//     ow_bus_kick(bus);                                        // in a loop step behind it
//
// Nothing waits for the taker: while it is away events stay in the store, OW_BUS_WAITING_MAX of them;
// beyond that new ones are dropped and counted, since a login must not fail for them.

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
    char event_id
        [OW_ID_MAX]; // made before the write step (ow_bus_event_id), so that it stays the same
    const char *title_id, *type;
    int64_t at_us;
    const char *request_id; // "": nobody asked
    const char *data_json;
} ow_bus_event;

// Makes the id. Any thread.
void ow_bus_event_id(ow_bus_event *event, int64_t at_us);

// Keeps it, in the write step of the change that it tells of. Codes as ow_db_exec.
ow_code ow_bus_publish(const ow_bus *bus, ow_db_conn *db, const ow_bus_event *event, ow_err *err);

// There is something to pass on. Loop thread.
void ow_bus_kick(ow_bus *bus);
