// The sandboxed compiler. Not for people: runtimes/build/build.h and the function host start it.
//
//     compile            fd 3: frames (sources, then BUILD); replies BUILT; prints gcc's output
//     symbolise ADDRESS… fd 3: a shared object; prints two lines an address

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtimes/build/internal.h"

#define COMPILE_S 60u
#define SYMBOLISE_S 3u

static bool take_files(sources *all) {
    size_t cursor = 0;
    for (size_t i = 0; i < all->frame.fd_count; i++) {
        const char *name = ow_frame_next(&all->frame, &cursor);
        if (!name || all->count == sizeof all->files / sizeof *all->files) {
            return false;
        }
        snprintf(all->files[all->count].name, sizeof all->files[0].name, "%s", name);
        all->files[all->count++].fd = all->frame.fds[i];
    }
    return true;
}

static int compile(void) {
    sources *all = calloc(1, sizeof *all);
    if (!all) {
        return 1;
    }
    do {
        if (ow_frame_receive(CONTROL_FD, &all->frame, 0) != 0 ||
            (all->frame.head.type == OW_FRAME_FILES && !take_files(all))) {
            return 1;
        }
    } while (all->frame.head.type != OW_FRAME_BUILD);
    int status = confine(compile_work, all, COMPILE_S);
    if (status == 125) {
        printf("no sandbox for the compiler: neither user namespaces nor Landlock\n");
    }
    return status;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "compile") == 0) {
        return compile();
    }
    if (argc > 2 && strcmp(argv[1], "symbolise") == 0) {
        return confine(symbolise_work, argv + 2, SYMBOLISE_S);
    }
    fprintf(stderr, "usage: %s compile | symbolise ADDRESS...\n", argv[0]);
    return 2;
}
