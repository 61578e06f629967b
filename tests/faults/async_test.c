// The queue under load when processes are killed and when its disk is full: an execution whose acceptance was
// acknowledged ends well, whatever happened in between; one whose answer was lost is found by asking again
// with the same key; and each key is there once.

#include "tests/faults/disk/small_disk.h"
#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"
#include "sdk/c/overworld_execution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUEUE "/overworld.events.v1.Queue/"

enum {
    KILLS = 12,
    ROUND = 120,
    IN_FLIGHT = 32,
    CALLS_MAX = 6000,
    PATIENCE_MS = 60000,
    NO_MOUNT = 77,
};

typedef enum outcome { UNKNOWN, ACKED, REFUSED } outcome;

typedef struct async_call {
    struct load *load;
    outcome outcome;
    char id[48], key[24];
} async_call;

typedef struct load {
    deployment *d;
    ow_client *client;
    async_call *calls;
    int count, running, end;
    int acked, unknown, refused;
    ow_client_error refusal; // the last one
} load;

static void on_accepted(void *user, const ow_client_accepted *accepted,
                        const ow_client_error *error) {
    async_call *call = user;
    load *l = call->load;
    l->running--;
    if (accepted != NULL) {
        call->outcome = ACKED;
        snprintf(call->id, sizeof call->id, "%s", accepted->execution_id);
        l->acked++;
    } else if (error->status == 503 && strcmp(error->reason, "disk_full") == 0) {
        call->outcome = REFUSED;
        l->refusal = *error;
        l->refused++;
    } else {
        l->unknown++;
    }
}

static ow_client_function function_of(const async_call *call) {
    return (ow_client_function){.name = "lab/echo",
                                .payload = call->key,
                                .size = strlen(call->key),
                                .content_type = "text/plain",
                                .deduplication_key = call->key,
                                .timeout_ms = 2000};
}

static void begin_round(load *l, deployment *d, int most) {
    l->d = d;
    l->client = deployment_operator(d);
    l->end = l->count + most;
    assert_true(l->end <= CALLS_MAX);
}

// Keeps so many in flight, and gives the network `wait_ms`. False: all of the round are answered.
static bool turn(load *l, int wait_ms) {
    while (l->running < IN_FLIGHT && l->count < l->end) {
        async_call *call = &l->calls[l->count];
        call->load = l;
        snprintf(call->key, sizeof call->key, "key-%d", l->count++);
        ow_client_function function = function_of(call);
        l->running++;
        assert_true(ow_client_call_async_start(l->client, &function, on_accepted, call, NULL));
    }
    ow_client_poll(l->client, wait_ms);
    return l->running > 0 || l->count < l->end;
}

static void end_round(load *l) {
    l->end = l->count;
    while (l->running > 0) {
        ow_client_poll(l->client, 10);
    }
    ow_client_free(l->client);
    l->client = NULL;
}

// What nobody knows is asked again, and is then known.
static void resolve(load *l, ow_client *client) {
    for (int i = 0; i < l->count; i++) {
        async_call *call = &l->calls[i];
        ow_client_function function = function_of(call);
        ow_client_accepted accepted;
        ow_client_error error;
        function.timeout_ms = 20000;
        if (!ow_client_call_async(client, &function, &accepted, &error)) {
            fail_msg("%s: %s %s", call->key, error.reason, error.message);
        }
        if (call->outcome == ACKED) {
            // Nothing acknowledged is lost, and it is the same one.
            assert_true(accepted.duplicate);
            assert_string_equal(accepted.execution_id, call->id);
        }
        call->outcome = ACKED;
        snprintf(call->id, sizeof call->id, "%s", accepted.execution_id);
    }
}

// Whose every attempt met a kill is dead and says so: a person sets it going again.
static void redrive(ow_client *client, const char *reason) {
    char body[96];
    int size = snprintf(body, sizeof body, "{\"all\":true,\"filter\":{\"reason\":\"%s\"}}", reason);
    ow_client_request request = {
        .method = "POST", .path = QUEUE "RedriveExecutions", .body = body, .size = (size_t)size};
    assert_true(ow_client_send(client, &request, NULL, NULL));
}

static void expect_all_done(load *l, ow_client *client) {
    int64_t deadline = now_ms() + PATIENCE_MS;
    for (int i = 0; i < l->count; i++) {
        ow_client_execution execution = {.state = ""};
        ow_client_error error;
        while (strcmp(execution.state, "done") != 0) {
            if (!ow_client_execution_get(client, l->calls[i].id, &execution, &error)) {
                fail_msg("%s: %s", l->calls[i].id, error.reason);
            }
            bool dead = strcmp(execution.state, "dead") == 0;
            if (dead && (strcmp(execution.reason, "lease_lost") == 0 ||
                         strcmp(execution.reason, "unreachable") == 0)) {
                redrive(client, execution.reason);
                dead = false;
            }
            if (now_ms() > deadline || dead || strcmp(execution.state, "discarded") == 0) {
                fail_msg("%s is %s: %s %s", l->calls[i].id, execution.state, execution.reason,
                         execution.message);
            }
        }
    }
}

