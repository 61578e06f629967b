// The command table, what the words and flags of a command line mean, and help.

#include "cli/cli.h"

#include "cli/rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARENA_MAX = 256 << 20 };

static const cli_flag global_flags[] = {
    {"json", CLI_FLAG_BOOL, NULL, "print the server's answer as JSON"},
    {"url", CLI_FLAG_TEXT, "URL", "the console listener to talk to"},
    {"token-file", CLI_FLAG_TEXT, "FILE", "file with an operator's token"},
    {"data", CLI_FLAG_TEXT, "DIR", "data folder of a server on this machine"},
    {"profile", CLI_FLAG_TEXT, "NAME", "a login stored with ow login"},
    {"title", CLI_FLAG_TEXT, "TITLE", "id or name of the title"},
    {"timeout", CLI_FLAG_INT, "SECONDS", "give up after so long (default 60)"},
    {"quiet", CLI_FLAG_BOOL, NULL, "no remarks on standard error"},
    {"help", CLI_FLAG_BOOL, NULL, "say how the command is used"},
    {0},
};

static const cli_flag login_flags[] = {
    {"email", CLI_FLAG_TEXT, "ADDRESS", "with a password, which is asked for"},
    {"password-file", CLI_FLAG_TEXT, "FILE", "take it from a file; - is standard input"},
    {"name", CLI_FLAG_TEXT, "NAME", "store under this name (default: default)"},
    {0},
};

static const cli_flag create_flags[] = {
    {"runtime", CLI_FLAG_TEXT, "RUNTIME", "default: c"},
    {"description", CLI_FLAG_TEXT, "TEXT", "for people"},
    {0},
};

static const cli_flag delete_flags[] = {
    {"yes", CLI_FLAG_TEXT, "NAME", "the name again, instead of being asked"},
    {0},
};

static const cli_flag cat_flags[] = {
    {"version", CLI_FLAG_TEXT, "VERSION", "a number; default: $LATEST"},
    {0},
};

static const cli_flag deploy_flags[] = {
    {"publish", CLI_FLAG_BOOL, NULL, "also make it a numbered version and move $DEFAULT to it"},
    {"description", CLI_FLAG_TEXT, "TEXT", "what changed, for people"},
    {"based-on", CLI_FLAG_TEXT, "REVISION", "fail when $LATEST is no longer this revision"},
    {"no-create", CLI_FLAG_BOOL, NULL, "fail when the virtual server does not exist yet"},
    {0},
};

static const cli_flag publish_flags[] = {
    {"description", CLI_FLAG_TEXT, "TEXT", "what changed, for people"},
    {"keep-default", CLI_FLAG_BOOL, NULL, "do not move $DEFAULT"},
    {0},
};

static const cli_flag alias_create_flags[] = {
    {"public", CLI_FLAG_BOOL, NULL, "players may name it too"},
    {"split", CLI_FLAG_TEXT, "HOW", "key: a player stays on one side (default); random"},
    {0},
};

#define KEEP_TRIGGERS                                                                              \
    {                                                                                              \
        "keep-triggers", CLI_FLAG_BOOL, NULL,                                                      \
            "timers, subscriptions and routes in force stay as they are"                           \
    }

static const cli_flag alias_rollback_flags[] = {
    KEEP_TRIGGERS,
    {0},
};
static const cli_flag alias_set_flags[] = {
    KEEP_TRIGGERS,
    {"public", CLI_FLAG_BOOL, NULL, "players may name it"},
    {"private", CLI_FLAG_BOOL, NULL, "only server keys and operators may"},
    {"split", CLI_FLAG_TEXT, "HOW", "key: a player stays on one side; random"},
    {0},
};

#define SCOPE_FLAGS                                                                                \
    {"vs", CLI_FLAG_TEXT, "NAME", "keys of this virtual server instead of the title's"}, {         \
        "player", CLI_FLAG_TEXT, "ID", "keys of this player"                                       \
    }
#define VERSION_FLAG                                                                               \
    {                                                                                              \
        "version", CLI_FLAG_INT, "N",                                                              \
            "only if the key is in this version; 0: only if it is not there"                       \
    }

static const cli_flag kv_flags[] = {SCOPE_FLAGS, {0}};

static const cli_flag kv_set_flags[] = {
    SCOPE_FLAGS,
    VERSION_FLAG,
    {"ttl", CLI_FLAG_INT, "SECONDS", "the key goes after so long"},
    {"file", CLI_FLAG_TEXT, "FILE", "take the value from a file; - is standard input"},
    {0},
};

static const cli_flag kv_delete_flags[] = {
    SCOPE_FLAGS,
    VERSION_FLAG,
    {"prefix", CLI_FLAG_BOOL, NULL, "every key that begins so"},
    {"yes", CLI_FLAG_TEXT, "PREFIX", "the prefix again, for scripts"},
    {0},
};

static const cli_flag kv_increment_flags[] = {
    SCOPE_FLAGS,
    {"ttl", CLI_FLAG_INT, "SECONDS", "a key that is not there yet goes after so long"},
    {0},
};

