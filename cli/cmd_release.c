// ow release: publishes a version and leads an alias to it step by step; back by itself when the new
// version fails too often or takes too long.

#include "cli/release.h"
#include "cli/rpc.h"

#include "core/json/writer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REGISTRY "/overworld.registry.v1.Registry/"
#define SECOND_US 1000000

enum {
    WHOLE = 10000,
    STEPS_MAX = 20,
    LOOK_US = SECOND_US / 2, // between two looks at the figures
    BLIND_MAX = 10,          // looks that may fail in a row
    PAUSE_MAX_S = 7 * 86400,
    DEFAULT_PAUSE_S = 300,
    DEFAULT_MAX_ERRORS = 500, // hundredths of a percent
    DEFAULT_MIN_CALLS = 20,
    REPORT_MAX = 1 << 16,
};

typedef Overworld__Registry__V1__AliasTarget Target;
typedef Overworld__Registry__V1__Revision Revision;

typedef struct step {
    int32_t weight;
    version_stats older, newer; // since it began
    int64_t began_us, seen_us;  // and when that was read
    int64_t p95_us;
} step;

typedef struct release {
    stats_query query;
    const char *older_text, *newer_text; // versions
    const char *etag;                    // of the alias, as we left it
    step steps[STEPS_MAX];
    size_t step_count, steps_done;
    int64_t pause_us, max_p95_us, min_calls;
    int32_t max_errors; // hundredths of a percent
    release_stats before, now;
    int blind;          // looks in a row that failed
    size_t lines_drawn; // of the live table
    char why[200];      // it went back
} release;

static int64_t now_us(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * SECOND_US + time.tv_nsec / 1000;
}

// ---- Flags ----

static cli_exit read_steps(cli *c, release *r) {
    const char *text = cli_text(c, "steps");
    char list[200];
    snprintf(list, sizeof list, "%s", text != NULL ? text : "10,50,100");
    int32_t last = 0;
    char *rest = list;
    for (char *each; (each = strsep(&rest, ",")) != NULL;) {
        int32_t weight = cli_read_percent(each);
        if (weight <= last || r->step_count == STEPS_MAX) {
            return cli_fail(c, CLI_USAGE, "--steps are rising percents, at most %d: 10,50,100",
                            STEPS_MAX);
        }
        r->steps[r->step_count++].weight = last = weight;
    }
    return last == WHOLE ? CLI_OK : cli_fail(c, CLI_USAGE, "the last of --steps is 100: all calls");
}

static cli_exit read_pause(cli *c, release *r) {
    const char *text = cli_text(c, "pause");
    int64_t seconds = DEFAULT_PAUSE_S;
    if (text != NULL && (!cli_read_span(text, &seconds) || seconds == 0 || seconds > PAUSE_MAX_S)) {
        return cli_fail(c, CLI_USAGE, "--pause is a time like 30s, 5m or 1h, not \"%s\"", text);
    }
    r->pause_us = seconds * SECOND_US;
    return CLI_OK;
}

static cli_exit read_bounds(cli *c, release *r) {
    const char *errors = cli_text(c, "max-errors");
    r->max_errors = errors != NULL ? cli_read_percent(errors) : DEFAULT_MAX_ERRORS;
    r->max_p95_us = cli_int(c, "max-p95", 0) * 1000;
    r->min_calls = cli_int(c, "min-calls", DEFAULT_MIN_CALLS);
    if (r->max_errors < 0 || r->max_p95_us < 0 || r->min_calls < 1) {
        return cli_fail(c, CLI_USAGE,
                        "--max-errors is a percent, --max-p95 are milliseconds, --min-calls is at "
                        "least 1");
    }
    return CLI_OK;
}

static cli_exit read_flags(cli *c, release *r) {
    r->query.virtual_server = c->args[0];
    r->query.alias = cli_text(c, "alias");
    if (r->query.alias == NULL) {
        return cli_fail(c, CLI_USAGE, "which alias? --alias live; ow alias list %s shows them",
                        c->args[0]);
    }
    cli_exit code = read_steps(c, r);
    if (code == CLI_OK) {
        code = read_pause(c, r);
    }
    return code == CLI_OK ? read_bounds(c, r) : code;
}

// ---- From which version to which ----

static const char *settled_on(const Alias *alias) {
    for (size_t i = 0; i < alias->n_targets; i++) {
        if (alias->targets[i]->weight == WHOLE) {
            return alias->targets[i]->version;
        }
    }
    return NULL;
}

