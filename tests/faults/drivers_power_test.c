// Calls, events and timers under load when the power is lost or everything is killed at random points. Each function
// leaves one mark, by what it was called for, in the keys and values of its virtual server: the ledger. Afterwards
// nothing that was acknowledged is lost, each slot of a timer became one execution or stands in its history as missed,
// and the ledger has one mark of each call, each event and each slot, and no other.

#include "tests/faults/disk/faulty.h"
#include "tests/faults/queue_load.h"
#include "tests/scenario/json_call.h"
#include "tests/scenario/own_bundle.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POINTS = 20,
    ROUND = 90,
    TIMERS = 4,
    START_MS = 30000,
    PATIENCE_MS = 90000,
    OUT_MAX = 1 << 18,
};

typedef struct bench {
    faulty faulty;
    char data[PATH_MAX + 8];
    deployment *d;
    load load;
} bench;

// A slot is named by its timer and time, an event and a call by their keys.
static const char source[] =
    "#include <overworld.h>\n#include <stdio.h>\n#include <string.h>\n"
    "int mark(ow_ctx *ctx) {\n"
    "    char key[120];\n"
    "    size_t size;\n"
    "    const char *text = ow_payload(ctx, &size);\n"
    "    cJSON *json = cJSON_ParseWithLength(text, size);\n"
    "    const cJSON *data = cJSON_GetObjectItem(json, \"event_data\");\n"
    "    if (data != NULL) {\n"
    "        snprintf(key, sizeof key, \"event/%s\", ow_json_string(data, \"key\", \"?\"));\n"
    "    } else if (json != NULL) {\n"
    "        snprintf(key, sizeof key, \"slot/%s/%s\", ow_json_string(json, \"TriggerName\", \"?\"),\n"
    "                 ow_json_string(json, \"Time\", \"?\"));\n"
    "    } else {\n"
    "        snprintf(key, sizeof key, \"call/%.*s\", (int)size, text);\n"
    "    }\n"
    "    cJSON_Delete(json);\n"
    "    ow_status status = ow_kv_set(ctx, OW_KV_SERVER, key, \"1\", 1, 0);\n"
    "    return status == OW_DONE ? ow_reply_text(ctx, \"true\") : ow_user_error(ctx, \"%s\", key);\n}\n";

static const char manifest[] =
    "{\"name\":\"ledger\",\"runtime\":\"c\",\"functions\":{\"mark\":{}},\"subscriptions\":[{\"name\":"
    "\"heard\",\"event_type\":\"load.*\",\"function\":\"mark\",\"retry\":{\"max_attempts\":20,"
    "\"first_delay\":\"0.200s\"}}]}";

static char out[OUT_MAX];

static void install(const bench *b) {
    char name[16];
    own_bundle_deploy(b->d, manifest, source, true);
    assert_int_equal(OW(b->d, out, "event", "declare", "load.made"), 0);
    for (int i = 0; i < TIMERS; i++) {
        snprintf(name, sizeof name, "t%d", i);
        assert_int_equal(
            OW(b->d, out, "timer", "create", "ledger", name, "--function", "mark", "--every", "1s"),
            0);
    }
}

static int set_up(void **state) {
    static const char *const flags[] = {"--gateway.address_requests=0", NULL};
    bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    faulty_init(&b->faulty);
    snprintf(b->data, sizeof b->data, "%s/data", b->faulty.plan->root);
    load_init(&b->load, "ledger/mark", "load.made");
    b->d = deployment_new(SHAPE_ONE_PROCESS, flags, b->data);
    deployment_start_all(b->d);
    assert_true(deployment_wait_ready(b->d, START_MS));
    install(b);
    *state = b;
    return 0;
}

static int tear_down(void **state) {
    bench *b = *state;
    deployment_stop(b->d);
    load_deinit(&b->load);
    faulty_deinit(&b->faulty);
    free(b);
    return 0;
}

// ---- Rounds ----

// Starts under the plan, and runs a round until it is done or the process has ended. With `kill_at` > 0 it is killed
// when so many were answered. True: the plan came true.
static bool run_round(bench *b, int kill_at) {
    deployment_environment(b->d, b->faulty.environment);
    deployment_start_all(b->d);
    if (deployment_wait_ready(b->d, START_MS)) {
        load_begin(&b->load, b->d, ROUND);
        int until = load_answered(&b->load) + kill_at;
        while (deployment_is_running(b->d, "events") && load_turn(&b->load, 1) &&
               (kill_at == 0 || load_answered(&b->load) < until)) {
        }
        if (kill_at > 0) {
            deployment_kill_all(b->d);
        }
        load_end(&b->load);
    }
    bool struck = atomic_load(&b->faulty.plan->struck) > 0;
    deployment_kill_all(b->d);
    return struck;
}