static const cli_flag kv_list_flags[] = {
    SCOPE_FLAGS,
    {"limit", CLI_FLAG_INT, "N", "keys at most, up to 200 (default 50)"},
    {"page", CLI_FLAG_TEXT, "TOKEN", "go on behind the page that gave this"},
    {"descending", CLI_FLAG_BOOL, NULL, "from the last key to the first"},
    {0},
};

static const cli_flag secret_set_flags[] = {
    {"file", CLI_FLAG_TEXT, "FILE", "take the value from a file instead of standard input"},
    {0},
};

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

static const cli_flag invoke_flags[] = {
    {"qualifier", CLI_FLAG_TEXT, "Q", "alias, version or $LATEST (default $DEFAULT)"},
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {"content-type", CLI_FLAG_TEXT, "TYPE", "of the payload (default application/json)"},
    {"logs", CLI_FLAG_BOOL, NULL, "then print the call's log on standard error"},
    {"async", CLI_FLAG_BOOL, NULL, "put it into the queue and print the execution's id"},
    {"key", CLI_FLAG_TEXT, "KEY", "with --async: the same key is the same execution"},
    {0},
};

static const cli_flag run_flags[] = {
    {"as", CLI_FLAG_TEXT, "PLAYER", "as if this player called"},
    {"event", CLI_FLAG_TEXT, "NAME", "with the payload that is kept under this name"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "alias, version or $LATEST (default $DEFAULT)"},
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {0},
};

static const cli_flag event_save_flags[] = {
    {"shared", CLI_FLAG_BOOL, NULL, "for every developer of the title"},
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {"content-type", CLI_FLAG_TEXT, "TYPE", "of the payload (default application/json)"},
    {0},
};

static const cli_flag event_delete_flags[] = {
    {"shared", CLI_FLAG_BOOL, NULL, "the one for every developer"},
    {0},
};

static const cli_flag vs_list_flags[] = {
    {"name", CLI_FLAG_TEXT, "TEXT", "those with this in their names"},
    {"function", CLI_FLAG_TEXT, "TEXT", "those with this in the name of a function"},
    {0},
};

static const cli_flag exec_list_flags[] = {
    {"state", CLI_FLAG_TEXT, "STATE", "waiting, running, done, dead or discarded"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"source", CLI_FLAG_TEXT, "SOURCE", "client, timer, event, webhook, manual ..."},
    {"reason", CLI_FLAG_TEXT, "REASON", "that failed for this"},
    {"event", CLI_FLAG_TEXT, "TRIGGER_ID", "that follow from this event, oldest first"},
    {"subscription", CLI_FLAG_TEXT, "ID", "of this subscription"},
    {"limit", CLI_FLAG_INT, "N", "at most so many (default 50)"},
    {0},
};

static const cli_flag rerun_flags[] = {
    {"file", CLI_FLAG_TEXT, "FILE", "take another payload from a file; - is standard input"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "alias or version (default: the same)"},
    {0},
};

static const cli_flag dead_edit_flags[] = {
    {"file", CLI_FLAG_TEXT, "FILE", "take the payload from a file; - is standard input"},
    {"content-type", CLI_FLAG_TEXT, "TYPE", "of the payload (default: as it is)"},
    {0},
};

static const cli_flag redrive_flags[] = {
    {"all", CLI_FLAG_BOOL, NULL, "all that fit"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"source", CLI_FLAG_TEXT, "SOURCE", "client, timer, event, webhook, manual ..."},
    {"reason", CLI_FLAG_TEXT, "REASON", "that failed for this"},
    {"event", CLI_FLAG_TEXT, "TRIGGER_ID", "that follow from this event"},
    {"subscription", CLI_FLAG_TEXT, "ID", "of this subscription"},
    {"rate", CLI_FLAG_INT, "N", "so many a second (default: all at once)"},
    {0},
};

static const cli_flag discard_flags[] = {
    {"all", CLI_FLAG_BOOL, NULL, "all that fit"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"source", CLI_FLAG_TEXT, "SOURCE", "client, timer, event, webhook, manual ..."},
    {"dead-of", CLI_FLAG_TEXT, "REASON", "that failed for this"},
    {"event", CLI_FLAG_TEXT, "TRIGGER_ID", "that follow from this event"},
    {"subscription", CLI_FLAG_TEXT, "ID", "of this subscription"},
    {"reason", CLI_FLAG_TEXT, "TEXT", "why they are thrown away (needed)"},
    {"yes", CLI_FLAG_TEXT, "all", "with --all: instead of being asked"},
    {0},
};