static cli_exit find_alias(cli *c, release *r) {
    VirtualServer *vs;
    cli_exit code = cli_get_virtual_server(c, false, &vs);
    if (code != CLI_OK) {
        return code;
    }
    for (size_t i = 0; i < vs->n_aliases; i++) {
        if (strcmp(vs->aliases[i]->name, r->query.alias) == 0) {
            r->older_text = settled_on(vs->aliases[i]);
            r->etag = vs->aliases[i]->etag;
            return r->older_text != NULL
                       ? CLI_OK
                       : cli_fail(c, CLI_CONFLICT,
                                  "%s is split already (%s): ow alias set or rollback first",
                                  r->query.alias, cli_alias_targets(c, vs->aliases[i]));
        }
    }
    return cli_fail(c, CLI_NOT_FOUND, "%s has no alias %s: ow alias create %s %s 1", vs->name,
                    r->query.alias, vs->name, r->query.alias);
}

static cli_exit publish(cli *c, release *r) {
    Overworld__Registry__V1__PublishRequest request =
        OVERWORLD__REGISTRY__V1__PUBLISH_REQUEST__INIT;
    Overworld__Registry__V1__PublishResponse *reply;
    const char *description = cli_text(c, "description");
    r->query.newer = cli_int(c, "version", 0);
    if (r->query.newer == 0) {
        request.virtual_server = (char *)r->query.virtual_server;
        request.description = (char *)(description != NULL ? description : "");
        cli_exit code =
            cli_rpc(c, REGISTRY "Publish", &request.base,
                    &overworld__registry__v1__publish_response__descriptor, false, &reply);
        if (code != CLI_OK) {
            return code;
        }
        r->query.newer = reply->revision->version;
    }
    r->newer_text = ow_arena_printf_in(c->arena, "%" PRId64, r->query.newer);
    r->query.older = strtoll(r->older_text, NULL, 10);
    return r->newer_text != NULL ? CLI_OK : cli_fail(c, CLI_FAILED, "out of memory");
}

// ---- Moves ----

static cli_exit move_to(cli *c, release *r, int32_t weight) {
    Overworld__Registry__V1__UpdateAliasRequest request =
        OVERWORLD__REGISTRY__V1__UPDATE_ALIAS_REQUEST__INIT;
    Target newer = OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT;
    Target older = OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT;
    Target *targets[] = {&newer, &older};
    Alias *alias;
    newer.version = (char *)r->newer_text;
    newer.weight = weight;
    older.version = (char *)r->older_text;
    older.weight = WHOLE - weight;
    request.virtual_server = (char *)r->query.virtual_server;
    request.name = (char *)r->query.alias;
    request.targets = targets;
    request.n_targets = weight < WHOLE ? 2 : 1;
    request.etag = (char *)r->etag;
    cli_exit code = cli_rpc(c, REGISTRY "UpdateAlias", &request.base,
                            &overworld__registry__v1__alias__descriptor, false, &alias);
    if (code == CLI_OK) {
        r->etag = alias->etag;
    }
    return code;
}

static cli_exit go_back(cli *c, release *r) {
    Overworld__Registry__V1__RollbackAliasRequest request =
        OVERWORLD__REGISTRY__V1__ROLLBACK_ALIAS_REQUEST__INIT;
    Alias *alias;
    request.virtual_server = (char *)r->query.virtual_server;
    request.name = (char *)r->query.alias;
    request.etag = (char *)r->etag;
    cli_exit code = cli_rpc(c, REGISTRY "RollbackAlias", &request.base,
                            &overworld__registry__v1__alias__descriptor, false, &alias);
    if (code != CLI_OK) {
        return cli_fail(c, code, "%s, and %s could NOT be led back to version %s: ow alias list %s",
                        r->why, r->query.alias, r->older_text, r->query.virtual_server);
    }
    return cli_fail(c, CLI_FAILED, "%s: %s leads to version %s again", r->why, r->query.alias,
                    r->older_text);
}

// ---- The live table ----

