#include "cli/rpc.h"

#include "core/json/transcode.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPLY_MAX = 16 << 20, DEFAULT_TIMEOUT_S = 60 };

// ---- Connecting ----

static const char *flag_or_environment(const cli *c, const char *flag, const char *variable) {
    const char *text = cli_text(c, flag);
    return text != NULL ? text : getenv(variable);
}

static cli_exit use_token_file(cli *c, const char *path, cli_profile *profile) {
    size_t size;
    char *text = cli_read_file(c, path, 4096, &size);
    if (text == NULL) {
        return cli_fail(c, CLI_AUTH, "cannot read the token file %s: %s", path, strerror(errno));
    }
    text[strcspn(text, "\r\n")] = '\0';
    profile->token = text;
    return CLI_OK;
}

static cli_exit find_profile(cli *c, cli_profile *profile) {
    const char *name = flag_or_environment(c, "profile", "OVERWORLD_PROFILE");
    const char *folder = flag_or_environment(c, "data", "OVERWORLD_DATA");
    if (name != NULL) {
        return cli_profile_read(c, name, profile)
                   ? CLI_OK
                   : cli_fail(c, CLI_USAGE,
                              "there is no profile \"%s\": make it with ow login "
                              "--name %s",
                              name, name);
    }
    if (folder != NULL) {
        return cli_profile_of_folder(c, folder, profile)
                   ? CLI_OK
                   : cli_fail(
                         c, CLI_UNAVAILABLE,
                         "no server runs in the data folder %s: start one there (overworld up --data="
                         "%s, or ./dev up), or name one elsewhere with --url",
                         folder, folder);
    }
    if (!cli_profile_of_folder(c, ".", profile) &&
        !cli_profile_of_folder(c, ".overworld", profile)) {
        cli_profile_read(c, "default", profile);
    }
    return CLI_OK;
}

static cli_exit check_profile(cli *c, const cli_profile *profile) {
    if (profile->url == NULL) {
        return cli_fail(c, CLI_USAGE,
                        "which server? Give --data DIR or --url URL, call ow inside "
                        "a server's data folder, or store it with ow login");
    }
    if (profile->token == NULL && !c->without_token) {
        return cli_fail(c, CLI_AUTH,
                        "no token: give --token-file FILE (first start writes "
                        "operator.token in the data folder)");
    }
    return CLI_OK;
}

static cli_exit gather_profile(cli *c, cli_profile *profile) {
    const char *url = flag_or_environment(c, "url", "OVERWORLD_URL");
    const char *token_file = flag_or_environment(c, "token-file", "OVERWORLD_TOKEN_FILE");
    const char *title = flag_or_environment(c, "title", "OVERWORLD_TITLE");
    cli_exit code = url != NULL && token_file != NULL ? CLI_OK : find_profile(c, profile);
    if (code == CLI_OK && token_file != NULL) {
        code = use_token_file(c, token_file, profile);
    }
    profile->url = url != NULL ? url : profile->url;
    profile->title = title != NULL ? title : profile->title;
    return code == CLI_OK ? check_profile(c, profile) : code;
}

cli_exit cli_connect(cli *c) {
    cli_profile profile = {0};
    cli_exit code = gather_profile(c, &profile);
    if (code != CLI_OK) {
        return code;
    }
    if (strncmp(profile.url, "http://", 7) != 0 && strncmp(profile.url, "https://", 8) != 0) {
        return cli_fail(c, CLI_USAGE,
                        "the address \"%s\" must begin with http:// or https://, like "
                        "http://127.0.0.1:7351",
                        profile.url);
    }
    ow_client_config config = {
        .url = profile.url,
        .title = profile.title,
        .access_token = c->without_token ? NULL : profile.token,
        .timeout_ms = (long)cli_int(c, "timeout", DEFAULT_TIMEOUT_S) * 1000,
        .max_reply_bytes = REPLY_MAX,
        .max_retries = -1, // the operator decides
    };
    ow_client_error error;
    c->client = ow_client_new(&config, &error);
    c->url = profile.url;
    return c->client != NULL ? CLI_OK : cli_fail(c, CLI_USAGE, "%s", error.message);
}

void cli_disconnect(cli *c) {
    ow_client_free(c->client);
    c->client = NULL;
}

// ---- Calling ----

typedef struct exit_rule {
    int status;
    cli_exit code;
} exit_rule;

static const exit_rule exit_rules[] = {
    {0, CLI_UNAVAILABLE}, {401, CLI_AUTH},        {403, CLI_AUTH},        {404, CLI_NOT_FOUND},
    {409, CLI_CONFLICT},  {429, CLI_UNAVAILABLE}, {503, CLI_UNAVAILABLE},
};

#define WHICH_TITLE "--title NAME or OVERWORLD_TITLE names one; see ow title list"

static const struct hint_rule {
    const char *reason, *hint;
} hint_rules[] = {
    {"title_needed", WHICH_TITLE},
    {"which_title", WHICH_TITLE},
    {"no_title", WHICH_TITLE},
    {"unknown_method", "is this the console listener (port 7351)? The public one is for games"},
};

