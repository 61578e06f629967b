#include "services/overworld/gauges.h"

#include "core/version/version.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static int64_t resident_bytes(void) {
    int64_t pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%*s %" SCNd64, &pages) != 1) {
            pages = 0;
        }
        fclose(file);
    }
    return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_descriptors(void) {
    int64_t count = -3; // ".", ".." and the one that reads
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) {
        return 0;
    }
    // cppcheck-suppress readdirCalled // nobody else has this stream
    while (readdir(folder) != NULL) {
        count++;
    }
    closedir(folder);
    return count;
}

static void collect(void *self) {
    gauges *gauges = self;
    ow_gauge_set(gauges->resident_bytes, resident_bytes());
    ow_gauge_set(gauges->open_descriptors, open_descriptors());
    ow_gauge_set(gauges->refused_series, (int64_t)ow_metrics_refused(gauges->metrics));
}

void gauges_add(gauges *gauges, ow_metrics *metrics) {
    gauges->metrics = metrics;
    gauges->resident_bytes = ow_metrics_gauge(metrics, "process_resident_memory_bytes",
                                              "Memory of this process that is resident", NULL);
    gauges->open_descriptors =
        ow_metrics_gauge(metrics, "process_open_fds", "Open file descriptors", NULL);
    gauges->refused_series = ow_metrics_gauge(metrics, "overworld_metrics_refused",
                                              "Metrics that are not shown: too many", NULL);
    ow_gauge *start = ow_metrics_gauge(metrics, "process_start_time_seconds",
                                       "When this process started, Unix time", NULL);
    ow_gauge_set(start, time(NULL));
    static const ow_metric_labels version = {{"version"}, {OVERWORLD_VERSION}};
    ow_gauge_set(
        ow_metrics_gauge(metrics, "overworld_build_info", "1 for the version that runs", &version),
        1);
    gauges->collector = (ow_metrics_collector){.collect = collect, .self = gauges};
    ow_metrics_collector_add(metrics, &gauges->collector);
}

void gauges_remove(gauges *gauges) {
    if (gauges->metrics != NULL) {
        ow_metrics_collector_remove(gauges->metrics, &gauges->collector);
    }
}