static void add_row(cli *c, cli_table *table, const release *r, bool newer, const step *s) {
    const version_stats *stats = newer ? &s->newer : &s->older;
    char reasons[120] = "";
    for (size_t i = 0; i < stats->reason_count; i++) {
        size_t used = strlen(reasons);
        if (strcmp(stats->reasons[i].name, "ok") != 0 && stats->reasons[i].count > 0) {
            snprintf(reasons + used, sizeof reasons - used, "%s%s %" PRId64, used > 0 ? ", " : "",
                     stats->reasons[i].name, stats->reasons[i].count);
        }
    }
    double failed = stats->calls > 0 ? 100.0 * (double)stats->errors / (double)stats->calls : 0;
    cli_table_add(c, table, newer ? r->newer_text : r->older_text);
    cli_table_add(c, table, cli_percent_text(c, newer ? s->weight : WHOLE - s->weight));
    cli_table_addf(c, table, "%" PRId64, stats->calls);
    cli_table_addf(c, table, "%.1f",
                   (double)stats->calls * SECOND_US / (double)(s->seen_us - s->began_us + 1));
    cli_table_addf(c, table, "%.2f %%", failed);
    cli_table_addf(c, table, "%.2f ms", (double)release_stats_quantile(&r->now, stats, 0.5) / 1000);
    cli_table_addf(c, table, "%.2f ms",
                   (double)release_stats_quantile(&r->now, stats, 0.95) / 1000);
    cli_table_add(c, table, reasons[0] != '\0' ? reasons : "-");
}

// On a terminal the table is drawn over itself; else once at the end of a step.
static void draw(cli *c, release *r, const step *s, bool ended) {
    static const char *const columns[] = {"VERSION", "SHARE", "CALLS",   "PER SECOND", "FAILED",
                                          "P50",     "P95",   "REASONS", NULL};
    bool live = isatty(STDOUT_FILENO) != 0;
    if (c->json || (!live && !ended)) {
        return;
    }
    cli_table table = {.columns = columns};
    if (live && r->lines_drawn > 0) {
        printf("\033[%zuA\033[J", r->lines_drawn);
    }
    add_row(c, &table, r, false, s);
    add_row(c, &table, r, true, s);
    cli_table_print(c, &table);
    fflush(stdout);
    r->lines_drawn = ended ? 0 : 3;
}

// ---- One step ----

// False: it has to go back, why is set.
static bool is_good(release *r, step *s) {
    const version_stats *stats = &s->newer;
    s->p95_us = release_stats_quantile(&r->now, stats, 0.95);
    if (stats->calls < r->min_calls) {
        return true;
    }
    if (stats->errors * WHOLE > stats->calls * r->max_errors) {
        snprintf(r->why, sizeof r->why,
                 "%" PRId64 " of %" PRId64 " calls of version %s failed (allowed: %d.%02d %%)",
                 stats->errors, stats->calls, r->newer_text, r->max_errors / 100,
                 r->max_errors % 100);
        return false;
    }
    if (r->max_p95_us > 0 && s->p95_us > r->max_p95_us) {
        snprintf(r->why, sizeof r->why,
                 "95 %% of the runs of version %s took up to %.1f ms (allowed: %" PRId64 " ms)",
                 r->newer_text, (double)s->p95_us / 1000, r->max_p95_us / 1000);
        return false;
    }
    return true;
}

static bool look(cli *c, release *r, step *s) {
    if (release_stats_read(c, &r->query, &r->now) != CLI_OK) {
        snprintf(r->why, sizeof r->why, "the figures cannot be read");
        return ++r->blind < BLIND_MAX;
    }
    r->blind = 0;
    s->seen_us = now_us();
    s->older = r->now.older;
    s->newer = r->now.newer;
    release_stats_since(&s->older, &r->before.older);
    release_stats_since(&s->newer, &r->before.newer);
    return is_good(r, s);
}

// Watches until the pause is over. False: it has to go back, why is set.
static bool watch_step(cli *c, release *r, step *s) {
    int64_t end_us = now_us() + r->pause_us;
    bool good = true;
    while (good && now_us() < end_us) {
        int64_t left_us = end_us - now_us();
        usleep((useconds_t)(left_us < LOOK_US ? left_us + 1 : LOOK_US));
        good = look(c, r, s);
        if (cli_interrupted()) {
            snprintf(r->why, sizeof r->why, "interrupted");
            good = false;
        }
        draw(c, r, s, false);
    }
    draw(c, r, s, true);
    return good;
}

