// Every method by which an operator changes something leaves an entry in the audit, and nothing else
// does: a new method fails here until its request stands in the table.

#include "tests/scenario/deployment.h"
#include "tests/scenario/json_call.h"

#include "core/json/tree.h"
#include "core/rpc/api.h"
#include "core/testing/ow_test.h"
#include "proto/descriptors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IDENTITY "/overworld.identity.v1.Identity/"
#define REGISTRY "/overworld.registry.v1.Registry/"
#define CALL "/v1/call/lab/"
#define DATA "/overworld.data.v1.Data/"
#define EVENTS "/overworld.events.v1.Events/"
#define HANDS "/overworld.events.v1.Hands/"
#define QUEUE "/overworld.events.v1.Queue/"
#define TELEMETRY "/overworld.telemetry.v1.Telemetry/"
#define GATEWAY "/overworld.gateway.v1.Gateway/"
#define PUSH "/overworld.push.v1.Push/"
#define TIMERS "/overworld.timers.v1.Timers/"

enum { TEXT_MAX = 1 << 16, KEPT_MAX = 8 };

static deployment *d;
static ow_client *operator;
static char kept[KEPT_MAX][128]; // what replies gave: "%0" .. "%7" in requests

typedef struct change {
    const char *path, *body;
    int entries;      // that it leaves
    const char *keep; // path of a text in the reply to keep, "key.keyId"; NULL: nothing
    int keep_as;
    const char *before; // is part of the newest entry; NULL: whatever
    const char *after;
    int as; // a token that was kept; 0: the first operator
} change;

