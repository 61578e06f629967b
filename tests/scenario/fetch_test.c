// Requests that functions send: where they may go, and what cannot talk them into going elsewhere.

#include "tests/scenario/own_bundle.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PEERS_MAX = 64, LARGE = 80 * 1024 };

static deployment_shape shape;
static deployment *d;
static ow_client *player;
static int port;
static pid_t other_server;

// ---- The other server ----

static void answer(int fd, int connection, const char *head) {
    static char body[LARGE + 1];
    char text[2048], location[600] = "", path[512] = "";
    size_t size = 0;
    sscanf(head, "%*s %511s", path);
    if (strncmp(path, "/hold", 5) == 0) {
        return; // never
    }
    if (strncmp(path, "/to?", 4) == 0) {
        snprintf(location, sizeof location, "Location: %s\r\n", path + 4);
    }
    size = strcmp(path, "/large") == 0 ? LARGE : (size_t)snprintf(body, 100, "%.90s", path);
    if (size == LARGE) {
        memset(body, 'x', LARGE);
    }
    int length =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %s\r\nContent-Length: %zu\r\nX-Connection: %d\r\nX-Method: %.4s\r\n"
                 "%s\r\n",
                 location[0] != '\0' ? "302 Found" : "200 OK", size, connection, head, location);
    if (write(fd, text, (size_t)length) < 0 || write(fd, body, size) < 0) {
        close(fd);
    }
}

static bool serve_peer(struct pollfd *peer, int connection) {
    char head[4096];
    ssize_t got = read(peer->fd, head, sizeof head - 1);
    if (got <= 0) {
        close(peer->fd);
        peer->fd = -1;
        return false;
    }
    head[got] = '\0';
    answer(peer->fd, connection, head);
    return true;
}

static void serve(int listener) {
    struct pollfd peers[PEERS_MAX + 1] = {{.fd = listener, .events = POLLIN}};
    int count = 1;
    for (;;) {
        poll(peers, (nfds_t)count, -1);
        if ((peers[0].revents & POLLIN) != 0 && count <= PEERS_MAX) {
            peers[count++] = (struct pollfd){.fd = accept(listener, NULL, NULL), .events = POLLIN};
        }
        for (int i = 1; i < count; i++) {
            if (peers[i].fd >= 0 && peers[i].revents != 0) {
                serve_peer(&peers[i], i);
            }
        }
    }
}

static void start_other_server(void) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    port = ntohs(at.sin_port);
    other_server = fork();
    if (other_server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(fd);
    }
    close(fd);
}

// ---- The functions ----

// {"url", "method", "body", "redirects", "times"}: replies status and body of the last, or why not.
static const char source[] =
    "#include <overworld.h>\n#include <stdio.h>\n#include <string.h>\n"
    "int get(ow_ctx *ctx) {\n"
    "    cJSON *in = ow_payload_json(ctx);\n"
    "    ow_header headers[] = {{\"X-From\", \"a function\"}};\n"
    "    const char *body = ow_json_string(in, \"body\", NULL);\n"
    "    ow_request request = {.url = ow_json_string(in, \"url\", NULL),\n"
    "        .method = ow_json_string(in, \"method\", NULL), .headers = headers, .header_count = 1,\n"
    "        .body = body, .length = body ? strlen(body) : 0,\n"
    "        .timeout_ms = (int)ow_json_number(in, \"timeout\", 0),\n"
    "        .max_redirects = (int)ow_json_number(in, \"redirects\", 0)};\n"
    "    ow_response response = {0};\n"
    "    ow_status status = OW_DONE;\n"
    "    for (int i = (int)ow_json_number(in, \"times\", 1); i > 0 && !status; i--) {\n"
    "        status = ow_fetch(ctx, &request, &response);\n    }\n"
    "    cJSON *out = cJSON_CreateObject();\n"
    "    if (status) {\n"
    "        cJSON_AddStringToObject(out, \"why\", ow_error_reason(ctx));\n"
    "        return ow_reply_json(ctx, out);\n    }\n"
    "    cJSON_AddNumberToObject(out, \"status\", response.status);\n"
    "    cJSON_AddStringToObject(out, \"body\", response.length < 200 ? response.body : \"long\");\n"
    "    const char *connection = ow_response_header(&response, \"x-connection\");\n"
    "    cJSON_AddStringToObject(out, \"connection\", connection ? connection : \"\");\n"
    "    return ow_reply_json(ctx, out);\n}\n"
    "int at_start(ow_ctx *ctx) { return ow_reply_text(ctx, \"1\"); }\n";

