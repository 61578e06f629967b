#pragma once

// The walls around untrusted code. A zygote enters namespaces and an empty read-only tree once;
// every process it forks then adds rlimits, no_new_privs, Landlock and a seccomp allow-list.
//
// Levels, in the order they degrade; the one reached is probed, never assumed:
//   full      user, mount, pid, net, ipc and uts namespaces, empty tree, Landlock, seccomp
//   landlock  no user namespaces here: Landlock denies every file, seccomp denies sockets,
//             processes and the rest. File metadata (stat) of the host stays visible.
//   seccomp   no Landlock either: world-readable files of the host can be read.
//   refused   no seccomp: nothing untrusted may run.
//
// Linux sources: user_namespaces(7), pivot_root(2), landlock(7), seccomp(2).

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error/error.h"

enum ow_sandbox_level {
    OW_SANDBOX_REFUSED = 0,
    OW_SANDBOX_SECCOMP = 1,
    OW_SANDBOX_LANDLOCK = 2,
    OW_SANDBOX_FULL = 3,
};

// File descriptors every instance has; the filter names them.
#define OW_SANDBOX_CONTROL_FD 3 // the only socket that may be used
#define OW_SANDBOX_WAKE_FD 40   // the host's eventfd: may be written, never read
#define OW_SANDBOX_READ_FDS 32u // read() works on fds below this only; a power of two

typedef struct ow_sandbox {
    enum ow_sandbox_level level;
    int landlock_abi;
    int ruleset;                // Landlock ruleset that allows nothing; -1 without
    struct sock_filter *filter; // of instances
    unsigned short filter_length;
    uint64_t base_data; // bytes of private data the zygote has itself
    char text[160];     // what is and is not in force
} ow_sandbox;

typedef struct ow_sandbox_limits {
    uint64_t memory_bytes; // on top of base_data
    uint64_t stack_bytes;
    unsigned files; // RLIMIT_NOFILE
} ow_sandbox_limits;

// What a tree for ow_sandbox_enter_tree holds. Sources are bound read-only.
typedef struct ow_sandbox_bind {
    const char *from; // directory or file of the host; skipped when it does not exist
    const char *to;   // absolute path in the new tree; its parents are made
    const char *link; // when set: no bind, a symbolic link at `to` with this target
} ow_sandbox_bind;

typedef struct ow_sandbox_tree {
    const ow_sandbox_bind *binds;
    size_t bind_count;
    bool proc;       // mount a /proc of the new pid namespace
    unsigned tmp_mb; // a writable /tmp of that size; 0 = none
    bool read_only;  // the root itself
} ow_sandbox_tree;

// As root: becomes an unprivileged user, for good. Otherwise nothing. Single-threaded callers only.
ow_code ow_sandbox_drop_root(ow_err *err);

// Finds out by trying, in a child that ends at once, whether namespaces and the tree work.
bool ow_sandbox_probe_namespaces(const ow_sandbox_tree *tree);

// The Landlock ABI of the kernel; 0 = none.
int ow_sandbox_landlock_abi(void);

// Enters the namespaces. The caller must fork: only its children are in the new pid namespace, the
// first of them as its init. Single-threaded callers only.
ow_code ow_sandbox_enter_namespaces(ow_err *err);

// In the first child: builds the tree and makes it the root.
ow_code ow_sandbox_enter_tree(const ow_sandbox_tree *tree, ow_err *err);

// Prepares what instances enter: probes Landlock, compiles the filter, gives up every capability.
// `most` caps the level, `namespaces` says whether they were entered. After this returns,
// sandbox->level is final. What it holds lives as long as the process.
ow_code ow_sandbox_init(ow_sandbox *sandbox, enum ow_sandbox_level most, bool namespaces,
                        ow_err *err);

// In a freshly forked instance: the last step before untrusted code. Irrevocable.
ow_code ow_sandbox_enter(const ow_sandbox *sandbox, const ow_sandbox_limits *limits, ow_err *err);

// After native code has been loaded: nothing more becomes executable, where the kernel can (6.3).
void ow_sandbox_no_more_code(void);

// Landlock for processes that need part of the file system: read and execute under `read`, anything
// under `write` (may be NULL). Both end with NULL. OW_UNIMPLEMENTED no_landlock without it.
ow_code ow_sandbox_landlock_paths(const char *const *read, const char *const *write, ow_err *err);

// A filter for trusted tools on untrusted input (compilers): everything but what reaches the
// kernel's rarely walked parts. OW_UNIMPLEMENTED no_seccomp without it.
ow_code ow_sandbox_tool_filter(ow_err *err);
