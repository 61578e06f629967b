// Why an instance ended, in words.

#include "runtimes/host/host.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "runtimes/host/internal.h"

static const char *const reasons[] = {
    [OW_HOST_END_KILLED] = "killed",    [OW_HOST_END_CRASHED] = "crashed",
    [OW_HOST_END_MEMORY] = "memory",    [OW_HOST_END_PROTOCOL] = "protocol",
    [OW_HOST_END_INIT] = "init_failed", [OW_HOST_END_ZYGOTE] = "zygote_gone",
};

static const struct {
    int number;
    const char *name;
} syscalls[] = {
    {SYS_socket, "socket"},
    {SYS_connect, "connect"},
    {SYS_bind, "bind"},
    {SYS_clone, "clone"},
    {SYS_fork, "fork"},
    {SYS_vfork, "vfork"},
    {SYS_execve, "execve"},
    {SYS_execveat, "execveat"},
    {SYS_kill, "kill"},
    {SYS_tgkill, "tgkill"},
    {SYS_ptrace, "ptrace"},
    {SYS_dup, "dup"},
    {SYS_dup2, "dup2"},
    {SYS_dup3, "dup3"},
    {SYS_pipe, "pipe"},
    {SYS_pipe2, "pipe2"},
    {SYS_socketpair, "socketpair"},
    {SYS_memfd_create, "memfd_create"},
    {SYS_io_uring_setup, "io_uring_setup"},
    {SYS_mount, "mount"},
    {SYS_unshare, "unshare"},
    {SYS_setns, "setns"},
    {SYS_bpf, "bpf"},
    {SYS_fcntl, "fcntl"},
    {SYS_ioctl, "ioctl"},
    {SYS_prctl, "prctl"},
    {SYS_setuid, "setuid"},
    {SYS_chroot, "chroot"},
    {SYS_eventfd2, "eventfd2"},
    {SYS_epoll_create1, "epoll_create1"},
    {SYS_seccomp, "seccomp"},
    {SYS_keyctl, "keyctl"},
    {SYS_userfaultfd, "userfaultfd"},
    {SYS_mmap, "mmap of uncounted memory"},
    {SYS_wait4, "wait4"},
    {SYS_truncate, "truncate"},
    {SYS_ftruncate, "ftruncate"},
};

static void name_syscall(int number, char *to, size_t size) {
    for (size_t i = 0; i < sizeof syscalls / sizeof *syscalls; i++) {
        if (syscalls[i].number == number) {
            snprintf(to, size, "forbidden system call %s", syscalls[i].name);
            return;
        }
    }
    snprintf(to, size, "forbidden system call number %d", number);
}

static void describe_signal(int number, uint64_t address, ow_host_exit *exit) {
    const char *text = sigdescr_np(number);
    if (number == SIGSEGV || number == SIGBUS) {
        snprintf(exit->message, sizeof exit->message, "%s at address 0x%llx",
                 text ? text : "signal", (unsigned long long)address);
    } else {
        snprintf(exit->message, sizeof exit->message, "%s (signal %d)", text ? text : "signal",
                 number);
    }
}

static void take_frames(const ow_region_fault *shared, ow_host_exit *exit) {
    const volatile ow_region_fault *fault = shared;
    unsigned count = fault->frame_count;
    exit->frame_count = count < OW_HOST_FRAMES_MAX ? count : OW_HOST_FRAMES_MAX;
    for (unsigned i = 0; i < exit->frame_count; i++) {
        exit->frames[i].address = fault->frames[i];
    }
}

// What the instance noted of its own end; the status decides whether it is to be believed.
static void describe_fault(ow_host_instance *instance, ow_host_exit *exit) {
    ow_region_fault *fault = &instance->region->fault;
    uint32_t kind = atomic_load(&fault->kind);
    int number = *(volatile int32_t *)&fault->number;
    uint64_t address = *(volatile uint64_t *)&fault->address;
    switch (kind) {
    case OW_REGION_FAULT_MEMORY:
        exit->end = OW_HOST_END_MEMORY;
        snprintf(exit->message, sizeof exit->message,
                 "an allocation of %llu bytes did not fit the memory limit",
                 (unsigned long long)address);
        break;
    case OW_REGION_FAULT_SYSCALL:
        name_syscall(number, exit->message, sizeof exit->message);
        break;
    case OW_REGION_FAULT_STACK:
        snprintf(exit->message, sizeof exit->message, "the stack overflowed");
        break;
    case OW_REGION_FAULT_SIGNAL:
        describe_signal(exit->signal, exit->signal == number ? address : 0, exit);
        break;
    default:
        return;
    }
    take_frames(fault, exit);
}

static void describe_status(ow_host_instance *instance, int status, ow_host_exit *exit) {
    exit->end = OW_HOST_END_CRASHED;
    if (WIFSIGNALED(status)) {
        exit->signal = WTERMSIG(status);
        describe_signal(exit->signal, 0, exit);
        if (exit->signal == SIGKILL) {
            exit->end = OW_HOST_END_MEMORY;
            snprintf(exit->message, sizeof exit->message,
                     "killed by the system, most likely for want of memory");
        }
    } else {
        exit->exit_code = WEXITSTATUS(status);
        snprintf(exit->message, sizeof exit->message, "exit(%d) was called before the reply",
                 exit->exit_code);
    }
    if (exit->end == OW_HOST_END_CRASHED) {
        describe_fault(instance, exit);
    }
}

void exit_describe(ow_host_instance *instance, int status, ow_host_exit *exit) {
    if (instance->dying) {
        exit->end = instance->end;
        exit->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        snprintf(exit->message, sizeof exit->message, "%s", instance->end_message);
    } else {
        describe_status(instance, status, exit);
        if (!instance->loaded) {
            exit->end = OW_HOST_END_INIT;
        }
    }
    exit->reason = reasons[exit->end];
}

void exit_tell(ow_host_instance *instance, const ow_host_exit *exit) {
    ow_host *host = instance->host;
    ow_host_exit told = *exit;
    log_drain(&instance->output, instance->log);
    log_all(&instance->output, &told.log);
    host->events.exited(host->ctx, instance, &told);
}
