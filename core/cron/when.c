// Reads lines "ZONE<tab>AFTER_S<tab>EXPRESSION" and prints for each the next time in seconds, "none", or
// "bad" for an expression that is refused. With --time: how long each call takes, as JSON.

#include "core/cron/cron.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 200000 };

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

static int measure(ow_zones *zones) {
    static const char *const samples[] = {"*/5 * * * *",        "0 3 * * *",   "30 2 * * MON-FRI",
                                          "*/2 * * * * *",      "0 0 1 1 *",   "0 0 29 2 *",
                                          "0 12 15W * *",       "0 0 * * 5#2", "0 0 L * *",
                                          "15,45 9-17 * * 1-5", "0 0 30 2 *",  "0 0 0 1 1 * 2099"};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        ow_cron cron;
        const ow_zone *zone;
        if (ow_cron_parse(samples[i], &cron, NULL) != OW_OK ||
            ow_zones_find(zones, "Europe/Berlin", &zone, NULL) != OW_OK) {
            return 1;
        }
        int64_t begin = now_ns();
        int64_t sum = 0;
        int rounds = strcmp(samples[i], "0 0 30 2 *") == 0 ? ROUNDS / 100 : ROUNDS;
        for (int k = 0; k < rounds; k++) {
            int64_t next = 0;
            ow_cron_next(&cron, zone, 1700000000 + (int64_t)k * 977, &next);
            sum += next;
        }
        double each = (double)(now_ns() - begin) / rounds;
        printf("%s\"%s\": %.0f", i > 0 ? ", " : "{", samples[i], sum >= 0 ? each : -1.0);
    }
    puts("}");
    return 0;
}

static void answer(ow_zones *zones, char *line) {
    char *after = strchr(line, '\t');
    char *text = after != NULL ? strchr(after + 1, '\t') : NULL;
    const ow_zone *zone;
    ow_cron cron;
    int64_t next;
    if (text == NULL) {
        puts("bad");
        return;
    }
    *after++ = 0;
    *text++ = 0;
    text[strcspn(text, "\n")] = 0;
    if (ow_zones_find(zones, line, &zone, NULL) != OW_OK ||
        ow_cron_parse(text, &cron, NULL) != OW_OK) {
        puts("bad");
    } else if (ow_cron_next(&cron, zone, strtoll(after, NULL, 10), &next)) {
        printf("%" PRId64 "\n", next);
    } else {
        puts("none");
    }
}

int main(int argc, char **argv) {
    char line[512];
    ow_zones *zones = ow_zones_new(OW_ZONE_FOLDER);
    int status = zones == NULL ? 1 : 0;
    if (status == 0 && argc > 1 && strcmp(argv[1], "--time") == 0) {
        status = measure(zones);
    } else if (status == 0) {
        while (fgets(line, sizeof line, stdin) != NULL) {
            answer(zones, line);
        }
    }
    ow_zones_free(zones);
    return status;
}
