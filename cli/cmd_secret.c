// ow secret ...: values for functions alone. They come by standard input or a file, never by an
// argument, and are never shown.

#include "cli/list.h"

#include "overworld/registry/v1/registry.pb-c.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define REGISTRY "/overworld.registry.v1.Registry/"

enum { VALUE_MAX = 4096 };

typedef Overworld__Registry__V1__Secret Secret;

static bool show_typing(bool shown) {
    struct termios mode;
    if (tcgetattr(STDIN_FILENO, &mode) != 0) {
        return false;
    }
    mode.c_lflag = shown ? mode.c_lflag | ECHO : mode.c_lflag & ~(tcflag_t)ECHO;
    return tcsetattr(STDIN_FILENO, TCSAFLUSH, &mode) == 0;
}

static ssize_t read_input(char *value, size_t room) {
    bool typed = isatty(STDIN_FILENO) && show_typing(false);
    size_t size = 0;
    if (typed) {
        fputs("Value: ", stderr);
    }
    for (ssize_t got = 1; got > 0 && size < room;) {
        got = read(STDIN_FILENO, value + size, room - size);
        size += got > 0 ? (size_t)got : 0;
        if (typed && size > 0 && value[size - 1] == '\n') {
            break;
        }
    }
    if (typed) {
        show_typing(true);
        fputc('\n', stderr);
    }
    return (ssize_t)size;
}

static ssize_t read_file(cli *c, const char *path, char *value, size_t room) {
    size_t size;
    char *text = cli_read_file(c, path, room - 1, &size);
    if (text == NULL) {
        return -1;
    }
    memcpy(value, text, size);
    explicit_bzero(text, size);
    return (ssize_t)size;
}

// A newline at the end is the editor's or the shell's, not the secret's.
static cli_exit read_value(cli *c, char value[VALUE_MAX + 2], size_t *ret_size) {
    const char *path = cli_text(c, "file");
    ssize_t size =
        path != NULL ? read_file(c, path, value, VALUE_MAX + 2) : read_input(value, VALUE_MAX + 2);
    if (size < 0) {
        return cli_fail(c, CLI_USAGE, "%s: %s", path, strerror(errno));
    }
    if (size > 0 && value[size - 1] == '\n') {
        size--;
    }
    if (size == 0 || size > VALUE_MAX) {
        return cli_fail(c, CLI_USAGE,
                        "a secret has 1 to %d bytes; give it on standard input: "
                        "ow secret set VS NAME < FILE",
                        VALUE_MAX);
    }
    *ret_size = (size_t)size;
    return CLI_OK;
}

static cli_exit call_secret(cli *c, const char *path, const ProtobufCMessage *request) {
    Secret *secret;
    cli_exit code =
        cli_rpc(c, path, request, &overworld__registry__v1__secret__descriptor, true, &secret);
    if (code == CLI_OK && !c->json) {
        printf("%s version %" PRId64 "\n", secret->name, secret->version);
    }
    return code;
}

static cli_exit cmd_secret_set(cli *c) {
    char value[VALUE_MAX + 2];
    Overworld__Registry__V1__SetSecretRequest request =
        OVERWORLD__REGISTRY__V1__SET_SECRET_REQUEST__INIT;
    cli_exit code = read_value(c, value, &request.value.len);
    if (code == CLI_OK) {
        request.virtual_server = (char *)c->args[0];
        request.name = (char *)c->args[1];
        request.value.data = (uint8_t *)value;
        code = call_secret(c, REGISTRY "SetSecret", &request.base);
    }
    explicit_bzero(value, sizeof value);
    return code;
}

static cli_exit cmd_secret_use(cli *c) {
    Overworld__Registry__V1__UseSecretVersionRequest request =
        OVERWORLD__REGISTRY__V1__USE_SECRET_VERSION_REQUEST__INIT;
    char *end;
    request.virtual_server = (char *)c->args[0];
    request.name = (char *)c->args[1];
    request.version = strtoll(c->args[2], &end, 10);
    if (*end != '\0' || request.version < 1) {
        return cli_fail(c, CLI_USAGE, "\"%s\" is no version", c->args[2]);
    }
    return call_secret(c, REGISTRY "UseSecretVersion", &request.base);
}

static cli_exit cmd_secret_delete(cli *c) {
    Overworld__Registry__V1__DeleteSecretRequest request =
        OVERWORLD__REGISTRY__V1__DELETE_SECRET_REQUEST__INIT;
    Overworld__Registry__V1__DeleteSecretResponse *done;
    cli_exit code =
        cli_confirm(c, c->args[1], NULL, "deletes the secret %s of %s with all its versions",
                    c->args[1], c->args[0]);
    if (code != CLI_OK) {
        return code;
    }
    request.virtual_server = (char *)c->args[0];
    request.name = (char *)c->args[1];
    code = cli_rpc(c, REGISTRY "DeleteSecret", &request.base,
                   &overworld__registry__v1__delete_secret_response__descriptor, true, &done);
    if (code == CLI_OK) {
        cli_say(c, "deleted %s", c->args[1]);
    }
    return code;
}

static void add_secret(cli *c, cli_table *table, const void *entry) {
    const Secret *secret = entry;
    cli_table_add(c, table, secret->name);
    cli_table_addf(c, table, "%" PRId64, secret->version);
    cli_table_addf(c, table, "%" PRId64, secret->latest_version);
    cli_table_add(c, table, cli_ago(c, cli_seconds(secret->updated_at)));
    cli_table_add(c, table, secret->updated_by);
}

static cli_exit cmd_secret_list(cli *c) {
    static const char *const columns[] = {"SECRET", "VERSION", "LATEST", "CHANGED", "BY", NULL};
    Overworld__Registry__V1__ListSecretsRequest request =
        OVERWORLD__REGISTRY__V1__LIST_SECRETS_REQUEST__INIT;
    request.virtual_server = (char *)c->args[0];
    return cli_list_print(
        c, &(cli_list){.path = REGISTRY "ListSecrets",
                       .request = &request.base,
                       .reply_type = &overworld__registry__v1__list_secrets_response__descriptor,
                       .columns = columns,
                       .add_row = add_secret});
}

// ---- The table ----

static const cli_flag secret_set_flags[] = {
    {"file", CLI_FLAG_TEXT, "FILE", "take the value from a file instead of standard input"},
    {0},
};

const cli_command secret_commands[] = {
    {"secret set", "VS NAME", "give a secret its next value, from standard input", 2, 2,
     secret_set_flags, cmd_secret_set, "ow secret set chat api-key < key.txt"},
    {"secret list", "VS", "list secrets and their versions, never values", 1, 1, NULL,
     cmd_secret_list, "ow secret list chat"},
    {"secret use", "VS NAME VERSION", "back to an earlier version of a secret", 3, 3, NULL,
     cmd_secret_use, "ow secret use chat api-key 3"},
    {"secret delete", "VS NAME", "delete a secret and its versions", 2, 2, cli_delete_flags,
     cmd_secret_delete, "ow secret delete chat api-key --yes api-key"},
    {0},
};