// In this order. What an operator may do without leaving an entry stands there with 0 and says why.
static const change changes[] = {
    {REGISTRY "CreateVirtualServer", "{\"name\":\"shop\",\"runtime\":\"c\"}", 1, NULL, 0, "",
     "\"runtime\":\"c\"", 0},
    {REGISTRY "UpdateVirtualServer", "{\"name\":\"shop\",\"description\":\"new\"}", 1, NULL, 0,
     "\"description\":\"\"", "\"description\":\"new\"", 0},
    {REGISTRY "DeleteVirtualServer", "{\"name\":\"shop\"}", 1, NULL, 0, "\"description\":\"new\"",
     "", 0},
    {REGISTRY "Deploy", NULL, 0, NULL, 0, NULL, NULL, 0}, // by ow, below
    {REGISTRY "Publish", "{\"virtualServer\":\"lab\"}", 1, NULL, 0, "\"latest_version\":\"0\"",
     "\"latest_version\":\"1\"", 0},
    {REGISTRY "CreateAlias",
     "{\"virtualServer\":\"lab\",\"name\":\"live\",\"targets\":[{\"version\":\"1\"}]}", 1, NULL, 0,
     "", "\"targets\":\"1\"", 0},
    {REGISTRY "UpdateAlias",
     "{\"virtualServer\":\"lab\",\"name\":\"live\",\"targets\":[{\"version\":\"$LATEST\"}]}", 1,
     NULL, 0, "\"targets\":\"1\"", "\"targets\":\"$LATEST\"", 0},
    {REGISTRY "RollbackAlias", "{\"virtualServer\":\"lab\",\"name\":\"live\"}", 1, NULL, 0,
     "\"targets\":\"$LATEST\"", "\"targets\":\"1\"", 0},
    {REGISTRY "DeleteAlias", "{\"virtualServer\":\"lab\",\"name\":\"live\"}", 1, NULL, 0,
     "\"targets\":\"1\"", "", 0},
    {REGISTRY "SetRouteDisabled", "{\"virtualServer\":\"lab\",\"name\":\"echo\",\"disabled\":true}",
     1, NULL, 0, "{\"disabled\":false}", "{\"disabled\":true}", 0},
    {REGISTRY "SetSecret", "{\"virtualServer\":\"lab\",\"name\":\"key\",\"value\":\"b3Blbg==\"}", 1,
     NULL, 0, "", "{\"version\":\"1\",\"value\":\"***\"}", 0},
    {REGISTRY "UseSecretVersion", "{\"virtualServer\":\"lab\",\"name\":\"key\",\"version\":\"1\"}",
     1, NULL, 0, "\"***\"", "\"***\"", 0},
    {REGISTRY "DeleteSecret", "{\"virtualServer\":\"lab\",\"name\":\"key\"}", 1, NULL, 0, "\"***\"",
     "", 0},
    {IDENTITY "CreateServerKey", "{\"name\":\"match\"}", 1, "key.keyId", 1, "",
     "{\"name\":\"match\",\"limit_calls\":\"0\",\"revoked\":false}", 0},
    {IDENTITY "SetServerKeyLimit", "{\"keyId\":\"%1\",\"limitCalls\":9}", 1, NULL, 0,
     "\"limit_calls\":\"0\"", "\"limit_calls\":\"9\"", 0},
    {IDENTITY "RevokeServerKey", "{\"keyId\":\"%1\"}", 1, NULL, 0, "\"revoked\":false",
     "\"revoked\":true", 0},
    {IDENTITY "DeviceLogin", "{\"deviceId\":\"audited-device\"}", 0, "playerId", 5, NULL, NULL, 0},
    {IDENTITY "BanPlayer", "{\"playerId\":\"%5\",\"reason\":\"spam\"}", 1, NULL, 0,
     "{\"banned\":false}", "spam", 0},
    {IDENTITY "UnbanPlayer", "{\"playerId\":\"%5\"}", 1, NULL, 0, "spam", "{\"banned\":false}", 0},
    {IDENTITY "LogoutPlayer", "{\"playerId\":\"%5\"}", 1, NULL, 0, "sessions", "sessions", 0},
    {IDENTITY "DeletePlayer", "{\"playerId\":\"%5\"}", 1, NULL, 0, "created_us", "", 0},
    {IDENTITY "RotateSigningKey", "{}", 1, NULL, 0, "", "signs_from_us", 0},
    {IDENTITY "AddMember", "{\"email\":\"Ann@example.com\",\"role\":\"viewer\"}", 1, "password", 2,
     "", "{\"role\":\"viewer\"}", 0},
    {IDENTITY "SetMemberRole", "{\"email\":\"ann@example.com\",\"role\":\"developer\"}", 1, NULL, 0,
     "{\"role\":\"viewer\"}", "{\"role\":\"developer\"}", 0},
    {IDENTITY "ResetMemberPassword", "{\"email\":\"ann@example.com\"}", 1, "password", 2, "",
     "{\"password\":\"***\"}", 0},
    {IDENTITY "OperatorLogin", "{\"email\":\"ann@example.com\",\"password\":\"%2\"}", 1, "token", 3,
     "", "", 0},
    {IDENTITY "CreateSignInLink", "{}", 1, "code", 6, "", "\"secret\":\"***\"", 3},
    {IDENTITY "FindSignInLink", "{\"code\":\"%6\"}", 0, NULL, 0, NULL, NULL, 0}, // it only reads
    {IDENTITY "RedeemSignInLink", "{\"code\":\"%6\"}", 1, NULL, 0, "", "", 0},
    {IDENTITY "CreateApiKey", "{\"name\":\"ci\",\"days\":3}", 1, "key.keyId", 4, "",
     "\"role\":\"developer\"", 3},
    {IDENTITY "RevokeApiKey", "{\"keyId\":\"%4\"}", 1, NULL, 0, "", "{\"revoked\":true}", 3},
    {IDENTITY "OperatorLogout", "{\"everywhere\":true}", 1, NULL, 0, "", "{\"ended\":\"2\"}", 3},
    {IDENTITY "OperatorLogin", "{\"email\":\"ann@example.com\",\"password\":\"%2\"}", 1, "token", 3,
     "", "", 0},
    {IDENTITY "ChangeOperatorPassword",
     "{\"oldPassword\":\"%2\",\"newPassword\":\"four blue whales sing\"}", 1, NULL, 0, "",
     "{\"password\":\"***\"}", 3},
    {IDENTITY "RemoveMember", "{\"email\":\"ann@example.com\"}", 1, NULL, 0,
     "{\"role\":\"developer\"}", "", 0},
    {TELEMETRY "CreateAlarm",
     "{\"rule\":{\"name\":\"busy\",\"measure\":\"calls\",\"threshold\":1000,"
     "\"webhookUrl\":\"https://example.com/\"}}",
     1, "alarmId", 5, "", "\"secret\":\"***\"", 0},
    {TELEMETRY "TestAlarm", "{\"alarmId\":\"%5\"}", 1, NULL, 0, "", "", 0},
    {TELEMETRY "DeleteAlarm", "{\"alarmId\":\"%5\"}", 1, NULL, 0, "\"name\":\"busy\"", "", 0},
    {CALL "refuse?mode=async", "{}", 0, "executionId", 6, NULL, NULL, 0},
    {QUEUE "EditExecution", "{\"executionId\":\"%6\",\"payload\":\"WzFd\"}", 1, NULL, 0,
     "\"payload_size\":\"2\"", "\"payload_size\":\"3\"", 0},
    {QUEUE "RerunExecution", "{\"executionId\":\"%6\"}", 1, NULL, 0, "", "exe_", 0},
    {QUEUE "RedriveExecutions", "{\"executionIds\":[\"%6\"]}", 1, NULL, 0, "", "\"count\":\"1\"",
     0},
    {CALL "refuse?mode=async", "{}", 0, "executionId", 6, NULL, NULL, 0},
    {QUEUE "DiscardExecutions", "{\"executionIds\":[\"%6\"],\"reason\":\"old\"}", 1, NULL, 0, "",
     "\"because\":\"old\"", 0},
    {HANDS "SaveTestEvent",
     "{\"event\":{\"virtualServer\":\"lab\",\"function\":\"whoami\",\"name\":\"mine\",\"payload\":\"e30=\"}}",
     1, NULL, 0, "", "\"shared\":false", 0},
    {IDENTITY "DeviceLogin", "{\"deviceId\":\"another-device\"}", 0, "playerId", 7, NULL, NULL, 0},
    {HANDS "InvokeByHand",
     "{\"virtualServer\":\"lab\",\"function\":\"whoami\",\"testEvent\":\"mine\",\"asPlayer\":\"%7\"}",
     1, "payload", 7, "", "\"as_player\":\"plr_", 0},
    {HANDS "DeleteTestEvent",
     "{\"virtualServer\":\"lab\",\"function\":\"whoami\",\"name\":\"mine\"}", 1, NULL, 0, "",
     "\"name\":\"mine\"", 0},
    {CALL "slow?mode=async", "{}", 0, "executionId", 7, NULL, NULL, 0},
    {QUEUE "CancelExecution", "{\"executionId\":\"%7\"}", 1, NULL, 0, "\"function\":\"slow\"",
     "\"state\":\"discarded\"", 0},
    {EVENTS "DeclareEventType", "{\"name\":\"match.ended\",\"description\":\"over\"}", 1, NULL, 0,
     "", "\"description\":\"over\"", 0},
    {EVENTS "CreateSubscription",
     "{\"virtualServer\":\"lab\",\"subscription\":{\"name\":\"one\",\"eventType\":\"match.*\","
     "\"function\":\"echo\"}}",
     1, "subscriptionId", 6, "", "\"event_type\":\"match.*\"", 0},
    {EVENTS "UpdateSubscription",
     "{\"subscriptionId\":\"%6\",\"etag\":\"1\",\"subscription\":{\"name\":\"one\","
     "\"eventType\":\"match.ended\",\"function\":\"echo\"}}",
     1, NULL, 0, "\"event_type\":\"match.*\"", "\"event_type\":\"match.ended\"", 0},
    {EVENTS "SetSubscriptionDisabled", "{\"subscriptionId\":\"%6\",\"disabled\":true}", 1, NULL, 0,
     "\"disabled\":false", "\"disabled\":true", 0},
    {EVENTS "CreateWebhook",
     "{\"webhook\":{\"name\":\"shop\",\"eventType\":\"shop.paid\",\"verification\":\"standard\"}}",
     1, NULL, 0, "", "\"secret\":\"***\"", 0},
    {EVENTS "SetWebhookDisabled", "{\"name\":\"shop\",\"disabled\":true}", 1, NULL, 0,
     "\"disabled\":false", "\"disabled\":true", 0},
    {EVENTS "DeleteWebhook", "{\"name\":\"shop\"}", 1, NULL, 0, "\"disabled\":true", "", 0},
    // Events are no changes: the queue and the list of events show them.
    {EVENTS "Publish", "{\"events\":[{\"type\":\"match.ended\",\"data\":\"e30=\"}]}", 0, NULL, 0,
     NULL, NULL, 0},
    {EVENTS "DeleteSubscription", "{\"subscriptionId\":\"%6\"}", 1, NULL, 0, "\"disabled\":true",
     "", 0},
    {EVENTS "DeleteEventType", "{\"name\":\"match.ended\"}", 1, NULL, 0, "\"description\":\"over\"",
     "", 0},
    {TIMERS "CreateTimer",
     "{\"virtualServer\":\"lab\",\"spec\":{\"name\":\"tick\",\"function\":\"echo\",\"every\":\"3600s\"}}",
     1, "timerId", 5, "", "\"every_us\":\"3600000000\"", 0},
    {TIMERS "UpdateTimer",
     "{\"timerId\":\"%5\",\"spec\":{\"name\":\"tick\",\"function\":\"echo\",\"every\":\"60s\"}}", 1,
     NULL, 0, "\"every_us\":\"3600000000\"", "\"every_us\":\"60000000\"", 0},
    {TIMERS "PauseTimer", "{\"timerId\":\"%5\",\"reason\":\"late\"}", 1, NULL, 0,
     "\"paused\":false", "\"paused\":true", 0},
    {TIMERS "ResumeTimer", "{\"timerId\":\"%5\"}", 1, NULL, 0, "\"paused\":true",
     "\"paused\":false", 0},
    {TIMERS "RunTimer", "{\"timerId\":\"%5\"}", 1, NULL, 0, "", "", 0},
    {TIMERS "DeleteTimer", "{\"timerId\":\"%5\"}", 1, NULL, 0, "\"name\":\"tick\"", "", 0},
    {IDENTITY "StartBackup", "{}", 1, NULL, 0, "", "", 0},
    {REGISTRY "StartBackup", "{}", 1, NULL, 0, "", "", 0},
    {QUEUE "StartBackup", "{}", 1, NULL, 0, "", "", 0},
    {TELEMETRY "StartBackup", "{}", 1, NULL, 0, "", "", 0},
    {TIMERS "StartBackup", "{}", 1, NULL, 0, "", "", 0},
    {DATA "StartBackup", "{}", 1, NULL, 0, "", "", 0},
    // What games remember is theirs: the audit is about who runs them.
    {DATA "KvSet", "{\"scope\":{\"kind\":\"TITLE\"},\"key\":\"a\",\"value\":\"MQ==\"}", 0, NULL, 0,
     NULL, NULL, 0},
    {DATA "KvIncrement", "{\"scope\":{\"kind\":\"TITLE\"},\"key\":\"n\",\"delta\":\"1\"}", 0, NULL,
     0, NULL, NULL, 0},
    {DATA "KvDelete", "{\"scope\":{\"kind\":\"TITLE\"},\"key\":\"a\"}", 0, NULL, 0, NULL, NULL, 0},
    {DATA "KvDeletePrefix", "{\"scope\":{\"kind\":\"TITLE\"},\"prefix\":\"a\"}", 0, NULL, 0, NULL,
     NULL, 0},
    {DATA "KvBatch",
     "{\"scope\":{\"kind\":\"TITLE\"},\"operations\":[{\"kind\":\"GET\",\"key\":\"a\"}]}", 0, NULL,
     0, NULL, NULL, 0},
    // Messages are traffic, as calls are.
    {PUSH "Send",
     "{\"playerIds\":[\"plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6\"],\"topic\":\"t\",\"payloadJson\":\"1\"}",
     0, NULL, 0, NULL, NULL, 0},
    // What is kept of replies is a copy.
    {GATEWAY "PurgeRoutes", "{\"virtualServer\":\"lab\"}", 0, NULL, 0, NULL, NULL, 0},
    // Waits for what comes: it only reads.
    {TELEMETRY "QueryLogs", "{}", 0, NULL, 0, NULL, NULL, 0},
    // With two titles, those above would have to name one.
    {REGISTRY "CreateTitle", "{\"name\":\"racer\"}", 1, "titleId", 0, "", "{\"name\":\"racer\"}",
     0},
    {REGISTRY "RenameTitle", "{\"titleId\":\"%0\",\"name\":\"pilot\"}", 1, NULL, 0,
     "{\"name\":\"racer\"}", "{\"name\":\"pilot\"}", 0},
};

