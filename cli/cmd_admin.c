// ow login, whoami, status, key ..., title ...: who comes, is all well, and what belongs to a title.

#include "cli/list.h"

#include "overworld/gateway/v1/gateway.pb-c.h"
#include "overworld/identity/v1/identity.pb-c.h"
#include "overworld/registry/v1/registry.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITY "/overworld.identity.v1.Identity/"
#define REGISTRY "/overworld.registry.v1.Registry/"

typedef Overworld__Identity__V1__ServerKey ServerKey;
typedef Overworld__Registry__V1__Title Title;

static cli_exit who_am_i(cli *c, bool show, Overworld__Identity__V1__WhoAmIResponse **ret_who) {
    Overworld__Identity__V1__WhoAmIRequest request = OVERWORLD__IDENTITY__V1__WHO_AM_IREQUEST__INIT;
    return cli_rpc(c, IDENTITY "WhoAmI", &request.base,
                   &overworld__identity__v1__who_am_iresponse__descriptor, show, ret_who);
}

// The public listener takes logins and says who one is, too, and nothing else that ow needs: asked is what
// only the console has.
static cli_exit check_listener(cli *c) {
    Overworld__Gateway__V1__GetStatusRequest request =
        OVERWORLD__GATEWAY__V1__GET_STATUS_REQUEST__INIT;
    Overworld__Gateway__V1__GetStatusResponse *status;
    ow_client_error error;
    c->without_token = cli_text(c, "email") != NULL;
    cli_exit code =
        cli_rpc_untold(c, "/overworld.gateway.v1.Gateway/GetStatus", &request.base,
                       &overworld__gateway__v1__get_status_response__descriptor, &status, &error);
    bool told = error.reason[0] == '\0';
    bool wrong = error.status == 0 || strcmp(error.reason, "unknown_method") == 0;
    // Whether this operator may see it does not matter.
    return told ? code : wrong ? cli_tell(c, &error) : CLI_OK;
}

static cli_exit cmd_login(cli *c) {
    cli_exit code = check_listener(c);
    if (code != CLI_OK) {
        return code;
    }
    if (cli_text(c, "email") != NULL) {
        return cli_login_by_email(c, cli_text(c, "email"));
    }
    Overworld__Identity__V1__WhoAmIResponse *who;
    code = who_am_i(c, true, &who);
    if (code != CLI_OK) {
        return code;
    }
    cli_profile profile = {
        .url = c->url, .token = ow_client_access_token(c->client), .title = cli_text(c, "title")};
    const char *name = cli_text(c, "name");
    cli_say(c, "%s %s (%s) at %s", who->kind, who->id, who->role, c->url);
    return cli_profile_write(c, name != NULL ? name : "default", &profile);
}

static cli_exit cmd_whoami(cli *c) {
    Overworld__Identity__V1__WhoAmIResponse *who;
    cli_exit code = who_am_i(c, true, &who);
    if (code == CLI_OK && !c->json) {
        printf("%s %s%s%s\n", who->kind, who->id, who->role[0] != '\0' ? " " : "", who->role);
    }
    return code;
}

static void print_process(const Overworld__Gateway__V1__GetStatusResponse *status) {
    printf("Overworld %s, up %" PRId64 " s, %" PRId64 " requests, %" PRId64 " connections\n",
           status->version, status->uptime_s, status->requests, status->connections);
    printf("public %s   console %s   plain http: %s\n", status->public_address,
           status->console_address, status->plain_http);
    printf("sandbox: %s%s%s\n", status->sandbox_level,
           status->sandbox_detail[0] != '\0' ? ", " : "", status->sandbox_detail);
    printf("disk: %" PRId64 " MB free of %" PRId64 " MB; stores:", status->disk_free_bytes >> 20,
           status->disk_total_bytes >> 20);
    for (size_t i = 0; i < status->n_stores; i++) {
        printf(" %s %" PRId64 " KB", status->stores[i]->name, status->stores[i]->bytes >> 10);
    }
    putchar('\n');
}

static void print_warnings(const Overworld__Gateway__V1__GetStatusResponse *status) {
    if (status->routes_stale) {
        puts("stale routes: registry is away");
    }
    if (status->keys_stale) {
        puts("stale keys: identity is away");
    }
    if (status->records_dropped > 0) {
        printf("log records dropped: %" PRId64 "\n", status->records_dropped);
    }
}

