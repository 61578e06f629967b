// Every method of every service, asked for by everybody on both listeners: the rule in its .proto is what
// happens. A new method is covered as soon as it is there. And titles share nothing.

#include "tests/scenario/deployment.h"
#include "tests/scenario/json_call.h"

#include "core/json/tree.h"
#include "core/rpc/api.h"
#include "core/testing/ow_test.h"
#include "proto/descriptors.h"

#include <stdio.h>
#include <string.h>

#define IDENTITY "/overworld.identity.v1.Identity/"
#define REGISTRY "/overworld.registry.v1.Registry/"

enum {
    CALLERS_MAX = 20,
    TOKEN_MAX = 1024,
    OUTSIDE = OW_ALLOW_PUBLIC | OW_ALLOW_PLAYER | OW_ALLOW_SERVER,
    CONSOLE = OUTSIDE | OW_ALLOW_OPERATOR | OW_ALLOW_CONSOLE,
};

// Where everything is asked about, and the other one.
static const char here[] = "default";
static const char elsewhere[] = "elsewhere";

static deployment_shape shape;

typedef struct caller {
    const char *who;
    uint32_t bit; // of a rule; 0: nobody
    ow_role role; // of an operator, here
    bool every_title;
    int always; // the status that this caller gets from every method that is there; 0: by the rule
    char token[TOKEN_MAX];
} caller;

typedef struct fixture {
    deployment *d;
    ow_api *api;
    ow_client *admin; // of every title, without a title
    caller callers[CALLERS_MAX];
    size_t count;
} fixture;

// ---- Asking ----

static ow_client *client_of(const char *url, const char *token, const char *title) {
    ow_client_config config = {
        .url = url, .access_token = token, .title = title, .timeout_ms = 60000};
    ow_client *client = ow_client_new(&config, NULL);
    assert_non_null(client);
    return client;
}

// Gateways are told of sessions and keys by a stream of their own: asks until they know.
static void wait_until(const fixture *f, const char *token, const char *title, bool is_known) {
    int64_t deadline = now_ms() + 10000;
    ow_client *client = client_of(deployment_console(f->d), token, title);
    ow_json *answer = NULL;
    do {
        ow_client_error error;
        ow_json_free(answer);
        answer = json_call(client, IDENTITY "WhoAmI", "{}", &error);
        assert_true(now_ms() < deadline);
    } while ((answer != NULL) != is_known);
    ow_json_free(answer);
    ow_client_free(client);
}

// The text of a member of an answer; frees the answer.
static void take_text(ow_json *answer, const char *outer, const char *name, char text[TOKEN_MAX]) {
    const ow_json *object = outer != NULL ? ow_json_get(answer, outer) : answer;
    const char *found = ow_json_string(ow_json_get(object, name));
    assert_non_null(found);
    snprintf(text, TOKEN_MAX, "%s", found);
    ow_json_free(answer);
}

// ---- Callers ----

static caller *add(fixture *f, const char *who, uint32_t bit, ow_role role) {
    assert_true(f->count < CALLERS_MAX);
    caller *made = &f->callers[f->count++];
    *made = (caller){.who = who, .bit = bit, .role = role};
    return made;
}

static void player_token(const fixture *f, const char *title, const char *device, char *token) {
    ow_client_config config = {.url = deployment_public(f->d), .title = title, .timeout_ms = 60000};
    ow_client *client = ow_client_new(&config, NULL);
    assert_true(ow_client_login_device(client, device, NULL, NULL));
    snprintf(token, TOKEN_MAX, "%s", ow_client_access_token(client));
    ow_client_free(client);
}

static void server_token(const fixture *f, const char *title, char *token) {
    char key_id[TOKEN_MAX];
    char secret[TOKEN_MAX];
    ow_client *admin = client_of(deployment_console(f->d), ow_client_access_token(f->admin), title);
    ow_json *made = json_must_call(admin, IDENTITY "CreateServerKey", "{\"name\":\"matches\"}");
    snprintf(secret, sizeof secret, "%s", ow_json_string(ow_json_get(made, "secret")));
    take_text(made, "key", "keyId", key_id);
    ow_client_config config = {.url = deployment_public(f->d),
                               .server_key_id = key_id,
                               .server_key_secret = secret,
                               .timeout_ms = 60000};
    ow_client *server = ow_client_new(&config, NULL);
    assert_true(ow_client_login_server(server, NULL, NULL));
    snprintf(token, TOKEN_MAX, "%s", ow_client_access_token(server));
    ow_client_free(server);
    ow_client_free(admin);
}