static int set_up(void **state) {
    (void)state;
    static const char *const flags[] = {"--gateway.trusted_proxies=127.0.0.1", NULL};
    d = deployment_start(SHAPE_SPLIT, flags);
    operator= deployment_operator(d);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    ow_client_free(operator);
    deployment_stop(d);
    return 0;
}

static ow_json *ask(const char *path, const char *body) {
    return json_must_call(operator, path, body);
}

typedef struct seen {
    int64_t head; // entries of all services
    char who[64], from[64], action[64], before[512], after[512];
} seen;

static void copy(char *to, size_t size, const ow_json *object, const char *name) {
    const char *text = ow_json_string(ow_json_get(object, name));
    snprintf(to, size, "%s", text != NULL ? text : "");
}

static void look_at(const char *service, seen *s) {
    char path[128];
    snprintf(path, sizeof path, "%sVerifyAudit", service);
    ow_json *proof = ask(path, "{}");
    assert_null(ow_json_get(proof, "broken"));
    const char *head = ow_json_string(ow_json_get(proof, "headSequence"));
    s->head += head != NULL ? strtoll(head, NULL, 10) : 0;
    ow_json_free(proof);
    snprintf(path, sizeof path, "%sListAudit", service);
    ow_json *page = ask(path, "{\"pageSize\":1,\"everyTitle\":true}");
    const ow_json *entry = ow_json_first(ow_json_get(page, "entries"));
    copy(s->who, sizeof s->who, entry, "principal");
    copy(s->from, sizeof s->from, entry, "address");
    copy(s->action, sizeof s->action, entry, "action");
    copy(s->before, sizeof s->before, entry, "before");
    copy(s->after, sizeof s->after, entry, "after");
    ow_json_free(page);
}

