// Behind the walls: addresses of a crash to function, file and line.

#include <stdio.h>

#include "runtimes/build/internal.h"

#define ADDRESSES_MAX 16u

int symbolise_work(const workplace *place, void *data) {
    char **addresses = data;
    char path[100];
    char option_functions[] = "-f";
    char option_file[] = "-e";
    char tool[] = "/usr/bin/addr2line";
    char *arguments[ADDRESSES_MAX + 5] = {tool, option_functions, option_file, path};
    snprintf(path, sizeof path, "%s/code.so", place->root);
    if (copy_to_file(CONTROL_FD, path) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < ADDRESSES_MAX && addresses[i]; i++) {
        arguments[4 + i] = addresses[i];
    }
    return run_tool(place, place->root, arguments);
}
