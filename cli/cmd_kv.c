// ow kv ...: what functions remember. A key is the title's unless --vs or --player names another scope.

#include "cli/rpc.h"

#include "overworld/data/v1/data.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA "/overworld.data.v1.Data/"

enum { VALUE_MAX = 256 * 1024, SHOWN_MAX = 60 };

typedef Overworld__Data__V1__Scope Scope;
typedef Overworld__Data__V1__Condition Condition;
typedef Overworld__Data__V1__Entry Entry;

static cli_exit read_scope(const cli *c, Scope *scope) {
    const char *vs = cli_text(c, "vs"), *player = cli_text(c, "player");
    overworld__data__v1__scope__init(scope);
    if (vs != NULL && player != NULL) {
        return cli_fail(c, CLI_USAGE, "--vs and --player are two scopes: name one");
    }
    scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__TITLE;
    if (vs != NULL) {
        scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__VIRTUAL_SERVER;
        scope->virtual_server = (char *)vs;
    } else if (player != NULL) {
        scope->kind = OVERWORLD__DATA__V1__SCOPE__KIND__PLAYER;
        scope->player_id = (char *)player;
    }
    return CLI_OK;
}

// --version 0 is a key that is not there. NULL: any will do.
static cli_exit read_condition(const cli *c, Condition *condition, Condition **ret_condition) {
    int64_t version = cli_int(c, "version", 0);
    overworld__data__v1__condition__init(condition);
    if (cli_text(c, "version") == NULL) {
        return CLI_OK;
    }
    if (version < 0) {
        return cli_fail(c, CLI_USAGE, "--version is 0 or more");
    }
    condition->kind = version == 0 ? OVERWORLD__DATA__V1__CONDITION__KIND__ABSENT
                                   : OVERWORLD__DATA__V1__CONDITION__KIND__VERSION;
    condition->version = version;
    *ret_condition = condition;
    return CLI_OK;
}

static cli_exit read_ttl(const cli *c, int64_t *ret_ms) {
    return !__builtin_mul_overflow(cli_int(c, "ttl", 0), INT64_C(1000), ret_ms)
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "--ttl is too long");
}

static cli_exit read_whole(cli *c, const char *key, int64_t *ret_number) {
    char *end = NULL;
    errno = 0;
    *ret_number = strtoll(key, &end, 10);
    return errno == 0 && end != key && *end == '\0'
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "\"%s\" is no whole number", key);
}

// ---- get ----

static cli_exit cmd_kv_get(cli *c) {
    Scope scope;
    Overworld__Data__V1__KvGetRequest request = OVERWORLD__DATA__V1__KV_GET_REQUEST__INIT;
    Overworld__Data__V1__KvGetResponse *reply;
    cli_exit code = read_scope(c, &scope);
    request.scope = &scope;
    request.n_keys = 1;
    request.keys = (char **)c->args;
    if (code == CLI_OK) {
        code = cli_rpc(c, DATA "KvGet", &request.base,
                       &overworld__data__v1__kv_get_response__descriptor, true, &reply);
    }
    if (code != CLI_OK) {
        return code;
    }
    if (reply->n_entries == 0) {
        return cli_fail(c, CLI_NOT_FOUND, "there is no key \"%s\"", c->args[0]);
    }
    if (!c->json) {
        const Entry *entry = reply->entries[0];
        fwrite(entry->value.data, 1, entry->value.len, stdout);
        putchar('\n');
        cli_say(c, "version %" PRId64, entry->version);
    }
    return CLI_OK;
}

// ---- set ----

// The argument, a file, or standard input.
static cli_exit read_value(cli *c, ProtobufCBinaryData *ret_value) {
    const char *path = cli_text(c, "file");
    if (c->arg_count > 1) {
        ret_value->data = (uint8_t *)(uintptr_t)c->args[1];
        ret_value->len = strlen(c->args[1]);
        return CLI_OK;
    }
    if (path != NULL && strcmp(path, "-") != 0) {
        ret_value->data = (uint8_t *)cli_read_file(c, path, VALUE_MAX, &ret_value->len);
        return ret_value->data != NULL ? CLI_OK
                                       : cli_fail(c, CLI_USAGE, "%s: %s", path, strerror(errno));
    }
    ret_value->data = ow_arena_alloc(c->arena, VALUE_MAX + 1);
    if (ret_value->data == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    ret_value->len = fread(ret_value->data, 1, VALUE_MAX + 1, stdin);
    return ret_value->len <= VALUE_MAX
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "a value has at most %d bytes", VALUE_MAX);
}