// The newest entry of the service of that path, and how many there are in all.
static seen look(const char *path) {
    seen s = {0};
    static const char *const services[] = {IDENTITY, REGISTRY, QUEUE, TELEMETRY, DATA, TIMERS};
    const char *wanted = NULL;
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        // Services of one module have one chain.
        size_t package = (size_t)(strrchr(services[i], '.') - services[i]);
        if (strncmp(path, services[i], package) == 0) {
            wanted = services[i];
        } else {
            look_at(services[i], &s);
        }
    }
    if (wanted != NULL) {    // data keeps no chain
        look_at(wanted, &s); // last: its entry is what stays
    }
    return s;
}

// ---- The table ----

static void fill(const char *body, char text[static TEXT_MAX]) {
    size_t size = 0;
    for (; *body != '\0'; body++) {
        if (*body == '%') {
            size += (size_t)snprintf(text + size, TEXT_MAX - size, "%s", kept[*++body - '0']);
        } else {
            text[size++] = *body;
        }
    }
    text[size] = '\0';
}

static void keep(const change *c, const ow_json *reply) {
    char path[64];
    char *rest = NULL;
    snprintf(path, sizeof path, "%s", c->keep);
    for (char *name = strtok_r(path, ".", &rest); name != NULL; name = strtok_r(NULL, ".", &rest)) {
        reply = ow_json_get(reply, name);
    }
    assert_non_null(ow_json_string(reply));
    snprintf(kept[c->keep_as], sizeof kept[0], "%s", ow_json_string(reply));
}