// A new member with that role in the title, logged in.
static void member_token(const fixture *f, const char *title, const char *role, char *token) {
    char body[2 * TOKEN_MAX];
    char password[TOKEN_MAX];
    ow_client *admin = client_of(deployment_console(f->d), ow_client_access_token(f->admin), title);
    snprintf(body, sizeof body, "{\"email\":\"%s@%s.example\",\"role\":\"%s\"}", role, title, role);
    take_text(json_must_call(admin, IDENTITY "AddMember", body), NULL, "password", password);
    ow_client *nobody = client_of(deployment_console(f->d), NULL, title);
    snprintf(body, sizeof body, "{\"email\":\"%s@%s.example\",\"password\":\"%s\"}", role, title,
             password);
    ow_client_request request = {.method = "POST",
                                 .path = IDENTITY "OperatorLogin",
                                 .body = body,
                                 .size = strlen(body),
                                 .without_token = true};
    ow_client_reply *reply = NULL;
    ow_json *json = NULL;
    assert_true(ow_client_send(nobody, &request, &reply, NULL));
    assert_int_equal(ow_json_parse(reply->data, reply->size, 8, &json, NULL), OW_OK);
    take_text(json, NULL, "token", token);
    ow_client_reply_free(reply);
    ow_client_free(nobody);
    ow_client_free(admin);
    wait_until(f, token, title, true);
}

static void api_key_token(const fixture *f, char *token) {
    ow_client *admin = client_of(deployment_console(f->d), ow_client_access_token(f->admin), here);
    take_text(json_must_call(admin, IDENTITY "CreateApiKey",
                             "{\"name\":\"dashboard\",\"role\":\"viewer\"}"),
              NULL, "secret", token);
    ow_client_free(admin);
}

// Players are logged in anew for each question, since some methods end sessions.
static void log_in_again(const fixture *f, caller *c) {
    if (c->bit != OW_ALLOW_PLAYER || strcmp(c->who, "a banned player") == 0) {
        return;
    }
    bool is_stranger = strcmp(c->who, "a player of another title") == 0;
    player_token(f, is_stranger ? elsewhere : here,
                 strcmp(c->who, "another player") == 0 ? "device-of-another" : "device-of-one",
                 c->token);
    if (strcmp(c->who, "a player who has logged out") == 0) {
        ow_client *client = client_of(deployment_public(f->d), c->token, here);
        ow_json_free(json_must_call(client, IDENTITY "LogoutEverywhere", "{}"));
        ow_client_free(client);
        wait_until(f, c->token, here, false);
    }
}

static void add_members(fixture *f) {
    static const struct {
        const char *name, *stranger;
        ow_role role;
    } roles[] = {{"viewer", "a viewer of another title", OW_ROLE_VIEWER},
                 {"developer", "a developer of another title", OW_ROLE_DEVELOPER},
                 {"admin", "an admin of another title", OW_ROLE_ADMIN}};
    for (size_t i = 0; i < 3; i++) {
        member_token(f, here, roles[i].name,
                     add(f, roles[i].name, OW_ALLOW_OPERATOR, roles[i].role)->token);
        caller *stranger = add(f, roles[i].stranger, OW_ALLOW_OPERATOR, roles[i].role);
        stranger->always = 403;
        member_token(f, elsewhere, roles[i].name, stranger->token);
    }
}

static void ban(const fixture *f, caller *c) {
    char body[2 * TOKEN_MAX];
    char player_id[TOKEN_MAX];
    ow_client_error error = {0};
    player_token(f, here, "device-of-a-banned", c->token);
    ow_client *player = client_of(deployment_public(f->d), c->token, here);
    ow_client *admin = client_of(deployment_console(f->d), ow_client_access_token(f->admin), here);
    take_text(json_must_call(player, IDENTITY "WhoAmI", "{}"), NULL, "id", player_id);
    snprintf(body, sizeof body, "{\"playerId\":\"%s\",\"reason\":\"spam\"}", player_id);
    ow_json_free(json_must_call(admin, IDENTITY "BanPlayer", body));
    wait_until(f, c->token, here, false);
    assert_false(ow_client_login_device(player, "device-of-a-banned", NULL, &error));
    assert_int_equal(error.status, 403);
    assert_string_equal(error.reason, "banned");
    ow_client_free(admin);
    ow_client_free(player);
}

