#include "runtimes/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtimes/sandbox/internal.h"

#define FILTER_MAX 2048u

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

// The kernel looks at the low half of an fd argument only, so a test for "not equal" could be
// walked round with the upper half; a mask cannot.
#define LOW_32 0xffffffffull
#define ON_CONTROL ARG_IS(0, OW_SANDBOX_CONTROL_FD)

typedef struct rule {
    uint32_t action;
    int syscall;
    unsigned count;
    struct scmp_arg_cmp args[2];
} rule;

#define READABLE                                                                                   \
    { .arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = LOW_32 & ~(OW_SANDBOX_READ_FDS - 1ull) }
// Shared anonymous memory and growing-down mappings are not counted by RLIMIT_DATA: only private
// memory and mappings of files are left.
#define WITHOUT_FLAGS(flags)                                                                       \
    { .arg = 3, .op = SCMP_CMP_MASKED_EQ, .datum_a = (flags) }
#define ARG_IS(index, value)                                                                       \
    { .arg = (index), .op = SCMP_CMP_EQ, .datum_a = (value) }
#define ARG_IS_NOT(index, value)                                                                   \
    { .arg = (index), .op = SCMP_CMP_NE, .datum_a = (value) }

#define ALLOW(name)                                                                                \
    {                                                                                              \
        SCMP_ACT_ALLOW, SCMP_SYS(name), 0, {                                                       \
            { 0 }                                                                                  \
        }                                                                                          \
    }
#define ALLOW_IF(name, condition)                                                                  \
    {                                                                                              \
        SCMP_ACT_ALLOW, SCMP_SYS(name), 1, {                                                       \
            condition                                                                              \
        }                                                                                          \
    }
#define ALLOW_IF2(name, first, second)                                                             \
    {                                                                                              \
        SCMP_ACT_ALLOW, SCMP_SYS(name), 2, {                                                       \
            first, second                                                                          \
        }                                                                                          \
    }
#define REFUSE(name, error)                                                                        \
    {                                                                                              \
        SCMP_ACT_ERRNO(error), SCMP_SYS(name), 0, {                                                \
            { 0 }                                                                                  \
        }                                                                                          \
    }

// What a function may ask of the kernel. Everything not listed traps: the handler names the call
// and the process ends. Refusals are for calls that libraries make and can do without.
static const rule instance_rules[] = {
    // memory
    ALLOW(brk),
    ALLOW_IF(mmap, WITHOUT_FLAGS(MAP_GROWSDOWN | MAP_SHARED)),
    ALLOW_IF(mmap, WITHOUT_FLAGS(MAP_GROWSDOWN | MAP_ANONYMOUS)),
    ALLOW(munmap),
    ALLOW(mprotect),
    ALLOW(mremap),
    ALLOW(madvise),
    // the descriptors it was born with; the wake eventfd must not be drained by an instance
    ALLOW_IF(read, READABLE),
    ALLOW(write),
    ALLOW(writev),
    ALLOW(pread64),
    ALLOW(lseek),
    ALLOW(close),
    ALLOW(fstat),
    ALLOW_IF(recvmsg, ON_CONTROL),
    ALLOW_IF(sendmsg, ON_CONTROL),
    ALLOW(poll),
    ALLOW(ppoll),
    // files: Landlock and the empty tree answer
    ALLOW(open),
    ALLOW(openat),
    ALLOW(newfstatat),
    ALLOW(statx),
    REFUSE(stat, EACCES),
    REFUSE(lstat, EACCES),
    REFUSE(access, EACCES),
    REFUSE(faccessat, EACCES),
    REFUSE(faccessat2, EACCES),
    REFUSE(readlink, EACCES),
    REFUSE(readlinkat, EACCES),
    REFUSE(getcwd, EACCES),
    REFUSE(chdir, EACCES),
    REFUSE(mkdir, EACCES),
    REFUSE(unlink, EACCES),
    REFUSE(unlinkat, EACCES),
    REFUSE(rename, EACCES),
    REFUSE(getdents64, EACCES),
    // time, randomness, scheduling
    ALLOW(clock_gettime),
    ALLOW(clock_getres),
    ALLOW(clock_nanosleep),
    ALLOW(nanosleep),
    ALLOW(gettimeofday),
    ALLOW(time),
    ALLOW(getrandom),
    ALLOW(sched_yield),
    ALLOW(sched_getaffinity),
    ALLOW(futex),
    ALLOW(getcpu),
    // itself
    ALLOW(exit),
    ALLOW(exit_group),
    ALLOW(rt_sigaction),
    ALLOW(rt_sigprocmask),
    ALLOW(rt_sigreturn),
    ALLOW(sigaltstack),
    ALLOW(restart_syscall),
    ALLOW(getpid),
    ALLOW(gettid),
    ALLOW(getppid),
    ALLOW(getuid),
    ALLOW(geteuid),
    ALLOW(getgid),
    ALLOW(getegid),
    ALLOW(getrusage),
    ALLOW(sysinfo),
    ALLOW(uname),
    ALLOW(set_robust_list),
    ALLOW(rseq),
    ALLOW_IF(tgkill, ARG_IS(0, OWN_PID_PLACEHOLDER)),
    ALLOW_IF2(prlimit64, ARG_IS(0, 0), ARG_IS(2, 0)),
    {SCMP_ACT_ERRNO(EPERM), SCMP_SYS(prlimit64), 1, {ARG_IS_NOT(2, 0)}},
    ALLOW_IF(fcntl, ARG_IS(1, F_GETFD)),
    ALLOW_IF(fcntl, ARG_IS(1, F_GETFL)),
    ALLOW_IF(ioctl, ARG_IS(1, TCGETS)),
    ALLOW_IF(prctl, ARG_IS(0, PR_SET_NAME)),
    ALLOW_IF(prctl, ARG_IS(0, PR_SET_VMA)),
    ALLOW_IF(prctl, ARG_IS(0, PR_SET_MDWE)),
    // libraries probe these and fall back
    REFUSE(clone3, ENOSYS),
    REFUSE(sched_setscheduler, EPERM),
    REFUSE(setitimer, EPERM),
    REFUSE(alarm, EPERM),
    REFUSE(setrlimit, EPERM),
    REFUSE(getrlimit, EPERM),
    REFUSE(mlock, EPERM),
    REFUSE(get_mempolicy, EPERM),
};

