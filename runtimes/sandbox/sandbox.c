#include "runtimes/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtimes/sandbox/internal.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

static bool has_seccomp(void) {
    uint32_t action = SECCOMP_RET_TRAP;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

// What the process has of private data already, so that a limit means the function's own.
static uint64_t own_data(void) {
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    unsigned long pages = 0;
    if (got <= 0 || sscanf(text, "%*u %*u %*u %*u %*u %lu", &pages) != 1) {
        pages = 1024;
    }
    return (uint64_t)pages * 4096;
}

// A new user namespace comes with every capability in it; what is inside needs none.
static ow_code drop_capabilities(ow_err *err) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    return syscall(SYS_capset, &header, none) == 0
               ? OW_OK
               : ow_fail_errno(err, errno, "giving up capabilities");
}

static void describe(ow_sandbox *sandbox, bool namespaces) {
    snprintf(sandbox->text, sizeof sandbox->text,
             "namespaces and empty tree: %s; Landlock: %s (ABI %d); seccomp: %s; cgroup limits: no",
             namespaces ? "yes" : "no", sandbox->ruleset >= 0 ? "yes" : "no", sandbox->landlock_abi,
             sandbox->filter ? "yes" : "no");
}

static enum ow_sandbox_level level_of(const ow_sandbox *sandbox, bool namespaces) {
    if (!sandbox->filter) {
        return OW_SANDBOX_REFUSED;
    }
    if (sandbox->ruleset < 0) {
        // Namespaces alone keep files out as well as Landlock alone does.
        return namespaces ? OW_SANDBOX_LANDLOCK : OW_SANDBOX_SECCOMP;
    }
    return namespaces ? OW_SANDBOX_FULL : OW_SANDBOX_LANDLOCK;
}

ow_code ow_sandbox_init(ow_sandbox *sandbox, enum ow_sandbox_level most, bool namespaces,
                        ow_err *err) {
    *sandbox = (ow_sandbox){.ruleset = -1};
    if (has_seccomp() && most >= OW_SANDBOX_SECCOMP) {
        ow_code code = instance_filter_new(&sandbox->filter, &sandbox->filter_length, err);
        if (code != OW_OK) {
            return code;
        }
    }
    if (most >= OW_SANDBOX_LANDLOCK) {
        sandbox->landlock_abi = ow_sandbox_landlock_abi();
        sandbox->ruleset = landlock_deny_all(sandbox->landlock_abi);
    }
    if (sandbox->ruleset >= 0) {
        (void)fcntl(sandbox->ruleset, F_SETFD, FD_CLOEXEC);
    }
    sandbox->level = level_of(sandbox, namespaces);
    sandbox->base_data = own_data();
    describe(sandbox, namespaces);
    return drop_capabilities(err);
}

static ow_code set_limits(const ow_sandbox *sandbox, const ow_sandbox_limits *limits, ow_err *err) {
    const struct {
        int resource;
        rlim_t value;
    } table[] = {
        {RLIMIT_DATA, sandbox->base_data + limits->memory_bytes},
        {RLIMIT_STACK, limits->stack_bytes},
        {RLIMIT_NOFILE, limits->files},
        {RLIMIT_CORE, 0},
        {RLIMIT_FSIZE, 0},
        {RLIMIT_MEMLOCK, 0},
        {RLIMIT_MSGQUEUE, 0},
        {RLIMIT_SIGPENDING, 16},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct rlimit limit = {.rlim_cur = table[i].value, .rlim_max = table[i].value};
        if (setrlimit(table[i].resource, &limit) != 0) {
            return ow_fail_errno(err, errno, "limit %d", table[i].resource);
        }
    }
    return OW_OK;
}

ow_code ow_sandbox_enter(const ow_sandbox *sandbox, const ow_sandbox_limits *limits, ow_err *err) {
    if (sandbox->level == OW_SANDBOX_REFUSED) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "no_seccomp", "no seccomp on this kernel");
    }
    ow_code code = set_limits(sandbox, limits, err);
    if (code != OW_OK) {
        return code;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return ow_fail_errno(err, errno, "no_new_privs");
    }
    int failed = sandbox->ruleset >= 0 ? landlock_enter(sandbox->ruleset) : 0;
    if (failed != 0) {
        return ow_fail_errno(err, failed, "Landlock");
    }
    if (sandbox->ruleset >= 0) {
        close(sandbox->ruleset);
    }
    return filter_install(sandbox->filter, sandbox->filter_length, getpid(), err);
}

void ow_sandbox_no_more_code(void) {
    // Older kernels answer EINVAL; the sandbox stands without it.
    (void)prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0);
}