static cli_exit cmd_status(cli *c) {
    static const char *const columns[] = {"SERVICE", "WHERE", "READY", "DETAIL", NULL};
    cli_table table = {.columns = columns};
    Overworld__Gateway__V1__GetStatusRequest request =
        OVERWORLD__GATEWAY__V1__GET_STATUS_REQUEST__INIT;
    Overworld__Gateway__V1__GetStatusResponse *status;
    cli_exit code =
        cli_rpc(c, "/overworld.gateway.v1.Gateway/GetStatus", &request.base,
                &overworld__gateway__v1__get_status_response__descriptor, true, &status);
    if (code != CLI_OK || c->json) {
        return code;
    }
    print_process(status);
    print_warnings(status);
    putchar('\n');
    for (size_t i = 0; i < status->n_services; i++) {
        cli_table_add(c, &table, status->services[i]->name);
        cli_table_add(c, &table, status->services[i]->where);
        cli_table_add(c, &table, status->services[i]->ready ? "yes" : "NO");
        cli_table_add(c, &table, status->services[i]->detail);
    }
    cli_table_print(c, &table);
    return CLI_OK;
}

// The link's code stands behind '#', which browsers send to nobody.
static cli_exit cmd_portal(cli *c) {
    Overworld__Identity__V1__CreateSignInLinkRequest request =
        OVERWORLD__IDENTITY__V1__CREATE_SIGN_IN_LINK_REQUEST__INIT;
    Overworld__Identity__V1__CreateSignInLinkResponse *made;
    cli_exit code =
        cli_rpc(c, IDENTITY "CreateSignInLink", &request.base,
                &overworld__identity__v1__create_sign_in_link_response__descriptor, true, &made);
    if (code == CLI_OK && !c->json) {
        printf("%s/sign-in#%s\n", c->url, made->code);
        cli_say(c, "The link signs you in once, within ten minutes. Open it in a browser.");
    }
    return code;
}

// ---- Server keys ----

static cli_exit cmd_key_create(cli *c) {
    Overworld__Identity__V1__CreateServerKeyRequest request =
        OVERWORLD__IDENTITY__V1__CREATE_SERVER_KEY_REQUEST__INIT;
    request.name = (char *)c->args[0];
    int64_t limit = cli_int(c, "limit", 0);
    if (limit < 0 || limit > INT32_MAX) {
        return cli_fail(c, CLI_USAGE, "--limit is a number of calls, 0 or more");
    }
    request.limit_calls = (int32_t)limit;
    Overworld__Identity__V1__CreateServerKeyResponse *made;
    cli_exit code =
        cli_rpc(c, IDENTITY "CreateServerKey", &request.base,
                &overworld__identity__v1__create_server_key_response__descriptor, true, &made);
    if (code == CLI_OK && !c->json) {
        printf("%s %s\n", made->key->key_id, made->secret);
        cli_say(c, "The secret is shown this once. Give both to the dedicated server.");
    }
    return code;
}

static void add_key(cli *c, cli_table *table, const void *entry) {
    const ServerKey *key = entry;
    cli_table_add(c, table, key->key_id);
    cli_table_add(c, table, key->name);
    cli_table_add(c, table, cli_ago(c, cli_seconds(key->created_at)));
    cli_table_add(c, table, cli_ago(c, cli_seconds(key->revoked_at)));
    cli_table_add(c, table,
                  key->limit_calls > 0 ? ow_arena_printf_in(c->arena, "%d", key->limit_calls)
                                       : NULL);
}

static cli_exit cmd_key_list(cli *c) {
    static const char *const columns[] = {"KEY", "NAME", "CREATED", "REVOKED", "LIMIT", NULL};
    Overworld__Identity__V1__ListServerKeysRequest request =
        OVERWORLD__IDENTITY__V1__LIST_SERVER_KEYS_REQUEST__INIT;
    return cli_list_print(
        c,
        &(cli_list){.path = IDENTITY "ListServerKeys",
                    .request = &request.base,
                    .reply_type = &overworld__identity__v1__list_server_keys_response__descriptor,
                    .columns = columns,
                    .add_row = add_key});
}