static void expect_part(const change *c, const char *text, const char *part) {
    bool is_there =
        part == NULL || (part[0] == '\0' ? text[0] == '\0' : strstr(text, part) != NULL);
    if (!is_there) {
        fail_msg("%s: \"%s\" instead of \"%s\"", c->path, text, part);
    }
}

static void expect_entry(const change *c, const seen *before, const seen *after) {
    if (after->head - before->head != c->entries) {
        fail_msg("%s left %d entries instead of %d", c->path, (int)(after->head - before->head),
                 c->entries);
    }
    if (c->entries > 0) {
        assert_int_equal(strncmp(after->who, "opr_", 4), 0);
        assert_string_equal(after->from, "127.0.0.1");
        expect_part(c, after->before, c->before);
        expect_part(c, after->after, c->after);
    }
}

// Until it is dead: what is refused is at once.
static void await_death(const char *execution_id) {
    char body[128];
    bool dead = false;
    snprintf(body, sizeof body, "{\"executionId\":\"%s\"}", execution_id);
    for (int64_t until = now_ms() + 10000; !dead && now_ms() < until;) {
        ow_json *found = ask(QUEUE "GetExecution", body);
        dead = strcmp(ow_json_string(ow_json_get(found, "state")), "dead") == 0;
        ow_json_free(found);
    }
    assert_true(dead);
}

