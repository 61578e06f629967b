// Two titles with the same names of everything, and two virtual servers in one: what a function sees and
// leaves behind stays where it belongs.

#include "tests/scenario/own_bundle.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static deployment_shape shape;
static deployment *d;

// Everything that a function can see of its own, and what another's would be called.
static const char source[] =
    "#include <overworld.h>\n#include <stdio.h>\n#include <string.h>\n"
    "static void add(ow_ctx *ctx, cJSON *out, const char *name, const char *scope) {\n"
    "    ow_kv_item item;\n"
    "    ow_status status = ow_kv_get(ctx, scope, \"k\", &item);\n"
    "    cJSON_AddStringToObject(out, name, status ? ow_error_reason(ctx) : item.value);\n}\n"
    "int peek(ow_ctx *ctx) {\n"
    "    const char *secret = ow_secret(ctx, \"key\");\n"
    "    cJSON *out = cJSON_CreateObject();\n"
    "    add(ctx, out, \"server\", OW_KV_SERVER);\n"
    "    add(ctx, out, \"title\", OW_KV_TITLE);\n"
    "    cJSON_AddStringToObject(out, \"env\", ow_config(ctx, \"MOOD\", \"none\"));\n"
    "    cJSON_AddNumberToObject(out, \"secret\", secret ? (double)strlen(secret) : -1);\n"
    "    ow_log_fields(ctx, OW_INFO, \"peeked\", \"word\", ow_config(ctx, \"WORD\", \"none\"), NULL);\n"
    "    return ow_reply_json(ctx, out);\n}\n"
    "int other(ow_ctx *ctx) {\n"
    "    ow_kv_item item;\n"
    "    ow_status status = ow_kv_get(ctx, ow_json_string(ow_payload_json(ctx), \"scope\", \"\"), "
    "\"k\", &item);\n"
    "    return ow_reply_text(ctx, status ? \"0\" : \"1\");\n}\n";

static void deploy(const char *title, const char *name, const char *env) {
    char folder[64], manifest[512], out[4096];
    snprintf(manifest, sizeof manifest,
             "{\"name\":\"%s\",\"runtime\":\"c\",\"functions\":{\"peek\":{\"exposure\":\"client\"},"
             "\"other\":{\"exposure\":\"client\"}}%s%s}",
             name, env[0] != '\0' ? ",\"env\":" : "", env);
    own_bundle_make(folder, manifest, source);
    assert_int_equal(OW(d, out, "vs", "deploy", folder, "--publish", "--title", title), 0);
    own_bundle_remove(folder);
}

static int set_up(void **state) {
    (void)state;
    char out[1024], folder[64] = "/tmp/overworld-secret-XXXXXX", path[80];
    d = deployment_start(shape, NULL);
    assert_int_equal(OW(d, out, "title", "create", "elsewhere"), 0);
    deploy("default", "lab", "{\"MOOD\":\"good\",\"WORD\":\"nightingale\"}");
    deploy("default", "shop", "");
    deploy("elsewhere", "lab", "");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/value", folder);
    write_file(folder, "value", "12345");
    assert_int_equal(
        OW(d, out, "secret", "set", "lab", "key", "--file", path, "--title", "default"), 0);
    unlink(path);
    rmdir(folder);
    assert_int_equal(OW(d, out, "kv", "set", "--vs", "lab", "--title", "default", "k", "lab's"), 0);
    assert_int_equal(OW(d, out, "kv", "set", "--title", "default", "k", "title's"), 0);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    deployment_stop(d);
    return 0;
}

static ow_client *player_of(const char *title) {
    ow_client_config config = {.url = deployment_public(d), .title = title, .timeout_ms = 60000};
    ow_client *client = ow_client_new(&config, NULL);
    assert_true(ow_client_login_device(client, "device-of-two-titles", NULL, NULL));
    return client;
}

static void each_sees_its_own(void **state) {
    (void)state;
    ow_client *here = player_of("default"), *there = player_of("elsewhere");
    expect_reply(here, "lab/peek", "{}",
                 "{\"server\":\"lab's\",\"title\":\"title's\",\"env\":\"good\",\"secret\":5}");
    expect_reply(here, "shop/peek", "{}",
                 "{\"server\":\"no_key\",\"title\":\"title's\",\"env\":\"none\",\"secret\":-1}");
    expect_reply(there, "lab/peek", "{}",
                 "{\"server\":\"no_key\",\"title\":\"no_key\",\"env\":\"none\",\"secret\":-1}");
    ow_client_free(here);
    ow_client_free(there);
}

// Whatever a function writes for a scope: there is no name for somebody else's.
static void no_scope_leads_elsewhere(void **state) {
    (void)state;
    static const char *const scopes[] = {
        "lab", "default:v:lab", "server:lab", "virtual_server", "TITLE",
        "",    "plr_",          "../lab",     ":v:lab"};
    ow_client *here = player_of("default"), *there = player_of("elsewhere");
    for (size_t i = 0; i < sizeof scopes / sizeof *scopes; i++) {
        char payload[100];
        snprintf(payload, sizeof payload, "{\"scope\":\"%s\"}", scopes[i]);
        expect_reply(here, "shop/other", payload, "0");
        expect_reply(there, "lab/other", payload, "0");
    }
    ow_client_free(here);
    ow_client_free(there);
}

static bool logs_have(const char *title, const char *vs) {
    char out[16384];
    int code = vs != NULL
                   ? OW(d, out, "logs", "--title", title, "--vs", vs, "--text", "nightingale")
                   : OW(d, out, "logs", "--title", title, "--text", "nightingale");
    assert_int_equal(code, 0);
    return strstr(out, "nightingale") != NULL;
}

// The log of the title has the line as soon as it was sent there; the other's never.
static void logs_stay_in_their_title(void **state) {
    (void)state;
    int64_t until = now_ms() + 20000;
    while (!logs_have("default", "lab")) {
        assert_true(now_ms() < until);
        usleep(20000);
    }
    assert_true(logs_have("default", NULL));
    assert_false(logs_have("default", "shop"));
    assert_false(logs_have("elsewhere", "lab"));
    assert_false(logs_have("elsewhere", NULL));
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_sees_its_own),
        cmocka_unit_test(no_scope_leads_elsewhere),
        cmocka_unit_test(logs_stay_in_their_title),
    };
    return cmocka_run_group_tests_name("isolation", tests, set_up, tear_down);
}