static cli_exit cmd_kv_set(cli *c) {
    Scope scope;
    Condition condition;
    Overworld__Data__V1__KvSetRequest request = OVERWORLD__DATA__V1__KV_SET_REQUEST__INIT;
    Overworld__Data__V1__KvSetResponse *reply;
    cli_exit code = read_scope(c, &scope);
    code = code == CLI_OK ? read_value(c, &request.value) : code;
    code = code == CLI_OK ? read_ttl(c, &request.ttl_ms) : code;
    code = code == CLI_OK ? read_condition(c, &condition, &request.condition) : code;
    if (code != CLI_OK) {
        return code;
    }
    request.scope = &scope;
    request.key = (char *)c->args[0];
    code = cli_rpc(c, DATA "KvSet", &request.base,
                   &overworld__data__v1__kv_set_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        printf("%s version %" PRId64 "\n", c->args[0], reply->version);
    }
    return code;
}

// ---- delete ----

static cli_exit delete_prefix(cli *c, Scope *scope, const char *prefix) {
    Overworld__Data__V1__KvDeletePrefixRequest request =
        OVERWORLD__DATA__V1__KV_DELETE_PREFIX_REQUEST__INIT;
    Overworld__Data__V1__KvDeletePrefixResponse *reply;
    int64_t deleted = 0;
    cli_exit code = cli_confirm(c, prefix, NULL, "deletes every key that begins with %s", prefix);
    request.scope = scope;
    request.prefix = (char *)prefix;
    for (bool more = true; more && code == CLI_OK;) {
        code = cli_rpc(c, DATA "KvDeletePrefix", &request.base,
                       &overworld__data__v1__kv_delete_prefix_response__descriptor, true, &reply);
        more = code == CLI_OK && reply->more;
        deleted += code == CLI_OK ? reply->deleted : 0;
    }
    if (code == CLI_OK) {
        cli_say(c, "deleted %" PRId64 " keys", deleted);
    }
    return code;
}

static cli_exit cmd_kv_delete(cli *c) {
    Scope scope;
    Condition condition;
    Overworld__Data__V1__KvDeleteRequest request = OVERWORLD__DATA__V1__KV_DELETE_REQUEST__INIT;
    Overworld__Data__V1__KvDeleteResponse *reply;
    cli_exit code = read_scope(c, &scope);
    if (code != CLI_OK || cli_bool(c, "prefix")) {
        return code != CLI_OK ? code : delete_prefix(c, &scope, c->args[0]);
    }
    request.scope = &scope;
    request.key = (char *)c->args[0];
    code = read_condition(c, &condition, &request.condition);
    if (code != CLI_OK) {
        return code;
    }
    code = cli_rpc(c, DATA "KvDelete", &request.base,
                   &overworld__data__v1__kv_delete_response__descriptor, true, &reply);
    if (code == CLI_OK && !reply->deleted) {
        return cli_fail(c, CLI_NOT_FOUND, "there is no key \"%s\"", c->args[0]);
    }
    if (code == CLI_OK) {
        cli_say(c, "deleted %s", c->args[0]);
    }
    return code;
}

// ---- increment ----