static int count_executions(ow_client *client) {
    char body[96], token[48] = "";
    int count = 0;
    do {
        snprintf(body, sizeof body, "{\"pageSize\":200,\"pageToken\":\"%s\"}", token);
        ow_client_request request = {
            .method = "POST", .path = QUEUE "ListExecutions", .body = body, .size = strlen(body)};
        ow_client_reply *reply = NULL;
        ow_json *page = NULL;
        assert_true(ow_client_send(client, &request, &reply, NULL));
        assert_int_equal(ow_json_parse(reply->data, reply->size, 64, &page, NULL), OW_OK);
        for (const ow_json *at = ow_json_first(ow_json_get(page, "executions")); at != NULL;
             at = ow_json_next(at)) {
            count++;
        }
        const char *next = ow_json_string(ow_json_get(page, "nextPageToken"));
        snprintf(token, sizeof token, "%s", next != NULL ? next : "");
        ow_json_free(page);
        ow_client_reply_free(reply);
    } while (token[0] != '\0');
    return count;
}

// Everything that was asked for is there once, and ends well.
static void check(load *l, deployment *d) {
    ow_client *client = deployment_operator(d);
    resolve(l, client);
    expect_all_done(l, client);
    assert_int_equal(count_executions(client), l->count);
    ow_client_free(client);
}

static void kill_rounds(deployment_shape shape, const char *const *services, int count) {
    static const char *const flags[] = {"--gateway.address_requests=0", NULL};
    unsigned seed = 20260901;
    load l = {.calls = calloc(CALLS_MAX, sizeof(async_call))};
    deployment *d = deployment_start(shape, flags);
    deployment_deploy(d, "tests/scenario/bundle", true);
    for (int round = 0; round < KILLS; round++) {
        const char *service = services[round % count];
        begin_round(&l, d, ROUND);
        // By what was answered, not by time: some are on their way whatever the machine's speed.
        int answered = l.count + rand_r(&seed) % (ROUND - IN_FLIGHT);
        while (l.count - l.running < answered && turn(&l, 1)) {
        }
        turn(&l, 0);
        if (service != NULL) {
            deployment_kill(d, service);
        } else {
            deployment_kill_all(d);
        }
        end_round(&l);
        deployment_start_all(d);
        assert_true(deployment_wait_ready(d, 30000));
    }
    check(&l, d);
    print_message("%d kills: %d acknowledged, %d unknown, all there once and done\n", KILLS,
                  l.acked, l.unknown);
    assert_true(l.acked > KILLS && l.unknown > 0);
    free(l.calls);
    deployment_stop(d);
}

static void the_one_process(void **state) {
    (void)state;
    static const char *const services[] = {NULL};
    kill_rounds(SHAPE_ONE_PROCESS, services, 1);
}

static void each_process(void **state) {
    (void)state;
    static const char *const services[] = {"events", "runner", "gateway", NULL};
    kill_rounds(SHAPE_SPLIT, services, 4);
}

// ---- A full disk ----

static void run_round(load *l, deployment *d, int most) {
    begin_round(l, d, most);
    while (turn(l, 1)) {
    }
    end_round(l);
}

static void on_small_disk(const char *folder) {
    static const char *const flags[] = {"--gateway.address_requests=0", NULL};
    char data[128], filler[128];
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(filler, sizeof filler, "%s/filler", folder);
    load l = {.calls = calloc(CALLS_MAX, sizeof(async_call))};
    deployment *d = deployment_new(SHAPE_ONE_PROCESS, flags, data);
    deployment_start_all(d);
    assert_true(deployment_wait_ready(d, 30000));
    deployment_deploy(d, "tests/scenario/bundle", true);
    run_round(&l, d, ROUND);
    assert_true(small_disk_fill(filler, 0) >= 0);
    for (int i = 0; i < 20 && l.refused == 0; i++) {
        run_round(&l, d, ROUND);
    }
    assert_true(l.refused > 0 && l.refusal.retry_after_s > 0);
    assert_true(deployment_is_running(d, "events"));
    unlink(filler);
    check(&l, d); // what was accepted ends, what was refused is accepted now
    print_message("%d acknowledged, %d refused\n", l.acked, l.refused);
    assert_int_equal(l.unknown, 0);
    free(l.calls);
    deployment_stop(d);
}

static void a_full_disk_is_an_answer(void **state) {
    (void)state;
    char folder[] = "/tmp/overworld-async-XXXXXX";
    assert_non_null(mkdtemp(folder));
    pid_t child = fork(); // the namespace is for its life only
    assert_true(child >= 0);
    if (child == 0) {
        if (!small_disk_mount(folder, "64m")) {
            _exit(NO_MOUNT);
        }
        on_small_disk(folder);
        exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    rmdir(folder);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNT) {
        print_message("no small file system can be mounted here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_process),
        cmocka_unit_test(each_process),
        cmocka_unit_test(a_full_disk_is_an_answer),
    };
    return cmocka_run_group_tests_name("async", tests, NULL, NULL);
}
