// ow alias ...: names that callers use, and where they lead.

#include "cli/release.h"
#include "cli/rpc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REGISTRY "/overworld.registry.v1.Registry/"

enum { WHOLE = 10000, TARGETS_MAX = 2, VERSION_MAX = 24 };

typedef Overworld__Registry__V1__AliasTarget Target;

// ---- Weights ----

const char *cli_percent_text(cli *c, int32_t weight) {
    return weight % 100 == 0
               ? ow_arena_printf_in(c->arena, "%d %%", weight / 100)
               : ow_arena_printf_in(c->arena, "%d.%02d %%", weight / 100, weight % 100);
}

const char *cli_alias_targets(cli *c, const Alias *alias) {
    if (alias->n_targets != 2) {
        return alias->n_targets == 1 ? alias->targets[0]->version : "-";
    }
    return ow_arena_printf_in(c->arena, "%s %s, %s %s", alias->targets[0]->version,
                              cli_percent_text(c, alias->targets[0]->weight),
                              alias->targets[1]->version,
                              cli_percent_text(c, alias->targets[1]->weight));
}

// Reads 1 to `most` digits; returns how many there were, 0 when none or too many.
static size_t take_digits(const char **at, size_t most, int32_t *ret_number) {
    size_t count = strspn(*at, "0123456789");
    if (count == 0 || count > most) {
        return 0;
    }
    *ret_number = (int32_t)strtol(*at, NULL, 10);
    *at += count;
    return count;
}

int32_t cli_read_percent(const char *text) {
    int32_t whole = 0, part = 0;
    bool good = take_digits(&text, 3, &whole) > 0;
    if (*text == '.') {
        text++;
        size_t decimals = take_digits(&text, 2, &part);
        part *= decimals == 1 ? 10 : 1;
        good = good && decimals > 0;
    }
    if (*text == '%') {
        text++;
    }
    int32_t weight = whole * 100 + part;
    return good && *text == '\0' && weight <= WHOLE ? weight : -1;
}

// ---- Targets: V, V=W or "V V=W" ----

typedef struct aims {
    Target each[TARGETS_MAX];
    Target *list[TARGETS_MAX];
    bool weighted[TARGETS_MAX];
    size_t count;
} aims;

static cli_exit read_aim(cli *c, aims *to, const char *text) {
    Target *target = &to->each[to->count];
    size_t length = strcspn(text, "=");
    overworld__registry__v1__alias_target__init(target);
    target->version = ow_arena_memdup_in(c->arena, text, length + 1);
    if (target->version == NULL || length == 0 || length >= VERSION_MAX) {
        return cli_fail(c, CLI_USAGE, "\"%s\" is no version: 3, 3=90 or $LATEST", text);
    }
    target->version[length] = '\0';
    to->weighted[to->count] = text[length] == '=';
    if (to->weighted[to->count]) {
        target->weight = cli_read_percent(text + length + 1);
        if (target->weight < 0) {
            return cli_fail(c, CLI_USAGE, "\"%s\": a weight is 0 to 100 %%, as in 4=10 or 4=2.5",
                            text);
        }
    }
    to->list[to->count] = target;
    to->count++;
    return CLI_OK;
}

// One weight is enough: the other version gets the rest.
static cli_exit balance(cli *c, aims *to) {
    if (to->count < 2) {
        bool all = to->count == 0 || !to->weighted[0] || to->each[0].weight == WHOLE;
        return all ? CLI_OK : cli_fail(c, CLI_USAGE, "who gets the rest? Name a second version");
    }
    if (!to->weighted[0] && !to->weighted[1]) {
        return cli_fail(c, CLI_USAGE, "two versions need a weight, as in 3 4=10");
    }
    for (int i = 0; i < 2; i++) {
        if (!to->weighted[i]) {
            to->each[i].weight = WHOLE - to->each[1 - i].weight;
        }
    }
    return to->each[0].weight + to->each[1].weight == WHOLE
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "both weights together are 100 %%");
}

static cli_exit read_aims(cli *c, aims *to) {
    *to = (aims){0};
    cli_exit code = CLI_OK;
    for (size_t i = 2; code == CLI_OK && i < c->arg_count; i++) {
        code = read_aim(c, to, c->args[i]);
    }
    return code == CLI_OK ? balance(c, to) : code;
}

static void print_alias(cli *c, const Alias *alias) {
    if (!c->json) {
        printf("%s -> %s\n", alias->name, cli_alias_targets(c, alias));
    }
}

static cli_exit call_alias(cli *c, const char *path, const ProtobufCMessage *request) {
    Alias *alias;
    cli_exit code =
        cli_rpc(c, path, request, &overworld__registry__v1__alias__descriptor, true, &alias);
    if (code == CLI_OK) {
        print_alias(c, alias);
    }
    return code;
}

static char *flag_text(const cli *c, const char *flag) {
    const char *text = cli_text(c, flag);
    return (char *)(text != NULL ? text : "");
}

// ---- Commands ----

static cli_exit cmd_alias_create(cli *c) {
    Overworld__Registry__V1__CreateAliasRequest request =
        OVERWORLD__REGISTRY__V1__CREATE_ALIAS_REQUEST__INIT;
    aims to;
    cli_exit code = read_aims(c, &to);
    if (code != CLI_OK) {
        return code;
    }
    request.virtual_server = (char *)c->args[0];
    request.name = (char *)c->args[1];
    request.targets = to.list;
    request.n_targets = to.count;
    request.split = flag_text(c, "split");
    request.is_public = cli_bool(c, "public");
    return call_alias(c, REGISTRY "CreateAlias", &request.base);
}

