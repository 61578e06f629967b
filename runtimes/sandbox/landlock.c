#include "runtimes/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtimes/sandbox/internal.h"

// The kernel's numbers (include/uapi/linux/landlock.h), written out because Debian 12's header is
// older than the kernels we run on. What each ABI added: landlock(7).
#define CREATE_VERSION 1u
#define RULE_PATH_BENEATH 1
#define FS_EXECUTE (1ull << 0)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
// execute, write, read, truncate, ioctl: all that a rule for a file may name
#define FS_OF_FILES ((1ull << 0) | (1ull << 1) | (1ull << 2) | (1ull << 14) | (1ull << 15))

struct ruleset_attributes {
    uint64_t fs;
    uint64_t net;    // ABI 4
    uint64_t scoped; // ABI 6
};

struct path_beneath {
    uint64_t allowed;
    int32_t fd;
} __attribute__((packed));

typedef struct abi_row {
    int abi;
    uint64_t fs;
    uint64_t net;
    uint64_t scoped;
    size_t size;
} abi_row;

static const abi_row abis[] = {
    {6, (1ull << 16) - 1, 3, 3, 24}, {5, (1ull << 16) - 1, 3, 0, 16},
    {4, (1ull << 15) - 1, 3, 0, 16}, {3, (1ull << 15) - 1, 0, 0, 8},
    {2, (1ull << 14) - 1, 0, 0, 8},  {1, (1ull << 13) - 1, 0, 0, 8},
};

int ow_sandbox_landlock_abi(void) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return abi > 0 ? (int)abi : 0;
}

static const abi_row *row_of(int abi) {
    for (size_t i = 0; i < sizeof abis / sizeof *abis; i++) {
        if (abi >= abis[i].abi) {
            return &abis[i];
        }
    }
    return NULL;
}

static int create_ruleset(const abi_row *row) {
    struct ruleset_attributes attributes = {.fs = row->fs, .net = row->net, .scoped = row->scoped};
    return (int)syscall(SYS_landlock_create_ruleset, &attributes, row->size, 0);
}

int landlock_deny_all(int abi) {
    const abi_row *row = row_of(abi);
    if (!row) {
        errno = ENOSYS;
        return -1;
    }
    return create_ruleset(row);
}

int landlock_enter(int ruleset) {
    return syscall(SYS_landlock_restrict_self, ruleset, 0) == 0 ? 0 : errno;
}

static ow_code allow_paths(int ruleset, const char *const *paths, uint64_t access, ow_err *err) {
    for (; paths && *paths; paths++) {
        int fd = open(*paths, O_PATH | O_CLOEXEC);
        if (fd < 0) {
            continue; // what is not there needs no rule
        }
        struct stat info;
        bool folder = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
        struct path_beneath rule = {.allowed = folder ? access : access & FS_OF_FILES, .fd = fd};
        long failed = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0);
        int saved = errno;
        close(fd);
        if (failed != 0) {
            return ow_fail_errno(err, saved, "Landlock rule for %s", *paths);
        }
    }
    return OW_OK;
}

ow_code ow_sandbox_landlock_paths(const char *const *read, const char *const *write, ow_err *err) {
    const abi_row *row = row_of(ow_sandbox_landlock_abi());
    int ruleset = row ? create_ruleset(row) : -1;
    if (ruleset < 0) {
        return ow_fail(err, OW_UNIMPLEMENTED, "no_landlock", "this kernel has no Landlock");
    }
    ow_code code = allow_paths(ruleset, read, FS_EXECUTE | FS_READ_FILE | FS_READ_DIR, err);
    if (code == OW_OK) {
        code = allow_paths(ruleset, write, row->fs, err);
    }
    int failed = code == OW_OK ? landlock_enter(ruleset) : 0;
    close(ruleset);
    return failed == 0 ? code : ow_fail_errno(err, failed, "Landlock");
}
