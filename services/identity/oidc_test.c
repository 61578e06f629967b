// Logins with id tokens: keys from a file and by HTTP, providers that change their keys or are away.

#include "services/identity/test_fixture.h"

#include "services/identity/identity_logic.h"
#include "services/identity/providers_file.h"

#include "core/crypto/jws_signer.h"
#include "core/http/client.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOKEN_MAX = 4096 };

// ---- A provider ----

enum { PEERS_MAX = 64 };

typedef struct key_server {
    ow_loop *loop;
    ow_watch listener, peers[PEERS_MAX];
    int port, peer_count, requests, status;
    char body[4096];
} key_server;

static jws_signer *rsa, *ec;
static key_server server;

static void on_request(void *self, uint32_t events) {
    (void)events;
    ow_watch *peer = self;
    char answer[5000], request[2048];
    int fd = peer->fd;
    assert_true(read(fd, request, sizeof request) > 0);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 %d Some\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                          server.status, strlen(server.body), server.body);
    assert_int_equal(write(fd, answer, (size_t)length), length);
    ow_loop_unwatch(server.loop, peer);
    close(fd);
    server.requests++;
}

static void on_listener(void *self, uint32_t events) {
    (void)self;
    (void)events;
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int fd = accept4(server.listener.fd, (struct sockaddr *)&from, &size, SOCK_CLOEXEC);
    assert_true(fd >= 0 && server.peer_count < PEERS_MAX);
    ow_watch *peer = &server.peers[server.peer_count++];
    *peer = (ow_watch){.on_ready = on_request, .self = peer};
    assert_int_equal(ow_loop_watch(server.loop, peer, fd, EPOLLIN, NULL), OW_OK);
}

static void server_open(ow_loop *loop) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, size), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    server = (key_server){.loop = loop, .port = ntohs(name.sin_port), .status = 200};
    server.listener = (ow_watch){.on_ready = on_listener};
    assert_int_equal(ow_loop_watch(loop, &server.listener, fd, EPOLLIN, NULL), OW_OK);
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void key_set(const jws_signer *signer, const char *kid, char *ret_set, size_t size) {
    char members[64], jwk[1024];
    snprintf(members, sizeof members, "\"kid\":\"%s\"", kid);
    jws_signer_jwk(signer, members, jwk, sizeof jwk);
    snprintf(ret_set, size, "{\"keys\":[%s]}", jwk);
}

// ---- The fixture: identity with two providers ----

static char keys_path[STAGE_PATH_MAX + 40], providers_flag[STAGE_PATH_MAX + 80];

static int set_up(void **state) {
    identity_setup(state);
    fixture *f = *state;
    char text[2048], providers_path[STAGE_PATH_MAX + 40];
    ow_err err = {0};
    stage_stop(&f->stage);
    server_open(f->stage.loop);
    key_set(ec, "e1", server.body, sizeof server.body);
    snprintf(keys_path, sizeof keys_path, "%s/keys.json", f->stage.folder);
    key_set(rsa, "r1", text, sizeof text);
    write_file(keys_path, text);
    snprintf(providers_path, sizeof providers_path, "%s/providers.json", f->stage.folder);
    snprintf(text, sizeof text,
             "{\"providers\":[{\"name\":\"studio\",\"issuers\":[\"https://studio.example\"],"
             "\"audiences\":[\"game\"],\"jwks_file\":\"%s\"},"
             "{\"name\":\"web\",\"issuers\":[\"https://web.example\"],\"audiences\":[\"game\"],"
             "\"jwks_url\":\"http://127.0.0.1:%d/keys\"},"
             "{\"name\":\"google\",\"preset\":\"google\",\"audiences\":[\"game\"]}]}",
             keys_path, server.port);
    write_file(providers_path, text);
    snprintf(providers_flag, sizeof providers_flag, "--identity.providers=%s", providers_path);
    stage_set_flag(&f->stage, providers_flag);
    ow_http_client_options options = {.loop = f->stage.loop,
                                      .egress = {.networks = "127.0.0.1", .plain = true},
                                      .max_fetches = 4,
                                      .max_connections = 4,
                                      .max_per_host = 4};
    assert_ow_ok(ow_http_client_open(&options, &f->stage.env.outgoing, &err), &err);
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    stage_stop(&f->stage);
    f->stage.env.outgoing = ow_http_client_close(f->stage.env.outgoing);
    int fd = server.listener.fd;
    ow_loop_unwatch(f->stage.loop, &server.listener);
    close(fd);
    return fixture_teardown(state);
}