static void add_callers(fixture *f) {
    add(f, "nobody", 0, OW_ROLE_NONE);
    add(f, "a player", OW_ALLOW_PLAYER, OW_ROLE_NONE);
    add(f, "another player", OW_ALLOW_PLAYER, OW_ROLE_NONE);
    add(f, "a player who has logged out", OW_ALLOW_PLAYER, OW_ROLE_NONE)->always = 401;
    add(f, "a player of another title", OW_ALLOW_PLAYER, OW_ROLE_NONE)->always = 403;
    server_token(f, here, add(f, "a server key", OW_ALLOW_SERVER, OW_ROLE_NONE)->token);
    // Banned, so that there is no logging in again: the token stays as it was.
    caller *banned = add(f, "a banned player", OW_ALLOW_PLAYER, OW_ROLE_NONE);
    banned->always = 401;
    ban(f, banned);
    caller *stranger = add(f, "a server key of another title", OW_ALLOW_SERVER, OW_ROLE_NONE);
    stranger->always = 403;
    server_token(f, elsewhere, stranger->token);
    add_members(f);
    api_key_token(f, add(f, "an API key that may look", OW_ALLOW_OPERATOR, OW_ROLE_VIEWER)->token);
    f->callers[f->count - 1].every_title = true;
    caller *first = add(f, "an admin of every title", OW_ALLOW_OPERATOR, OW_ROLE_ADMIN);
    first->every_title = true;
    snprintf(first->token, TOKEN_MAX, "%s", ow_client_access_token(f->admin));
}

static void open_fixture(fixture *f) {
    // All that asks here comes from one address.
    static const char *const flags[] = {"--gateway.address_requests=0", "--gateway.player_calls=0",
                                        "--gateway.server_key_calls=0", NULL};
    *f = (fixture){.d = deployment_start(shape, flags)};
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &f->api, NULL), OW_OK);
    f->admin = deployment_operator(f->d);
    ow_json_free(json_must_call(f->admin, REGISTRY "CreateTitle", "{\"name\":\"elsewhere\"}"));
}

static void close_fixture(fixture *f) {
    ow_client_free(f->admin);
    ow_api_free(f->api);
    deployment_stop(f->d);
}

// ---- The matrix ----

static bool role_fits(const ow_api_method *method, const caller *who) {
    return who->bit != OW_ALLOW_OPERATOR ||
           (who->role >= method->min_role && (who->every_title || !method->every_title));
}

// What the rule says: 404 hidden, 401 or 403 refused, 0 let in.
static int expected(const ow_api_method *method, bool is_public, const caller *who) {
    uint32_t outside = method->allow & CONSOLE;
    // A listener has a method or has it not; the rule then says for whom.
    if ((method->allow & (is_public ? OUTSIDE : CONSOLE)) == 0) {
        return 404;
    }
    if (who->always != 0) {
        return who->always;
    }
    if ((outside & (OW_ALLOW_PUBLIC | OW_ALLOW_CONSOLE)) != 0) {
        return 0;
    }
    if ((outside & who->bit) != 0 && role_fits(method, who)) {
        return 0;
    }
    return who->bit == 0 ? 401 : 403;
}

static int seen(const char *url, const ow_api_method *method, const caller *who) {
    ow_client *client = client_of(url, who->bit != 0 ? who->token : NULL, here);
    ow_client_request request = {.method = "POST",
                                 .path = method->path,
                                 .body = "{}",
                                 .size = 2,
                                 .without_token = who->bit == 0};
    ow_client_error error = {0};
    bool is_good = ow_client_send(client, &request, NULL, &error);
    ow_client_free(client);
    assert_true(is_good || error.status != 0);
    assert_int_not_equal(error.status, 429); // would hide what is asked for
    static const char *const refusals[] = {"no_token", "not_allowed", "session_ended",
                                           "token_expired"};
    bool is_refusal = error.status == 404 && strcmp(error.reason, "unknown_method") == 0;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        is_refusal = is_refusal || strcmp(error.reason, refusals[i]) == 0;
    }
    // What was let in may be refused for what it says: that is an answer of the method itself.
    return !is_good && is_refusal ? error.status : 0;
}

// Who is not even heard: the token is looked at before the method.
static bool is_same(int wanted, int got, const caller *who) {
    return wanted == got || (wanted == 404 && who->always == 401 && got == 401);
}

static void check_method(fixture *f, const ow_api_method *method) {
    for (size_t i = 0; i < f->count; i++) {
        for (int is_public = 0; is_public < 2; is_public++) {
            caller *who = &f->callers[i];
            log_in_again(f, who);
            const char *url = is_public ? deployment_public(f->d) : deployment_console(f->d);
            int wanted = expected(method, is_public, who);
            int got = seen(url, method, who);
            if (!is_same(wanted, got, who)) {
                fail_msg("%s of %s on the %s listener: %d instead of %d", method->path, who->who,
                         is_public ? "public" : "console", got, wanted);
            }
        }
    }
}