static cli_exit cmd_key_limit(cli *c) {
    Overworld__Identity__V1__SetServerKeyLimitRequest request =
        OVERWORLD__IDENTITY__V1__SET_SERVER_KEY_LIMIT_REQUEST__INIT;
    char *end = NULL;
    long calls = strtol(c->args[1], &end, 10);
    if (c->args[1][0] == '\0' || *end != '\0' || calls < 0 || calls > INT32_MAX) {
        return cli_fail(c, CLI_USAGE, "CALLS is a number, 0 or more, not %s", c->args[1]);
    }
    request.key_id = (char *)c->args[0];
    request.limit_calls = (int32_t)calls;
    ServerKey *key;
    cli_exit code = cli_rpc(c, IDENTITY "SetServerKeyLimit", &request.base,
                            &overworld__identity__v1__server_key__descriptor, true, &key);
    if (code == CLI_OK && calls > 0) {
        cli_say(c, "%s may ask %ld times in a window (gateway.server_key_window)", c->args[0],
                calls);
    } else if (code == CLI_OK) {
        cli_say(c, "%s may ask as often as any key (gateway.server_key_calls)", c->args[0]);
    }
    return code;
}

static cli_exit cmd_key_revoke(cli *c) {
    Overworld__Identity__V1__RevokeServerKeyRequest request =
        OVERWORLD__IDENTITY__V1__REVOKE_SERVER_KEY_REQUEST__INIT;
    request.key_id = (char *)c->args[0];
    Overworld__Identity__V1__RevokeServerKeyResponse *done;
    cli_exit code =
        cli_rpc(c, IDENTITY "RevokeServerKey", &request.base,
                &overworld__identity__v1__revoke_server_key_response__descriptor, true, &done);
    if (code == CLI_OK) {
        cli_say(c, "revoked %s", c->args[0]);
    }
    return code;
}

static cli_exit cmd_key_rotate_signing(cli *c) {
    Overworld__Identity__V1__RotateSigningKeyRequest request =
        OVERWORLD__IDENTITY__V1__ROTATE_SIGNING_KEY_REQUEST__INIT;
    Overworld__Identity__V1__RotateSigningKeyResponse *made;
    cli_exit code =
        cli_rpc(c, IDENTITY "RotateSigningKey", &request.base,
                &overworld__identity__v1__rotate_signing_key_response__descriptor, true, &made);
    if (code == CLI_OK && !c->json) {
        printf("%s\n", made->kid);
        cli_say(c,
                "It signs in ten seconds. Nobody is logged out: older keys verify on; %zu were "
                "removed.",
                made->n_removed);
    }
    return code;
}

// ---- Titles ----

static void add_title(cli *c, cli_table *table, const void *entry) {
    const Title *title = entry;
    cli_table_add(c, table, title->title_id);
    cli_table_add(c, table, title->name);
    cli_table_add(c, table, cli_ago(c, cli_seconds(title->created_at)));
}

static cli_exit cmd_title_list(cli *c) {
    static const char *const columns[] = {"TITLE", "NAME", "CREATED", NULL};
    Overworld__Registry__V1__ListTitlesRequest request =
        OVERWORLD__REGISTRY__V1__LIST_TITLES_REQUEST__INIT;
    return cli_list_print(
        c, &(cli_list){.path = REGISTRY "ListTitles",
                       .request = &request.base,
                       .reply_type = &overworld__registry__v1__list_titles_response__descriptor,
                       .columns = columns,
                       .add_row = add_title});
}

static cli_exit cmd_title_create(cli *c) {
    Overworld__Registry__V1__CreateTitleRequest request =
        OVERWORLD__REGISTRY__V1__CREATE_TITLE_REQUEST__INIT;
    request.name = (char *)c->args[0];
    Title *made;
    cli_exit code = cli_rpc(c, REGISTRY "CreateTitle", &request.base,
                            &overworld__registry__v1__title__descriptor, true, &made);
    if (code == CLI_OK && !c->json) {
        printf("%s\n", made->title_id);
    }
    if (code == CLI_OK) {
        cli_say(c,
                "With more than one title each command names its own from now on (--title NAME or "
                "OVERWORLD_TITLE), and so does every game client (Overworld-Title).");
    }
    return code;
}

