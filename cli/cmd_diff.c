// ow vs diff: what is different between two versions: functions, environment, triggers, files.

#include "cli/rpc.h"

#include "core/json/transcode.h"
#include "core/json/writer.h"
#include "overworld/registry/v1/registry.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTRY "/overworld.registry.v1.Registry/"

enum { REPORT_MAX = 1 << 20, TRIGGER_TEXT_MAX = 1 << 20 };

typedef Overworld__Registry__V1__GetRevisionResponse Contents;

// Something a version has: two versions differ in it when one lacks it or describes it otherwise.
typedef struct part {
    const char *kind, *name, *text;
} part;

typedef struct parts {
    part *list;
    size_t count;
} parts;

static void add_part(parts *to, const char *kind, const char *name, const char *text) {
    to->list[to->count++] = (part){kind, name, text != NULL ? text : ""};
}

static void add_fetch(parts *to, const Overworld__Registry__V1__FetchRules *rules) {
    for (size_t i = 0; i < rules->n_hosts; i++) {
        add_part(to, "fetch host", rules->hosts[i], "");
    }
    for (size_t i = 0; i < rules->n_networks; i++) {
        add_part(to, "fetch network", rules->networks[i], "");
    }
    if (rules->plain) {
        add_part(to, "fetch", "plain", "true");
    }
}

static const char *function_text(cli *c, const Overworld__Registry__V1__FunctionInfo *f) {
    return ow_arena_printf_in(c->arena, "%s, %d ms, %d MB, entry %s%s", f->exposure, f->timeout_ms,
                              f->memory_mb, f->entry, f->log_payload ? ", logs payloads" : "");
}

// ---- Triggers, as their JSON without what names them ----

static void add_trigger(cli *c, parts *to, const char *kind, const char *name, const char *alias,
                        const ProtobufCMessage *message) {
    const char *text = NULL;
    const char *title = alias[0] != '\0' && strcmp(alias, "$DEFAULT") != 0
                            ? ow_arena_printf_in(c->arena, "%s for %s", name, alias)
                            : name;
    size_t size = 0;
    ow_err err;
    ow_json_from_message(message, c->arena, TRIGGER_TEXT_MAX, &text, &size, &err);
    add_part(to, kind, title, text);
}

static size_t trigger_count(const Overworld__Api__Triggers *t) {
    return t != NULL ? t->n_timers + t->n_subscriptions + t->n_webhooks + t->n_routes : 0;
}

static void add_triggers(cli *c, parts *to, const Overworld__Api__Triggers *t) {
    for (size_t i = 0; t != NULL && i < t->n_timers; i++) {
        add_trigger(c, to, "timer", t->timers[i]->name, t->timers[i]->alias, &t->timers[i]->base);
    }
    for (size_t i = 0; t != NULL && i < t->n_subscriptions; i++) {
        add_trigger(c, to, "subscription", t->subscriptions[i]->name, t->subscriptions[i]->alias,
                    &t->subscriptions[i]->base);
    }
    for (size_t i = 0; t != NULL && i < t->n_webhooks; i++) {
        add_trigger(c, to, "webhook", t->webhooks[i]->name, t->webhooks[i]->alias,
                    &t->webhooks[i]->base);
    }
    for (size_t i = 0; t != NULL && i < t->n_routes; i++) {
        add_trigger(c, to, "route", t->routes[i]->name, t->routes[i]->alias, &t->routes[i]->base);
    }
}

static int by_name(const void *left, const void *right) {
    const part *a = left, *b = right;
    int kind = strcmp(a->kind, b->kind);
    return kind != 0 ? kind : strcmp(a->name, b->name);
}

