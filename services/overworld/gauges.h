#pragma once

// What the metrics say about the process itself, read when somebody asks.

#include "core/metrics/metrics.h"

typedef struct gauges {
    ow_metrics *metrics;
    ow_metrics_collector collector;
    ow_gauge *resident_bytes;
    ow_gauge *open_descriptors;
    ow_gauge *refused_series;
} gauges;

// `gauges` must live until gauges_remove; which accepts a zeroed one.
void gauges_add(gauges *gauges, ow_metrics *metrics);
void gauges_remove(gauges *gauges);
