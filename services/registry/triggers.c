#include "services/registry/triggers.h"

#include "core/cron/cron.h"
#include "core/json/transcode.h"
#include "core/json/writer.h"

#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

#define DEFAULT_ALIAS "$DEFAULT"

static ow_code bad(ow_err *err, const char *kind, const char *name, const char *what) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_manifest", "%ss.%.60s: %s", kind, name, what);
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the manifest's triggers");
}

// ---- Reading: the subtree as text again, then as the message that it is ----

static void write_value(ow_json_writer *w, const ow_json *value, int depth);

static void write_members(ow_json_writer *w, const ow_json *container, int depth) {
    for (const ow_json *m = ow_json_first(container); m != NULL; m = ow_json_next(m)) {
        if (ow_json_name_of(m) != NULL) {
            ow_json_name(w, ow_json_name_of(m));
        }
        write_value(w, m, depth + 1);
    }
}

static void write_scalar(ow_json_writer *w, const ow_json *value) {
    int64_t integer;
    double number;
    bool flag;
    if (ow_json_as_bool(value, &flag)) {
        ow_json_bool(w, flag);
    } else if (ow_json_as_int(value, &integer)) {
        ow_json_int(w, integer);
    } else if (ow_json_as_double(value, &number)) {
        ow_json_double(w, number);
    } else {
        ow_json_text(w, ow_json_string(value)); // null for NULL
    }
}

// The depth was bounded when the manifest was read.
static void write_value(ow_json_writer *w, const ow_json *value, int depth) {
    ow_json_kind kind = depth < DEPTH_MAX ? ow_json_kind_of(value) : OW_JSON_NULL;
    if (kind == OW_JSON_OBJECT) {
        ow_json_object_open(w);
        write_members(w, value, depth);
        ow_json_object_close(w);
    } else if (kind == OW_JSON_ARRAY) {
        ow_json_array_open(w);
        write_members(w, value, depth);
        ow_json_array_close(w);
    } else {
        write_scalar(w, value);
    }
}

static const char *lists_text(const ow_trigger_lists *lists, ow_arena *arena, size_t *ret_size) {
    const struct {
        const char *name;
        const ow_json *list;
    } each[] = {{"timers", lists->timers},
                {"subscriptions", lists->subscriptions},
                {"webhooks", lists->webhooks},
                {"routes", lists->routes}};
    ow_json_writer w;
    ow_json_writer_init(&w, arena, OW_TRIGGERS_BYTES_MAX);
    ow_json_object_open(&w);
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        if (each[i].list != NULL) {
            ow_json_name(&w, each[i].name);
            write_value(&w, each[i].list, 0);
        }
    }
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

ow_code ow_triggers_read(const ow_trigger_lists *lists, ow_arena *arena,
                         triggers_msg **ret_triggers, ow_err *err) {
    ow_json_input input = {0};
    ow_err why;
    *ret_triggers = NULL;
    if (lists->timers == NULL && lists->subscriptions == NULL && lists->webhooks == NULL &&
        lists->routes == NULL) {
        return OW_OK;
    }
    input.text = lists_text(lists, arena, &input.size);
    if (input.text == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_json_to_message(&input, &overworld__api__triggers__descriptor, arena,
                                      (ProtobufCMessage **)ret_triggers, &why);
    return code == OW_INVALID_ARGUMENT
               ? ow_fail(err, OW_INVALID_ARGUMENT, "bad_manifest", "%.280s", why.message)
           : code != OW_OK ? no_memory(err)
                           : OW_OK;
}

// ---- Checking ----

// What the kinds of triggers have in common.
typedef struct trigger {
    const char *kind, *name, *alias, *function;
    const char *cron; // a timer's
    bool needs_function;
    const char *schedules; // a timer's mistake; NULL: none
} trigger;

static const char *alias_of(const char *alias) {
    return alias[0] != 0 ? alias : DEFAULT_ALIAS;
}

static size_t count_of(const triggers_msg *t) {
    return t->n_timers + t->n_subscriptions + t->n_webhooks + t->n_routes;
}

static trigger timer_at(const triggers_msg *t, size_t i) {
    const Overworld__Api__Timer *timer = t->timers[i];
    int given = (timer->cron[0] != 0) + (timer->every != NULL) + (timer->at != NULL);
    return (trigger){.kind = "timer",
                     .name = timer->name,
                     .alias = alias_of(timer->alias),
                     .function = timer->function,
                     .cron = timer->cron,
                     .needs_function = true,
                     .schedules = given != 1 ? "one of cron, every and at is needed" : NULL};
}

static trigger trigger_at(const triggers_msg *t, size_t i) {
    if (i < t->n_timers) {
        return timer_at(t, i);
    }
    i -= t->n_timers;
    if (i < t->n_subscriptions) {
        const Overworld__Api__Subscription *s = t->subscriptions[i];
        return (trigger){.kind = "subscription",
                         .name = s->name,
                         .alias = alias_of(s->alias),
                         .function = s->function,
                         .needs_function = s->url[0] == 0};
    }
    i -= t->n_subscriptions;
    if (i < t->n_webhooks) {
        const Overworld__Api__Webhook *w = t->webhooks[i];
        return (trigger){
            .kind = "webhook", .name = w->name, .alias = alias_of(w->alias), .function = ""};
    }
    const Overworld__Api__Route *r = t->routes[i - t->n_webhooks];
    return (trigger){.kind = "route",
                     .name = r->name,
                     .alias = alias_of(r->alias),
                     .function = r->function,
                     .needs_function = true};
}

static bool is_name(const char *text) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t length = strlen(text);
    return length >= 1 && length <= 60 && strchr(letters, text[0]) != NULL &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
               length;
}

