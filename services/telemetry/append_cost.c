// What telemetry costs where records arrive: CPU of all threads for each call, from the block to the
// commit, with the block's summary, words and points.
//
//     bazel run //services/telemetry:append_cost -- LINES
//
// LINES: how many lines each call has written; 0 when left out. A call has a request's and a run's record.

#include "services/telemetry/blocks_for_test.h"
#include "services/telemetry/telemetry.h"
#include "tests/stage/stage.h"

#include "core/id/id.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { BLOCKS = 200, BLOCK_BYTES = 256 * 1024, LINE_ROOM = 80 };

static const stage_caller platform = {.kind = OW_PLATFORM};
static const uint8_t trace_id[16] = {1, 2, 3, 4};

static void add_call(test_block *b, int64_t now_us, int number, int lines) {
    char request_id[OW_ID_MAX];
    char invocation_id[OW_ID_MAX];
    char line[LINE_ROOM];
    ow_id_make(request_id, "req_", now_us);
    ow_id_make(invocation_id, "inv_", now_us);
    test_run run = {
        .title = "ttl_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        .request_id = request_id,
        .invocation_id = invocation_id,
        .server = "chat",
        .function = "moderate",
        .version = 3,
        .duration_us = 120,
        .queued_us = 3,
        .trace_id = trace_id,
        .span_id = 77,
        .parent_span_id = 78,
    };
    for (int i = 0; i < lines; i++) {
        snprintf(line, sizeof line, "player %d sold item %d for %d gold", number * 31 % 5000,
                 number % 977, i);
        test_block_line(b, now_us, &run, "info", line);
    }
    test_block_invocation(b, now_us, &run);
    test_block_request(b, now_us, &run, 200);
}

static int64_t cpu_us(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

// The CPU of one append.
static int64_t append(stage *s, const test_block *b) {
    Overworld__Telemetry__V1__AppendRequest request =
        OVERWORLD__TELEMETRY__V1__APPEND_REQUEST__INIT;
    char process[] = "runner-1";
    request.process = process;
    request.records = (ProtobufCBinaryData){b->size, b->bytes};
    request.count = b->count;
    request.first_us = b->first_us;
    request.last_us = b->last_us;
    int64_t before_us = cpu_us();
    if (stage_call(s, &overworld__telemetry__v1__telemetry__descriptor, "Append", &request,
                   &platform) == NULL) {
        fprintf(stderr, "append_cost: %s\n", s->err.message);
        exit(1);
    }
    return cpu_us() - before_us;
}

int main(int argc, char **argv) {
    int lines = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
    int64_t spent_us = 0;
    int64_t bytes = 0;
    int calls = 0;
    stage s;
    stage_open(&s, &ow_telemetry_module, OW_CHANNEL_LOCAL, NULL);
    s.env.rerun_writes = false;
    stage_start(&s);
    for (int i = 0; i < BLOCKS; i++) {
        test_block b = {0};
        for (; b.size < BLOCK_BYTES; calls++) {
            add_call(&b, ow_clock_wall_us(s.clock), calls, lines);
        }
        spent_us += append(&s, &b);
        bytes += (int64_t)b.size;
        test_block_free(&b);
    }
    stage_close(&s);
    printf("%d calls with %d lines each: %.2f us CPU and %lld bytes a call\n", calls, lines,
           (double)spent_us / calls, (long long)(bytes / calls));
    return 0;
}
