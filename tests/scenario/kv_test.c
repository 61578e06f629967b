// Keys and values as functions, server keys and operators see them. Run against the shapes of deployment.

#include "tests/scenario/deployment.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static deployment_shape shape;
static deployment *d;
static ow_client *player;

static void write_file(const char *folder, const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

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

static void deploy(const char *name) {
    char folder[64] = "/tmp/overworld-bundle-XXXXXX", manifest[512];
    assert_non_null(mkdtemp(folder));
    snprintf(manifest, sizeof manifest,
             "{\"name\":\"%s\",\"runtime\":\"c\",\"functions\":{\"get\":{\"exposure\":\"client\"},"
             "\"set\":{\"exposure\":\"client\"},\"cas\":{\"exposure\":\"client\"},"
             "\"at_start\":{\"exposure\":\"client\"}}}",
             name);
    write_file(folder, "virtualserver.json", manifest);
    write_file(folder, "kv.c", source);
    deployment_deploy(d, folder, true);
}

static int set_up(void **state) {
    (void)state;
    d = deployment_start(shape, NULL);
    deploy("one");
    deploy("two");
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
        cmocka_unit_test(operators_read_and_write_with_ow),
        cmocka_unit_test(a_player_takes_it_along),
    };
    return cmocka_run_group_tests_name("kv", tests, set_up, tear_down);
}
