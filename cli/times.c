// Times as people write them.

#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

// "30s", "5m", "2h", "7d" ago, or an RFC 3339 time in UTC.
static bool read_time(const char *text, int64_t *ret_seconds) {
    static const struct {
        char letter;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    char *end;
    long long number = strtoll(text, &end, 10);
    for (size_t i = 0; end != text && i < sizeof units / sizeof units[0]; i++) {
        if (*end == units[i].letter && end[1] == '\0' && number >= 0 && number < 1000000) {
            *ret_seconds = (int64_t)time(NULL) - number * units[i].seconds;
            return true;
        }
    }
    struct tm parts = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &parts);
    if (rest == NULL || (strcmp(rest, "Z") != 0 && rest[0] != '\0')) {
        return false;
    }
    *ret_seconds = (int64_t)timegm(&parts);
    return true;
}

cli_exit cli_time(const cli *c, const char *flag, int64_t *ret_seconds) {
    const char *text = cli_text(c, flag);
    if (!read_time(text, ret_seconds)) {
        return cli_fail(c, CLI_USAGE,
                        "--%s \"%s\" is no time: use 30s, 5m, 2h, 7d or 2026-01-31T08:00:00Z", flag,
                        text);
    }
    return CLI_OK;
}
