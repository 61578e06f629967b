#include "runtimes/zygote/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtimes/sandbox/sandbox.h"
#include "runtimes/zygote/internal.h"

#define CHILDREN_MAX 4096u
#define CHILD_FILES 64u
#define RETURN_AGAIN (-1)

typedef struct child {
    pid_t pid; // 0 = free
    uint32_t number;
} child;

typedef struct zygote {
    const ow_runtime *runtime;
    ow_sandbox sandbox;
    int signals; // signalfd of SIGCHLD
    child *children;
    size_t child_count; // entries ever used
    ow_frame frame;
} zygote;

static const ow_sandbox_tree empty_tree = {.proc = true, .read_only = true};

// In the child ------------------------------------------------------------------------------------

static void close_range_of(unsigned first, unsigned last) {
    if (first <= last) {
        syscall(SYS_close_range, first, last, 0);
    }
}

static ow_rt *become_instance(zygote *self, const int *fds) {
    ow_rt *rt = calloc(1, sizeof *rt);
    if (!rt) {
        return NULL;
    }
    rt->runtime = self->runtime;
    rt->region = ow_region_map(fds[OW_SPAWN_REGION]);
    rt->host_page = ow_region_host_page_map(fds[OW_SPAWN_HOST_PAGE]);
    if (!rt->region || !rt->host_page || dup2(fds[OW_SPAWN_LOG], STDOUT_FILENO) < 0 ||
        dup2(fds[OW_SPAWN_LOG], STDERR_FILENO) < 0 ||
        dup2(fds[OW_SPAWN_WAKE], OW_SANDBOX_WAKE_FD) < 0 ||
        dup2(fds[OW_SPAWN_CONTROL], CONTROL_FD) < 0) {
        return NULL;
    }
    unsigned keep = self->sandbox.ruleset >= 0 ? (unsigned)self->sandbox.ruleset : CONTROL_FD;
    close_range_of(CONTROL_FD + 1, keep - 1);
    close_range_of(keep + 1, OW_SANDBOX_WAKE_FD - 1);
    close_range_of(OW_SANDBOX_WAKE_FD + 1, ~0u);
    return rt;
}

static void run_child(zygote *self) {
    const ow_sandbox_limits limits = {.memory_bytes = self->frame.head.first,
                                      .stack_bytes = self->frame.head.second,
                                      .files = CHILD_FILES};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    ow_rt *rt = become_instance(self, self->frame.fds);
    if (!rt) {
        _exit(1);
    }
    instance_set_current(rt);
    if (ow_sandbox_enter(&self->sandbox, &limits, NULL) != OW_OK) {
        _exit(1);
    }
    instance_run(rt);
    _exit(1);
}

// In the zygote -----------------------------------------------------------------------------------

static child *free_child(zygote *self) {
    for (size_t i = 0; i < self->child_count; i++) {
        if (self->children[i].pid == 0) {
            return &self->children[i];
        }
    }
    return self->child_count < CHILDREN_MAX ? &self->children[self->child_count++] : NULL;
}

static int spawn(zygote *self, child *entry, uint32_t number, int *ret_pidfd) {
    pid_t pid = fork();
    if (pid == 0) {
        run_child(self);
    }
    if (pid < 0) {
        return errno;
    }
    *entry = (child){.pid = pid, .number = number};
    *ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (*ret_pidfd < 0) {
        int failed = errno;
        kill(pid, SIGKILL);
        return failed;
    }
    return 0;
}

static int on_spawn(zygote *self) {
    uint32_t number = self->frame.head.number;
    child *entry = free_child(self);
    int pidfd = -1;
    int failed = self->frame.fd_count != OW_SPAWN_FDS ? EBADMSG : !entry ? EAGAIN : 0;
    if (failed == 0) {
        failed = spawn(self, entry, number, &pidfd);
    }
    ow_frame_close_fds(&self->frame);
    ow_frame_init(&self->frame, failed == 0 ? OW_FRAME_SPAWNED : OW_FRAME_SPAWN_FAILED, number);
    self->frame.head.value = (uint32_t)failed;
    if (failed == 0) {
        self->frame.fds[0] = pidfd;
        self->frame.fd_count = 1;
    }
    int sent = ow_frame_send(CONTROL_FD, &self->frame);
    if (pidfd >= 0) {
        close(pidfd);
    }
    return sent;
}