static const cli_flag logs_flags[] = {
    {"request", CLI_FLAG_TEXT, "ID", "everything that one request caused"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"version", CLI_FLAG_INT, "N", "of this version"},
    {"level", CLI_FLAG_TEXT, "LEVEL", "at least debug, info, warn or error"},
    {"text", CLI_FLAG_TEXT, "WORDS",
     "lines and errors with all of these words; wor* is a beginning"},
    {"kind", CLI_FLAG_TEXT, "KIND", "REQUEST, INIT, START, LINE, ERROR, END or REPORT"},
    {"invocation", CLI_FLAG_TEXT, "ID", "of one run"},
    {"principal", CLI_FLAG_TEXT, "WHO", "requests of player:plr_..., server:... or operator:..."},
    {"address", CLI_FLAG_TEXT, "ADDRESS", "requests from there"},
    {"method", CLI_FLAG_TEXT, "METHOD", "requests such as 'POST /v1/call'"},
    {"status", CLI_FLAG_INT, "N", "requests that were answered so"},
    {"reason", CLI_FLAG_TEXT, "REASON", "requests and runs that ended so"},
    {"source", CLI_FLAG_TEXT, "SOURCE", "runs driven by client, server, manual, function ..."},
    {"qualifier", CLI_FLAG_TEXT, "Q", "called by this alias or version"},
    {"slower", CLI_FLAG_INT, "MS", "requests and runs that took so long at least"},
    {"since", CLI_FLAG_TEXT, "TIME", "30s, 5m, 2h, 7d ago, or an RFC 3339 time"},
    {"until", CLI_FLAG_TEXT, "TIME", "likewise"},
    {"limit", CLI_FLAG_INT, "N", "the newest N entries (default 100)"},
    {"follow", CLI_FLAG_BOOL, NULL, "go on with what comes, until Ctrl-C"},
    {0},
};

static const cli_flag logout_flags[] = {
    {"everywhere", CLI_FLAG_BOOL, NULL, "end all your sessions"},
    {0},
};

static const cli_flag password_flags[] = {
    {"old-file", CLI_FLAG_TEXT, "FILE", "take the old one from a file; - is standard input"},
    {"new-file", CLI_FLAG_TEXT, "FILE", "take the new one from a file"},
    {0},
};

static const cli_flag member_add_flags[] = {
    {"role", CLI_FLAG_TEXT, "ROLE", "viewer (the default), developer or admin"},
    {"every-title", CLI_FLAG_BOOL, NULL, "in every title, not in this one alone"},
    {0},
};

static const cli_flag member_flags[] = {
    {"every-title", CLI_FLAG_BOOL, NULL, "the role in every title, not the one in this"},
    {0},
};

static const cli_flag key_create_flags[] = {
    {"limit", CLI_FLAG_INT, "CALLS", "how often it may ask in a window (default: as other keys)"},
    {0},
};

static const cli_flag apikey_flags[] = {
    {"role", CLI_FLAG_TEXT, "ROLE", "at most this role (default: your own)"},
    {"days", CLI_FLAG_INT, "N", "good for so many days (default: for ever)"},
    {0},
};

static const cli_flag audit_flags[] = {
    {"who", CLI_FLAG_TEXT, "ID", "by this operator"},
    {"action", CLI_FLAG_TEXT, "ACTION", "of this kind: title.rename, server_key.create ..."},
    {"object", CLI_FLAG_TEXT, "OBJECT", "about this id or name"},
    {"request", CLI_FLAG_TEXT, "ID", "of this request"},
    {"since", CLI_FLAG_TEXT, "TIME", "30s, 5m, 2h, 7d ago, or an RFC 3339 time"},
    {"until", CLI_FLAG_TEXT, "TIME", "likewise"},
    {"every-title", CLI_FLAG_BOOL, NULL, "of every title, for operators of every title"},
    {"limit", CLI_FLAG_INT, "N", "the newest N entries (default 50)"},
    {0},
};

static const cli_flag verify_flags[] = {
    {"note", CLI_FLAG_TEXT, "FILE", "hold it to the heads noted in FILE, then note those of now"},
    {0},
};

static const cli_flag backup_flags[] = {
    {"without-logs", CLI_FLAG_BOOL, NULL, "leave out what telemetry has stored"},
    {0},
};

static const cli_flag restore_flags[] = {
    {"check", CLI_FLAG_BOOL, NULL, "only read it, and say whether it is whole"},
    {0},
};

