#pragma once

// How many instances a function has and how many calls wait for one: told to telemetry once a step of ten
// seconds, with the peaks in it, and shown in the metrics. One loop thread.

#include "core/metrics/metrics.h"

#include <stdint.h>

struct pool_entry;
struct runner;

struct levels {
    ow_metric_labels labels; // title, virtual_server, function, version
    ow_gauge *instances, *instances_peak, *waiting, *waiting_peak; // NULL: not registered
};

// The metrics of a pool, under its version as it is now.
void levels_register(struct pool_entry *entry);
// Accepts one whose metrics were never registered.
void levels_release(struct pool_entry *entry);

// Sets the metrics of all pools, before they are shown.
void levels_collect(struct runner *runner);

// At the start, then with each maintenance: reports when a step has ended.
void levels_maintain(struct runner *runner);

// Before a pool goes: what telemetry has not heard yet.
void levels_last(struct pool_entry *entry);
