// Keys and values as functions, server keys and operators see them. Run against the shapes of deployment.

#include "tests/scenario/own_bundle.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static deployment_shape shape;
static deployment *d;
static ow_client *player;

// Payloads are {"scope","key","value","version"}; replies name the status, or give value and version.
static const char source[] =
    "#include <overworld.h>\n#include <stdio.h>\n#include <string.h>\n"
    "static const char *at(ow_ctx *ctx, const char *key) {\n"
    "    return ow_json_string(ow_payload_json(ctx), key, \"\");\n}\n"
    "static int say(ow_ctx *ctx, ow_status status, const char *text) {\n"
    "    cJSON *reply = cJSON_CreateObject();\n"
    "    cJSON_AddNumberToObject(reply, \"status\", status);\n"
    "    cJSON_AddStringToObject(reply, \"text\", status ? ow_error_reason(ctx) : text);\n"
    "    return ow_reply_json(ctx, reply);\n}\n"
    "static char first[64] = \"none\";\n"
    "int ow_init(ow_ctx *ctx) {\n"
    "    ow_kv_item item;\n"
    "    if (ow_kv_get(ctx, OW_KV_SERVER, \"at_start\", &item) == OW_DONE) {\n"
    "        snprintf(first, sizeof first, \"%s\", (const char *)item.value);\n    }\n"
    "    return ow_kv_get(ctx, OW_KV_PLAYER, \"x\", &item) == OW_INVALID ? 0 : 1;\n}\n"
    "int at_start(ow_ctx *ctx) { return say(ctx, 0, first); }\n"
    "int get(ow_ctx *ctx) {\n"
    "    ow_kv_item item;\n"
    "    ow_status status = ow_kv_get(ctx, at(ctx, \"scope\"), at(ctx, \"key\"), &item);\n"
    "    return say(ctx, status, item.value);\n}\n"
    "int set(ow_ctx *ctx) {\n"
    "    const char *value = at(ctx, \"value\");\n"
    "    return say(ctx, ow_kv_set(ctx, at(ctx, \"scope\"), at(ctx, \"key\"), value,\n"
    "        strlen(value), 0), \"set\");\n}\n"
    "int cas(ow_ctx *ctx) {\n"
    "    const char *value = at(ctx, \"value\");\n"
    "    char text[24];\n    int64_t version = 0;\n"
    "    ow_status status = ow_kv_cas(ctx, at(ctx, \"scope\"), at(ctx, \"key\"), value, strlen(value),\n"
    "        ow_json_int64(ow_payload_json(ctx), \"version\", 0), &version);\n"
    "    snprintf(text, sizeof text, \"%lld\", (long long)version);\n"
    "    return say(ctx, status, text);\n}\n";

// What the runtime never would: a call of the platform with bytes of the function's own choice.
static const char hostile[] =
    "#include <overworld.h>\n#include <stdint.h>\n#include <stdlib.h>\n#include <string.h>\n"
    "struct answer { uint32_t outcome; const void *data; size_t length; const char *code; };\n"
    "int ow_rt_call(void *rt, uint32_t kind, const char *target, const char *type,\n"
    "    const void *data, size_t length, struct answer *answer);\n"
    "int send(ow_ctx *ctx) {\n"
    "    cJSON *in = ow_payload_json(ctx);\n"
    "    const char *hex = ow_json_string(in, \"hex\", \"\");\n"
    "    size_t length = (size_t)ow_json_number(in, \"length\", (double)(strlen(hex) / 2));\n"
    "    unsigned char *bytes = calloc(1, length + 1);\n"
    "    struct answer answer = {0};\n"
    "    for (size_t i = 0; hex[2 * i] && i < length; i++) {\n"
    "        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};\n"
    "        bytes[i] = (unsigned char)strtoul(two, NULL, 16);\n    }\n"
    "    if (ow_rt_call(*(void **)ctx, (uint32_t)ow_json_number(in, \"kind\", 3),\n"
    "            ow_json_string(in, \"target\", \"\"), \"\", bytes, length, &answer)) {\n"
    "        return ow_user_error(ctx, \"gone\");\n    }\n"
    "    free(bytes);\n"
    "    return ow_reply_text(ctx, answer.outcome ? answer.code : \"done\");\n}\n";