static cli_exit read_version(cli *c, const char *version, parts *ret_parts) {
    Overworld__Registry__V1__GetRevisionRequest request =
        OVERWORLD__REGISTRY__V1__GET_REVISION_REQUEST__INIT;
    Contents *contents;
    request.virtual_server = (char *)c->args[0];
    request.version = (char *)version;
    cli_exit code =
        cli_rpc(c, REGISTRY "GetRevision", &request.base,
                &overworld__registry__v1__get_revision_response__descriptor, false, &contents);
    if (code != CLI_OK) {
        return code;
    }
    const Overworld__Registry__V1__Revision *r = contents->revision;
    size_t count = r->n_functions + r->n_env + contents->n_files;
    count += r->fetch != NULL ? r->fetch->n_hosts + r->fetch->n_networks + 1 : 0;
    count += trigger_count(r->triggers);
    *ret_parts = (parts){.list = ow_arena_calloc(c->arena, count + 1, sizeof(part))};
    if (ret_parts->list == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    for (size_t i = 0; i < r->n_functions; i++) {
        add_part(ret_parts, "function", r->functions[i]->name, function_text(c, r->functions[i]));
    }
    for (size_t i = 0; i < r->n_env; i++) {
        add_part(ret_parts, "env", r->env[i]->name, r->env[i]->value);
    }
    if (r->fetch != NULL) {
        add_fetch(ret_parts, r->fetch);
    }
    for (size_t i = 0; i < contents->n_files; i++) {
        add_part(ret_parts, "file", contents->files[i]->path,
                 ow_arena_printf_in(c->arena, "%" PRId64 " bytes, %.12s", contents->files[i]->size,
                                    contents->files[i]->sha256));
    }
    add_triggers(c, ret_parts, r->triggers);
    qsort(ret_parts->list, ret_parts->count, sizeof(part), by_name);
    return CLI_OK;
}

static void write_text(ow_json_writer *w, const char *name, const char *text) {
    ow_json_name(w, name);
    ow_json_text(w, text);
}

// Either may be NULL.
static void tell(cli *c, ow_json_writer *w, const part *before, const part *after) {
    const part *any = before != NULL ? before : after;
    if (c->json) {
        ow_json_object_open(w);
        write_text(w, "kind", any->kind);
        write_text(w, "name", any->name);
        write_text(w, "before", before != NULL ? before->text : NULL);
        write_text(w, "after", after != NULL ? after->text : NULL);
        ow_json_object_close(w);
    } else if (before == NULL || after == NULL) {
        printf("%c %s %s: %s\n", before == NULL ? '+' : '-', any->kind, any->name, any->text);
    } else {
        printf("~ %s %s: %s -> %s\n", any->kind, any->name, before->text, after->text);
    }
}

static size_t compare(cli *c, ow_json_writer *w, const parts *before, const parts *after) {
    size_t a = 0, b = 0, differences = 0;
    while (a < before->count || b < after->count) {
        int order = a == before->count  ? 1
                    : b == after->count ? -1
                                        : by_name(&before->list[a], &after->list[b]);
        const part *old = order <= 0 ? &before->list[a++] : NULL;
        const part *new = order >= 0 ? &after->list[b++] : NULL;
        if (old == NULL || new == NULL || strcmp(old->text, new->text) != 0) {
            tell(c, w, old, new);
            differences++;
        }
    }
    return differences;
}

cli_exit cmd_vs_diff(cli *c) {
    parts before, after;
    ow_json_writer w;
    cli_exit code = read_version(c, c->args[1], &before);
    if (code == CLI_OK) {
        code = read_version(c, c->args[2], &after);
    }
    if (code != CLI_OK) {
        return code;
    }
    ow_json_writer_init(&w, c->arena, REPORT_MAX);
    ow_json_object_open(&w);
    ow_json_name(&w, "differences");
    ow_json_array_open(&w);
    size_t differences = compare(c, &w, &before, &after);
    ow_json_array_close(&w);
    ow_json_object_close(&w);
    const char *text = ow_json_writer_end(&w, NULL);
    if (c->json) {
        if (text == NULL) {
            return cli_fail(c, CLI_FAILED, "the differences are too many for one report");
        }
        printf("%s\n", text);
    } else if (differences == 0) {
        cli_say(c, "%s and %s are the same", c->args[1], c->args[2]);
    }
    return CLI_OK;
}