static const char *token_of(fixture *f, const jws_signer *signer, const char *kid,
                            const char *issuer) {
    static char token[TOKEN_MAX];
    char header[128], claims[256];
    int64_t now_s = ow_clock_wall_us(f->stage.clock) / SECOND_US;
    snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"%s\"}",
             signer == rsa ? "RS256" : "ES256", kid);
    snprintf(claims, sizeof claims,
             "{\"iss\":\"%s\",\"aud\":\"game\",\"sub\":\"ann\",\"nonce\":\"n1\",\"iat\":%lld,"
             "\"exp\":%lld}",
             issuer, (long long)now_s, (long long)now_s + 600);
    jws_signer_sign(signer, header, claims, token, sizeof token);
    return token;
}

static id_token_msg shown(const char *provider, const char *token) {
    id_token_msg made = OVERWORLD__IDENTITY__V1__ID_TOKEN__INIT;
    made.provider = (char *)(uintptr_t)provider;
    made.id_token = (char *)(uintptr_t)token;
    return made;
}

static oidc_login_request login_with(id_token_msg *token) {
    oidc_login_request request = OVERWORLD__IDENTITY__V1__OIDC_LOGIN_REQUEST__INIT;
    request.token = token;
    return request;
}

static void log_in(fixture *f, const char *provider, const char *token,
                   char ret_player_id[static OW_ID_MAX]) {
    id_token_msg message = shown(provider, token);
    oidc_login_request request = login_with(&message);
    answer a;
    ASK_OK(f, &nobody, "OidcLogin", &request, &a);
    const login_response *reply = (const login_response *)a.message;
    assert_true(reply->access_token[0] != '\0' && reply->refresh_token[0] != '\0');
    snprintf(ret_player_id, OW_ID_MAX, "%s", reply->player_id);
    answer_deinit(&a);
}

static void refuse(fixture *f, const char *provider, const char *token, ow_code code,
                   const char *reason) {
    id_token_msg message = shown(provider, token);
    oidc_login_request request = login_with(&message);
    ASK_REFUSED(f, &nobody, "OidcLogin", &request, code, reason);
}

// ---- Logins ----

static void an_id_token_logs_in(void **state) {
    fixture *f = *state;
    char first[OW_ID_MAX], again[OW_ID_MAX], other[OW_ID_MAX];
    log_in(f, "studio", token_of(f, rsa, "r1", "https://studio.example"), first);
    log_in(f, "studio", token_of(f, rsa, "r1", "https://studio.example"), again);
    log_in(f, "web", token_of(f, ec, "e1", "https://web.example"), other);
    assert_string_equal(first, again);
    assert_string_not_equal(first, other);
    assert_int_equal(server.requests, 1);

    find_player_request by = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__INIT;
    oidc_subject subject = OVERWORLD__IDENTITY__V1__OIDC_SUBJECT__INIT;
    subject.provider = (char *)"studio";
    subject.subject = (char *)"ann";
    by.by_case = OVERWORLD__IDENTITY__V1__FIND_PLAYER_REQUEST__BY_OIDC;
    by.oidc = &subject;
    answer a;
    ASK_OK(f, &admin, "FindPlayer", &by, &a);
    const player_msg *found = (const player_msg *)a.message;
    assert_string_equal(found->player_id, first);
    assert_string_equal(found->logins[0]->shown, "https://studio.example ann");
    answer_deinit(&a);
}

