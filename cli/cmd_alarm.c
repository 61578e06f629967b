// ow alarm ...: rules that say by webhook, by mail or to a function when something is wrong, and when it is
// over.

#include "cli/rpc.h"
#include "cli/target.h"

#include "overworld/telemetry/v1/telemetry.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALARM_PATH "/overworld.telemetry.v1.Telemetry/"

enum { DEFAULT_WINDOW_S = 60, DEFAULT_SILENCE_S = 3600, EMAILS_MAX = 10 };

typedef Overworld__Telemetry__V1__AlarmRule Rule;
typedef Overworld__Telemetry__V1__Alarm Alarm;
typedef Overworld__Telemetry__V1__AlarmFunction Function;

static cli_exit read_threshold(cli *c, Rule *rule) {
    const char *above = cli_text(c, "above");
    const char *below = cli_text(c, "below");
    if ((above == NULL) == (below == NULL)) {
        return cli_fail(c, CLI_USAGE, "name one of --above and --below");
    }
    const char *text = above != NULL ? above : below;
    char *end;
    rule->threshold = strtod(text, &end);
    rule->below = below != NULL;
    return end != text && *end == '\0' ? CLI_OK
                                       : cli_fail(c, CLI_USAGE, "\"%s\" is no number", text);
}

// "a@example.com,b@example.com"
static cli_exit read_emails(cli *c, const char *list, Rule *rule) {
    rule->emails = ow_arena_calloc(c->arena, EMAILS_MAX, sizeof *rule->emails);
    char *at = ow_arena_strdup_in(c->arena, list);
    while (rule->emails != NULL && at != NULL) {
        char *comma = strchr(at, ',');
        if (rule->n_emails == EMAILS_MAX) {
            return cli_fail(c, CLI_USAGE, "at most %d addresses", EMAILS_MAX);
        }
        rule->emails[rule->n_emails++] = at;
        at = comma != NULL ? comma + 1 : NULL;
        if (comma != NULL) {
            *comma = '\0';
        }
    }
    return rule->n_emails > 0 ? CLI_OK : cli_fail(c, CLI_FAILED, "no memory");
}

// "chat/on_alarm", "chat/on_alarm@live"
static cli_exit read_call(cli *c, const char *text, Function *call, Rule *rule) {
    char *copy = ow_arena_strdup_in(c->arena, text);
    char *slash = copy != NULL ? strchr(copy, '/') : NULL;
    if (slash == NULL) {
        return cli_fail(c, CLI_USAGE, "--call is VIRTUAL_SERVER/FUNCTION[@ALIAS]");
    }
    *slash = '\0';
    call->virtual_server = copy;
    call->function = slash + 1;
    char *alias = strchr(slash + 1, '@');
    if (alias != NULL) {
        *alias = '\0';
        call->qualifier = alias + 1;
    }
    rule->call = call;
    return CLI_OK;
}

static cli_exit read_target(cli *c, Function *call, Rule *rule) {
    const char *webhook = cli_text(c, "webhook");
    const char *emails = cli_text(c, "email");
    const char *function = cli_text(c, "call");
    if ((webhook != NULL) + (emails != NULL) + (function != NULL) != 1) {
        return cli_fail(c, CLI_USAGE, "name one of --webhook, --email and --call");
    }
    rule->webhook_url = cli_text_or(c, "webhook", "");
    return emails != NULL     ? read_emails(c, emails, rule)
           : function != NULL ? read_call(c, function, call, rule)
                              : CLI_OK;
}