// A call is no change of anybody's, but gives them something to work on.
static void make_call(const change *c) {
    ow_json *reply = ask(c->path, c->body);
    keep(c, reply);
    ow_json_free(reply);
    if (strstr(c->path, "refuse") != NULL) {
        await_death(kept[c->keep_as]);
    }
}

static void make_change(const change *c) {
    static char body[TEXT_MAX];
    fill(c->body, body);
    seen before = look(c->path);
    ow_client *other = NULL;
    if (c->as != 0) {
        ow_client_config config = {.url = deployment_console(d), .access_token = kept[c->as]};
        other = ow_client_new(&config, NULL);
    }
    ow_json *reply = json_must_call(other != NULL ? other : operator, c->path, body);
    ow_client_free(other);
    if (c->keep != NULL) {
        keep(c, reply);
    }
    ow_json_free(reply);
    seen after = look(c->path);
    expect_entry(c, &before, &after);
}

static void deploy(void) {
    seen before = look(REGISTRY);
    deployment_deploy(d, "tests/scenario/bundle", false);
    seen after = look(REGISTRY);
    assert_int_equal(after.head - before.head, 2); // the virtual server is new
    assert_string_equal(after.action, "virtual_server.deploy");
    assert_string_equal(after.before, "{\"latest\":\"\"}");
}

static void every_change_leaves_its_entry(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        if (strncmp(changes[i].path, CALL, strlen(CALL)) == 0) {
            make_call(&changes[i]);
        } else if (changes[i].body == NULL) {
            deploy();
        } else {
            make_change(&changes[i]);
        }
    }
}