static void others_tokens_are_refused(void **state) {
    fixture *f = *state;
    refuse(f, "studio", token_of(f, rsa, "r1", "https://web.example"), OW_UNAUTHENTICATED,
           "wrong_issuer");
    refuse(f, "studio", token_of(f, ec, "e1", "https://studio.example"), OW_UNAUTHENTICATED,
           "unknown_key");
    refuse(f, "studio", "nonsense", OW_UNAUTHENTICATED, "bad_id_token");
    refuse(f, "facebook", "nonsense", OW_NOT_FOUND, "no_provider");
    oidc_login_request empty = OVERWORLD__IDENTITY__V1__OIDC_LOGIN_REQUEST__INIT;
    ASK_REFUSED(f, &nobody, "OidcLogin", &empty, OW_INVALID_ARGUMENT, "no_id_token");
    id_token_msg message = shown("studio", token_of(f, rsa, "r1", "https://studio.example"));
    message.nonce = (char *)"n2";
    oidc_login_request request = login_with(&message);
    ASK_REFUSED(f, &nobody, "OidcLogin", &request, OW_UNAUTHENTICATED, "wrong_nonce");
    message.nonce = (char *)"n1";
    request.existing_only = true;
    ASK_REFUSED(f, &nobody, "OidcLogin", &request, OW_NOT_FOUND, "no_player");
    // An hour later the token has expired; it is refused, though it was good.
    const char *token = token_of(f, rsa, "r1", "https://studio.example");
    ow_clock_advance(f->stage.clock, 661 * SECOND_US);
    refuse(f, "studio", token, OW_UNAUTHENTICATED, "id_token_expired");
}

static void an_id_token_is_linked(void **state) {
    fixture *f = *state;
    device_login_request device = OVERWORLD__IDENTITY__V1__DEVICE_LOGIN_REQUEST__INIT;
    device.device_id = (char *)"device-0001";
    answer a;
    char player_id[OW_ID_MAX], linked[OW_ID_MAX];
    ASK_OK(f, &nobody, "DeviceLogin", &device, &a);
    snprintf(player_id, sizeof player_id, "%s", ((const login_response *)a.message)->player_id);
    answer_deinit(&a);
    stage_caller player = {.kind = OW_PLAYER, .id = player_id, .title = "ttl_a"};
    id_token_msg message = shown("web", token_of(f, ec, "e1", "https://web.example"));
    link_login_request request = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__INIT;
    request.login_case = OVERWORLD__IDENTITY__V1__LINK_LOGIN_REQUEST__LOGIN_TOKEN;
    request.token = &message;
    ASK_OK(f, &player, "LinkLogin", &request, &a);
    assert_string_equal(((const link_login_response *)a.message)->login->kind, "oidc");
    answer_deinit(&a);
    log_in(f, "web", token_of(f, ec, "e1", "https://web.example"), linked);
    assert_string_equal(linked, player_id);
    message.id_token = (char *)"nonsense";
    ASK_REFUSED(f, &player, "LinkLogin", &request, OW_UNAUTHENTICATED, "bad_id_token");
}

// ---- Keys ----

