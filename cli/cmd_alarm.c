// ow alarm ...: rules that say by webhook when something is wrong, and when it is over.

#include "cli/rpc.h"

#include "overworld/telemetry/v1/telemetry.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALARM_PATH "/overworld.telemetry.v1.Telemetry/"

enum { DEFAULT_WINDOW_S = 60, DEFAULT_SILENCE_S = 3600 };

typedef Overworld__Telemetry__V1__AlarmRule Rule;
typedef Overworld__Telemetry__V1__Alarm Alarm;

static char *text_or_empty(const cli *c, const char *flag) {
    const char *text = cli_text(c, flag);
    return (char *)(text != NULL ? text : "");
}

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

cli_exit cmd_alarm_create(cli *c) {
    Overworld__Telemetry__V1__CreateAlarmRequest request =
        OVERWORLD__TELEMETRY__V1__CREATE_ALARM_REQUEST__INIT;
    Overworld__Telemetry__V1__CreateAlarmResponse *reply;
    Rule rule = OVERWORLD__TELEMETRY__V1__ALARM_RULE__INIT;
    request.rule = &rule;
    rule.name = (char *)c->args[0];
    rule.measure = (char *)c->args[1];
    rule.virtual_server = text_or_empty(c, "vs");
    rule.function = text_or_empty(c, "function");
    rule.qualifier = text_or_empty(c, "qualifier");
    rule.version = cli_int(c, "version", 0);
    rule.text = text_or_empty(c, "text");
    rule.min_level = text_or_empty(c, "level");
    rule.window_s = (int32_t)cli_int(c, "window", DEFAULT_WINDOW_S);
    rule.silence_s = (int32_t)cli_int(c, "silence", DEFAULT_SILENCE_S);
    rule.webhook_url = text_or_empty(c, "webhook");
    cli_exit code = read_threshold(c, &rule);
    if (code == CLI_OK) {
        code = cli_rpc(c, ALARM_PATH "CreateAlarm", &request.base,
                       &overworld__telemetry__v1__create_alarm_response__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        printf("%s\nwebhook secret, shown this once: %s\n", reply->alarm_id, reply->webhook_secret);
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

cli_exit cmd_alarm_list(cli *c) {
    Overworld__Telemetry__V1__ListAlarmsRequest request =
        OVERWORLD__TELEMETRY__V1__LIST_ALARMS_REQUEST__INIT;
    Overworld__Telemetry__V1__ListAlarmsResponse *reply;
    cli_exit code =
        cli_rpc(c, ALARM_PATH "ListAlarms", &request.base,
                &overworld__telemetry__v1__list_alarms_response__descriptor, true, &reply);
    for (size_t i = 0; code == CLI_OK && !c->json && i < reply->n_alarms; i++) {
        print_alarm(c, reply->alarms[i]);
    }
    return code;
}

cli_exit cmd_alarm_delete(cli *c) {
    Overworld__Telemetry__V1__DeleteAlarmRequest request =
        OVERWORLD__TELEMETRY__V1__DELETE_ALARM_REQUEST__INIT;
    Overworld__Telemetry__V1__DeleteAlarmResponse *reply;
    request.alarm_id = (char *)c->args[0];
    return cli_rpc(c, ALARM_PATH "DeleteAlarm", &request.base,
                   &overworld__telemetry__v1__delete_alarm_response__descriptor, true, &reply);
}

cli_exit cmd_alarm_test(cli *c) {
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
