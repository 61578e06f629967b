// What commands print: errors, remarks, tables, and the values of flags.

#include "cli/cli.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *cli_text(const cli *c, const char *flag) {
    for (size_t i = c->flag_count; i-- > 0;) {
        if (strcmp(c->flags[i].flag->name, flag) == 0) {
            return c->flags[i].text;
        }
    }
    return NULL;
}

char *cli_text_or(const cli *c, const char *flag, const char *fallback) {
    const char *text = cli_text(c, flag);
    return (char *)(uintptr_t)(text != NULL ? text : fallback);
}

int64_t cli_int(const cli *c, const char *flag, int64_t fallback) {
    for (size_t i = c->flag_count; i-- > 0;) {
        if (strcmp(c->flags[i].flag->name, flag) == 0) {
            return c->flags[i].number;
        }
    }
    return fallback;
}

bool cli_bool(const cli *c, const char *flag) {
    return cli_text(c, flag) != NULL;
}

cli_exit cli_fail(const cli *c, cli_exit code, const char *format, ...) {
    (void)c;
    va_list args;
    va_start(args, format);
    fputs("ow: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

void cli_say(const cli *c, const char *format, ...) {
    if (cli_bool(c, "quiet")) {
        return;
    }
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
}

void cli_table_add(cli *c, cli_table *table, const char *text) {
    if (table->cell_count == table->cell_room) {
        size_t room = table->cell_room == 0 ? 64 : table->cell_room * 2;
        const char **cells = ow_arena_alloc(c->arena, room * sizeof *cells);
        if (cells == NULL) {
            return;
        }
        if (table->cell_count > 0) {
            memcpy(cells, table->cells, table->cell_count * sizeof *cells);
        }
        table->cells = cells;
        table->cell_room = room;
    }
    bool empty = text == NULL || text[0] == '\0';
    table->cells[table->cell_count++] = empty ? "-" : ow_arena_strdup_in(c->arena, text);
}

void cli_table_addf(cli *c, cli_table *table, const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_table_add(c, table, text);
}

static size_t shown_width(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++) {
        width += ((unsigned char)*text & 0xC0) != 0x80;
    }
    return width;
}

static void print_padded(const char *text, size_t width, bool last) {
    fputs(text, stdout);
    for (size_t shown = shown_width(text); !last && shown < width + 2; shown++) {
        putchar(' ');
    }
}

enum { COLUMNS_MAX = 16 };

// Widths of the columns; returns how many there are.
static size_t measure(const cli_table *table, size_t widths[static COLUMNS_MAX]) {
    size_t columns = 0;
    while (columns < COLUMNS_MAX && table->columns[columns] != NULL) {
        widths[columns] = shown_width(table->columns[columns]);
        columns++;
    }
    for (size_t i = 0; columns > 0 && i < table->cell_count; i++) {
        size_t width = shown_width(table->cells[i]);
        if (width > widths[i % columns]) {
            widths[i % columns] = width;
        }
    }
    return columns;
}

static void print_row(const char *const *cells, const size_t *widths, size_t columns) {
    for (size_t i = 0; i < columns; i++) {
        print_padded(cells[i], widths[i], i + 1 == columns);
    }
    putchar('\n');
}

void cli_table_print(const cli *c, const cli_table *table) {
    size_t widths[COLUMNS_MAX];
    size_t columns = measure(table, widths);
    fputs(c->color ? "\033[1m" : "", stdout);
    print_row(table->columns, widths, columns);
    fputs(c->color ? "\033[0m" : "", stdout);
    for (size_t i = 0; columns > 0 && i + columns <= table->cell_count; i += columns) {
        print_row(&table->cells[i], widths, columns);
    }
}

// ---- Ctrl-C ----

// Also what a pipeline sends that is cancelled, and a terminal that is closed.
static void interrupts(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

void cli_catch_interrupt(void) {
    sigset_t set;
    interrupts(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

bool cli_interrupted(void) {
    sigset_t set;
    interrupts(&set);
    return sigtimedwait(&set, NULL, &(struct timespec){0}) > 0;
}

const cli_flag cli_delete_flags[] = {
    {"yes", CLI_FLAG_TEXT, "NAME", "the name again, instead of being asked"},
    {0},
};

static bool names_it(const char *given, const char *name, const char *also) {
    return strcmp(given, name) == 0 || (also != NULL && strcmp(given, also) == 0);
}

cli_exit cli_confirm(cli *c, const char *name, const char *also, const char *format, ...) {
    const char *given = cli_text(c, "yes");
    bool two = also != NULL && strcmp(also, name) != 0;
    char line[300] = "";
    if (given == NULL) {
        va_list args;
        fputs("This ", stderr);
        va_start(args, format);
        vfprintf(stderr, format, args);
        va_end(args);
        fprintf(stderr, ". Type %s%s%s to go on: ", name, two ? " or " : "", two ? also : "");
        if (fgets(line, sizeof line, stdin) == NULL) {
            fputc('\n', stderr);
            return cli_fail(c, CLI_USAGE, "nothing done; to do it without being asked: --yes %s",
                            name);
        }
        line[strcspn(line, "\r\n")] = '\0';
        given = line;
    }
    return names_it(given, name, also)
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "nothing done: \"%s\" is not %s%s%s", given, name,
                          two ? " or " : "", two ? also : "");
}