// A key that the provider has just begun to use is looked for, but not each time that somebody names one.
static void new_keys_are_found(void **state) {
    fixture *f = *state;
    char player[OW_ID_MAX], again[OW_ID_MAX], set[2048];
    log_in(f, "web", token_of(f, ec, "e1", "https://web.example"), player);
    key_set(ec, "e2", server.body, sizeof server.body);
    refuse(f, "web", token_of(f, ec, "e2", "https://web.example"), OW_UNAUTHENTICATED,
           "unknown_key");
    assert_int_equal(server.requests, 1);
    ow_clock_advance(f->stage.clock, 10 * SECOND_US);
    log_in(f, "web", token_of(f, ec, "e2", "https://web.example"), again);
    assert_string_equal(player, again);
    assert_int_equal(server.requests, 2);
    for (int i = 0; i < 20; i++) {
        refuse(f, "web", token_of(f, ec, "e9", "https://web.example"), OW_UNAUTHENTICATED,
               "unknown_key");
    }
    assert_int_equal(server.requests, 2);

    log_in(f, "studio", token_of(f, rsa, "r1", "https://studio.example"), player);
    key_set(rsa, "r2", set, sizeof set);
    write_file(keys_path, set);
    ow_clock_advance(f->stage.clock, 10 * SECOND_US);
    log_in(f, "studio", token_of(f, rsa, "r2", "https://studio.example"), again);
    assert_string_equal(player, again);
}

static void known_keys_stay_good_while_the_provider_is_away(void **state) {
    fixture *f = *state;
    char player[OW_ID_MAX];
    log_in(f, "web", token_of(f, ec, "e1", "https://web.example"), player);
    server.status = 500;
    ow_clock_advance(f->stage.clock, 3601 * SECOND_US);
    log_in(f, "web", token_of(f, ec, "e1", "https://web.example"), player);
    ow_clock_advance(f->stage.clock, 10 * SECOND_US);
    refuse(f, "web", token_of(f, ec, "e2", "https://web.example"), OW_UNAUTHENTICATED,
           "unknown_key");
    log_in(f, "web", token_of(f, ec, "e1", "https://web.example"), player);
}

static void without_any_keys_nobody_comes_in(void **state) {
    fixture *f = *state;
    char player[OW_ID_MAX];
    server.status = 500;
    refuse(f, "web", token_of(f, ec, "e1", "https://web.example"), OW_UNAVAILABLE,
           "no_provider_keys");
    server.status = 200;
    snprintf(server.body, sizeof server.body, "{\"keys\":[{\"kty\":\"RSA\"}]}");
    ow_clock_advance(f->stage.clock, 10 * SECOND_US);
    refuse(f, "web", token_of(f, ec, "e1", "https://web.example"), OW_UNAVAILABLE,
           "no_provider_keys");
    key_set(ec, "e1", server.body, sizeof server.body);
    ow_clock_advance(f->stage.clock, 10 * SECOND_US);
    log_in(f, "web", token_of(f, ec, "e1", "https://web.example"), player);
}

// Many come before the first keys are there: one fetch, all come in. One who goes away is forgotten.
static void many_wait_for_one_fetch(void **state) {
    enum { COMERS = 20 };
    fixture *f = *state;
    answer all[COMERS];
    id_token_msg message = shown("web", token_of(f, ec, "e1", "https://web.example"));
    oidc_login_request request = login_with(&message);
    for (int i = 0; i < COMERS; i++) {
        ask_begin(f, &nobody, "OidcLogin", &request.base, &all[i]);
    }
    ow_call_cancel(all[3].call, OW_CANCELLED);
    for (int i = 0; i < COMERS; i++) {
        answer_wait(f, &all[i], 1);
        assert_int_equal(all[i].code, i == 3 ? OW_CANCELLED : OW_OK);
        answer_deinit(&all[i]);
    }
    assert_int_equal(server.requests, 1);
}

// ---- The file ----