static const cli_flag metrics_flags[] = {
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"version", CLI_FLAG_INT, "N", "of this version"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "called by this alias or version"},
    {"since", CLI_FLAG_TEXT, "TIME", "30s, 5m, 2h, 7d ago, or an RFC 3339 time (default 15m)"},
    {"until", CLI_FLAG_TEXT, "TIME", "likewise"},
    {"step", CLI_FLAG_INT, "S", "points of 10 or 60 seconds, with --json"},
    {0},
};

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
static const cli_flag timer_update_flags[] = {
    TIMER_FLAGS,
    {0},
};
static const cli_flag timer_preview_flags[] = {
    TIMER_FLAGS,
    {"count", CLI_FLAG_INT, "N", "how many, 100 at most (default 10)"},
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
static const cli_flag timer_pause_flags[] = {
    {"reason", CLI_FLAG_TEXT, "TEXT", "why, for those who wonder"},
    {0},
};
static const cli_flag timer_history_flags[] = {
    {"state", CLI_FLAG_TEXT, "STATE", "fired, missed, skipped, failed or claimed"},
    {"limit", CLI_FLAG_INT, "N", "how many, 200 at most (default 50)"},
    {0},
};

static const cli_flag alarm_flags[] = {
    {"above", CLI_FLAG_TEXT, "N", "speak from this value on"},
    {"below", CLI_FLAG_TEXT, "N", "or below this one"},
    {"webhook", CLI_FLAG_TEXT, "URL", "to whom, signed as Standard Webhooks says"},
    {"email", CLI_FLAG_TEXT, "ADDRESSES",
     "or to these, with commas between; see telemetry.smtp_server"},
    {"call", CLI_FLAG_TEXT, "VS/FUNCTION[@ALIAS]", "or to this function, as its payload"},
    {"window", CLI_FLAG_INT, "S", "of the last so many seconds, 10 to 3600 (default 60)"},
    {"silence", CLI_FLAG_INT, "S", "say nothing new for so long (default 3600)"},
    {"vs", CLI_FLAG_TEXT, "NAME", "of this virtual server"},
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {"version", CLI_FLAG_INT, "N", "of this version"},
    {"qualifier", CLI_FLAG_TEXT, "Q", "called by this alias or version"},
    {"text", CLI_FLAG_TEXT, "WORDS", "of measure log: lines and errors with these words"},
    {"level", CLI_FLAG_TEXT, "LEVEL", "of measure log: at least so bad"},
    {0},
};

static const cli_flag player_flags[] = {
    {"device", CLI_FLAG_TEXT, "ID", "who logs in with this device id"},
    {"custom", CLI_FLAG_TEXT, "ID", "who logs in with this custom id"},
    {0},
};

static const cli_flag player_list_flags[] = {
    {"limit", CLI_FLAG_INT, "N", "at most so many (default 50)"},
    {0},
};

static const cli_flag ban_flags[] = {
    {"reason", CLI_FLAG_TEXT, "TEXT", "shown to the player"},
    {"for", CLI_FLAG_TEXT, "TIME", "30m, 12h or 7d from now (default: for good)"},
    {"until", CLI_FLAG_TEXT, "TIME", "an RFC 3339 time"},
    {0},
};

static const cli_flag player_delete_flags[] = {
    {"yes", CLI_FLAG_TEXT, "PLAYER", "the id again"},
    {0},
};

static const cli_command commands[] = {
    {"login", "", "store where the server is and as whom you come", 0, 0, login_flags, cmd_login,
     "ow login --url http://127.0.0.1:7351 --token-file operator.token"},
    {"logout", "", "end the session that you came with", 0, 0, logout_flags, cmd_logout,
     "ow logout --everywhere"},
    {"password", "", "change your password", 0, 0, password_flags, cmd_password, "ow password"},
    {"member add", "EMAIL", "give somebody a role; shows the password of somebody new", 1, 1,
     member_add_flags, cmd_member_add, "ow member add ann@example.com --role developer"},
    {"member list", "", "who has a role in the title", 0, 0, NULL, cmd_member_list,
     "ow member list"},
    {"member set-role", "EMAIL ROLE", "change somebody's role", 2, 2, member_flags,
     cmd_member_set_role, "ow member set-role ann@example.com admin"},
    {"member remove", "EMAIL", "take somebody's role away", 1, 1, member_flags, cmd_member_remove,
     "ow member remove ann@example.com"},
    {"member reset-password", "EMAIL", "make a new password for somebody", 1, 1, NULL,
     cmd_member_reset_password, "ow member reset-password ann@example.com"},
    {"apikey create", "NAME", "make an API key that acts as you; shown once", 1, 1, apikey_flags,
     cmd_apikey_create, "ow apikey create ci --role developer --days 90"},
    {"apikey list", "", "list your API keys", 0, 0, NULL, cmd_apikey_list, "ow apikey list"},
    {"apikey revoke", "KEY_ID", "revoke one of your API keys", 1, 1, NULL, cmd_apikey_revoke,
     "ow apikey revoke apk_01..."},
    {"whoami", "", "say as whom the server sees you", 0, 0, NULL, cmd_whoami, "ow whoami"},
    {"status", "", "is all well: services, addresses, sandbox", 0, 0, NULL, cmd_status,
     "ow status --json"},
    {"portal", "", "print a link that signs you in to the web console once", 0, 0, NULL, cmd_portal,
     "ow portal"},
    {"vs create", "NAME", "make an empty virtual server", 1, 1, create_flags, cmd_vs_create,
     "ow vs create chat"},
    {"vs deploy", "DIR", "build a folder with a virtualserver.json and make it $LATEST", 1, 1,
     deploy_flags, cmd_vs_deploy, "ow vs deploy examples/chat --publish"},
    {"vs publish", "NAME", "number what is $LATEST and move $DEFAULT to it", 1, 1, publish_flags,
     cmd_vs_publish, "ow vs publish chat --description 'new word list'"},
    {"vs versions", "NAME", "list the versions, newest first", 1, 1, NULL, cmd_vs_versions,
     "ow vs versions chat"},
    {"vs diff", "DIR [VERSION] | VS A B",
     "what is different between a folder and what runs (or a version), or between two versions", 1,
     3, NULL, cmd_vs_diff, "ow vs diff chat 3 4"},
    {"vs cat", "NAME PATH", "print a file of $LATEST, or of a version", 2, 2, cat_flags, cmd_vs_cat,
     "ow vs cat chat chat.c --version 3"},
    {"vs pull", "NAME DIR", "write the files of $LATEST, or of a version, into a new folder", 2, 2,
     cat_flags, cmd_vs_pull, "ow vs pull chat chat"},
    {"vs list", "", "list virtual servers", 0, 0, vs_list_flags, cmd_vs_list,
     "ow vs list --name match"},
    {"vs show", "NAME", "one virtual server: functions, aliases, versions", 1, 1, NULL, cmd_vs_show,
     "ow vs show chat"},
    {"vs describe", "NAME TEXT", "say what a virtual server is for", 2, 2, NULL, cmd_vs_describe,
     "ow vs describe chat 'rooms, and their moderation'"},
    {"vs delete", "NAME", "delete a virtual server and all its versions", 1, 1, delete_flags,
     cmd_vs_delete, "ow vs delete chat --yes chat"},
    {"alias create", "VS NAME V[=W] [V[=W]]", "make a name for a version, or for two by weight", 3,
     4, alias_create_flags, cmd_alias_create, "ow alias create chat live 3 --public"},
    {"alias list", "VS", "list the aliases of a virtual server", 1, 1, NULL, cmd_alias_list,
     "ow alias list chat"},
    {"alias set", "VS NAME [V[=W]] [V[=W]]", "lead an alias elsewhere: 4, or 10 % with 3 4=10", 2,
     4, alias_set_flags, cmd_alias_set, "ow alias set chat live 3 4=10"},
    {"alias rollback", "VS NAME", "back to the version that had all the traffic before", 2, 2,
     alias_rollback_flags, cmd_alias_rollback, "ow alias rollback chat live"},
    {"alias delete", "VS NAME", "delete an alias", 2, 2, delete_flags, cmd_alias_delete,
     "ow alias delete chat test --yes test"},
    {"kv get", "KEY", "print a value that functions remember", 1, 1, kv_flags, cmd_kv_get,
     "ow kv get --vs chat motd"},
    {"kv set", "KEY [VALUE]", "set a value; without VALUE from standard input", 1, 2, kv_set_flags,
     cmd_kv_set, "ow kv set --player plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6 gold 100"},
    {"kv delete", "KEY", "delete a key, or all that begin so", 1, 1, kv_delete_flags, cmd_kv_delete,
     "ow kv delete --vs chat --prefix old/ --yes old/"},
    {"kv list", "[PREFIX]", "list keys and values", 0, 1, kv_list_flags, cmd_kv_list,
     "ow kv list --vs arena rank/"},
    {"kv increment", "KEY [BY]", "add to a number", 1, 2, kv_increment_flags, cmd_kv_increment,
     "ow kv increment visits 1"},
    {"kv usage", "", "show how much there is and may be", 0, 0, kv_flags, cmd_kv_usage,
     "ow kv usage --vs arena"},
    {"secret set", "VS NAME", "give a secret its next value, from standard input", 2, 2,
     secret_set_flags, cmd_secret_set, "ow secret set chat api-key < key.txt"},
    {"secret list", "VS", "list secrets and their versions, never values", 1, 1, NULL,
     cmd_secret_list, "ow secret list chat"},
    {"secret use", "VS NAME VERSION", "back to an earlier version of a secret", 3, 3, NULL,
     cmd_secret_use, "ow secret use chat api-key 3"},
    {"secret delete", "VS NAME", "delete a secret and its versions", 2, 2, delete_flags,
     cmd_secret_delete, "ow secret delete chat api-key --yes api-key"},
    {"release", "VS", "publish $LATEST and lead an alias to it step by step, or back", 1, 1,
     release_flags, cmd_release, "ow release chat --alias live --steps 10,50,100 --pause 5m"},
    {"push", "PLAYER[,PLAYER...] TOPIC [JSON]", "tell players something at once", 2, 3, NULL,
     cmd_push, "ow push plr_01... notice '{\"text\":\"back in five minutes\"}'"},
    {"dev", "DIR", "deploy at every change of the folder and follow the log", 1, 1, NULL, cmd_dev,
     "ow dev examples/chat"},
    {"fn invoke", "VS FUNCTION [PAYLOAD]", "run a function by hand", 2, 3, invoke_flags,
     cmd_fn_invoke, "ow fn invoke chat moderate '{\"text\": \"damn\"}'"},
    {"fn run", "VS FUNCTION [PAYLOAD]", "run a function for a player, or with a kept payload", 2, 3,
     run_flags, cmd_fn_run, "ow fn run chat moderate --as plr_01... --event rude"},
    {"fn save", "VS FUNCTION NAME [PAYLOAD]", "keep a payload for runs by hand", 3, 4,
     event_save_flags, cmd_fn_event_save, "ow fn save chat moderate rude '{\"text\": \"damn\"}'"},
    {"fn saved", "VS FUNCTION", "payloads that are kept", 2, 2, NULL, cmd_fn_event_list,
     "ow fn saved chat moderate"},
    {"fn forget", "VS FUNCTION NAME", "forget one of them", 3, 3, event_delete_flags,
     cmd_fn_event_delete, "ow fn forget chat moderate rude"},
    {"exec list", "", "executions of the queue, newest first", 0, 0, exec_list_flags, cmd_exec_list,
     "ow exec list --vs chat --state waiting"},
    {"exec show", "EXECUTION", "an execution with its payload, result and failed attempts", 1, 1,
     NULL, cmd_exec_show, "ow exec show exe_01..."},
    {"exec cancel", "EXECUTION", "end one that waits or runs", 1, 1, NULL, cmd_exec_cancel,
     "ow exec cancel exe_01..."},
    {"exec rerun", "EXECUTION [PAYLOAD]", "run a past one again as a new one", 1, 2, rerun_flags,
     cmd_exec_rerun, "ow exec rerun exe_01..."},
    {"dead list", "", "executions that were given up", 0, 0, exec_list_flags, cmd_dead_list,
     "ow dead list --vs chat --reason user_error"},
    {"dead show", "EXECUTION", "one of them with its payload and every attempt", 1, 1, NULL,
     cmd_exec_show, "ow dead show exe_01..."},
    {"dead edit", "EXECUTION [PAYLOAD]", "change what it was called with", 1, 2, dead_edit_flags,
     cmd_dead_edit, "ow dead edit exe_01... '{\"room\": 7}'"},
    {"dead redrive", "[EXECUTION ...|-]", "let them begin anew", 0, CLI_ARGS_ANY, redrive_flags,
     cmd_dead_redrive, "ow dead redrive --all --reason user_error --rate 10"},
    {"dead discard", "[EXECUTION ...|-]", "throw them away", 0, CLI_ARGS_ANY, discard_flags,
     cmd_dead_discard, "ow dead discard exe_01... --reason 'of a test'"},
    {"logs", "", "find what happened", 0, 0, logs_flags, cmd_logs,
     "ow logs --vs chat --since 5m --follow"},
    {"trace", "REQUEST_ID", "where the time of one request went", 1, 1, NULL, cmd_trace,
     "ow trace req_01..."},
    {"metrics", "", "what functions did: rate, errors, durations, by version and alias", 0, 0,
     metrics_flags, cmd_metrics, "ow metrics --vs chat --since 1h"},
    {"alarm create", "NAME MEASURE",
     "say when calls, rate, errors, error_rate, throttled, cold_starts, p50_ms, p95_ms, p99_ms, instances, queue or log "
     "pass a bound",
     2, 2, alarm_flags, cmd_alarm_create,
     "ow alarm create failing error_rate --vs chat --above 0.05 --webhook https://example.com/hook"},
    {"alarm list", "", "alarms and how they stand", 0, 0, NULL, cmd_alarm_list, "ow alarm list"},
    {"alarm delete", "ALARM_ID", "delete an alarm and what it has to say", 1, 1, NULL,
     cmd_alarm_delete, "ow alarm delete alm_01..."},
    {"alarm test", "ALARM_ID", "send a notice to see whether it arrives", 1, 1, NULL,
     cmd_alarm_test, "ow alarm test alm_01..."},
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
    {"timer delete", "TIMER", "delete a timer and its history", 1, 1, delete_flags,
     cmd_timer_delete, "ow timer delete chat/trim --yes trim"},
    {"key create", "NAME", "make a server key; its secret is shown once", 1, 1, key_create_flags,
     cmd_key_create, "ow key create match-server"},
    {"key list", "", "list server keys", 0, 0, NULL, cmd_key_list, "ow key list"},
    {"key limit", "KEY_ID CALLS", "say how often a server key may ask in a window; 0: as others", 2,
     2, NULL, cmd_key_limit, "ow key limit key_01... 10000"},
    {"key revoke", "KEY_ID", "revoke a server key", 1, 1, NULL, cmd_key_revoke,
     "ow key revoke key_01..."},
    {"key rotate-signing", "", "make a new key that signs access tokens", 0, 0, NULL,
     cmd_key_rotate_signing, "ow key rotate-signing"},
    {"audit list", "", "who changed what, newest first", 0, 0, audit_flags, cmd_audit_list,
     "ow audit list --since 7d --action server_key.create"},
    {"audit verify", "", "check that nobody has tampered with the audit", 0, 0, verify_flags,
     cmd_audit_verify, "ow audit verify --note /mnt/elsewhere/overworld.audit"},
    {"audit export", "", "all of it as JSON lines, newest first", 0, 0, audit_flags,
     cmd_audit_export, "ow audit export --every-title > audit.jsonl"},
    {"backup", "FILE", "save everything, keys too, while the server runs", 1, 1, backup_flags,
     cmd_backup, "ow backup overworld.backup"},
    {"restore", "FILE", "make a new data folder of a backup; no server may run in it", 1, 1,
     restore_flags, cmd_restore, "ow restore overworld.backup --data /var/lib/overworld"},
    {"player list", "[BEGINNING]", "the newest players, or those whose e-mail address begins so", 0,
     1, player_list_flags, cmd_player_list, "ow player list ann@"},
    {"player find", "[PLAYER|EMAIL]", "the id of a player", 0, 1, player_flags, cmd_player_find,
     "ow player find ann@example.com"},
    {"player show", "[PLAYER|EMAIL]", "one player: logins, sessions, ban", 0, 1, player_flags,
     cmd_player_show, "ow player show --device 5f2c..."},
    {"player ban", "PLAYER", "refuse a player and end all sessions", 1, 1, ban_flags,
     cmd_player_ban, "ow player ban plr_01... --for 7d --reason 'aimbot'"},
    {"player unban", "PLAYER", "let a banned player in again", 1, 1, NULL, cmd_player_unban,
     "ow player unban plr_01..."},
    {"player logout", "PLAYER", "end all sessions of a player", 1, 1, NULL, cmd_player_logout,
     "ow player logout plr_01..."},
    {"player export", "PLAYER", "print all that is stored about a player, as JSON", 1, 1, NULL,
     cmd_player_export, "ow player export plr_01... > player.json"},
    {"player delete", "PLAYER", "delete a player with all logins and sessions", 1, 1,
     player_delete_flags, cmd_player_delete, "ow player delete plr_01... --yes plr_01..."},
    {"title list", "", "list titles", 0, 0, NULL, cmd_title_list, "ow title list"},
    {"title create", "NAME", "make a title", 1, 1, NULL, cmd_title_create, "ow title create racer"},
    {"title rename", "TITLE NEW_NAME", "rename a title", 2, 2, NULL, cmd_title_rename,
     "ow title rename default racer"},
    {0},
};

// ---- Help ----

static void print_flags(FILE *out, const cli_flag *flags) {
    for (; flags != NULL && flags->name != NULL; flags++) {
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", flags->name, flags->value_name != NULL ? " " : "",
                 flags->value_name != NULL ? flags->value_name : "");
        fprintf(out, "  %-24s %s\n", left, flags->doc);
    }
}

