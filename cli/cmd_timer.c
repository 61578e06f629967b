// ow timer ...: schedules of functions.

#include "cli/list.h"

#include "overworld/timers/v1/timers.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIMERS "/overworld.timers.v1.Timers/"

enum { DAY_S = 86400, TIME_TEXT_MAX = 40 };

typedef Google__Protobuf__Duration Duration;
typedef Google__Protobuf__Timestamp Timestamp;
typedef Overworld__Api__Timer Spec;
typedef Overworld__Timers__V1__Slot Slot;
typedef Overworld__Timers__V1__Timer Timer;

// ---- Durations: 90s, 5m, 2h, 1d ----

// Reads a flag, when it was given, into `room`.
static cli_exit take_duration(cli *c, const char *flag, Duration *room, Duration **ret_duration) {
    const char *text = cli_text(c, flag);
    if (text == NULL) {
        return CLI_OK;
    }
    google__protobuf__duration__init(room);
    if (!cli_read_span(text, &room->seconds)) {
        return cli_fail(c, CLI_USAGE, "--%s \"%s\" is no duration: 90s, 5m, 2h, 1d", flag, text);
    }
    *ret_duration = room;
    return CLI_OK;
}

// ---- What a timer is to be ----

typedef struct rooms {
    Duration every, window, jitter;
    Timestamp at, ends;
} rooms;

// Text flags, and where they go; "" leaves what is there.
static void take_texts(const cli *c, Spec *spec) {
    const struct {
        const char *flag;
        char **to;
    } texts[] = {
        {"function", &spec->function}, {"alias", &spec->alias},     {"cron", &spec->cron},
        {"zone", &spec->time_zone},    {"payload", &spec->payload}, {"catch-up", &spec->catch_up},
        {"overlap", &spec->overlap},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = cli_text(c, texts[i].flag);
        if (text != NULL) {
            *texts[i].to = (char *)text;
        }
    }
}

// A new schedule takes the place of the old one.
static void clear_schedule(const cli *c, Spec *spec) {
    if (cli_text(c, "cron") != NULL || cli_text(c, "every") != NULL || cli_text(c, "at") != NULL) {
        spec->cron = (char *)"";
        spec->every = NULL;
        spec->at = NULL;
    }
}

static cli_exit read_spec(cli *c, Spec *spec, rooms *r) {
    clear_schedule(c, spec);
    take_texts(c, spec);
    cli_exit code = take_duration(c, "every", &r->every, &spec->every);
    code = code == CLI_OK ? cli_time(c, "at", &r->at, &spec->at) : code;
    code = code == CLI_OK ? take_duration(c, "window", &r->window, &spec->catch_up_window) : code;
    code = code == CLI_OK ? take_duration(c, "jitter", &r->jitter, &spec->jitter) : code;
    return code == CLI_OK ? cli_time(c, "ends", &r->ends, &spec->ends_at) : code;
}

// ---- Showing ----

static const char *schedule_text(cli *c, const Spec *spec) {
    if (spec->cron[0] != '\0') {
        return spec->time_zone[0] != '\0'
                   ? ow_arena_printf_in(c->arena, "%s (%s)", spec->cron, spec->time_zone)
                   : spec->cron;
    }
    if (spec->every != NULL) {
        return ow_arena_printf_in(c->arena, "every %" PRId64 " s", spec->every->seconds);
    }
    return ow_arena_printf_in(c->arena, "at %s", cli_date(c, spec->at));
}

static cli_exit show(cli *c, cli_exit code, const Timer *t) {
    if (code != CLI_OK || c->json) {
        return code;
    }
    printf("%s  %s/%s -> %s %s, %s\n", t->timer_id, t->virtual_server, t->spec->name,
           t->spec->function, t->spec->alias[0] != '\0' ? t->spec->alias : "$DEFAULT", t->state);
    printf("  %s%s%s\n", schedule_text(c, t->spec), t->declared ? ", declared by the manifest" : "",
           t->pause_reason[0] != '\0'
               ? ow_arena_printf_in(c->arena, ", paused: %s", t->pause_reason)
               : "");
    printf("  next %s, last %s %s\n", cli_date(c, t->next_due), cli_date(c, t->last_due),
           t->last_execution_id);
    return code;
}