static void rules_are_what_happens(void **state) {
    (void)state;
    static fixture f;
    open_fixture(&f);
    add_callers(&f);
    size_t count;
    const ow_api_method *methods = ow_api_methods(f.api, &count);
    assert_true(count > 40);
    for (size_t i = 0; i < count; i++) {
        check_method(&f, &methods[i]);
    }
    close_fixture(&f);
}

// ---- Titles ----

static void expect_nothing(ow_client *client, const char *path, const char *body,
                           const char *member) {
    ow_json *answer = json_must_call(client, path, body);
    if (ow_json_count(ow_json_get(answer, member)) != 0) {
        fail_msg("%s shows what belongs to another title", path);
    }
    ow_json_free(answer);
}

static void expect_refusal(ow_client *client, const char *path, const char *body, int status) {
    ow_client_error error = {0};
    ow_json *answer = json_call(client, path, body, &error);
    if (answer != NULL || error.status != status) {
        fail_msg("%s %s: %d %s instead of %d", path, body, error.status, error.reason, status);
    }
}

// Something of each kind here; the admin of the other title sees and reaches none of it.
static void titles_share_nothing(void **state) {
    (void)state;
    static fixture f;
    char token[TOKEN_MAX];
    char key_id[TOKEN_MAX];
    char title_id[TOKEN_MAX];
    char body[2 * TOKEN_MAX];
    open_fixture(&f);
    ow_client *owner = client_of(deployment_console(f.d), ow_client_access_token(f.admin), here);
    ow_json_free(json_must_call(owner, REGISTRY "CreateVirtualServer",
                                "{\"name\":\"chat\",\"runtime\":\"c\"}"));
    take_text(json_must_call(owner, IDENTITY "CreateServerKey", "{\"name\":\"matches\"}"), "key",
              "keyId", key_id);
    ow_json_free(json_must_call(owner, IDENTITY "AddMember",
                                "{\"email\":\"ann@example.com\",\"role\":\"viewer\"}"));
    take_text(json_must_call(owner, IDENTITY "WhoAmI", "{}"), NULL, "title", title_id);
    member_token(&f, elsewhere, "admin", token);
    // The only title of a role needs no naming.
    ow_client *other = client_of(deployment_console(f.d), token, NULL);
    expect_nothing(other, REGISTRY "ListVirtualServers", "{}", "virtualServers");
    expect_nothing(other, IDENTITY "ListServerKeys", "{}", "keys");
    expect_nothing(other, REGISTRY "ListAudit", "{\"object\":\"chat\"}", "entries");
    expect_nothing(other, IDENTITY "ListAudit", "{\"object\":\"ann@example.com\"}", "entries");
    expect_refusal(other, REGISTRY "ListAudit", "{\"everyTitle\":true}", 403);
    expect_refusal(other, REGISTRY "GetVirtualServer", "{\"name\":\"chat\"}", 404);
    expect_refusal(other, REGISTRY "DeleteVirtualServer", "{\"name\":\"chat\"}", 404);
    expect_refusal(other, REGISTRY "Publish", "{\"virtualServer\":\"chat\"}", 404);
    expect_refusal(other, IDENTITY "RemoveMember", "{\"email\":\"ann@example.com\"}", 404);
    expect_refusal(other, IDENTITY "SetMemberRole",
                   "{\"email\":\"ann@example.com\",\"role\":\"admin\"}", 404);
    expect_refusal(other, IDENTITY "AddMember",
                   "{\"email\":\"bob@example.com\",\"role\":\"admin\",\"everyTitle\":true}", 403);
    snprintf(body, sizeof body, "{\"keyId\":\"%s\"}", key_id);
    expect_refusal(other, IDENTITY "RevokeServerKey", body, 404);
    snprintf(body, sizeof body, "{\"titleId\":\"%s\",\"name\":\"mine\"}", title_id);
    expect_refusal(other, REGISTRY "RenameTitle", body, 404);
    ow_json *titles = json_must_call(other, REGISTRY "ListTitles", "{}");
    assert_int_equal(ow_json_count(ow_json_get(titles, "titles")), 1);
    ow_json_free(titles);
    // Nor is it told whether a title exists.
    ow_client *prying = client_of(deployment_console(f.d), token, "no-such-title");
    expect_refusal(prying, IDENTITY "WhoAmI", "{}", 403);
    ow_client_free(prying);
    ow_client_free(other);
    ow_client_free(owner);
    close_fixture(&f);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_are_what_happens),
        cmocka_unit_test(titles_share_nothing),
    };
    shape = deployment_shape_of(argc, argv);
    return cmocka_run_group_tests_name("access", tests, NULL, NULL);
}