// Commands that stand with their own.
static const cli_command *const more_commands[] = {event_commands, webhook_commands, route_commands,
                                                   now_commands};

// The nth of all; NULL behind the last.
static const cli_command *command_at(size_t n) {
    const cli_command *at = commands;
    size_t table = 0;
    for (;; at++) {
        while (at->name == NULL) {
            if (table == sizeof more_commands / sizeof *more_commands) {
                return NULL;
            }
            at = more_commands[table++];
        }
        if (n-- == 0) {
            return at;
        }
    }
}

static void print_help(FILE *out) {
    const cli_command *command;
    fputs("ow: Overworld's command line.\n\n  ow COMMAND [ARGUMENTS] [FLAGS]\n\nCommands\n", out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        char left[48];
        snprintf(left, sizeof left, "%s %s", command->name, command->args);
        fprintf(out, "  %-34s %s\n", left, command->doc);
    }
    fputs("\nFlags of every command\n", out);
    print_flags(out, global_flags);
    fputs("\nInside a server's data folder ow finds address and token by itself.\n"
          "Exit codes: 0 ok, 1 failed, 2 usage, 3 not allowed, 4 not found, 5 conflict, "
          "6 unavailable.\n",
          out);
}

static cli_exit print_command_help(const cli_command *command) {
    printf("ow %s %s\n\n  %s\n\nFlags\n", command->name, command->args, command->doc);
    print_flags(stdout, command->flags);
    print_flags(stdout, global_flags);
    printf("\nExample\n  %s\n", command->example);
    return CLI_OK;
}