// ---- Afterwards ----

static int count_marks(ow_client *client, const char *prefix) {
    char body[300], token[256] = "";
    int count = 0;
    do {
        snprintf(
            body, sizeof body,
            "{\"scope\":{\"kind\":\"VIRTUAL_SERVER\",\"virtualServer\":\"ledger\"},\"prefix\":\"%s\",\"pageSize\":200,"
            "\"keysOnly\":true,\"pageToken\":\"%s\"}",
            prefix, token);
        ow_json *page = json_must_call(client, "/overworld.data.v1.Data/KvList", body);
        count += (int)ow_json_count(ow_json_get(page, "entries"));
        const char *next = ow_json_string(ow_json_get(page, "nextPageToken"));
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
        ow_json_free(page);
    } while (token[0] != '\0');
    return count;
}

static void expect_marks(ow_client *client, const char *prefix, int wanted) {
    int count = 0;
    for (int64_t end = now_ms() + PATIENCE_MS; now_ms() < end;) {
        count = count_marks(client, prefix);
        if (count == wanted) {
            return;
        }
    }
    fail_msg("%d marks %s, not %d", count, prefix, wanted);
}

// Slots of a timer that were fired; -1: some are on their way. Each begins where the one before it has ended.
static int slots_fired(const bench *b, const char *timer) {
    ow_json *reply = NULL;
    int fired = 0, open = 0;
    assert_int_equal(OW(b->d, out, "timer", "history", timer, "--limit", "200", "--json"), 0);
    assert_int_equal(ow_json_parse(out, strlen(out), 16, &reply, NULL), OW_OK);
    const ow_json *slots = ow_json_get(reply, "slots");
    assert_true(ow_json_count(slots) > 0 && ow_json_count(slots) < 200); // all of them
    for (const ow_json *slot = ow_json_first(slots); slot != NULL; slot = ow_json_next(slot)) {
        const char *at = ow_json_string(ow_json_get(slot, "state"));
        fired += strcmp(at, "fired") == 0;
        open += strcmp(at, "claimed") == 0;
    }
    ow_json_free(reply);
    return open > 0 ? -1 : fired;
}

static int all_slots_fired(const bench *b) {
    char name[24];
    int total = 0;
    int64_t end = now_ms() + PATIENCE_MS;
    for (int i = 0; i < TIMERS;) {
        snprintf(name, sizeof name, "ledger/t%d", i);
        int fired = slots_fired(b, name);
        assert_true(now_ms() < end);
        if (fired >= 0) {
            total += fired;
            i++;
        }
    }
    return total;
}

static void check(bench *b) {
    char name[24];
    deployment_environment(b->d, NULL);
    deployment_start_all(b->d);
    assert_true(deployment_wait_ready(b->d, START_MS));
    for (int i = 0; i < TIMERS; i++) {
        snprintf(name, sizeof name, "ledger/t%d", i);
        assert_int_equal(OW(b->d, out, "timer", "pause", name), 0);
    }
    ow_client *client = deployment_operator(b->d);
    load_resolve(&b->load, client);
    load_expect_done(&b->load, client);
    int events = b->load.count / 3;
    int fired = all_slots_fired(b);
    expect_marks(client, "call/", b->load.count - events);
    expect_marks(client, "event/", events);
    expect_marks(client, "slot/", fired);
    assert_int_equal(count_executions(client, "event"), events);
    assert_int_equal(count_executions(client, "timer"), fired);
    assert_int_equal(count_executions(client, ""), b->load.count + fired);
    print_message("%d acknowledged, %d unknown, %d slots\n", b->load.acked, b->load.unknown, fired);
    ow_client_free(client);
}

static void nothing_is_lost_or_doubled(void **state) {
    bench *b = *state;
    unsigned seed = 20261127;
    deployment_kill_all(b->d);
    faulty_rest(&b->faulty);
    run_round(b, 0); // counts what a round does with its files
    long calls = atomic_load(&b->faulty.plan->seen);
    int struck = 0;
    for (int point = 0; point < POINTS; point++) {
        bool kill = point % 3 == 2;
        if (!kill) {
            faulty_lose_power(&b->faulty, 1 + (long)rand_r(&seed) % calls, (unsigned)point);
        }
        struck += run_round(b, kill ? 1 + (int)(rand_r(&seed) % (ROUND - 40)) : 0);
        faulty_rest(&b->faulty);
    }
    check(b);
    print_message("%d power losses\n", struck);
    assert_true(struck > POINTS / 3 && b->load.acked > POINTS * 10 && b->load.unknown > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_lost_or_doubled, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("drivers_power", tests, NULL, NULL);
}
