#pragma once

#include <stdbool.h>

#include "runtimes/wire/frame.h"

// The sandboxed side: a supervisor that keeps the time, and inside the walls the process that
// runs the tool.

#define CONTROL_FD 3 // compile: the frames; symbolise: the code

typedef struct workplace {
    char root[64]; // writable: /tmp in the own tree, a fresh folder without namespaces
    bool own_tree;
} workplace;

// Runs `work` behind the walls, in a process of its own, at most `seconds`; returns its exit
// status, 124 when the time was up, 125 when there is no sandbox good enough.
int confine(int (*work)(const workplace *place, void *data), void *data, unsigned seconds);

// Runs a tool with limits and filter and waits: its exit status, or 128 + signal.
int run_tool(const workplace *place, const char *folder, char *const arguments[]);

// The verbs' bodies, behind the walls.
int compile_work(const workplace *place, void *sources);
int symbolise_work(const workplace *place, void *addresses);

// Sources that arrived before the walls went up.
typedef struct sources {
    struct {
        char name[256];
        int fd;
    } files[256];
    unsigned count;
    ow_frame frame; // the BUILD frame at the end: the symbols
} sources;

// Copies all of `fd` (from its start) to a new file; 0 or an errno.
int copy_to_file(int fd, const char *path);