// ---- Reading the command line ----

static const cli_flag *find_flag(const cli_flag *flags, const char *name, size_t length) {
    for (; flags != NULL && flags->name != NULL; flags++) {
        if (strlen(flags->name) == length && memcmp(flags->name, name, length) == 0) {
            return flags;
        }
    }
    return NULL;
}

static bool is_word_of(const char *name, const char *first, const char *second) {
    size_t length = strlen(first);
    if (strncmp(name, first, length) != 0) {
        return false;
    }
    if (name[length] == '\0') {
        return second == NULL;
    }
    return name[length] == ' ' && second != NULL && strcmp(name + length + 1, second) == 0;
}

// One- or two-word commands; *ret_words says how many were used.
static const cli_command *find_command(const char *first, const char *second, int *ret_words) {
    const cli_command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        bool two = strchr(command->name, ' ') != NULL;
        if (is_word_of(command->name, first, two ? second : NULL)) {
            *ret_words = two ? 2 : 1;
            return command;
        }
    }
    return NULL;
}

static size_t distance(const char *a, const char *b) {
    enum { MAX = 32 };
    size_t row[MAX + 1];
    size_t la = strlen(a), lb = strlen(b);
    if (la > MAX || lb > MAX) {
        return MAX;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t insert = row[j - 1] + 1, erase = row[j] + 1;
            row[j] = change < insert ? change : insert;
            row[j] = row[j] < erase ? row[j] : erase;
        }
    }
    return row[lb];
}

