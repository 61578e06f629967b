// Figures of the function host: one request in flight, several, cold start, idle memory, kill.
//
//     bench [--json]
//
// The round trip is measured twice: with host and instance on one processor, which is what the
// exchange itself costs, and wherever the scheduler puts them. In a virtual machine with idle
// processors the second is mostly the hypervisor waking one up, 50 us and more; under load it comes
// down to the first.

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtimes/host/harness.h"

#define RUNTIME "runtimes/c/ow-rt-c"
#define FUNCTIONS "runtimes/host/functions.so"
#define CALLS 20000u
#define COLD_STARTS 200u
#define IDLE 50u

typedef struct row {
    const char *name;
    double value;
    const char *unit;
    double bar; // at most this; 0 = none
} row;

static void print_row(const row *row, bool json) {
    bool holds = row->bar <= 0 || row->value <= row->bar;
    if (json) {
        printf("{\"name\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"bar\":%.3f,\"holds\":%s}\n",
               row->name, row->value, row->unit, row->bar, holds ? "true" : "false");
    } else {
        printf("%-28s %10.2f %-6s", row->name, row->value, row->unit);
        printf(row->bar > 0 ? "  bar %.2f %s\n" : "\n", row->bar, holds ? "holds" : "MISSED");
    }
}

static int ascending(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, unsigned count) {
    qsort(values, count, sizeof *values, ascending);
    return values[count / 2];
}

static void stop(harness *self, ow_host_instance *instance) {
    unsigned exits = self->exits;
    ow_host_instance_kill(instance);
    harness_until(self, &self->exits, exits + 1);
}

static void one_in_flight(harness *self, const char *name, double bar, bool json) {
    static double times[CALLS];
    char payload[256];
    memset(payload, 'x', sizeof payload);
    ow_host_instance *instance = harness_spawn(self, "echo");
    harness_submit(instance, 0, payload, sizeof payload);
    harness_until(self, &self->replies, self->replies + 1);
    for (unsigned i = 0; i < CALLS; i++) {
        unsigned replies = self->replies;
        uint64_t start = harness_now_ns();
        harness_submit(instance, i, payload, sizeof payload);
        while (self->replies == replies) {
            harness_turn(self, 1000);
        }
        times[i] = (double)(harness_now_ns() - start) / 1e3;
    }
    print_row(&(row){name, median(times, CALLS), "us", bar}, json);
    stop(self, instance);
}

static void eight_in_flight(harness *self, const char *name, bool json) {
    char payload[256];
    memset(payload, 'x', sizeof payload);
    ow_host_instance *instance = harness_spawn(self, "echo");
    harness_until(self, &self->ready, self->ready + 1);
    unsigned first = self->replies;
    unsigned sent = 0;
    uint64_t start = harness_now_ns();
    while (self->replies - first < 10 * CALLS) {
        while (sent < 10 * CALLS && ow_host_instance_has_room(instance)) {
            harness_submit(instance, sent++, payload, sizeof payload);
        }
        harness_turn(self, 1000);
    }
    double us = (double)(harness_now_ns() - start) / 1e3;
    print_row(&(row){name, us / (10 * CALLS), "us", 0}, json);
    stop(self, instance);
}

static void cold_start(harness *self, bool json) {
    static double times[COLD_STARTS];
    static double ends[COLD_STARTS];
    for (unsigned i = 0; i < COLD_STARTS; i++) {
        unsigned replies = self->replies;
        uint64_t start = harness_now_ns();
        ow_host_instance *instance = harness_spawn(self, "echo_json");
        harness_submit(instance, 1, "{\"a\":1}", 7);
        harness_until(self, &self->replies, replies + 1);
        times[i] = (double)(harness_now_ns() - start) / 1e6;
        start = harness_now_ns();
        stop(self, instance);
        ends[i] = (double)(harness_now_ns() - start) / 1e6;
    }
    print_row(&(row){"host/cold-start-c-p50", median(times, COLD_STARTS), "ms", 2.0}, json);
    print_row(&(row){"host/cold-start-c-p99", times[COLD_STARTS * 99 / 100], "ms", 0}, json);
    print_row(&(row){"host/kill-to-exit-p50", median(ends, COLD_STARTS), "ms", 0}, json);
}

static double pss_mb(pid_t pid) {
    char path[64];
    char line[128];
    snprintf(path, sizeof path, "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    unsigned long kb = 0;
    while (file && fgets(line, sizeof line, file) && sscanf(line, "Pss: %lu", &kb) != 1) {
    }
    if (file) {
        fclose(file);
    }
    return (double)kb / 1024;
}

static void idle_memory(harness *self, bool json) {
    ow_host_instance *instances[IDLE];
    unsigned replies = self->replies;
    for (unsigned i = 0; i < IDLE; i++) {
        instances[i] = harness_spawn(self, "echo_json");
        harness_submit(instances[i], i, "{\"a\":1}", 7);
    }
    harness_until(self, &self->replies, replies + IDLE);
    double sum = 0;
    for (unsigned i = 0; i < IDLE; i++) {
        sum += pss_mb(ow_host_instance_pid(instances[i]));
    }
    print_row(&(row){"host/idle-instance-c-pss", sum / IDLE, "MB", 0.3}, json);
    for (unsigned i = 0; i < IDLE; i++) {
        stop(self, instances[i]);
    }
}

static harness *start(void) {
    return harness_open(RUNTIME, FUNCTIONS, NULL, OW_HOST_SANDBOX_REFUSED);
}

int main(int argc, char **argv) {
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    cpu_set_t all;
    cpu_set_t one;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    harness *self = start();
    one_in_flight(self, "host/one-in-flight-256B-p50", 8.0, json);
    eight_in_flight(self, "host/eight-in-flight-256B", json);
    harness_close(self);
    sched_setaffinity(0, sizeof all, &all);
    self = start();
    one_in_flight(self, "host/one-in-flight-anywhere", 0, json);
    eight_in_flight(self, "host/eight-in-flight-anywhere", json);
    cold_start(self, json);
    idle_memory(self, json);
    harness_close(self);
    return 0;
}