// Where the token came from says how to come by a good one.
static const char *token_hint(const cli *c) {
    const char *file = flag_or_environment(c, "token-file", "OVERWORLD_TOKEN_FILE");
    return file == NULL ? "log in again: ow login --url URL --token-file FILE"
                        : ow_arena_printf_in(c->arena,
                                             "%s holds no token that is good (any more): take "
                                             "operator.token of the server's data folder, or ow "
                                             "apikey create",
                                             file);
}

static const char *hint_for(const cli *c, const ow_client_error *error) {
    for (size_t i = 0; i < sizeof hint_rules / sizeof hint_rules[0]; i++) {
        if (strcmp(hint_rules[i].reason, error->reason) == 0) {
            return hint_rules[i].hint;
        }
    }
    if (error->status == 0 && strcmp(error->reason, "timeout") == 0) {
        return "--timeout SECONDS waits longer";
    }
    if (error->status == 0) {
        return ow_arena_printf_in(c->arena,
                                  "is a server running at %s? One is started by ./dev up, by "
                                  "systemctl start overworld or as overworld up --data=DIR",
                                  c->url != NULL ? c->url : "this address");
    }
    return error->status == 401 ? token_hint(c) : NULL;
}

static cli_exit exit_of(const ow_client_error *error) {
    if (strcmp(error->reason, "stale_etag") == 0) {
        return CLI_CONFLICT;
    }
    for (size_t i = 0; i < sizeof exit_rules / sizeof exit_rules[0]; i++) {
        if (exit_rules[i].status == error->status) {
            return exit_rules[i].code;
        }
    }
    return CLI_FAILED;
}

cli_exit cli_tell(cli *c, const ow_client_error *error) {
    const char *hint = hint_for(c, error);
    snprintf(c->reason, sizeof c->reason, "%s", error->reason);
    return cli_fail(c, exit_of(error), "%s (%s)%s%s%s%s", error->message, error->reason,
                    error->request_id[0] != '\0' ? "\n    request id: " : "", error->request_id,
                    hint != NULL ? "\n    " : "", hint != NULL ? hint : "");
}

const char *cli_request_text(cli *c, const ProtobufCMessage *request) {
    const char *text = NULL;
    size_t size;
    ow_json_from_message(request, c->arena, REPLY_MAX, &text, &size, NULL);
    return text;
}

cli_exit cli_read_reply(cli *c, const ow_client_reply *reply,
                        const ProtobufCMessageDescriptor *type, void *ret_reply) {
    ow_json_input input = {.text = reply->data, .size = reply->size, .ignore_unknown = true};
    ow_err err;
    ProtobufCMessage *message;
    if (ow_json_to_message(&input, type, c->arena, &message, &err) != OW_OK) {
        return cli_fail(c, CLI_FAILED, "the server's answer cannot be read: %s", err.message);
    }
    *(ProtobufCMessage **)ret_reply = message;
    return CLI_OK;
}

// *ret_reply is the caller's to free. A failure of the call itself is not told (rpc.h).
static cli_exit send_request(cli *c, const char *path, const ProtobufCMessage *request,
                             ow_client_reply **ret_reply, ow_client_error *ret_error) {
    *ret_error = (ow_client_error){0};
    cli_exit code = c->client != NULL ? CLI_OK : cli_connect(c);
    if (code != CLI_OK) {
        return code;
    }
    const char *body = cli_request_text(c, request);
    if (body == NULL) {
        return cli_fail(c, CLI_FAILED, "the request is too large");
    }
    ow_client_request call = {.method = "POST",
                              .path = path,
                              .body = body,
                              .size = strlen(body),
                              .without_token = c->without_token};
    return ow_client_send(c->client, &call, ret_reply, ret_error) ? CLI_OK : exit_of(ret_error);
}

cli_exit cli_rpc_untold(cli *c, const char *path, const ProtobufCMessage *request,
                        const ProtobufCMessageDescriptor *reply_type, void *ret_reply,
                        ow_client_error *ret_error) {
    ow_client_reply *reply = NULL;
    cli_exit code = send_request(c, path, request, &reply, ret_error);
    if (code == CLI_OK) {
        code = cli_read_reply(c, reply, reply_type, ret_reply);
        ow_client_reply_free(reply);
    }
    return code;
}

cli_exit cli_rpc(cli *c, const char *path, const ProtobufCMessage *request,
                 const ProtobufCMessageDescriptor *reply_type, bool show, void *ret_reply) {
    ow_client_reply *reply = NULL;
    ow_client_error error;
    cli_exit code = send_request(c, path, request, &reply, &error);
    if (code != CLI_OK) {
        return error.reason[0] != '\0' ? cli_tell(c, &error) : code;
    }
    if (c->json && show) {
        printf("%s\n", (const char *)reply->data);
    }
    code = cli_read_reply(c, reply, reply_type, ret_reply);
    ow_client_reply_free(reply);
    return code;
}
