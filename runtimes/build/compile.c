// Behind the walls: sources to files, one run of gcc, the shared object into a sealed memfd.

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtimes/build/internal.h"
#include "runtimes/build/sdk.h"

#define ARGUMENTS_MAX 420u
#define CODE_MAX ((off_t)50 << 20)

typedef struct command {
    char *arguments[ARGUMENTS_MAX];
    unsigned count;
    char *owned[ARGUMENTS_MAX];
    unsigned owned_count;
} command;

static int make_parents(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int failed = mkdir(path, 0755) != 0 && errno != EEXIST ? errno : 0;
        *slash = '/';
        if (failed != 0) {
            return failed;
        }
    }
    return 0;
}

static int write_sources(const workplace *place, const sources *all) {
    for (unsigned i = 0; i < all->count; i++) {
        char path[400];
        snprintf(path, sizeof path, "%s/src/%s", place->root, all->files[i].name);
        int failed = make_parents(path);
        failed = failed ? failed : copy_to_file(all->files[i].fd, path);
        if (failed != 0) {
            printf("%s: error: %s\n", all->files[i].name, strerror(failed));
            return failed;
        }
    }
    return 0;
}

static int write_header(const workplace *place, const char *name, const uint8_t *text,
                        size_t size) {
    char path[100];
    snprintf(path, sizeof path, "%s/sdk/%s", place->root, name);
    if (make_parents(path) != 0) {
        return 1;
    }
    FILE *file = fopen(path, "we");
    bool written = file && fwrite(text, 1, size, file) == size;
    return file && fclose(file) == 0 && written ? 0 : 1;
}

static int write_sdk(const workplace *place) {
    const struct {
        const char *name;
        const uint8_t *text;
        size_t size;
    } headers[] = {
        {"overworld.h", ow_overworld_h, ow_overworld_h_size},
        {"overworld_fetch.h", ow_overworld_fetch_h, ow_overworld_fetch_h_size},
        {"overworld_kv.h", ow_overworld_kv_h, ow_overworld_kv_h_size},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        int failed = write_header(place, headers[i].name, headers[i].text, headers[i].size);
        if (failed != 0) {
            return failed;
        }
    }
    return 0;
}

static void add(command *to, const char *argument) {
    if (to->count < ARGUMENTS_MAX - 1) {
        to->arguments[to->count++] = (char *)argument;
    }
}

static void add_owned(command *to, const char *argument) {
    char *copy = strdup(argument);
    if (copy && to->owned_count < ARGUMENTS_MAX) {
        to->owned[to->owned_count++] = copy;
        add(to, copy);
    }
}

static void add_place(command *to, const char *format, const workplace *place) {
    char argument[160];
    snprintf(argument, sizeof argument, format, place->root);
    add_owned(to, argument);
}

static void add_symbol(command *to, const char *symbol) {
    char argument[200];
    snprintf(argument, sizeof argument, "-Wl,--require-defined=%s", symbol);
    add_owned(to, argument);
}

static bool is_source(const char *name) {
    size_t length = strlen(name);
    return length > 2 && strcmp(name + length - 2, ".c") == 0;
}

// Sibling calls stay calls, so that a backtrace shows every function.
// C11 with the POSIX names that libc has; warnings are shown, only what would surely fail at run
// time is an error. Undefined names come as warnings, since those of the SDK are defined by the
// runtime; the caller sorts them.
static const char *const fixed[] = {
    "/usr/bin/gcc",
    "-std=c11",
    "-D_DEFAULT_SOURCE",
    "-D_POSIX_C_SOURCE=200809L",
    "-O2",
    "-g1",
    "-fPIC",
    "-shared",
    "-pipe",
    "-Wall",
    "-Werror=implicit-function-declaration",
    "-Werror=int-conversion",
    "-Werror=incompatible-pointer-types",
    "-fno-optimize-sibling-calls",
    "-fstack-protector-strong",
    "-fmax-errors=50",
    "-fdiagnostics-color=never",
    "-fno-diagnostics-show-caret",
    "-Wl,-z,defs",
    "-Wl,-z,now",
    "-Wl,--warn-unresolved-symbols",
    "-I.",
};

static void fill_command(command *to, const workplace *place, const sources *all) {
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        add(to, fixed[i]);
    }
    add_place(to, "-ffile-prefix-map=%s/src=.", place);
    add_place(to, "-isystem%s/sdk", place);
    add_place(to, "-o%s/out.so", place);
    size_t cursor = 0;
    for (const char *symbol; (symbol = ow_frame_next(&all->frame, &cursor)) != NULL;) {
        add_symbol(to, symbol);
    }
    for (unsigned i = 0; i < all->count; i++) {
        if (is_source(all->files[i].name)) {
            add(to, all->files[i].name);
        }
    }
    add(to, "-lcjson");
    add(to, "-lm");
}

static int send_code(const workplace *place) {
    char path[100];
    snprintf(path, sizeof path, "%s/out.so", place->root);
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat info;
    if (from < 0 || fstat(from, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > CODE_MAX) {
        return 1;
    }
    int to = memfd_create("code", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    char buffer[16384];
    for (ssize_t got; to >= 0 && (got = read(from, buffer, sizeof buffer)) > 0;) {
        if (write(to, buffer, (size_t)got) != got) {
            return 1;
        }
    }
    const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (to < 0 || fcntl(to, F_ADD_SEALS, seals) != 0) {
        return 1;
    }
    ow_frame frame;
    ow_frame_init(&frame, OW_FRAME_BUILT, 0);
    frame.fds[0] = to;
    frame.fd_count = 1;
    return ow_frame_send(CONTROL_FD, &frame);
}

int compile_work(const workplace *place, void *data) {
    const sources *all = data;
    if (write_sdk(place) != 0 || write_sources(place, all) != 0) {
        return 1;
    }
    command command = {.count = 0};
    fill_command(&command, place, all);
    char folder[80];
    snprintf(folder, sizeof folder, "%s/src", place->root);
    fflush(stdout);
    int status = run_tool(place, folder, command.arguments);
    for (unsigned i = 0; i < command.owned_count; i++) {
        free(command.owned[i]);
    }
    return status == 0 ? send_code(place) : status;
}
