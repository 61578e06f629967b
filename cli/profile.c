// Where the server is and as whom to come: stored logins, and the data folder of a local server.

#include "cli/rpc.h"

#include "core/json/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALL_FILE_MAX = 64 << 10 };

static const char *profile_path(cli *c, const char *name) {
    const char *base = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    if (base != NULL && base[0] == '/') {
        return ow_arena_printf_in(c->arena, "%s/overworld/%s.profile", base, name);
    }
    return home == NULL
               ? NULL
               : ow_arena_printf_in(c->arena, "%s/.config/overworld/%s.profile", home, name);
}

static const char *trimmed_line(cli *c, char *text) {
    size_t length = strcspn(text, "\r\n");
    return ow_arena_memdup_in(c->arena, text, length);
}

bool cli_profile_read(cli *c, const char *name, cli_profile *ret_profile) {
    const char *path = profile_path(c, name);
    size_t size;
    char *text = path != NULL ? cli_read_file(c, path, SMALL_FILE_MAX, &size) : NULL;
    if (text == NULL) {
        return false;
    }
    const struct {
        const char *key;
        const char **value;
    } keys[] = {{"url = ", &ret_profile->url},
                {"token = ", &ret_profile->token},
                {"title = ", &ret_profile->title}};
    for (char *line = text; line != NULL && *line != '\0';) {
        for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
            size_t length = strlen(keys[i].key);
            if (strncmp(line, keys[i].key, length) == 0) {
                *keys[i].value = trimmed_line(c, line + length);
            }
        }
        line = strchr(line, '\n');
        line += line != NULL;
    }
    return true;
}

static bool make_folders(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!ok) {
            return false;
        }
    }
    return true;
}

cli_exit cli_profile_write(cli *c, const char *name, const cli_profile *profile) {
    const char *path = profile_path(c, name);
    if (path == NULL) {
        return cli_fail(c, CLI_FAILED, "neither XDG_CONFIG_HOME nor HOME is set");
    }
    if (!make_folders((char *)path)) {
        return cli_fail(c, CLI_FAILED, "cannot make the folder of %s: %s", path, strerror(errno));
    }
    const char *temporary = ow_arena_printf_in(c->arena, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return cli_fail(c, CLI_FAILED, "cannot write %s: %s", temporary, strerror(errno));
    }
    dprintf(fd, "url = %s\ntoken = %s\n", profile->url, profile->token);
    if (profile->title != NULL) {
        dprintf(fd, "title = %s\n", profile->title);
    }
    bool ok = fchmod(fd, 0600) == 0 && fsync(fd) == 0;
    ok = close(fd) == 0 && ok && rename(temporary, path) == 0;
    if (!ok) {
        return cli_fail(c, CLI_FAILED, "cannot write %s: %s", path, strerror(errno));
    }
    cli_say(c, "stored in %s", path);
    return CLI_OK;
}

bool cli_profile_of_folder(cli *c, const char *folder, cli_profile *ret_profile) {
    size_t size;
    const char *addresses = ow_arena_printf_in(c->arena, "%s/run/gateway.json", folder);
    const char *token_file = ow_arena_printf_in(c->arena, "%s/operator.token", folder);
    char *text = cli_read_file(c, addresses, SMALL_FILE_MAX, &size);
    ow_json *json = NULL;
    if (text == NULL || ow_json_parse(text, size, 8, &json, NULL) != OW_OK) {
        return false;
    }
    const char *url = ow_json_string(ow_json_get(json, "console"));
    if (url != NULL) {
        ret_profile->url = ow_arena_strdup_in(c->arena, url);
    }
    ow_json_free(json);
    char *token = cli_read_file(c, token_file, SMALL_FILE_MAX, &size);
    if (token != NULL) {
        ret_profile->token = trimmed_line(c, token);
    }
    return ret_profile->url != NULL;
}