static void deploy(const char *name) {
    char manifest[512];
    snprintf(manifest, sizeof manifest,
             "{\"name\":\"%s\",\"runtime\":\"c\",\"functions\":{\"get\":{\"exposure\":\"client\"},"
             "\"set\":{\"exposure\":\"client\"},\"cas\":{\"exposure\":\"client\"},"
             "\"at_start\":{\"exposure\":\"client\"}}}",
             name);
    own_bundle_deploy(d, manifest, source, true);
}

static void deploy_hostile(void) {
    own_bundle_deploy(
        d,
        "{\"name\":\"hostile\",\"runtime\":\"c\",\"functions\":{\"send\":{\"exposure\":"
        "\"client\"}}}",
        hostile, true);
}

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
    deploy("one");
    deploy("two");
    deploy_hostile();
    player = deployment_player(d, "device-of-the-keys");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    deployment_stop(d);
    return 0;
}

#define DONE(text) "{\"status\":0,\"text\":\"" text "\"}"
#define NO_KEY "{\"status\":1,\"text\":\"no_key\"}"

static void what_is_set_is_there(void **state) {
    (void)state;
    expect_reply(player, "one/get", "{\"scope\":\"server\",\"key\":\"a\"}", NO_KEY);
    expect_reply(player, "one/set", "{\"scope\":\"server\",\"key\":\"a\",\"value\":\"1\"}",
                 DONE("set"));
    expect_reply(player, "one/get", "{\"scope\":\"server\",\"key\":\"a\"}", DONE("1"));
    expect_reply(player, "one/set", "{\"scope\":\"server\",\"key\":\"\",\"value\":\"1\"}",
                 "{\"status\":5,\"text\":\"bad_key\"}");
    expect_reply(player, "one/set", "{\"scope\":\"\",\"key\":\"a\",\"value\":\"1\"}",
                 "{\"status\":5,\"text\":\"bad_scope\"}");
}

static void a_stale_version_is_refused(void **state) {
    (void)state;
    expect_reply(player, "one/cas", "{\"scope\":\"player\",\"key\":\"c\",\"value\":\"1\"}",
                 DONE("1"));
    expect_reply(player, "one/cas", "{\"scope\":\"player\",\"key\":\"c\",\"value\":\"2\"}",
                 "{\"status\":2,\"text\":\"stale_version\"}");
    expect_reply(player, "one/cas",
                 "{\"scope\":\"player\",\"key\":\"c\",\"value\":\"2\",\"version\":\"1\"}",
                 DONE("2"));
    expect_reply(player, "one/get", "{\"scope\":\"player\",\"key\":\"c\"}", DONE("2"));
}

static void scopes_do_not_meet(void **state) {
    (void)state;
    expect_reply(player, "one/set", "{\"scope\":\"server\",\"key\":\"s\",\"value\":\"one's\"}",
                 DONE("set"));
    expect_reply(player, "two/get", "{\"scope\":\"server\",\"key\":\"s\"}", NO_KEY);
    expect_reply(player, "one/get", "{\"scope\":\"title\",\"key\":\"s\"}", NO_KEY);
    expect_reply(player, "one/get", "{\"scope\":\"player\",\"key\":\"s\"}", NO_KEY);
    expect_reply(player, "one/set", "{\"scope\":\"title\",\"key\":\"t\",\"value\":\"ours\"}",
                 DONE("set"));
    expect_reply(player, "two/get", "{\"scope\":\"title\",\"key\":\"t\"}", DONE("ours"));
}