static void the_file_is_read_strictly(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } table[] = {
        {"{\"providers\":[]}", true},
        {"{\"providers\":[{\"name\":\"apple\",\"preset\":\"apple\",\"audiences\":[\"a\"]}]}", true},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"a\"],"
         "\"title\":\"ttl_01HXG3K5N8Q2Z4V6B8D0F2H4J6\"},"
         "{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"b\"]}]}",
         true},
        {"", false},
        {"[]", false},
        {"{}", false},
        {"{\"providers\":{}}", false},
        {"{\"providers\":[1]}", false},
        {"{\"providers\":[{\"name\":\"a b\",\"preset\":\"google\",\"audiences\":[\"a\"]}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"yahoo\",\"audiences\":[\"a\"]}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\"}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[]}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"\"]}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":\"a\"}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"a\"],"
         "\"jwks_url\":\"https://x.example\"}]}",
         false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audience\":[\"a\"]}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"a\"],"
         "\"audiences\":[\"b\"]}]}",
         false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"a\"],"
         "\"title\":\"racer\"}]}",
         false},
        {"{\"providers\":[{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"a\"]},"
         "{\"name\":\"a\",\"preset\":\"google\",\"audiences\":[\"a\"]}]}",
         false},
        {"{\"providers\":[{\"name\":\"a\",\"issuers\":[\"i\"],\"audiences\":[\"a\"]}]}", false},
        {"{\"providers\":[{\"name\":\"a\",\"issuers\":[\"i\"],\"audiences\":[\"a\"],"
         "\"jwks_url\":\"https://x.example\",\"jwks_file\":\"/x\"}]}",
         false},
        {"{\"providers\":[{\"name\":\"a\",\"issuers\":[\"i\",\"j\"],\"audiences\":[\"a\"],"
         "\"jwks_file\":\"f\"}]}",
         false},
        {"{\"providers\":[{\"name\":\"a\",\"issuers\":[],\"audiences\":[\"a\"],"
         "\"jwks_file\":\"/x\"}]}",
         false},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        provider_entry entries[PROVIDERS_MAX];
        int count = 0;
        ow_code code = providers_read(table[i].text, strlen(table[i].text), entries, &count, NULL);
        if (code != (table[i].good ? OW_OK : OW_INVALID_ARGUMENT)) {
            fail_msg("%s: %d", table[i].text, (int)code);
        }
        for (int j = 0; code == OW_OK && j < count; j++) {
            provider_entry_deinit(&entries[j]);
        }
    }
}

static void a_wrong_file_refuses_to_start(void **state) {
    fixture *f = *state;
    ow_err err = {0};
    stage_stop(&f->stage);
    stage_set_flag(&f->stage, "--identity.providers=/nowhere/at/all");
    assert_int_equal(stage_try_start(&f->stage, &err), OW_NOT_FOUND);
    assert_string_equal(err.reason, "no_providers");
    stage_set_flag(&f->stage, providers_flag);
    assert_ow_ok(stage_try_start(&f->stage, &err), &err);
    stage_wait_ready(&f->stage);
}

static int make_signers(void **state) {
    (void)state;
    rsa = jws_signer_new("RS256");
    ec = jws_signer_new("ES256");
    return 0;
}

static int free_signers(void **state) {
    (void)state;
    jws_signer_free(rsa);
    jws_signer_free(ec);
    return 0;
}

#define CASE(function, mode)                                                                       \
    { #function " (" #mode ")", function, set_up, tear_down, &(mode) }

#define CASES(mode)                                                                                \
    CASE(an_id_token_logs_in, mode), CASE(others_tokens_are_refused, mode),                        \
        CASE(an_id_token_is_linked, mode), CASE(new_keys_are_found, mode),                         \
        CASE(known_keys_stay_good_while_the_provider_is_away, mode),                               \
        CASE(without_any_keys_nobody_comes_in, mode), CASE(many_wait_for_one_fetch, mode),         \
        CASE(a_wrong_file_refuses_to_start, mode)

int main(void) {
    static mode local = {.channel = OW_CHANNEL_LOCAL};
    static mode packed_twice = {.channel = OW_CHANNEL_PACKED, .rerun_writes = true};
    const struct CMUnitTest tests[] = {OW_TEST(the_file_is_read_strictly), CASES(local),
                                       CASES(packed_twice)};
    return cmocka_run_group_tests(tests, make_signers, free_signers);
}