static cli_exit walk(cli *c, release *r) {
    for (size_t i = 0; i < r->step_count; i++) {
        step *s = &r->steps[i];
        cli_exit code = release_stats_read(c, &r->query, &r->before);
        s->began_us = s->seen_us = now_us();
        if (code == CLI_OK) {
            code = move_to(c, r, s->weight);
        }
        if (code != CLI_OK) {
            return code;
        }
        cli_say(c, "%s: %s of the calls go to version %s", r->query.alias,
                cli_percent_text(c, s->weight), r->newer_text);
        r->steps_done = i + 1;
        if (!watch_step(c, r, s)) {
            return go_back(c, r);
        }
        if (s->newer.calls < r->min_calls) {
            cli_say(c, "only %" PRId64 " calls came: too few to judge by", s->newer.calls);
        }
    }
    return CLI_OK;
}

// ---- The end ----

static void write_step(ow_json_writer *w, const step *s) {
    ow_json_object_open(w);
    ow_json_name(w, "weight");
    ow_json_int(w, s->weight);
    ow_json_name(w, "calls");
    ow_json_int64_text(w, s->newer.calls);
    ow_json_name(w, "errors");
    ow_json_int64_text(w, s->newer.errors);
    ow_json_name(w, "p95Us");
    ow_json_int64_text(w, s->p95_us);
    ow_json_object_close(w);
}

static void print_report(cli *c, const release *r, bool released) {
    ow_json_writer w;
    ow_json_writer_init(&w, c->arena, REPORT_MAX);
    ow_json_object_open(&w);
    ow_json_name(&w, "alias");
    ow_json_text(&w, r->query.alias);
    ow_json_name(&w, "from");
    ow_json_text(&w, r->older_text);
    ow_json_name(&w, "to");
    ow_json_text(&w, r->newer_text);
    ow_json_name(&w, "released");
    ow_json_bool(&w, released);
    ow_json_name(&w, "why");
    ow_json_text(&w, r->why);
    ow_json_name(&w, "steps");
    ow_json_array_open(&w);
    for (size_t i = 0; i < r->steps_done; i++) {
        write_step(&w, &r->steps[i]);
    }
    ow_json_array_close(&w);
    ow_json_object_close(&w);
    const char *text = ow_json_writer_end(&w, NULL);
    printf("%s\n", text != NULL ? text : "{}");
}

static cli_exit cmd_release(cli *c) {
    release *r = ow_arena_calloc(c->arena, 1, sizeof *r);
    if (r == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    cli_exit code = read_flags(c, r);
    if (code == CLI_OK) {
        code = find_alias(c, r);
    }
    if (code == CLI_OK) {
        code = publish(c, r);
    }
    if (code != CLI_OK) {
        return code;
    }
    cli_catch_interrupt();
    bool same = strcmp(r->older_text, r->newer_text) == 0;
    if (same) {
        cli_say(c, "%s leads to version %s already", r->query.alias, r->newer_text);
    } else if (r->query.older == 0) {
        // $LATEST cannot be in a split; what is published was it a moment ago.
        code = move_to(c, r, WHOLE);
    } else {
        code = walk(c, r);
    }
    if (c->json) {
        print_report(c, r, code == CLI_OK);
    } else if (code == CLI_OK) {
        printf("%s -> %s\n", r->query.alias, r->newer_text);
    }
    return code;
}

// ---- The table ----

static const cli_flag release_flags[] = {
    {"alias", CLI_FLAG_TEXT, "NAME", "the alias that is moved (needed)"},
    {"version", CLI_FLAG_INT, "N", "release this version instead of publishing $LATEST"},
    {"steps", CLI_FLAG_TEXT, "PERCENTS", "shares of the new version (default 10,50,100)"},
    {"pause", CLI_FLAG_TEXT, "TIME", "watch this long at each step: 30s, 5m, 1h (default 5m)"},
    {"max-errors", CLI_FLAG_TEXT, "PERCENT", "go back when more of its calls fail (default 5)"},
    {"max-p95", CLI_FLAG_INT, "MS", "go back when 95 % of its runs take longer than this"},
    {"min-calls", CLI_FLAG_INT, "N", "judge by at least so many calls of a step (default 20)"},
    {"description", CLI_FLAG_TEXT, "TEXT", "what changed, for people"},
    {0},
};

const cli_command release_commands[] = {
    {"release", "VS", "publish $LATEST and lead an alias to it step by step, or back", 1, 1,
     release_flags, cmd_release, "ow release chat --alias live --steps 10,50,100 --pause 5m"},
    {0},
};