// Behind a player's call that player's keys alone; a server key's call names one.
static void a_player_reaches_its_own_keys(void **state) {
    (void)state;
    ow_client_config config = {.url = deployment_public(d)};
    ow_client *other = ow_client_new(&config, NULL);
    ow_client *server = deployment_server(d);
    ow_client_login login;
    char payload[200];
    assert_true(ow_client_login_device(other, "device-of-another", &login, NULL));
    expect_reply(other, "one/set", "{\"scope\":\"player\",\"key\":\"p\",\"value\":\"mine\"}",
                 DONE("set"));
    expect_reply(player, "one/get", "{\"scope\":\"player\",\"key\":\"p\"}", NO_KEY);
    snprintf(payload, sizeof payload, "{\"scope\":\"%s\",\"key\":\"p\"}", login.player_id);
    expect_reply(player, "one/get", payload, "{\"status\":4,\"text\":\"not_your_scope\"}");
    expect_reply(other, "one/get", payload, DONE("mine"));
    expect_reply(server, "one/get", payload, DONE("mine"));
    expect_reply(server, "one/get", "{\"scope\":\"player\",\"key\":\"p\"}",
                 "{\"status\":5,\"text\":\"no_player\"}");
    // One of that title, that is.
    snprintf(payload, sizeof payload, "{\"scope\":\"%s\",\"key\":\"p\",\"value\":\"ours\"}",
             login.player_id);
    expect_reply(server, "one/set", payload, DONE("set"));
    expect_reply(server, "one/set",
                 "{\"scope\":\"plr_01HXG3K5N8Q2Z4V6B8D0F2H4J9\",\"key\":\"p\",\"value\":\"1\"}",
                 "{\"status\":1,\"text\":\"no_player\"}");
    ow_client_free(other);
    ow_client_free(server);
}

// The first instance of the function started before this; a new version's starts now.
static void keys_are_there_in_init(void **state) {
    (void)state;
    expect_reply(player, "two/set", "{\"scope\":\"server\",\"key\":\"at_start\",\"value\":\"yes\"}",
                 DONE("set"));
    expect_reply(player, "two/at_start", "{}", DONE("yes"));
}

// ---- Functions that mean no good ----