static cli_exit unknown_command(const char *first, const char *second) {
    char given[64];
    snprintf(given, sizeof given, "%s%s%s", first, second != NULL ? " " : "",
             second != NULL ? second : "");
    const cli_command *command;
    const char *nearest = NULL;
    size_t best = 4;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        size_t far = distance(given, command->name);
        size_t far_first = distance(first, command->name);
        far = far < far_first ? far : far_first;
        if (far < best) {
            best = far;
            nearest = command->name;
        }
    }
    fprintf(stderr, "ow: there is no command \"%s\".", given);
    if (nearest != NULL) {
        fprintf(stderr, " Did you mean \"ow %s\"?", nearest);
    }
    fputs(" ow --help lists them.\n", stderr);
    return CLI_USAGE;
}

static bool read_number(const char *text, int64_t *ret_number) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *ret_number = number;
    return errno == 0 && end != text && *end == '\0';
}

static const cli_flag *flag_named(const cli *c, const char *name, size_t length) {
    const cli_flag *flag = find_flag(global_flags, name, length);
    const cli_flag *own = c->command != NULL ? c->command->flags : NULL;
    return flag != NULL ? flag : find_flag(own, name, length);
}

static cli_exit keep_flag(cli *c, const cli_flag *flag, const char *value) {
    int64_t number = 0;
    if (flag->type == CLI_FLAG_INT && !read_number(value, &number)) {
        return cli_fail(c, CLI_USAGE, "--%s needs a whole number, not \"%s\"", flag->name, value);
    }
    if (c->flag_count == CLI_FLAGS_MAX) {
        return cli_fail(c, CLI_USAGE, "too many flags");
    }
    c->flags[c->flag_count].flag = flag;
    c->flags[c->flag_count].text = value;
    c->flags[c->flag_count++].number = number;
    return CLI_OK;
}