static void deploy(const char *name, const char *fetch) {
    char manifest[512];
    snprintf(manifest, sizeof manifest,
             "{\"name\":\"%s\",\"runtime\":\"c\",\"functions\":{\"get\":{\"exposure\":\"client\","
             "\"timeout_ms\":20000}}%s%s}",
             name, fetch[0] != '\0' ? ",\"fetch\":" : "", fetch);
    own_bundle_deploy(d, manifest, source, true);
}

static int set_up(void **state) {
    (void)state;
    static const char *const flags[] = {"--server.egress_networks=127.0.0.0/8",
                                        "--server.egress_plain=true", "--runner.fetch_calls=5",
                                        "--runner.fetch_response=64KB", NULL};
    start_other_server();
    d = deployment_start(shape, flags);
    deploy("open", "{\"hosts\":[\"127.0.0.1\",\"localhost\"],\"networks\":[\"127.0.0.1\"],"
                   "\"plain\":true}");
    deploy("names",
           "{\"hosts\":[\"localhost\",\"127.0.0.1\",\"::1\",\"*.localhost\"],\"plain\":true}");
    deploy("tls", "{\"hosts\":[\"127.0.0.1\"],\"networks\":[\"127.0.0.1\"]}");
    deploy("none", "");
    player = deployment_player(d, "device-that-fetches");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(player);
    deployment_stop(d);
    kill(other_server, SIGKILL);
    waitpid(other_server, NULL, 0);
    return 0;
}

// Sends {"url": <format>, <more>} and gives a text of the reply; in a buffer of the test's own.
static const char *ask(const char *function, const char *url, const char *more, const char *field) {
    static char found[256];
    char payload[1024];
    snprintf(payload, sizeof payload, "{\"url\":\"%s\"%s}", url, more);
    ow_client_reply *reply = NULL;
    ow_client_error error = {0};
    if (!ow_client_call_json(player, function, payload, &reply, &error)) {
        fail_msg("%s %s: %s %s", function, url, error.reason, error.message);
    }
    snprintf(found, sizeof found, "(%.*s)", (int)reply->size, (const char *)reply->data);
    ow_json *json = NULL;
    assert_int_equal(ow_json_parse(reply->data, reply->size, 8, &json, NULL), OW_OK);
    const char *text = ow_json_string(ow_json_get(json, field));
    if (text != NULL) {
        snprintf(found, sizeof found, "%s", text);
    }
    ow_json_free(json);
    ow_client_reply_free(reply);
    return found;
}

static const char *at(const char *host, const char *path) {
    static char url[600];
    snprintf(url, sizeof url, "http://%s:%d%s", host, port, path);
    return url;
}

static void an_allowed_host_answers(void **state) {
    (void)state;
    assert_string_equal(ask("open/get", at("127.0.0.1", "/hello"), "", "body"), "/hello");
    assert_string_equal(ask("open/get", at("localhost", "/hello"), "", "body"), "/hello");
    assert_string_equal(
        ask("open/get", at("127.0.0.1", "/post"), ",\"method\":\"POST\",\"body\":\"x\"", "body"),
        "/post");
}

static void connections_are_used_again(void **state) {
    (void)state;
    char first[32];
    snprintf(first, sizeof first, "%s", ask("open/get", at("127.0.0.1", "/a"), "", "connection"));
    assert_string_equal(ask("open/get", at("127.0.0.1", "/b"), ",\"times\":4", "connection"),
                        first);
}

static void nothing_is_reached_that_is_not_listed(void **state) {
    (void)state;
    assert_string_equal(ask("none/get", at("127.0.0.1", "/"), "", "why"), "host_refused");
    assert_string_equal(ask("open/get", "https://example.com/", "", "why"), "host_refused");
    assert_string_equal(ask("open/get", at("127.0.0.2", "/"), "", "why"), "host_refused");
    assert_string_equal(ask("tls/get", at("127.0.0.1", "/"), "", "why"), "scheme_refused");
    assert_string_equal(ask("open/get", "file:///etc/passwd", "", "why"), "scheme_refused");
    assert_string_equal(ask("open/get", "http://user:pw@127.0.0.1/", "", "why"), "bad_url");
}