static cli_exit cmd_alias_set(cli *c) {
    Overworld__Registry__V1__UpdateAliasRequest request =
        OVERWORLD__REGISTRY__V1__UPDATE_ALIAS_REQUEST__INIT;
    aims to;
    cli_exit code = read_aims(c, &to);
    if (code != CLI_OK) {
        return code;
    }
    if (cli_bool(c, "public") && cli_bool(c, "private")) {
        return cli_fail(c, CLI_USAGE, "--public or --private, not both");
    }
    request.virtual_server = (char *)c->args[0];
    request.name = (char *)c->args[1];
    request.targets = to.list;
    request.n_targets = to.count;
    request.split = flag_text(c, "split");
    request.keep_triggers = cli_bool(c, "keep-triggers");
    request.visibility = (char *)(cli_bool(c, "public")    ? "public"
                                  : cli_bool(c, "private") ? "private"
                                                           : "");
    if (to.count == 0 && request.split[0] == '\0' && request.visibility[0] == '\0') {
        return cli_fail(c, CLI_USAGE, "what shall change? ow alias set --help");
    }
    return call_alias(c, REGISTRY "UpdateAlias", &request.base);
}

static cli_exit cmd_alias_rollback(cli *c) {
    Overworld__Registry__V1__RollbackAliasRequest request =
        OVERWORLD__REGISTRY__V1__ROLLBACK_ALIAS_REQUEST__INIT;
    request.virtual_server = (char *)c->args[0];
    request.name = (char *)c->args[1];
    request.keep_triggers = cli_bool(c, "keep-triggers");
    return call_alias(c, REGISTRY "RollbackAlias", &request.base);
}

static cli_exit cmd_alias_delete(cli *c) {
    Overworld__Registry__V1__DeleteAliasRequest request =
        OVERWORLD__REGISTRY__V1__DELETE_ALIAS_REQUEST__INIT;
    Overworld__Registry__V1__DeleteAliasResponse *done;
    cli_exit code =
        cli_confirm(c, c->args[1], NULL, "deletes the alias %s of %s: calls that name it fail",
                    c->args[1], c->args[0]);
    if (code != CLI_OK) {
        return code;
    }
    request.virtual_server = (char *)c->args[0];
    request.name = (char *)c->args[1];
    code = cli_rpc(c, REGISTRY "DeleteAlias", &request.base,
                   &overworld__registry__v1__delete_alias_response__descriptor, true, &done);
    if (code == CLI_OK) {
        cli_say(c, "deleted %s", c->args[1]);
    }
    return code;
}

static cli_exit cmd_alias_list(cli *c) {
    static const char *const columns[] = {"ALIAS",    "LEADS TO", "SPLIT BY", "PLAYERS",
                                          "PREVIOUS", "MOVED",    NULL};
    cli_table table = {.columns = columns};
    VirtualServer *vs;
    cli_exit code = cli_get_virtual_server(c, true, &vs);
    if (code != CLI_OK || c->json) {
        return code;
    }
    for (size_t i = 0; i < vs->n_aliases; i++) {
        const Alias *alias = vs->aliases[i];
        cli_table_add(c, &table, alias->name);
        cli_table_add(c, &table, cli_alias_targets(c, alias));
        cli_table_add(c, &table, alias->n_targets == 2 ? alias->split : "-");
        cli_table_add(c, &table, alias->is_public ? "yes" : "no");
        cli_table_add(c, &table, alias->previous[0] != '\0' ? alias->previous : "-");
        cli_table_add(c, &table, cli_ago(c, cli_seconds(alias->updated_at)));
    }
    cli_table_print(c, &table);
    return CLI_OK;
}

// ---- The table ----

#define KEEP_TRIGGERS                                                                              \
    {                                                                                              \
        "keep-triggers", CLI_FLAG_BOOL, NULL,                                                      \
            "timers, subscriptions and routes in force stay as they are"                           \
    }

static const cli_flag alias_create_flags[] = {
    {"public", CLI_FLAG_BOOL, NULL, "players may name it too"},
    {"split", CLI_FLAG_TEXT, "HOW", "key: a player stays on one side (default); random"},
    {0},
};

static const cli_flag alias_set_flags[] = {
    KEEP_TRIGGERS,
    {"public", CLI_FLAG_BOOL, NULL, "players may name it"},
    {"private", CLI_FLAG_BOOL, NULL, "only server keys and operators may"},
    {"split", CLI_FLAG_TEXT, "HOW", "key: a player stays on one side; random"},
    {0},
};

static const cli_flag alias_rollback_flags[] = {
    KEEP_TRIGGERS,
    {0},
};

const cli_command alias_commands[] = {
    {"alias create", "VS NAME V[=W] [V[=W]]", "make a name for a version, or for two by weight", 3,
     4, alias_create_flags, cmd_alias_create, "ow alias create chat live 3 --public"},
    {"alias list", "VS", "list the aliases of a virtual server", 1, 1, NULL, cmd_alias_list,
     "ow alias list chat"},
    {"alias set", "VS NAME [V[=W]] [V[=W]]", "lead an alias elsewhere: 4, or 10 % with 3 4=10", 2,
     4, alias_set_flags, cmd_alias_set, "ow alias set chat live 3 4=10"},
    {"alias rollback", "VS NAME", "back to the version that had all the traffic before", 2, 2,
     alias_rollback_flags, cmd_alias_rollback, "ow alias rollback chat live"},
    {"alias delete", "VS NAME", "delete an alias", 2, 2, cli_delete_flags, cmd_alias_delete,
     "ow alias delete chat test --yes test"},
    {0},
};