// Nothing that an instance sends is taken as it comes.
static void no_bytes_reach_more_than_the_api(void **state) {
    (void)state;
    static const struct {
        const char *target, *hex;
        int length; // 0: of the bytes
        const char *wanted;
    } cases[] = {
        // KvGet of "s" in the scopes of virtual server "two", of another player, of the title, of none.
        {"kv.get",
         "0a0708011203"
         "74776f"
         "120173",
         0, "permission_denied/not_your_scope"},
        {"kv.get",
         "0a2208031a1e"
         "706c725f303148584733"
         "4b354e385132"
         "5a34563642384430463248344a"
         "36"
         "120173",
         0, "permission_denied/not_your_scope"},
        {"kv.get",
         "0a020802"
         "120173",
         0, "done"},
        {"kv.get",
         "0a020809"
         "120173",
         0, "invalid_argument/bad_scope"},
        {"kv.get", "120173", 0, "invalid_argument/bad_scope"},
        {"kv.get", "0a020802", 0, "invalid_argument/bad_keys"},
        {"kv.get", "ffffffffff", 0, "invalid_argument/bad_request"},
        {"kv.get", "0a7f0802", 0, "invalid_argument/bad_request"},
        {"kv.get", "", 100000, "invalid_argument/request_too_large"},
        {"kv.set", "", 6000000, "invalid_argument/request_too_large"},
        {"fetch", "", 0, "permission_denied/host_refused"},
        {"ErasePlayer", "", 0, "unimplemented/no_host_call"},
        {"", "", 0, "unimplemented/no_host_call"},
        {"kv.get/../kv.set", "", 0, "unimplemented/no_host_call"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char payload[400];
        int size = cases[i].length > 0 ? cases[i].length : (int)strlen(cases[i].hex) / 2;
        snprintf(payload, sizeof payload, "{\"target\":\"%s\",\"hex\":\"%s\",\"length\":%d}",
                 cases[i].target, cases[i].hex, size);
        print_message("%s %s\n", cases[i].target, cases[i].hex);
        expect_reply(player, "hostile/send", payload, cases[i].wanted);
    }
    expect_reply(player, "hostile/send", "{\"kind\":77,\"target\":\"kv.get\"}", "unimplemented");
}

// While data is away functions are told so, and go on when it is back.
static void a_function_outlives_the_service(void **state) {
    (void)state;
    if (shape != SHAPE_SPLIT) {
        return;
    }
    expect_reply(player, "one/set", "{\"scope\":\"title\",\"key\":\"kept\",\"value\":\"1\"}",
                 DONE("set"));
    deployment_kill(d, "data");
    ow_client_reply *reply = NULL;
    assert_true(ow_client_call_json(player, "one/get", "{\"scope\":\"title\",\"key\":\"kept\"}",
                                    &reply, NULL));
    assert_non_null(strstr(reply->data, "\"status\":6"));
    ow_client_reply_free(reply);
    deployment_restart(d, "data");
    int64_t until = now_ms() + 20000;
    for (bool back = false; !back;) {
        assert_true(now_ms() < until);
        assert_true(ow_client_call_json(player, "one/get", "{\"scope\":\"title\",\"key\":\"kept\"}",
                                        &reply, NULL));
        back = strstr(reply->data, "\"status\":0,\"text\":\"1\"") != NULL;
        ow_client_reply_free(reply);
    }
}

// ---- Operators, and the player's end ----

static void operators_read_and_write_with_ow(void **state) {
    (void)state;
    char out[4096];
    assert_int_equal(OW(d, out, "kv", "set", "--vs", "one", "motd", "hello there"), 0);
    expect_reply(player, "one/get", "{\"scope\":\"server\",\"key\":\"motd\"}", DONE("hello there"));
    assert_int_equal(OW(d, out, "kv", "get", "--vs", "one", "motd"), 0);
    assert_string_equal(out, "hello there\n");
    assert_int_equal(OW(d, out, "kv", "get", "--vs", "two", "motd"), 4);
    assert_int_equal(OW(d, out, "kv", "set", "--vs", "one", "--version", "0", "motd", "x"), 5);
    assert_int_equal(OW(d, out, "kv", "increment", "visits", "41"), 0);
    assert_int_equal(OW(d, out, "kv", "increment", "visits"), 0);
    assert_string_equal(out, "42\n");
    assert_int_equal(OW(d, out, "kv", "increment", "visits", "x"), 2);
    assert_int_equal(OW(d, out, "kv", "list", "--json", "vis"), 0);
    assert_non_null(strstr(out, "\"key\":\"visits\""));
    assert_int_equal(OW(d, out, "kv", "list", "--vs", "one"), 0);
    assert_non_null(strstr(out, "hello there"));
    assert_int_equal(OW(d, out, "kv", "usage"), 0);
    assert_int_equal(OW(d, out, "kv", "delete", "visits"), 0);
    assert_int_equal(OW(d, out, "kv", "delete", "visits"), 4);
    assert_int_equal(OW(d, out, "kv", "set", "old/1", "a"), 0);
    assert_int_equal(OW(d, out, "kv", "set", "old/2", "b"), 0);
    assert_int_equal(OW(d, out, "kv", "delete", "--prefix", "old/", "--yes", "old/"), 0);
    assert_int_equal(OW(d, out, "kv", "get", "old/2"), 4);
}

// What is remembered of a player is in the export, and goes with the account.
static void a_player_takes_it_along(void **state) {
    (void)state;
    ow_client_config config = {.url = deployment_public(d)};
    ow_client *leaver = ow_client_new(&config, NULL);
    ow_client_login login;
    char out[8192];
    assert_true(ow_client_login_device(leaver, "device-that-leaves", &login, NULL));
    expect_reply(leaver, "one/set", "{\"scope\":\"player\",\"key\":\"mine\",\"value\":\"1\"}",
                 DONE("set"));
    assert_int_equal(OW(d, out, "player", "export", login.player_id), 0);
    assert_non_null(strstr(out, "\"key\":\"mine\""));
    assert_int_equal(OW(d, out, "player", "delete", login.player_id, "--yes", login.player_id), 0);
    assert_int_equal(OW(d, out, "kv", "get", "--player", login.player_id, "mine"), 4);
    assert_int_equal(OW(d, out, "kv", "set", "--player", login.player_id, "mine", "2"), 4);
    ow_client_free(leaver);
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_set_is_there),
        cmocka_unit_test(a_stale_version_is_refused),
        cmocka_unit_test(scopes_do_not_meet),
        cmocka_unit_test(a_player_reaches_its_own_keys),
        cmocka_unit_test(keys_are_there_in_init),
        cmocka_unit_test(no_bytes_reach_more_than_the_api),
        cmocka_unit_test(a_function_outlives_the_service),
        cmocka_unit_test(operators_read_and_write_with_ow),
        cmocka_unit_test(a_player_takes_it_along),
    };
    return cmocka_run_group_tests_name("kv", tests, set_up, tear_down);
}