// The names are allowed; what stands behind them, however it is written, is not.
static void private_addresses_are_refused_in_every_spelling(void **state) {
    (void)state;
    static const char *const spellings[] = {"127.0.0.1",  "127.1",       "0x7f.0.0.1", "0177.0.0.1",
                                            "2130706433", "0x7f000001",  "localhost",  "LOCALHOST",
                                            "localhost.", "a.localhost", "[::1]"};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        const char *why = ask("names/get", at(spellings[i], "/"), "", "why");
        // A machine without names below localhost, or without IPv6, says so.
        bool refused = strcmp(why, "address_refused") == 0 || strcmp(why, "host_refused") == 0 ||
                       strcmp(why, "unresolved") == 0;
        if (!refused) {
            fail_msg("%s: %s", spellings[i], why);
        }
    }
    assert_string_equal(ask("names/get", at("localhost", "/"), "", "why"), "address_refused");
    assert_string_equal(ask("names/get", at("2130706433", "/"), "", "why"), "address_refused");
    // Mapped into IPv6, and of other private networks: no such host is listed.
    assert_string_equal(ask("names/get", at("[::ffff:127.0.0.1]", "/"), "", "why"), "host_refused");
    assert_string_equal(ask("names/get", "http://169.254.169.254/", "", "why"), "host_refused");
}

static void redirects_lead_nowhere_else(void **state) {
    (void)state;
    char path[300];
    assert_string_equal(ask("open/get", at("127.0.0.1", "/to?/there"), ",\"redirects\":2", "body"),
                        "/there");
    static const char *const targets[] = {"http://127.0.0.2:%d/", "http://0x7f.0.0.2:%d/",
                                          "http://[::1]:%d/", "https://example.com:%d/"};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char target[100];
        snprintf(target, sizeof target, targets[i], port);
        snprintf(path, sizeof path, "/to?%s", target);
        const char *why = ask("open/get", at("127.0.0.1", path), ",\"redirects\":2", "why");
        if (strcmp(why, "host_refused") != 0 && strcmp(why, "address_refused") != 0) {
            fail_msg("%s: %s", target, why);
        }
    }
    assert_string_equal(
        ask("open/get", at("127.0.0.1", "/to?file:///etc/passwd"), ",\"redirects\":1", "why"),
        "scheme_refused");
    assert_string_equal(
        ask("open/get", at("127.0.0.1", "/to?/to?/to?/to?/x"), ",\"redirects\":2", "why"),
        "too_many_redirects");
    assert_string_equal(ask("open/get", at("127.0.0.1", "/to?/x"), ",\"redirects\":6", "why"),
                        "bad_redirects");
}

static void time_size_and_number_are_bounded(void **state) {
    (void)state;
    assert_string_equal(ask("open/get", at("127.0.0.1", "/hold"), ",\"timeout\":200", "why"),
                        "timeout");
    assert_string_equal(ask("open/get", at("127.0.0.1", "/large"), "", "why"),
                        "response_too_large");
    assert_string_equal(ask("open/get", at("127.0.0.1", "/"), ",\"times\":6", "why"),
                        "too_many_fetches");
}

// The manifest alone opens nothing: the server's configuration must allow it as well.
static void the_servers_rules_stand_above_the_manifest(void **state) {
    (void)state;
    static const char *const flags[] = {"--server.egress_plain=true", NULL};
    deployment *outer = d;
    ow_client *old = player;
    d = deployment_start(shape, flags);
    deploy("open", "{\"hosts\":[\"127.0.0.1\"],\"networks\":[\"0.0.0.0/0\"],\"plain\":true}");
    player = deployment_player(d, "device-that-fetches");
    assert_string_equal(ask("open/get", at("127.0.0.1", "/"), "", "why"), "address_refused");
    ow_client_free(player);
    deployment_stop(d);
    d = outer;
    player = old;
}

int main(int argc, char **argv) {
    shape = deployment_shape_of(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_allowed_host_answers),
        cmocka_unit_test(connections_are_used_again),
        cmocka_unit_test(nothing_is_reached_that_is_not_listed),
        cmocka_unit_test(private_addresses_are_refused_in_every_spelling),
        cmocka_unit_test(redirects_lead_nowhere_else),
        cmocka_unit_test(time_size_and_number_are_bounded),
        cmocka_unit_test(the_servers_rules_stand_above_the_manifest),
    };
    return cmocka_run_group_tests_name("fetch", tests, set_up, tear_down);
}
