// ow vs diff: what is different between two versions, or between a folder and what runs: functions, environment,
// triggers, files with their lines. ow vs deploy shows the triggers of it first.

#include "cli/contents.h"
#include "cli/line_diff.h"
#include "cli/rpc.h"

#include "core/json/writer.h"

#include <stdio.h>
#include <string.h>

enum { REPORT_MAX = 16 << 20 };

// One comparison: what is told, and to whom.
typedef struct comparison {
    cli *c;
    ow_json_writer *w; // with --json
    const cli_contents *before, *after;
    size_t differences;
    cli_exit code;
} comparison;

static void write_text(ow_json_writer *w, const char *name, const char *text) {
    ow_json_name(w, name);
    ow_json_text(w, text);
}

// The lines of a file that both have, in hunks; NULL: it is no text, or not to be had.
static const char *lines_of(comparison *x, const char *path) {
    const uint8_t *before, *after;
    line_text a, b;
    x->code = cli_contents_file(x->c, x->before, path, &before, &a.size);
    if (x->code == CLI_OK) {
        x->code = cli_contents_file(x->c, x->after, path, &after, &b.size);
    }
    if (x->code != CLI_OK) {
        return NULL;
    }
    a.bytes = (const char *)before;
    b.bytes = (const char *)after;
    return line_diff_in(x->c->arena, &a, &b);
}

// A part that is on both sides or, with NULL for the other, on one.
typedef struct difference {
    const cli_part *any, *before, *after;
    const char *lines; // of a file on both sides; NULL: none to show
} difference;

static void write_difference(const comparison *x, const difference *d) {
    ow_json_object_open(x->w);
    write_text(x->w, "kind", d->any->kind);
    write_text(x->w, "name", d->any->name);
    write_text(x->w, "before", d->before != NULL ? d->before->text : NULL);
    write_text(x->w, "after", d->after != NULL ? d->after->text : NULL);
    if (d->lines != NULL) {
        write_text(x->w, "lines", d->lines);
    }
    ow_json_object_close(x->w);
}

static void print_difference(const difference *d) {
    const cli_part *any = d->any;
    if (d->before == NULL || d->after == NULL) {
        printf("%c %s %s%s%s\n", d->before == NULL ? '+' : '-', any->kind, any->name,
               any->text[0] != '\0' ? ": " : "", any->text);
    } else if (d->lines != NULL) {
        printf("~ %s %s\n--- %s\n+++ %s\n%s", any->kind, any->name, any->name, any->name, d->lines);
    } else {
        printf("~ %s %s: %s -> %s\n", any->kind, any->name, d->before->text, d->after->text);
    }
}

// Either may be NULL.
static void tell(comparison *x, const cli_part *before, const cli_part *after) {
    bool is_file = before != NULL && after != NULL && strcmp(before->kind, "file") == 0;
    difference d = {.any = after != NULL ? after : before,
                    .before = before,
                    .after = after,
                    .lines = is_file ? lines_of(x, before->name) : NULL};
    x->differences++;
    if (x->c->json) {
        write_difference(x, &d);
    } else {
        print_difference(&d);
    }
}

static void say(comparison *x, const cli_part *before, const cli_part *after) {
    const cli_part *any = after != NULL ? after : before;
    if (cli_part_is_trigger(any)) {
        x->differences++;
        cli_say(x->c, "%c %s %s: %s",
                before == NULL  ? '+'
                : after == NULL ? '-'
                                : '~',
                any->kind, any->name, any->text);
    }
}

// The order of the next parts of both: < 0 only the first has it, > 0 only the second.
static int order_at(const comparison *x, size_t a, size_t b) {
    if (a == x->before->count) {
        return 1;
    }
    return b == x->after->count ? -1 : cli_part_order(&x->before->list[a], &x->after->list[b]);
}

typedef void (*on_difference)(comparison *x, const cli_part *before, const cli_part *after);