// Parts of the kernel that no compiler needs and that many exploits did.
static const rule tool_rules[] = {
    REFUSE(ptrace, EPERM),
    REFUSE(process_vm_readv, EPERM),
    REFUSE(process_vm_writev, EPERM),
    REFUSE(bpf, EPERM),
    REFUSE(perf_event_open, EPERM),
    REFUSE(userfaultfd, EPERM),
    REFUSE(io_uring_setup, EPERM),
    REFUSE(io_uring_enter, EPERM),
    REFUSE(io_uring_register, EPERM),
    REFUSE(keyctl, EPERM),
    REFUSE(add_key, EPERM),
    REFUSE(request_key, EPERM),
    REFUSE(mount, EPERM),
    REFUSE(umount2, EPERM),
    REFUSE(pivot_root, EPERM),
    REFUSE(chroot, EPERM),
    REFUSE(unshare, EPERM),
    REFUSE(setns, EPERM),
    REFUSE(open_tree, EPERM),
    REFUSE(move_mount, EPERM),
    REFUSE(fsopen, EPERM),
    REFUSE(socket, EPERM),
    REFUSE(socketpair, EPERM),
    REFUSE(connect, EPERM),
    REFUSE(bind, EPERM),
    REFUSE(kexec_load, EPERM),
    REFUSE(init_module, EPERM),
    REFUSE(finit_module, EPERM),
    REFUSE(open_by_handle_at, EPERM),
    REFUSE(name_to_handle_at, EPERM),
    REFUSE(memfd_create, EPERM),
    REFUSE(setsid, EPERM),
};

static ow_code add_rules(scmp_filter_ctx context, const rule *rules, size_t count, ow_err *err) {
    for (size_t i = 0; i < count; i++) {
        int failed = seccomp_rule_add_array(context, rules[i].action, rules[i].syscall,
                                            rules[i].count, rules[i].args);
        if (failed != 0) {
            return ow_fail_errno(err, -failed, "seccomp rule %zu", i);
        }
    }
    return OW_OK;
}

static ow_code export_filter(scmp_filter_ctx context, struct sock_filter **ret_filter,
                             unsigned short *ret_length, ow_err *err) {
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "memfd for the filter");
    }
    struct sock_filter *filter = calloc(FILTER_MAX, sizeof *filter);
    int failed = seccomp_export_bpf(context, fd);
    ssize_t got = failed == 0 && filter ? pread(fd, filter, FILTER_MAX * sizeof *filter, 0) : -1;
    close(fd);
    if (got <= 0 || (size_t)got == FILTER_MAX * sizeof *filter) {
        free(filter);
        return ow_fail(err, OW_INTERNAL, "seccomp_export", "the seccomp filter does not export");
    }
    *ret_filter = filter;
    *ret_length = (unsigned short)((size_t)got / sizeof *filter);
    return OW_OK;
}

static ow_code filter_new(uint32_t otherwise, const rule *rules, size_t count,
                          struct sock_filter **ret_filter, unsigned short *ret_length,
                          ow_err *err) {
    scmp_filter_ctx context = seccomp_init(otherwise);
    if (!context) {
        return ow_fail(err, OW_INTERNAL, "seccomp_init", "libseccomp does not start");
    }
    ow_code code = add_rules(context, rules, count, err);
    if (code == OW_OK) {
        code = export_filter(context, ret_filter, ret_length, err);
    }
    seccomp_release(context);
    return code;
}

ow_code instance_filter_new(struct sock_filter **ret_filter, unsigned short *ret_length,
                            ow_err *err) {
    return filter_new(SCMP_ACT_TRAP, instance_rules, sizeof instance_rules / sizeof *instance_rules,
                      ret_filter, ret_length, err);
}

static void patch_pid(struct sock_filter *filter, unsigned short length, int pid) {
    for (unsigned short i = 0; i < length; i++) {
        if (BPF_CLASS(filter[i].code) == BPF_JMP && filter[i].k == OWN_PID_PLACEHOLDER) {
            filter[i].k = (uint32_t)pid;
        }
    }
}

ow_code filter_install(const struct sock_filter *filter, unsigned short length, int pid,
                       ow_err *err) {
    struct sock_filter patched[FILTER_MAX];
    memcpy(patched, filter, length * sizeof *filter);
    patch_pid(patched, length, pid);
    struct sock_fprog program = {.len = length, .filter = patched};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) {
        return ow_fail_errno(err, errno, "seccomp");
    }
    return OW_OK;
}

ow_code ow_sandbox_tool_filter(ow_err *err) {
    struct sock_filter *filter = NULL;
    unsigned short length = 0;
    ow_code code = filter_new(SCMP_ACT_ALLOW, tool_rules, sizeof tool_rules / sizeof *tool_rules,
                              &filter, &length, err);
    if (code == OW_OK) {
        code = filter_install(filter, length, 0, err);
    }
    free(filter);
    return code;
}