// ---- Which timer: its id, or VS/NAME ----

static cli_exit find_by_name(cli *c, const char *word, const char *slash, Timer **ret_timer) {
    Overworld__Timers__V1__ListTimersRequest request =
        OVERWORLD__TIMERS__V1__LIST_TIMERS_REQUEST__INIT;
    Overworld__Timers__V1__ListTimersResponse *page;
    char *server = ow_arena_memdup_in(c->arena, word, (size_t)(slash - word) + 1);
    if (server == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    server[slash - word] = '\0';
    request.virtual_server = server;
    request.name = (char *)slash + 1;
    cli_exit code = cli_rpc(c, TIMERS "ListTimers", &request.base,
                            &overworld__timers__v1__list_timers_response__descriptor, false, &page);
    if (code == CLI_OK && page->n_timers == 0) {
        return cli_fail(c, CLI_NOT_FOUND, "there is no timer %s: ow timer list", word);
    }
    if (code == CLI_OK && page->n_timers > 1) {
        return cli_fail(c, CLI_CONFLICT, "several aliases have a timer %s: name it by its id",
                        word);
    }
    if (code == CLI_OK) {
        *ret_timer = page->timers[0];
    }
    return code;
}

static cli_exit find(cli *c, bool shown, Timer **ret_timer) {
    const char *slash = strchr(c->args[0], '/');
    Overworld__Timers__V1__GetTimerRequest request = OVERWORLD__TIMERS__V1__GET_TIMER_REQUEST__INIT;
    request.timer_id = (char *)c->args[0];
    if (slash != NULL) {
        cli_exit code = find_by_name(c, c->args[0], slash, ret_timer);
        if (code != CLI_OK || !shown) {
            return code;
        }
        request.timer_id = (*ret_timer)->timer_id;
    }
    return cli_rpc(c, TIMERS "GetTimer", &request.base, &overworld__timers__v1__timer__descriptor,
                   shown, ret_timer);
}

static cli_exit call_timer(cli *c, const char *path, const ProtobufCMessage *request) {
    Timer *timer;
    cli_exit code =
        cli_rpc(c, path, request, &overworld__timers__v1__timer__descriptor, true, &timer);
    if (code == CLI_OK && timer->warning[0] != '\0') {
        fprintf(stderr, "warning: %s\n", timer->warning);
    }
    return code == CLI_OK ? show(c, code, timer) : code;
}

// ---- Commands ----

static cli_exit cmd_timer_create(cli *c) {
    Overworld__Timers__V1__CreateTimerRequest request =
        OVERWORLD__TIMERS__V1__CREATE_TIMER_REQUEST__INIT;
    Spec spec = OVERWORLD__API__TIMER__INIT;
    rooms r;
    cli_exit code = read_spec(c, &spec, &r);
    if (code != CLI_OK) {
        return code;
    }
    spec.name = (char *)c->args[1];
    spec.disabled = cli_bool(c, "paused");
    request.virtual_server = (char *)c->args[0];
    request.spec = &spec;
    return call_timer(c, TIMERS "CreateTimer", &request.base);
}

static cli_exit cmd_timer_update(cli *c) {
    Overworld__Timers__V1__UpdateTimerRequest request =
        OVERWORLD__TIMERS__V1__UPDATE_TIMER_REQUEST__INIT;
    Timer *timer;
    rooms r;
    cli_exit code = find(c, false, &timer);
    code = code == CLI_OK ? read_spec(c, timer->spec, &r) : code;
    if (code != CLI_OK) {
        return code;
    }
    request.timer_id = timer->timer_id;
    request.spec = timer->spec;
    request.etag = timer->etag;
    return call_timer(c, TIMERS "UpdateTimer", &request.base);
}

static cli_exit cmd_timer_show(cli *c) {
    Timer *timer;
    cli_exit code = find(c, true, &timer);
    return code == CLI_OK ? show(c, code, timer) : code;
}

static void add_timer(cli *c, cli_table *table, const void *entry) {
    const Timer *t = entry;
    cli_table_addf(c, table, "%s/%s", t->virtual_server, t->spec->name);
    cli_table_add(c, table, t->spec->function);
    cli_table_add(c, table, t->spec->alias[0] != '\0' ? t->spec->alias : "$DEFAULT");
    cli_table_add(c, table, schedule_text(c, t->spec));
    cli_table_add(c, table, t->state);
    cli_table_add(c, table, cli_date(c, t->next_due));
    cli_table_add(c, table, t->timer_id);
}

static cli_exit cmd_timer_list(cli *c) {
    static const char *const columns[] = {"VS/NAME", "FUNCTION", "ALIAS", "SCHEDULE",
                                          "STATE",   "NEXT",     "ID",    NULL};
    Overworld__Timers__V1__ListTimersRequest request =
        OVERWORLD__TIMERS__V1__LIST_TIMERS_REQUEST__INIT;
    request.name_contains = cli_text_or(c, "name", "");
    request.virtual_server = cli_text_or(c, "vs", "");
    request.function = cli_text_or(c, "function", "");
    request.state = cli_text_or(c, "state", "");
    request.soonest = cli_bool(c, "soonest");
    return cli_list_print(
        c, &(cli_list){.path = TIMERS "ListTimers",
                       .request = &request.base,
                       .reply_type = &overworld__timers__v1__list_timers_response__descriptor,
                       .columns = columns,
                       .add_row = add_timer,
                       .if_empty = "No timers fit. ow timer create VS NAME makes one."});
}

static cli_exit cmd_timer_pause(cli *c) {
    Overworld__Timers__V1__PauseTimerRequest request =
        OVERWORLD__TIMERS__V1__PAUSE_TIMER_REQUEST__INIT;
    Timer *timer;
    cli_exit code = find(c, false, &timer);
    if (code != CLI_OK) {
        return code;
    }
    request.timer_id = timer->timer_id;
    request.reason = cli_text_or(c, "reason", "");
    return call_timer(c, TIMERS "PauseTimer", &request.base);
}

static cli_exit cmd_timer_resume(cli *c) {
    Overworld__Timers__V1__ResumeTimerRequest request =
        OVERWORLD__TIMERS__V1__RESUME_TIMER_REQUEST__INIT;
    Timer *timer;
    cli_exit code = find(c, false, &timer);
    if (code != CLI_OK) {
        return code;
    }
    request.timer_id = timer->timer_id;
    return call_timer(c, TIMERS "ResumeTimer", &request.base);
}

static cli_exit cmd_timer_run(cli *c) {
    Overworld__Timers__V1__RunTimerRequest request = OVERWORLD__TIMERS__V1__RUN_TIMER_REQUEST__INIT;
    Timer *timer;
    Slot *slot;
    cli_exit code = find(c, false, &timer);
    if (code != CLI_OK) {
        return code;
    }
    request.timer_id = timer->timer_id;
    code = cli_rpc(c, TIMERS "RunTimer", &request.base, &overworld__timers__v1__slot__descriptor,
                   true, &slot);
    if (code == CLI_OK && !c->json) {
        printf("%s %s%s\n", slot->state, slot->execution_id, slot->reason);
    }
    return code;
}

static cli_exit cmd_timer_delete(cli *c) {
    Overworld__Timers__V1__DeleteTimerRequest request =
        OVERWORLD__TIMERS__V1__DELETE_TIMER_REQUEST__INIT;
    Overworld__Timers__V1__DeleteTimerResponse *done;
    Timer *timer;
    cli_exit code = find(c, false, &timer);
    if (code == CLI_OK) {
        code = cli_confirm(c, timer->spec->name, c->args[0],
                           "deletes the timer %s/%s with its history", timer->virtual_server,
                           timer->spec->name);
    }
    if (code != CLI_OK) {
        return code;
    }
    request.timer_id = timer->timer_id;
    request.etag = timer->etag;
    code = cli_rpc(c, TIMERS "DeleteTimer", &request.base,
                   &overworld__timers__v1__delete_timer_response__descriptor, true, &done);
    if (code == CLI_OK) {
        cli_say(c, "deleted %s/%s", timer->virtual_server, timer->spec->name);
    }
    return code;
}

static cli_exit cmd_timer_preview(cli *c) {
    Overworld__Timers__V1__PreviewTimerRequest request =
        OVERWORLD__TIMERS__V1__PREVIEW_TIMER_REQUEST__INIT;
    Overworld__Timers__V1__PreviewTimerResponse *reply;
    Spec spec = OVERWORLD__API__TIMER__INIT;
    Timer *timer;
    rooms r;
    cli_exit code = c->arg_count > 0 ? find(c, false, &timer) : read_spec(c, &spec, &r);
    if (code != CLI_OK) {
        return code;
    }
    if (c->arg_count > 0) {
        request.timer_id = timer->timer_id;
    } else {
        request.spec = &spec;
    }
    request.count = (int32_t)cli_int(c, "count", 10);
    code = cli_rpc(c, TIMERS "PreviewTimer", &request.base,
                   &overworld__timers__v1__preview_timer_response__descriptor, true, &reply);
    for (size_t i = 0; code == CLI_OK && !c->json && i < reply->n_occurrences; i++) {
        printf("%s\n", reply->occurrences[i]->local);
    }
    if (code == CLI_OK && reply->n_occurrences == 0) {
        cli_say(c, "it never comes");
    }
    return code;
}

static cli_exit cmd_timer_history(cli *c) {
    static const char *const columns[] = {"DUE",       "STATE",  "KIND", "SLOTS",
                                          "EXECUTION", "REASON", NULL};
    cli_table table = {.columns = columns};
    Overworld__Timers__V1__ListSlotsRequest request =
        OVERWORLD__TIMERS__V1__LIST_SLOTS_REQUEST__INIT;
    Overworld__Timers__V1__ListSlotsResponse *reply;
    Timer *timer;
    cli_exit code = find(c, false, &timer);
    if (code != CLI_OK) {
        return code;
    }
    request.timer_id = timer->timer_id;
    request.state = cli_text_or(c, "state", "");
    request.page_size = (int32_t)cli_int(c, "limit", 50);
    code = cli_rpc(c, TIMERS "ListSlots", &request.base,
                   &overworld__timers__v1__list_slots_response__descriptor, true, &reply);
    for (size_t i = 0; code == CLI_OK && i < reply->n_slots; i++) {
        const Slot *s = reply->slots[i];
        cli_table_add(c, &table, cli_date(c, s->due));
        cli_table_add(c, &table, s->state);
        cli_table_add(c, &table, s->kind);
        cli_table_addf(c, &table, "%" PRId64, s->count);
        cli_table_add(c, &table, s->execution_id[0] != '\0' ? s->execution_id : NULL);
        cli_table_add(c, &table, s->reason);
    }
    if (code == CLI_OK && !c->json) {
        cli_table_print(c, &table);
    }
    return code;
}

// ---- The table ----

#define TIMER_FLAGS                                                                                \
    {"cron", CLI_FLAG_TEXT, "EXPR", "when: 5, 6 or 7 fields, or @daily"},                          \
        {"every", CLI_FLAG_TEXT, "T", "or each so long: 30s, 5m, 2h, 1d"},                         \
        {"at", CLI_FLAG_TEXT, "TIME", "or once: 2026-01-31T08:00:00Z"},                            \
        {"zone", CLI_FLAG_TEXT, "ZONE", "time zone of the expression (default UTC)"},              \
        {"function", CLI_FLAG_TEXT, "NAME", "what is called"},                                     \
        {"alias", CLI_FLAG_TEXT, "NAME", "through which alias (default $DEFAULT)"},                \
        {"payload", CLI_FLAG_TEXT, "TEXT", "Message of the event, 4 KB at most"},                  \
        {"catch-up", CLI_FLAG_TEXT, "RULE", "of missed slots: skip, once or all"},                 \
        {"window", CLI_FLAG_TEXT, "T", "of all: none older than this (default 1h)"},               \
        {"overlap", CLI_FLAG_TEXT, "RULE", "while the last one runs: allow, skip or queue"},       \
        {"jitter", CLI_FLAG_TEXT, "T", "start up to so much later"}, {                             \
        "ends", CLI_FLAG_TEXT, "TIME", "no slot after this"                                        \
    }

static const cli_flag timer_create_flags[] = {
    TIMER_FLAGS,
    {"paused", CLI_FLAG_BOOL, NULL, "make it, but do not start it"},
    {0},
};

static const cli_flag timer_list_flags[] = {
    {"name", CLI_FLAG_TEXT, "PART", "whose names have this in them"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"state", CLI_FLAG_TEXT, "STATE", "active, paused or ended"},
    {"soonest", CLI_FLAG_BOOL, NULL, "those that come next first"},
    {0},
};

static const cli_flag timer_update_flags[] = {
    TIMER_FLAGS,
    {0},
};

static const cli_flag timer_pause_flags[] = {
    {"reason", CLI_FLAG_TEXT, "TEXT", "why, for those who wonder"},
    {0},
};

static const cli_flag timer_preview_flags[] = {
    TIMER_FLAGS,
    {"count", CLI_FLAG_INT, "N", "how many, 100 at most (default 10)"},
    {0},
};

static const cli_flag timer_history_flags[] = {
    {"state", CLI_FLAG_TEXT, "STATE", "fired, missed, skipped, failed or claimed"},
    {"limit", CLI_FLAG_INT, "N", "how many, 200 at most (default 50)"},
    {0},
};

const cli_command timer_commands[] = {
    {"timer create", "VS NAME", "call a function by the clock", 2, 2, timer_create_flags,
     cmd_timer_create,
     "ow timer create chat trim --function trim --cron '0 4 * * *' --zone Asia/Shanghai"},
    {"timer list", "", "list timers", 0, 0, timer_list_flags, cmd_timer_list,
     "ow timer list --vs chat --soonest"},
    {"timer show", "TIMER", "one timer, by its id or as VS/NAME", 1, 1, NULL, cmd_timer_show,
     "ow timer show chat/trim"},
    {"timer update", "TIMER", "change what is named, leave the rest", 1, 1, timer_update_flags,
     cmd_timer_update, "ow timer update chat/trim --every 6h"},
    {"timer pause", "TIMER", "let no slot fire until it is resumed", 1, 1, timer_pause_flags,
     cmd_timer_pause, "ow timer pause chat/trim --reason 'maintenance'"},
    {"timer resume", "TIMER", "go on with the next slot", 1, 1, NULL, cmd_timer_resume,
     "ow timer resume chat/trim"},
    {"timer run", "TIMER", "run it now, whatever its schedule says", 1, 1, NULL, cmd_timer_run,
     "ow timer run chat/trim"},
    {"timer preview", "[TIMER]", "when it comes next, or would", 0, 1, timer_preview_flags,
     cmd_timer_preview, "ow timer preview --cron '0 9 LW * *' --zone Europe/Berlin"},
    {"timer history", "TIMER", "what became of its slots, latest first", 1, 1, timer_history_flags,
     cmd_timer_history, "ow timer history chat/trim --state missed"},
    {"timer delete", "TIMER", "delete a timer and its history", 1, 1, cli_delete_flags,
     cmd_timer_delete, "ow timer delete chat/trim --yes trim"},
    {0},
};
