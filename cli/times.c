#include "cli/times.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COUNT_MAX = 1000000000, DATE_MAX = 32 };

static const struct unit {
    char letter;
    int64_t seconds;
} units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
enum { UNITS = sizeof units / sizeof units[0] };

bool cli_read_span(const char *text, int64_t *ret_seconds) {
    char *end;
    long long number = strtoll(text, &end, 10);
    for (size_t i = 0; end != text && i < UNITS; i++) {
        if (end[0] == units[i].letter && end[1] == '\0' && number >= 0 && number <= COUNT_MAX) {
            *ret_seconds = number * units[i].seconds;
            return true;
        }
    }
    return false;
}

bool cli_read_date(const char *text, int64_t *ret_seconds) {
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest != NULL && rest[0] == '.') {
        rest += 1 + strspn(rest + 1, "0123456789"); // what is less than a second is not asked for
    }
    if (rest == NULL || strcmp(rest, "Z") != 0) {
        return false;
    }
    *ret_seconds = (int64_t)timegm(&parts);
    return true;
}

cli_exit cli_time(const cli *c, const char *flag, Google__Protobuf__Timestamp *room,
                  Google__Protobuf__Timestamp **ret_time) {
    const char *text = cli_text(c, flag);
    int64_t seconds = 0;
    if (text == NULL) {
        return CLI_OK;
    }
    if (cli_read_span(text, &seconds)) {
        seconds = (int64_t)time(NULL) - seconds;
    } else if (!cli_read_date(text, &seconds)) {
        return cli_fail(c, CLI_USAGE,
                        "--%s \"%s\" is no time: use 30s, 5m, 2h, 7d or 2026-01-31T08:00:00Z", flag,
                        text);
    }
    google__protobuf__timestamp__init(room);
    room->seconds = seconds;
    *ret_time = room;
    return CLI_OK;
}

int64_t cli_seconds(const Google__Protobuf__Timestamp *at) {
    return at != NULL ? at->seconds : 0;
}

const char *cli_date(cli *c, const Google__Protobuf__Timestamp *at) {
    char text[DATE_MAX];
    struct tm utc;
    time_t seconds = (time_t)cli_seconds(at);
    if (seconds <= 0 || gmtime_r(&seconds, &utc) == NULL) {
        return "-";
    }
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return ow_arena_strdup_in(c->arena, text);
}

const char *cli_ago(cli *c, int64_t seconds) {
    if (seconds <= 0) {
        return "-";
    }
    int64_t age = (int64_t)time(NULL) - seconds;
    for (size_t i = 0; i < UNITS; i++) {
        if (age >= units[i].seconds) {
            return ow_arena_printf_in(c->arena, "%" PRId64 "%c ago", age / units[i].seconds,
                                      units[i].letter);
        }
    }
    return "now";
}