static int report_exit(zygote *self, pid_t pid, int status, const struct rusage *usage) {
    for (size_t i = 0; i < self->child_count; i++) {
        if (self->children[i].pid == pid) {
            self->children[i].pid = 0;
            ow_frame_init(&self->frame, OW_FRAME_EXIT, self->children[i].number);
            self->frame.head.value = (uint32_t)status;
            self->frame.head.first = (uint64_t)usage->ru_maxrss << 10;
            return ow_frame_send(CONTROL_FD, &self->frame);
        }
    }
    return 0;
}

static int on_children(zygote *self) {
    struct signalfd_siginfo info;
    ssize_t got = read(self->signals, &info, sizeof info);
    (void)got; // the children say what happened
    struct rusage usage;
    int status = 0;
    for (pid_t pid; (pid = wait4(-1, &status, WNOHANG, &usage)) > 0;) {
        int failed = report_exit(self, pid, status, &usage);
        if (failed != 0) {
            return failed;
        }
    }
    return 0;
}

static int serve(zygote *self) {
    struct pollfd fds[2] = {{.fd = CONTROL_FD, .events = POLLIN},
                            {.fd = self->signals, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            return errno;
        }
        int failed = fds[1].revents ? on_children(self) : 0;
        if (failed == 0 && fds[0].revents) {
            failed = ow_frame_receive(CONTROL_FD, &self->frame, MSG_DONTWAIT);
            if (failed == 0 && self->frame.head.type == OW_FRAME_SPAWN) {
                failed = on_spawn(self);
            }
        }
        if (failed != 0 && failed != EAGAIN) {
            return failed; // the host is gone, and with it our reason
        }
    }
}

static int say_hello(zygote *self) {
    ow_frame_init(&self->frame, OW_FRAME_HELLO, (uint32_t)self->sandbox.level);
    self->frame.head.value = (uint32_t)self->sandbox.landlock_abi;
    ow_frame_put(&self->frame, self->sandbox.text);
    int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (pidfd < 0) {
        return errno;
    }
    self->frame.fds[0] = pidfd;
    self->frame.fd_count = 1;
    int failed = ow_frame_send(CONTROL_FD, &self->frame);
    close(pidfd);
    return failed;
}

// Returns RETURN_AGAIN in the process that goes on, an exit status in the one that ends.
static int enter_tree(enum ow_sandbox_level most, bool *ret_namespaces) {
    if (ow_sandbox_drop_root(NULL) != OW_OK) {
        return 1;
    }
    *ret_namespaces = most >= OW_SANDBOX_FULL && ow_sandbox_probe_namespaces(&empty_tree);
    if (!*ret_namespaces) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        return RETURN_AGAIN;
    }
    if (ow_sandbox_enter_namespaces(NULL) != OW_OK) {
        return 1;
    }
    // The host's end of the socket tells the init of the namespace when to end, and with it all.
    pid_t init = fork();
    if (init != 0) {
        return init > 0 ? 0 : 1;
    }
    return ow_sandbox_enter_tree(&empty_tree, NULL) == OW_OK ? RETURN_AGAIN : 1;
}

static int prepare(zygote *self, enum ow_sandbox_level most, bool namespaces) {
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    self->signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
    self->children = calloc(CHILDREN_MAX, sizeof *self->children);
    if (self->signals < 0 || !self->children) {
        return ENOMEM;
    }
    int failed = fault_init();
    failed = failed ? failed : output_init();
    if (failed != 0) {
        return failed;
    }
    return ow_sandbox_init(&self->sandbox, most, namespaces, NULL) == OW_OK ? 0 : EPERM;
}

int ow_zygote_main(int argc, char **argv, const ow_runtime *runtime) {
    enum ow_sandbox_level most =
        argc > 1 ? (enum ow_sandbox_level)(argv[1][0] - '0') : OW_SANDBOX_FULL;
    zygote *self = calloc(1, sizeof *self);
    if (!self || (runtime->init && runtime->init() != 0)) {
        return 1;
    }
    self->runtime = runtime;
    signal(SIGPIPE, SIG_IGN);
    bool namespaces = false;
    int done = enter_tree(most, &namespaces);
    if (done != RETURN_AGAIN) {
        return done;
    }
    if (prepare(self, most, namespaces) != 0 || say_hello(self) != 0) {
        return 1;
    }
    serve(self);
    return 0;
}
