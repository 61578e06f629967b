// JSON at the doors of a running server: what RFC 8259 does not allow never reaches a function or a
// method; a million random 64-bit integers pass client, gateway and function unchanged.

#include "tests/scenario/deployment.h"

#include "core/json/refused_samples.h"
#include "core/testing/ow_test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALLS = 1000, NUMBERS = 1000, NUMBER_TEXT_MAX = 26 };

typedef struct fixture {
    deployment *d;
    ow_client *player;
} fixture;

static const char *const flags[] = {"--gateway.player_calls=0", "--gateway.player_function_calls=0",
                                    "--gateway.address_requests=0", NULL};

typedef struct json_door {
    const char *path, *reason;
    bool without_token;
} json_door;

static const json_door doors[] = {
    {"/v1/call/lab/echo", "invalid", false},
    {"/overworld.identity.v1.Identity/DeviceLogin", "invalid_json", true},
};

static void expect_refused(ow_client *client, const json_door *door, const ow_json_sample *sample) {
    ow_client_request request = {.method = "POST",
                                 .path = door->path,
                                 .body = sample->text,
                                 .size = sample->size,
                                 .without_token = door->without_token};
    ow_client_error error = {0};
    if (ow_client_send(client, &request, NULL, &error) || error.status != 400 ||
        strcmp(error.reason, door->reason) != 0) {
        fail_msg("%s with \"%s\": %d %s", door->path, sample->text, error.status, error.reason);
    }
}

static void refuses_what_is_no_json(void **state) {
    const fixture *f = *state;
    assert_true(ow_json_refused_count >= 200);
    for (size_t i = 0; i < ow_json_refused_count; i++) {
        if (ow_json_refused[i].size == 0) {
            continue; // no payload at all is none of either
        }
        expect_refused(f->player, &doors[0], &ow_json_refused[i]);
        expect_refused(f->player, &doors[1], &ow_json_refused[i]);
    }
    expect_reply(f->player, "lab/echo", "[1e400,{\"a\":1,\"a\":2}]", "[1e400,{\"a\":1,\"a\":2}]");
}

static uint64_t random_bits(uint64_t *state) {
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

// All magnitudes, as text and as numbers.
static void write_numbers(char *text, uint64_t *state) {
    static const int64_t edges[] = {INT64_MIN, INT64_MAX, INT64_C(1) << 53, (INT64_C(1) << 53) + 1};
    size_t used = 0;
    for (int i = 0; i < NUMBERS; i++) {
        int64_t number = (int64_t)random_bits(state) >> (random_bits(state) % 64);
        number = i < 4 ? edges[i] : number;
        const char *quote = i % 2 == 0 ? "\"" : "";
        used += (size_t)snprintf(text + used, NUMBER_TEXT_MAX, "%c%s%" PRId64 "%s",
                                 i == 0 ? '[' : ',', quote, number, quote);
    }
    memcpy(text + used, "]", 2);
}

static void passes_a_million_integers(void **state) {
    const fixture *f = *state;
    static char text[NUMBERS * NUMBER_TEXT_MAX];
    uint64_t seed = 42;
    for (int i = 0; i < CALLS; i++) {
        write_numbers(text, &seed);
        expect_reply(f->player, "lab/numbers", text, text);
    }
}

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->d = deployment_start(SHAPE_ONE_PROCESS, flags);
    deployment_deploy(f->d, "tests/scenario/bundle", true);
    f->player = deployment_player(f->d, "device-that-speaks-json");
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_client_free(f->player);
    deployment_stop(f->d);
    free(f);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_is_no_json),
        cmocka_unit_test(passes_a_million_integers),
    };
    return cmocka_run_group_tests_name("json", tests, set_up, tear_down);
}