static bool is_again(const triggers_msg *t, size_t i, const trigger *at) {
    for (size_t k = 0; k < i; k++) {
        trigger other = trigger_at(t, k);
        if (strcmp(other.kind, at->kind) == 0 && strcmp(other.name, at->name) == 0 &&
            strcmp(other.alias, at->alias) == 0) {
            return true;
        }
    }
    return false;
}

static ow_code check_one(const triggers_msg *t, size_t i, ow_triggers_has has, void *self,
                         ow_err *err) {
    trigger at = trigger_at(t, i);
    ow_err why;
    ow_cron cron;
    if (!is_name(at.name)) {
        return bad(err, at.kind, at.name, "\"name\" is 1 to 60 letters, digits, '_' and '-'");
    }
    if (is_again(t, i, &at)) {
        return bad(err, at.kind, at.name, "it is there twice");
    }
    if (at.needs_function && !has(self, at.function)) {
        return bad(err, at.kind, at.name, "\"function\" names none of \"functions\"");
    }
    if (at.schedules != NULL) {
        return bad(err, at.kind, at.name, at.schedules);
    }
    return at.cron == NULL || at.cron[0] == 0 || ow_cron_parse(at.cron, &cron, &why) == OW_OK
               ? OW_OK
               : bad(err, at.kind, at.name, why.message);
}

ow_code ow_triggers_check(const triggers_msg *triggers, size_t function_count,
                          ow_triggers_has has_function, void *self, ow_err *err) {
    size_t count = count_of(triggers);
    if (count > function_count * OW_TRIGGERS_A_FUNCTION_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_manifest",
                       "there are %zu triggers: at most %d a function", count,
                       OW_TRIGGERS_A_FUNCTION_MAX);
    }
    ow_code code = OW_OK;
    for (size_t i = 0; code == OW_OK && i < count; i++) {
        code = check_one(triggers, i, has_function, self, err);
    }
    return code;
}

ow_code ow_triggers_check_files(const triggers_msg *triggers, ow_triggers_size size_of, void *self,
                                ow_err *err) {
    for (size_t i = 0; i < triggers->n_routes; i++) {
        const Overworld__Api__Route *route = triggers->routes[i];
        int64_t size = route->fallback_file[0] != 0 ? size_of(self, route->fallback_file) : 0;
        if (size < 0) {
            return bad(err, "route", route->path,
                       "\"fallback_file\" is none of the bundle's data files (\"files\")");
        }
        if (size > OW_FALLBACK_FILE_MAX) {
            return bad(err, "route", route->path, "\"fallback_file\" has more than 1 MB");
        }
    }
    return OW_OK;
}

// ---- In force ----

static bool leads(const char *alias, const char *wanted) {
    return strcmp(alias_of(alias), wanted) == 0;
}

// Room for `more` behind what a list has. The element types differ, their pointers do not. NULL: arena full.
static void *with_room(void *list, size_t count, size_t more, ow_arena *arena) {
    void **bigger = ow_arena_calloc(arena, count + more + 1, sizeof *bigger);
    if (bigger != NULL && count > 0) {
        memcpy(bigger, list, count * sizeof *bigger);
    }
    return bigger;
}

static bool add_timers(triggers_msg *all, const triggers_msg *from, const char *alias,
                       ow_arena *arena) {
    all->timers = with_room(all->timers, all->n_timers, from->n_timers, arena);
    for (size_t i = 0; all->timers != NULL && i < from->n_timers; i++) {
        if (leads(from->timers[i]->alias, alias)) {
            all->timers[all->n_timers++] = from->timers[i];
        }
    }
    return all->timers != NULL;
}

static bool add_subscriptions(triggers_msg *all, const triggers_msg *from, const char *alias,
                              ow_arena *arena) {
    all->subscriptions =
        with_room(all->subscriptions, all->n_subscriptions, from->n_subscriptions, arena);
    for (size_t i = 0; all->subscriptions != NULL && i < from->n_subscriptions; i++) {
        if (leads(from->subscriptions[i]->alias, alias)) {
            all->subscriptions[all->n_subscriptions++] = from->subscriptions[i];
        }
    }
    return all->subscriptions != NULL;
}

static bool add_webhooks(triggers_msg *all, const triggers_msg *from, const char *alias,
                         ow_arena *arena) {
    all->webhooks = with_room(all->webhooks, all->n_webhooks, from->n_webhooks, arena);
    for (size_t i = 0; all->webhooks != NULL && i < from->n_webhooks; i++) {
        if (leads(from->webhooks[i]->alias, alias)) {
            all->webhooks[all->n_webhooks++] = from->webhooks[i];
        }
    }
    return all->webhooks != NULL;
}

static bool add_routes(triggers_msg *all, const triggers_msg *from, const char *alias,
                       ow_arena *arena) {
    all->routes = with_room(all->routes, all->n_routes, from->n_routes, arena);
    for (size_t i = 0; all->routes != NULL && i < from->n_routes; i++) {
        if (leads(from->routes[i]->alias, alias)) {
            all->routes[all->n_routes++] = from->routes[i];
        }
    }
    return all->routes != NULL;
}

bool ow_triggers_add(triggers_msg *all, const triggers_msg *declared, const char *alias,
                     ow_arena *arena) {
    return add_timers(all, declared, alias, arena) &&
           add_subscriptions(all, declared, alias, arena) &&
           add_webhooks(all, declared, alias, arena) && add_routes(all, declared, alias, arena);
}
