#pragma once

// ow: the command line. Every command is an entry of its file's table (commands.c has them all), works on
// the public API only (rpc.h) and prints data on standard output, words on standard error.

#include "core/arena/arena.h"
#include "core/error/error.h"
#include "sdk/c/overworld_client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Exit codes, fixed: scripts branch on them.
typedef enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_AUTH = 3,
    CLI_NOT_FOUND = 4,
    CLI_CONFLICT = 5,
    CLI_UNAVAILABLE = 6,
} cli_exit;

typedef enum cli_flag_type { CLI_FLAG_BOOL, CLI_FLAG_TEXT, CLI_FLAG_INT } cli_flag_type;

typedef struct cli_flag {
    const char *name; // without "--"
    cli_flag_type type;
    const char *value_name; // for help: "DIR"; NULL for BOOL
    const char *doc;
} cli_flag;

#define CLI_FLAGS_MAX 24
#define CLI_ARGS_ANY SIZE_MAX // of max_args: as many as there are

typedef struct cli {
    ow_arena *arena; // lives as long as the command
    const struct cli_command *command;
    const char **args; // what is no flag, after the command's words; arg_count of them
    size_t arg_count;
    struct {
        const cli_flag *flag;
        const char *text; // "" for BOOL
        int64_t number;
    } flags[CLI_FLAGS_MAX];
    size_t flag_count;
    bool json;
    bool without_token; // the command needs none: it logs in
    bool color;
    ow_client *client; // made by cli_connect
    const char *url;   // where it is connected to
    char reason[48];   // of the last error that cli_tell told; "": none
} cli;

typedef struct cli_command {
    const char *name; // "vs deploy"
    const char *args; // "DIR", "NAME [PAYLOAD]"
    const char *doc;  // one line; what stands behind a line break is in its own help alone
    size_t min_args, max_args;
    const cli_flag *flags; // ends with name == NULL; may be NULL
    cli_exit (*run)(cli *c);
    const char *example;
} cli_command;

// The value of a flag of this run: NULL (or `fallback`) when it was not given.
const char *cli_text(const cli *c, const char *flag);
// Never NULL; for the fields of requests, which are not const and nobody writes.
char *cli_text_or(const cli *c, const char *flag, const char *fallback);
int64_t cli_int(const cli *c, const char *flag, int64_t fallback);
bool cli_bool(const cli *c, const char *flag);

// Says what went wrong and what to do next, on standard error. Returns `code` for the caller's
// return.
cli_exit cli_fail(const cli *c, cli_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A remark for people on standard error: progress, hints. Silent with --quiet.
void cli_say(const cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The name typed again, by --yes or at the terminal, before something that cannot be undone. `also` is
// another way to name it, as the command was given it (NULL: none). The words go on after "This":
// "deletes the alias live of chat".
cli_exit cli_confirm(cli *c, const char *name, const char *also, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
// --yes alone.
extern const cli_flag cli_delete_flags[];

// ---- Tables on standard output ----

typedef struct cli_table {
    const char *const *columns; // ends with NULL
    const char **cells;         // row after row
    size_t cell_count, cell_room;
} cli_table;

// Adds a cell (copied to the command's arena); NULL prints as "-".
void cli_table_add(cli *c, cli_table *table, const char *text);
void cli_table_addf(cli *c, cli_table *table, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Prints with aligned columns (by displayed code points).
void cli_table_print(const cli *c, const cli_table *table);

// Holds Ctrl-C (SIGTERM and SIGHUP, too) back from now on, so that a command that goes on until then can end in order.
void cli_catch_interrupt(void);
// True once for each Ctrl-C since.
bool cli_interrupted(void);

// ---- The tables, by file; each ends with name == NULL ----

extern const cli_command admin_commands[];
extern const cli_command members_commands[];
extern const cli_command vs_commands[];
extern const cli_command diff_commands[];
extern const cli_command pull_commands[];
extern const cli_command instances_commands[];
extern const cli_command alias_commands[];
extern const cli_command kv_commands[];
extern const cli_command secret_commands[];
extern const cli_command release_commands[];
extern const cli_command push_commands[];
extern const cli_command route_commands[];
extern const cli_command dev_commands[];
extern const cli_command fn_commands[];
extern const cli_command exec_commands[];
extern const cli_command queue_commands[];
extern const cli_command event_commands[];
extern const cli_command subscription_commands[];
extern const cli_command webhook_commands[];
extern const cli_command timer_commands[];
extern const cli_command logs_commands[];
extern const cli_command trace_commands[];
extern const cli_command metrics_commands[];
extern const cli_command alarm_commands[];
extern const cli_command audit_commands[];
extern const cli_command backup_commands[];
extern const cli_command restore_commands[];
extern const cli_command player_commands[];
