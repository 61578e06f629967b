// 200 MB of lines against a cap of 50 MB: what is kept and what lies on the disk stay bounded, the
// newest lines are found by their words, and of those that were deleted no word is left.

#include "services/telemetry/blocks_for_test.h"
#include "services/telemetry/telemetry.h"
#include "tests/stage/stage.h"

#include "core/loop/loop.h"
#include "core/metrics/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SERVICE (&overworld__telemetry__v1__telemetry__descriptor)
#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define MB ((int64_t)1 << 20)

enum { LINES = 1000, LINE_BYTES = 240 };

static const int64_t written_max = 200 * MB;
static const int64_t cap = 50 * MB;

static const stage_caller platform = {.kind = OW_PLATFORM};
static const stage_caller viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER, .title = "ttl_1"};
static const test_run chat = {.title = "ttl_1",
                              .request_id = "req_1",
                              .invocation_id = "inv_1",
                              .server = "chat",
                              .function = "moderate",
                              .version = 3};

// A block of lines: words that many share, a number of its own, and one word of the block's.
static void fill(test_block *b, int64_t now_us, int block) {
    char line[LINE_BYTES];
    for (int i = 0; i < LINES; i++) {
        int size = snprintf(line, sizeof line, "player %d sold item %d in block%d ",
                            i * 7919 % 4001, i, block);
        memset(line + size, 'x', sizeof line - 1 - (size_t)size);
        line[sizeof line - 1] = 0;
        test_block_line(b, now_us, &chat, "info", line);
    }
}

static int64_t append(stage *s, test_block *b) {
    Overworld__Telemetry__V1__AppendRequest request =
        OVERWORLD__TELEMETRY__V1__APPEND_REQUEST__INIT;
    request.process = TEXT("runner-1");
    request.records = (ProtobufCBinaryData){b->size, b->bytes};
    request.count = b->count;
    request.first_us = b->first_us;
    request.last_us = b->last_us;
    int64_t size = (int64_t)b->size;
    if (stage_call(s, SERVICE, "Append", &request, &platform) == NULL) {
        fail_msg("%s: %s", s->err.reason, s->err.message);
    }
    test_block_free(b);
    return size;
}

static int64_t bytes_on_disk(const stage *s) {
    char path[STAGE_PATH_MAX + 300];
    snprintf(path, sizeof path, "%s/telemetry", s->data);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    int64_t bytes = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        struct stat info;
        snprintf(path, sizeof path, "%s/telemetry/%s", s->data, entry->d_name);
        if (stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
            bytes += info.st_size;
        }
    }
    closedir(folder);
    return bytes;
}

static size_t count_lines(stage *s, const char *words) {
    Overworld__Telemetry__V1__QueryLogsRequest request =
        OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
    request.text = TEXT(words);
    request.page_size = 200;
    const Overworld__Telemetry__V1__QueryLogsResponse *page =
        stage_call(s, SERVICE, "QueryLogs", &request, &viewer);
    assert_non_null(page);
    return page->n_entries;
}

static int64_t kept(const stage *s) {
    return ow_gauge_value(
        ow_metrics_gauge(s->metrics, "overworld_telemetry_stored_bytes", "", NULL));
}

static bool is_within_cap(void *self) {
    return kept(self) <= cap;
}

static void keeps_within_its_size(void **state) {
    (void)state;
    static const char *const flags[] = {"--telemetry.max_size=50MB", NULL};
    stage s;
    test_block b = {0};
    int64_t written = 0;
    int64_t largest = 0;
    int block = 0;
    stage_open(&s, &ow_telemetry_module, OW_CHANNEL_LOCAL, flags);
    stage_start(&s);
    for (; written < written_max; block++) {
        fill(&b, ow_clock_wall_us(s.clock), block);
        written += append(&s, &b);
        int64_t now = bytes_on_disk(&s);
        largest = now > largest ? now : largest;
    }
    stage_until(&s, is_within_cap, &s);
    print_message("written %lld MB, kept %lld MB, at most %lld MB on the disk\n",
                  (long long)(written / MB), (long long)(kept(&s) / MB), (long long)(largest / MB));
    assert_true(kept(&s) > cap / 2);
    // The log of SQLite has a bound of its own (32 MB) besides.
    assert_true(largest < cap * 2);
    char words[40];
    snprintf(words, sizeof words, "block%d sold", block - 1);
    assert_int_equal(count_lines(&s, words), 200);
    assert_int_equal(count_lines(&s, "block0"), 0);
    assert_int_equal(count_lines(&s, "block10 player"), 0);
    // By age: the rest goes too.
    ow_clock_advance(s.clock, (int64_t)8 * 24 * 3600 * 1000000);
    stage_restart(&s);
    while (kept(&s) > 0) {
        assert_int_equal(ow_loop_turn(s.loop, 1000, NULL), OW_OK);
    }
    assert_int_equal(count_lines(&s, "player*"), 0);
    stage_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {OW_TEST(keeps_within_its_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