// Reads the flag at argv[*index]; moves on when its value is the next argument.
static cli_exit read_flag(cli *c, char **argv, int argc, int *index) {
    const char *name = argv[*index] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const cli_flag *flag = flag_named(c, name, length);
    if (flag == NULL) {
        return cli_fail(c, CLI_USAGE, "there is no flag --%.*s here; see ow %s --help", (int)length,
                        name, c->command != NULL ? c->command->name : "");
    }
    if (flag->type == CLI_FLAG_BOOL) {
        return value == NULL ? keep_flag(c, flag, "")
                             : cli_fail(c, CLI_USAGE, "--%s takes no value", flag->name);
    }
    if (value == NULL && *index + 1 < argc) {
        value = argv[++*index];
    }
    return value != NULL
               ? keep_flag(c, flag, value)
               : cli_fail(c, CLI_USAGE, "--%s needs a value: %s", flag->name, flag->value_name);
}

static cli_exit read_arguments(cli *c, int argc, char **argv, int first) {
    bool only_args = false;
    c->args = ow_arena_calloc(c->arena, (size_t)argc, sizeof *c->args);
    if (c->args == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    for (int i = first; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && strncmp(argv[i], "--", 2) == 0) {
            cli_exit code = read_flag(c, argv, argc, &i);
            if (code != CLI_OK) {
                return code;
            }
        } else {
            c->args[c->arg_count++] = argv[i];
        }
    }
    return CLI_OK;
}

static cli_exit run_command(cli *c) {
    const cli_command *command = c->command;
    if (cli_bool(c, "help")) {
        return print_command_help(command);
    }
    if (c->arg_count < command->min_args || c->arg_count > command->max_args) {
        return cli_fail(c, CLI_USAGE, "usage: ow %s %s\nexample: %s", command->name, command->args,
                        command->example);
    }
    c->json = cli_bool(c, "json");
    c->color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    return command->run(c);
}

// Flags of every command may stand in front of it too, for aliases: ow --data DIR status.
static cli_exit run_words(cli *c, int argc, char **argv) {
    int at = 1;
    cli_exit code = CLI_OK;
    for (; code == CLI_OK && at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        code = read_flag(c, argv, argc, &at);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (at >= argc) {
        print_help(cli_bool(c, "help") ? stdout : stderr);
        return cli_bool(c, "help") ? CLI_OK : CLI_USAGE;
    }
    int words = 1;
    const char *second = at + 1 < argc && argv[at + 1][0] != '-' ? argv[at + 1] : NULL;
    c->command = find_command(argv[at], second, &words);
    if (c->command == NULL) {
        return unknown_command(argv[at], second);
    }
    code = read_arguments(c, argc, argv, at + words);
    return code == CLI_OK ? run_command(c) : code;
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return CLI_OK;
    }
    cli c = {.arena = ow_arena_new(ARENA_MAX)};
    if (c.arena == NULL) {
        return cli_fail(&c, CLI_FAILED, "out of memory");
    }
    cli_exit code = run_words(&c, argc, argv);
    cli_disconnect(&c);
    ow_arena_free(c.arena);
    return (int)code;
}