static cli_exit cmd_kv_increment(cli *c) {
    Scope scope;
    Overworld__Data__V1__KvIncrementRequest request =
        OVERWORLD__DATA__V1__KV_INCREMENT_REQUEST__INIT;
    Overworld__Data__V1__KvIncrementResponse *reply;
    cli_exit code = read_scope(c, &scope);
    request.scope = &scope;
    request.key = (char *)c->args[0];
    request.delta = 1;
    code = code == CLI_OK ? read_ttl(c, &request.ttl_ms) : code;
    if (code == CLI_OK && c->arg_count > 1) {
        code = read_whole(c, c->args[1], &request.delta);
    }
    if (code == CLI_OK) {
        code = cli_rpc(c, DATA "KvIncrement", &request.base,
                       &overworld__data__v1__kv_increment_response__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        printf("%" PRId64 "\n", reply->value);
    }
    return code;
}

// ---- list ----

// What of a value fits a line: text, or its size.
static const char *shown(cli *c, const Entry *entry) {
    const char *dots = entry->value.len > SHOWN_MAX ? "..." : "";
    size_t length = entry->value.len > SHOWN_MAX ? SHOWN_MAX : entry->value.len;
    for (size_t i = 0; i < length; i++) {
        if (entry->value.data[i] < ' ' || entry->value.data[i] > '~') {
            return ow_arena_printf_in(c->arena, "(%zu bytes)", entry->value.len);
        }
    }
    return ow_arena_printf_in(c->arena, "%.*s%s", (int)length, (const char *)entry->value.data,
                              dots);
}

static cli_exit cmd_kv_list(cli *c) {
    static const char *const columns[] = {"KEY", "VERSION", "BYTES", "CHANGED", "VALUE", NULL};
    cli_table table = {.columns = columns};
    Scope scope;
    Overworld__Data__V1__KvListRequest request = OVERWORLD__DATA__V1__KV_LIST_REQUEST__INIT;
    Overworld__Data__V1__KvListResponse *reply;
    cli_exit code = read_scope(c, &scope);
    request.scope = &scope;
    request.prefix = (char *)(c->arg_count > 0 ? c->args[0] : "");
    request.page_size = (int32_t)cli_int(c, "limit", 0);
    request.page_token = cli_text_or(c, "page", "");
    request.descending = cli_bool(c, "descending");
    if (code == CLI_OK) {
        code = cli_rpc(c, DATA "KvList", &request.base,
                       &overworld__data__v1__kv_list_response__descriptor, true, &reply);
    }
    if (code != CLI_OK || c->json) {
        return code;
    }
    for (size_t i = 0; i < reply->n_entries; i++) {
        const Entry *entry = reply->entries[i];
        cli_table_add(c, &table, entry->key);
        cli_table_addf(c, &table, "%" PRId64, entry->version);
        cli_table_addf(c, &table, "%zu", entry->value.len);
        cli_table_add(c, &table, cli_ago(c, cli_seconds(entry->updated_at)));
        cli_table_add(c, &table, shown(c, entry));
    }
    cli_table_print(c, &table);
    if (reply->next_page_token[0] != '\0') {
        cli_say(c, "there are more: --page %s", reply->next_page_token);
    }
    return CLI_OK;
}

// ---- usage ----

static cli_exit cmd_kv_usage(cli *c) {
    static const char *const columns[] = {"", "KEYS", "OF", "BYTES", "OF", NULL};
    cli_table table = {.columns = columns};
    Scope scope;
    Overworld__Data__V1__KvUsageRequest request = OVERWORLD__DATA__V1__KV_USAGE_REQUEST__INIT;
    Overworld__Data__V1__KvUsageResponse *reply;
    cli_exit code = read_scope(c, &scope);
    request.scope = &scope;
    if (code == CLI_OK) {
        code = cli_rpc(c, DATA "KvUsage", &request.base,
                       &overworld__data__v1__kv_usage_response__descriptor, true, &reply);
    }
    if (code != CLI_OK || c->json) {
        return code;
    }
    const int64_t rows[][4] = {
        {reply->keys, reply->max_keys, reply->bytes, reply->max_bytes},
        {reply->title_keys, reply->max_title_keys, reply->title_bytes, reply->max_title_bytes}};
    for (int i = 0; i < 2; i++) {
        cli_table_add(c, &table, i == 0 ? "scope" : "title, all scopes");
        for (int k = 0; k < 4; k++) {
            cli_table_addf(c, &table, "%" PRId64, rows[i][k]);
        }
    }
    cli_table_print(c, &table);
    return CLI_OK;
}

// ---- The table ----

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

static const cli_flag kv_list_flags[] = {
    SCOPE_FLAGS,
    {"limit", CLI_FLAG_INT, "N", "keys at most, up to 200 (default 50)"},
    {"page", CLI_FLAG_TEXT, "TOKEN", "go on behind the page that gave this"},
    {"descending", CLI_FLAG_BOOL, NULL, "from the last key to the first"},
    {0},
};

static const cli_flag kv_increment_flags[] = {
    SCOPE_FLAGS,
    {"ttl", CLI_FLAG_INT, "SECONDS", "a key that is not there yet goes after so long"},
    {0},
};

const cli_command kv_commands[] = {
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
    {0},
};