// By its id or name; *ret_title is NULL when there is none.
static cli_exit find_title(cli *c, const char *word, const Title **ret_title) {
    Overworld__Registry__V1__ListTitlesRequest request =
        OVERWORLD__REGISTRY__V1__LIST_TITLES_REQUEST__INIT;
    Overworld__Registry__V1__ListTitlesResponse *page;
    *ret_title = NULL;
    request.page_size = 200;
    do {
        cli_exit code =
            cli_rpc(c, REGISTRY "ListTitles", &request.base,
                    &overworld__registry__v1__list_titles_response__descriptor, false, &page);
        for (size_t i = 0; code == CLI_OK && i < page->n_titles; i++) {
            const Title *title = page->titles[i];
            if (strcmp(title->title_id, word) == 0 || strcmp(title->name, word) == 0) {
                *ret_title = title;
                return CLI_OK;
            }
        }
        if (code != CLI_OK) {
            return code;
        }
        request.page_token = page->next_page_token;
    } while (page->next_page_token[0] != '\0');
    return CLI_OK;
}

static cli_exit cmd_title_rename(cli *c) {
    const Title *title;
    cli_exit code = find_title(c, c->args[0], &title);
    if (code != CLI_OK) {
        return code;
    }
    if (title == NULL) {
        return cli_fail(c, CLI_NOT_FOUND, "there is no title %s; ow title list shows them",
                        c->args[0]);
    }
    Overworld__Registry__V1__RenameTitleRequest request =
        OVERWORLD__REGISTRY__V1__RENAME_TITLE_REQUEST__INIT;
    request.title_id = title->title_id;
    request.etag = title->etag;
    request.name = (char *)c->args[1];
    Title *renamed;
    code = cli_rpc(c, REGISTRY "RenameTitle", &request.base,
                   &overworld__registry__v1__title__descriptor, true, &renamed);
    if (code == CLI_OK) {
        cli_say(c, "%s is now %s", c->args[0], c->args[1]);
    }
    return code;
}

// ---- The table ----

static const cli_flag login_flags[] = {
    {"email", CLI_FLAG_TEXT, "ADDRESS", "with a password, which is asked for"},
    {"password-file", CLI_FLAG_TEXT, "FILE", "take it from a file; - is standard input"},
    {"name", CLI_FLAG_TEXT, "NAME", "store under this name (default: default)"},
    {0},
};

static const cli_flag key_create_flags[] = {
    {"limit", CLI_FLAG_INT, "CALLS", "how often it may ask in a window (default: as other keys)"},
    {0},
};

const cli_command admin_commands[] = {
    {"login", "", "store where the server is and as whom you come", 0, 0, login_flags, cmd_login,
     "ow login --url http://127.0.0.1:7351 --token-file operator.token"},
    {"whoami", "", "say as whom the server sees you", 0, 0, NULL, cmd_whoami, "ow whoami"},
    {"status", "", "is all well: services, addresses, sandbox", 0, 0, NULL, cmd_status,
     "ow status --json"},
    {"portal", "", "print a link that signs you in to the web console once", 0, 0, NULL, cmd_portal,
     "ow portal"},
    {"key create", "NAME", "make a server key; its secret is shown once", 1, 1, key_create_flags,
     cmd_key_create, "ow key create match-server"},
    {"key list", "", "list server keys", 0, 0, NULL, cmd_key_list, "ow key list"},
    {"key limit", "KEY_ID CALLS", "say how often a server key may ask in a window; 0: as others", 2,
     2, NULL, cmd_key_limit, "ow key limit key_01... 10000"},
    {"key revoke", "KEY_ID", "revoke a server key", 1, 1, NULL, cmd_key_revoke,
     "ow key revoke key_01..."},
    {"key rotate-signing", "", "make a new key that signs access tokens", 0, 0, NULL,
     cmd_key_rotate_signing, "ow key rotate-signing"},
    {"title list", "", "list titles", 0, 0, NULL, cmd_title_list, "ow title list"},
    {"title create", "NAME", "make a title", 1, 1, NULL, cmd_title_create, "ow title create racer"},
    {"title rename", "TITLE NEW_NAME", "rename a title", 2, 2, NULL, cmd_title_rename,
     "ow title rename default racer"},
    {0},
};