static cli_exit cmd_alarm_create(cli *c) {
    Overworld__Telemetry__V1__CreateAlarmRequest request =
        OVERWORLD__TELEMETRY__V1__CREATE_ALARM_REQUEST__INIT;
    Overworld__Telemetry__V1__CreateAlarmResponse *reply;
    Rule rule = OVERWORLD__TELEMETRY__V1__ALARM_RULE__INIT;
    Function call = OVERWORLD__TELEMETRY__V1__ALARM_FUNCTION__INIT;
    request.rule = &rule;
    rule.name = (char *)c->args[0];
    rule.measure = (char *)c->args[1];
    rule.virtual_server = cli_text_or(c, "vs", "");
    rule.function = cli_text_or(c, "function", "");
    rule.qualifier = cli_text_or(c, "qualifier", "");
    rule.version = cli_int(c, "version", 0);
    rule.text = cli_text_or(c, "text", "");
    rule.min_level = cli_text_or(c, "level", "");
    rule.window_s = (int32_t)cli_int(c, "window", DEFAULT_WINDOW_S);
    rule.silence_s = (int32_t)cli_int(c, "silence", DEFAULT_SILENCE_S);
    cli_exit code = read_threshold(c, &rule);
    code = code == CLI_OK ? read_target(c, &call, &rule) : code;
    if (code == CLI_OK) {
        code = cli_rpc(c, ALARM_PATH "CreateAlarm", &request.base,
                       &overworld__telemetry__v1__create_alarm_response__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        puts(reply->alarm_id);
        if (reply->webhook_secret[0] != '\0') {
            printf("webhook secret, shown this once: %s\n", reply->webhook_secret);
        }
    }
    if (code == CLI_OK && rule.call != NULL) {
        cli_warn_of_target(
            c, &(cli_target){call.virtual_server, call.function, .alias = call.qualifier});
    }
    return code;
}

static void print_alarm(const cli *c, const Alarm *alarm) {
    const Rule *rule = alarm->rule;
    bool red = c->color && alarm->firing;
    printf("%s%-30s %-20s %-7s %-12s %s %g, is %g%s", red ? "\033[31m" : "", alarm->alarm_id,
           rule->name, alarm->firing ? "firing" : "quiet", rule->measure,
           rule->below ? "below" : "from", rule->threshold, alarm->value, red ? "\033[0m" : "");
    if (alarm->waiting_notices > 0) {
        printf("  %" PRId64 " notices wait", alarm->waiting_notices);
    }
    printf("%s%s\n", alarm->last_error[0] != '\0' ? "  last attempt: " : "", alarm->last_error);
}

static cli_exit cmd_alarm_list(cli *c) {
    Overworld__Telemetry__V1__ListAlarmsRequest request =
        OVERWORLD__TELEMETRY__V1__LIST_ALARMS_REQUEST__INIT;
    Overworld__Telemetry__V1__ListAlarmsResponse *reply;
    cli_exit code =
        cli_rpc(c, ALARM_PATH "ListAlarms", &request.base,
                &overworld__telemetry__v1__list_alarms_response__descriptor, true, &reply);
    for (size_t i = 0; code == CLI_OK && !c->json && i < reply->n_alarms; i++) {
        print_alarm(c, reply->alarms[i]);
    }
    if (code == CLI_OK && reply->n_alarms == 0) {
        cli_say(c, "There are no alarms. ow alarm create NAME MEASURE makes one.");
    }
    return code;
}

static cli_exit cmd_alarm_delete(cli *c) {
    Overworld__Telemetry__V1__DeleteAlarmRequest request =
        OVERWORLD__TELEMETRY__V1__DELETE_ALARM_REQUEST__INIT;
    Overworld__Telemetry__V1__DeleteAlarmResponse *reply;
    request.alarm_id = (char *)c->args[0];
    return cli_rpc(c, ALARM_PATH "DeleteAlarm", &request.base,
                   &overworld__telemetry__v1__delete_alarm_response__descriptor, true, &reply);
}

static cli_exit cmd_alarm_test(cli *c) {
    Overworld__Telemetry__V1__TestAlarmRequest request =
        OVERWORLD__TELEMETRY__V1__TEST_ALARM_REQUEST__INIT;
    Overworld__Telemetry__V1__TestAlarmResponse *reply;
    request.alarm_id = (char *)c->args[0];
    cli_exit code =
        cli_rpc(c, ALARM_PATH "TestAlarm", &request.base,
                &overworld__telemetry__v1__test_alarm_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        printf("%s is on its way; ow alarm list says when it failed\n", reply->notice_id);
    }
    return code;
}

// ---- The table ----

static const cli_flag alarm_flags[] = {
    {"above", CLI_FLAG_TEXT, "N", "speak from this value on"},
    {"below", CLI_FLAG_TEXT, "N", "or below this one"},
    {"webhook", CLI_FLAG_TEXT, "URL", "to whom, signed as Standard Webhooks says"},
    {"email", CLI_FLAG_TEXT, "ADDRESSES",
     "or to these, with commas between; see telemetry.smtp_server"},
    {"call", CLI_FLAG_TEXT, "VS/FUNCTION[@ALIAS]", "or to this function, as its payload"},
    {"window", CLI_FLAG_INT, "S", "of the last so many seconds, 10 to 3600 (default 60)"},
    {"silence", CLI_FLAG_INT, "S", "say nothing new for so long (default 3600)"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"version", CLI_FLAG_INT, "N", "of this version"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "called by this alias or version"},
    {"text", CLI_FLAG_TEXT, "WORDS", "of measure log: lines and errors with these words"},
    {"level", CLI_FLAG_TEXT, "LEVEL", "of measure log: at least so bad"},
    {0},
};

const cli_command alarm_commands[] = {
    {"alarm create", "NAME MEASURE",
     "say when a measure passes a bound\n"
     "Measures: calls, rate, errors, error_rate, throttled, cold_starts, p50_ms, p95_ms, p99_ms,\n"
     "instances, queue and log.",
     2, 2, alarm_flags, cmd_alarm_create,
     "ow alarm create failing error_rate --vs chat --above 0.05 --webhook https://example.com/hook"},
    {"alarm list", "", "alarms and how they stand", 0, 0, NULL, cmd_alarm_list, "ow alarm list"},
    {"alarm delete", "ALARM_ID", "delete an alarm and what it has to say", 1, 1, NULL,
     cmd_alarm_delete, "ow alarm delete alm_01..."},
    {"alarm test", "ALARM_ID", "send a notice to see whether it arrives", 1, 1, NULL,
     cmd_alarm_test, "ow alarm test alm_01..."},
    {0},
};
