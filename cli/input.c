#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

char *cli_read_file(cli *c, const char *path, size_t max, size_t *ret_size) {
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    char *text = ow_arena_alloc(c->arena, max + 1);
    size_t size = 0;
    ssize_t got = text != NULL ? 1 : -1;
    while (got > 0 && size < max) {
        got = read(fd, text + size, max - size);
        size += got > 0 ? (size_t)got : 0;
    }
    char more;
    if (got > 0 && read(fd, &more, 1) == 1) {
        got = -1;
        errno = EFBIG;
    }
    int saved = errno;
    close(fd);
    errno = saved;
    if (got < 0) {
        return NULL;
    }
    text[size] = '\0';
    *ret_size = size;
    return text;
}

static cli_exit read_file(cli *c, const char *path, size_t max, char **ret_text, size_t *ret_size) {
    *ret_text = cli_read_file(c, path, max, ret_size);
    if (*ret_text != NULL) {
        return CLI_OK;
    }
    return errno == EFBIG ? cli_fail(c, CLI_USAGE, "%s is larger than %zu KB", path, max >> 10)
                          : cli_fail(c, CLI_USAGE, "cannot read %s: %s", path, strerror(errno));
}

cli_exit cli_flag_file(cli *c, const char *flag, size_t max, char **ret_text, size_t *ret_size) {
    const char *path = cli_text(c, flag);
    *ret_text = (char *)(uintptr_t) "";
    *ret_size = 0;
    return path != NULL ? read_file(c, path, max, ret_text, ret_size) : CLI_OK;
}

cli_exit cli_content(cli *c, size_t index, size_t max, char **ret_text, size_t *ret_size) {
    const char *path = cli_text(c, "file");
    const char *argument = c->arg_count > index ? c->args[index] : NULL;
    *ret_text = NULL;
    *ret_size = 0;
    if (path != NULL && argument != NULL) {
        return cli_fail(c, CLI_USAGE, "give it as an argument or with --file, not both");
    }
    if (argument != NULL && strcmp(argument, "-") == 0) {
        path = argument;
    }
    if (path != NULL) {
        return read_file(c, path, max, ret_text, ret_size);
    }
    *ret_text = (char *)(uintptr_t)argument;
    *ret_size = argument != NULL ? strlen(argument) : 0;
    return CLI_OK;
}
