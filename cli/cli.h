#pragma once

// ow: the command line. Every command is an entry of one table (main.c), works on the public API
// only (rpc.h) and prints data on standard output, words on standard error.

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
    const char *doc;  // one line
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

// The time that a given flag names, in seconds since the epoch: "30s", "5m", "2h", "7d" ago, or an
// RFC 3339 time in UTC. Anything else is told.
cli_exit cli_time(const cli *c, const char *flag, int64_t *ret_seconds);

// Says what went wrong and what to do next, on standard error. Returns `code` for the caller's
// return.
cli_exit cli_fail(const cli *c, cli_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A remark for people on standard error: progress, hints. Silent with --quiet.
void cli_say(const cli *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

// The name typed again, by --yes or at the terminal, before something that cannot be undone. `what`
// says what it does to it: "deletes the alias".
cli_exit cli_confirm(cli *c, const char *name, const char *what);

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

// "3m ago", "2h ago" for a time in seconds since the epoch; "-" for 0. In the arena.
const char *cli_ago(cli *c, int64_t seconds);

// Holds Ctrl-C (SIGTERM and SIGHUP, too) back from now on, so that a command that goes on until then can end in order.
void cli_catch_interrupt(void);
// True once for each Ctrl-C since.
bool cli_interrupted(void);

// Tables of their own, each ends with name == NULL.

extern const cli_command event_commands[];
extern const cli_command now_commands[];
extern const cli_command route_commands[];
extern const cli_command webhook_commands[];

// The commands, by file.

cli_exit cmd_login(cli *c);
cli_exit cmd_whoami(cli *c);
cli_exit cmd_status(cli *c);
cli_exit cmd_portal(cli *c);
cli_exit cmd_vs_create(cli *c);
cli_exit cmd_vs_list(cli *c);
cli_exit cmd_vs_show(cli *c);
cli_exit cmd_vs_describe(cli *c);
cli_exit cmd_vs_delete(cli *c);
cli_exit cmd_vs_deploy(cli *c);
cli_exit cmd_vs_publish(cli *c);
cli_exit cmd_vs_versions(cli *c);
cli_exit cmd_vs_diff(cli *c);
cli_exit cmd_vs_cat(cli *c);
cli_exit cmd_vs_pull(cli *c);
cli_exit cmd_alias_create(cli *c);
cli_exit cmd_alias_list(cli *c);
cli_exit cmd_alias_set(cli *c);
cli_exit cmd_alias_rollback(cli *c);
cli_exit cmd_alias_delete(cli *c);
cli_exit cmd_kv_get(cli *c);
cli_exit cmd_kv_set(cli *c);
cli_exit cmd_kv_delete(cli *c);
cli_exit cmd_kv_increment(cli *c);
cli_exit cmd_kv_list(cli *c);
cli_exit cmd_kv_usage(cli *c);
cli_exit cmd_secret_set(cli *c);
cli_exit cmd_secret_list(cli *c);
cli_exit cmd_secret_use(cli *c);
cli_exit cmd_secret_delete(cli *c);
cli_exit cmd_release(cli *c);
cli_exit cmd_push(cli *c);
cli_exit cmd_dev(cli *c);
cli_exit cmd_fn_invoke(cli *c);
cli_exit cmd_fn_run(cli *c);
cli_exit cmd_fn_event_save(cli *c);
cli_exit cmd_fn_event_list(cli *c);
cli_exit cmd_fn_event_delete(cli *c);
cli_exit cmd_exec_list(cli *c);
cli_exit cmd_exec_show(cli *c);
cli_exit cmd_exec_cancel(cli *c);
cli_exit cmd_exec_rerun(cli *c);
cli_exit cmd_dead_list(cli *c);
cli_exit cmd_dead_edit(cli *c);
cli_exit cmd_dead_redrive(cli *c);
cli_exit cmd_dead_discard(cli *c);
cli_exit cmd_logs(cli *c);
cli_exit cmd_trace(cli *c);
cli_exit cmd_metrics(cli *c);
cli_exit cmd_alarm_create(cli *c);
cli_exit cmd_alarm_list(cli *c);
cli_exit cmd_alarm_delete(cli *c);
cli_exit cmd_alarm_test(cli *c);
cli_exit cmd_timer_create(cli *c);
cli_exit cmd_timer_list(cli *c);
cli_exit cmd_timer_show(cli *c);
cli_exit cmd_timer_update(cli *c);
cli_exit cmd_timer_pause(cli *c);
cli_exit cmd_timer_resume(cli *c);
cli_exit cmd_timer_run(cli *c);
cli_exit cmd_timer_preview(cli *c);
cli_exit cmd_timer_history(cli *c);
cli_exit cmd_timer_delete(cli *c);
cli_exit cmd_key_create(cli *c);
cli_exit cmd_key_list(cli *c);
cli_exit cmd_key_limit(cli *c);
cli_exit cmd_key_revoke(cli *c);
cli_exit cmd_key_rotate_signing(cli *c);
cli_exit cmd_logout(cli *c);
cli_exit cmd_password(cli *c);
cli_exit cmd_member_add(cli *c);
cli_exit cmd_member_list(cli *c);
cli_exit cmd_member_set_role(cli *c);
cli_exit cmd_member_remove(cli *c);
cli_exit cmd_member_reset_password(cli *c);
cli_exit cmd_apikey_create(cli *c);
cli_exit cmd_apikey_list(cli *c);
cli_exit cmd_apikey_revoke(cli *c);
cli_exit cmd_audit_list(cli *c);
cli_exit cmd_audit_verify(cli *c);
cli_exit cmd_audit_export(cli *c);
cli_exit cmd_backup(cli *c);
cli_exit cmd_restore(cli *c);
cli_exit cmd_title_list(cli *c);
cli_exit cmd_title_create(cli *c);
cli_exit cmd_title_rename(cli *c);
cli_exit cmd_player_list(cli *c);
cli_exit cmd_player_find(cli *c);
cli_exit cmd_player_show(cli *c);
cli_exit cmd_player_ban(cli *c);
cli_exit cmd_player_unban(cli *c);
cli_exit cmd_player_logout(cli *c);
cli_exit cmd_player_export(cli *c);
cli_exit cmd_player_delete(cli *c);