static void every_method_of_operators_is_in_the_table(void **state) {
    (void)state;
    ow_api *api = NULL;
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &api, NULL), OW_OK);
    size_t count;
    const ow_api_method *methods = ow_api_methods(api, &count);
    for (size_t i = 0; i < count; i++) {
        bool found = (methods[i].allow & OW_ALLOW_OPERATOR) == 0 || methods[i].no_side_effects;
        for (size_t n = 0; !found && n < sizeof changes / sizeof changes[0]; n++) {
            found = strcmp(changes[n].path, methods[i].path) == 0;
        }
        if (!found) {
            fail_msg("%s changes something for operators: it must leave an entry in the audit, and "
                     "have its place in this test's table",
                     methods[i].path);
        }
    }
    ow_api_free(api);
}

// ---- ow audit ----

static void run(int wanted, const char *part, const char *const *words) {
    static char out[TEXT_MAX];
    int code = deployment_ow(d, out, sizeof out, words);
    if (code != wanted || strstr(out, part) == NULL) {
        fail_msg("ow audit %s: %d instead of %d, \"%s\" wanted:\n%s", words[1], code, wanted, part,
                 out);
    }
}

#define RUN(code, part, ...) run((code), (part), (const char *const[]){__VA_ARGS__, NULL})

static void people_can_read_it(void **state) {
    (void)state;
    RUN(0, "server_key.revoke", "audit", "list", "--every-title", "--limit", "200");
    RUN(0, "{\"name\":\"pilot\"}", "audit", "list", "--every-title", "--action", "title.rename");
    RUN(0, "\"service\":\"identity\"", "audit", "export", "--every-title");
    RUN(0, "\"entries\":[{", "audit", "list", "--json", "--every-title", "--limit", "2");
    RUN(0, "registry: sound", "audit", "verify");
    RUN(0, "\"sound\":true", "audit", "verify", "--json");
    RUN(2, "", "audit", "list", "--since", "yesterday");
    RUN(2, "", "audit", "list", "--limit", "0");
}

static void a_noted_head_is_held_to(void **state) {
    (void)state;
    char note[64] = "/tmp/overworld-note-XXXXXX";
    int fd = mkstemp(note);
    assert_true(fd >= 0);
    close(fd);
    unlink(note);
    RUN(0, "identity: sound", "audit", "verify", "--note", note);
    RUN(0, "identity: sound", "audit", "verify", "--note", note);
    FILE *file = fopen(note, "w");
    assert_non_null(file);
    for (int i = 0; i < 4; i++) {
        fprintf(file, "%s", i == 0 ? "identity 1 " : "");
        fprintf(file, "%016d", 0);
    }
    fclose(file);
    RUN(1, "identity: BROKEN at entry 1 (changed)", "audit", "verify", "--note", note);
    unlink(note);
}

static void send_raw(const char *forwarded, const char *path, const char *body) {
    char headers[512];
    snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n%s",
             ow_client_access_token(operator), forwarded);
    assert_int_equal(deployment_post(d, headers, path, body), 200);
}

static void proxies_say_who_it_was(void **state) {
    (void)state;
    seen before = look(REGISTRY);
    send_raw("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 203.0.113.8, 198.51.100.4\r\n",
             REGISTRY "CreateTitle", "{\"name\":\"through-a-proxy\"}");
    seen after = look(REGISTRY);
    assert_int_equal(after.head, before.head + 1);
    assert_string_equal(after.from, "198.51.100.4");
    // The last line is the proxies' own alone: the one before it goes on.
    send_raw("X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 127.0.0.1\r\n",
             REGISTRY "CreateTitle", "{\"name\":\"through-two\"}");
    after = look(REGISTRY);
    assert_string_equal(after.from, "203.0.113.9");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_of_operators_is_in_the_table),
        cmocka_unit_test(every_change_leaves_its_entry),
        cmocka_unit_test(people_can_read_it),
        cmocka_unit_test(a_noted_head_is_held_to),
        cmocka_unit_test(proxies_say_who_it_was),
    };
    return cmocka_run_group_tests_name("audit", tests, set_up, tear_down);
}
