// kill -9 at random points under a load of writes: whatever was acknowledged is there afterwards.
//
// Each round logs new players in from several connections, remembers who was acknowledged, kills the
// server at a random moment, starts it again on the same folder and asks for every one of them.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KILLS = 200, IN_FLIGHT = 16, ROUND_MAX = 4000 };

typedef struct login_op {
    struct journal *journal;
    int number;
} login_op;

typedef struct journal {
    ow_client *client;
    int round;
    int next;
    int running;
    int acked;
    login_op ops[ROUND_MAX];
    char players[ROUND_MAX][48]; // "" = not acknowledged
} journal;

static void start_login(journal *j);

static void on_login(void *user, ow_client_reply *reply, const ow_client_error *error) {
    login_op *op = user;
    journal *j = op->journal;
    (void)error;
    j->running--;
    if (reply == NULL) {
        return; // the server is gone: nothing was promised
    }
    // Not the first "plr_": a token's signature may hold those letters too.
    const char *id = strstr(reply->data, "\"playerId\":\"");
    assert_non_null(id);
    snprintf(j->players[op->number], sizeof j->players[0], "%.43s", id);
    j->acked++;
    start_login(j);
}

static void device_of(char body[96], int round, int number) {
    snprintf(body, 96, "{\"deviceId\":\"kill-test-%06d-%06d\"}", round, number);
}

static void start_login(journal *j) {
    if (j->next == ROUND_MAX) {
        return;
    }
    char body[96];
    int number = j->next++;
    device_of(body, j->round, number);
    j->ops[number] = (login_op){j, number};
    ow_client_request request = {.method = "POST",
                                 .path = "/overworld.identity.v1.Identity/DeviceLogin",
                                 .body = body,
                                 .size = strlen(body),
                                 .without_token = true};
    if (ow_client_send_start(j->client, &request, on_login, &j->ops[number], NULL)) {
        j->running++;
    }
}

static ow_client *client_of(const deployment *d) {
    ow_client_config config = {.url = deployment_public(d),
                               .timeout_ms = 20000,
                               .max_running = IN_FLIGHT,
                               .max_retries = -1};
    return ow_client_new(&config, NULL);
}

static void load_and_kill(deployment *d, journal *j, unsigned *seed) {
    j->client = client_of(d);
    for (int i = 0; i < IN_FLIGHT; i++) {
        start_login(j);
    }
    int64_t kill_at = now_ms() + rand_r(seed) % 60;
    while (now_ms() < kill_at) {
        ow_client_poll(j->client, 1);
    }
    deployment_kill(d, "identity");
    while (j->running > 0) {
        ow_client_poll(j->client, 100);
    }
    ow_client_free(j->client);
}

typedef struct lookup {
    const journal *j;
    int number;
    int *wrong, *running;
} lookup;

static void on_found(void *user, ow_client_reply *reply, const ow_client_error *error) {
    lookup *l = user;
    (*l->running)--;
    if (reply == NULL || strstr(reply->data, l->j->players[l->number]) == NULL) {
        print_error("round %d number %d: %s is lost: %s\n", l->j->round, l->number,
                    l->j->players[l->number], reply != NULL ? (char *)reply->data : error->message);
        (*l->wrong)++;
    }
}

static int count_lost(deployment *d, const journal *j) {
    static lookup lookups[ROUND_MAX];
    ow_client *client = client_of(d);
    int wrong = 0, running = 0;
    for (int n = 0; n < j->next; n++) {
        if (j->players[n][0] == '\0') {
            continue;
        }
        char body[96];
        snprintf(body, sizeof body, "{\"deviceId\":\"kill-test-%06d-%06d\",\"existingOnly\":true}",
                 j->round, n);
        ow_client_request request = {.method = "POST",
                                     .path = "/overworld.identity.v1.Identity/DeviceLogin",
                                     .body = body,
                                     .size = strlen(body),
                                     .without_token = true};
        lookups[n] = (lookup){j, n, &wrong, &running};
        running++;
        assert_true(ow_client_send_start(client, &request, on_found, &lookups[n], NULL));
    }
    int64_t start = now_ms();
    while (running > 0) {
        ow_client_poll(client, 100);
        assert_true(now_ms() - start < 60000);
    }
    ow_client_free(client);
    return wrong;
}

static void no_acknowledged_login_is_lost(void **state) {
    (void)state;
    static journal j;
    unsigned seed = 20260101;
    int acked = 0;
    deployment *d = deployment_start(SHAPE_ONE_PROCESS, NULL);
    for (int round = 0; round < KILLS; round++) {
        memset(&j, 0, sizeof j);
        j.round = round;
        load_and_kill(d, &j, &seed);
        deployment_restart(d, "identity");
        assert_true(deployment_wait_ready(d, 30000));
        assert_int_equal(count_lost(d, &j), 0);
        acked += j.acked;
    }
    print_message("%d kills, %d acknowledged logins, none lost\n", KILLS, acked);
    assert_true(acked > KILLS);
    deployment_stop(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_acknowledged_login_is_lost),
    };
    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