static void compare(comparison *x, on_difference each) {
    for (size_t a = 0, b = 0; x->code == CLI_OK && (a < x->before->count || b < x->after->count);) {
        int order = order_at(x, a, b);
        const cli_part *old = order <= 0 ? &x->before->list[a++] : NULL;
        const cli_part *new = order >= 0 ? &x->after->list[b++] : NULL;
        if (old == NULL || new == NULL || strcmp(old->text, new->text) != 0) {
            each(x, old, new);
        }
    }
}

static cli_exit report(cli *c, const cli_contents *before, const cli_contents *after) {
    ow_json_writer w;
    comparison x = {.c = c, .w = &w, .before = before, .after = after};
    ow_json_writer_init(&w, c->arena, REPORT_MAX);
    ow_json_object_open(&w);
    ow_json_name(&w, "differences");
    ow_json_array_open(&w);
    compare(&x, tell);
    ow_json_array_close(&w);
    ow_json_object_close(&w);
    const char *text = ow_json_writer_end(&w, NULL);
    if (x.code == CLI_OK && c->json && text == NULL) {
        return cli_fail(c, CLI_FAILED, "the differences are too many for one report");
    }
    if (x.code == CLI_OK && c->json) {
        printf("%s\n", text);
    } else if (x.code == CLI_OK && x.differences == 0) {
        cli_say(c, "they are the same");
    }
    return x.code;
}

static cli_exit diff_versions(cli *c) {
    cli_contents before, after;
    cli_exit code = cli_contents_of_version(c, c->args[0], c->args[1], &before);
    if (code == CLI_OK) {
        code = cli_contents_of_version(c, c->args[0], c->args[2], &after);
    }
    return code == CLI_OK ? report(c, &before, &after) : code;
}

static cli_exit diff_bundle(cli *c, const cli_bundle *bundle) {
    cli_contents before, after;
    ow_err err;
    if (!cli_contents_of_bundle(c, bundle, &after, &err)) {
        return cli_fail(c, CLI_USAGE, "%s: %s", c->args[0], err.message);
    }
    cli_exit code = c->arg_count > 1 ? cli_contents_of_version(c, bundle->name, c->args[1], &before)
                                     : cli_contents_running(c, bundle->name, &before);
    if (code == CLI_OK && before.version == NULL) {
        cli_say(c, "no %s runs yet", bundle->name);
    }
    return code == CLI_OK ? report(c, &before, &after) : code;
}

static cli_exit cmd_vs_diff(cli *c) {
    cli_bundle bundle;
    if (c->arg_count == 3) {
        return diff_versions(c);
    }
    cli_exit code = cli_bundle_read(c, c->args[0], &bundle);
    if (code == CLI_OK) {
        code = diff_bundle(c, &bundle);
        cli_bundle_deinit(&bundle);
    }
    return code;
}

cli_exit cli_say_trigger_changes(cli *c, const cli_bundle *bundle) {
    cli_contents before, after;
    ow_err err;
    comparison x = {.c = c, .before = &before, .after = &after};
    if (!cli_contents_of_bundle(c, bundle, &after, &err)) {
        return CLI_OK;
    }
    cli_exit code = cli_contents_running(c, bundle->name, &before);
    if (code == CLI_OK) {
        compare(&x, say);
    } else if (strcmp(c->reason, "blob_damaged") == 0) {
        // What is damaged on the server's disk is mended by what comes now.
        cli_say(c, "what runs now cannot be read: deploying without a comparison");
        return CLI_OK;
    }
    return code;
}

// ---- The table ----

const cli_command diff_commands[] = {
    {"vs diff", "DIR [VERSION] | VS A B",
     "what differs: a folder and what runs, or two versions\n"
     "DIR is compared with $LATEST, or with VERSION; VS A B are two versions of a virtual server.",
     1, 3, NULL, cmd_vs_diff, "ow vs diff chat 3 4"},
    {0},
};
