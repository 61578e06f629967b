#include "runtimes/build/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtimes/sandbox/sandbox.h"

#define EXIT_TIME 124
#define EXIT_NO_SANDBOX 125
#define EXIT_NO_NAMESPACES 126
#define TREE_TMP_MB 160
#define TOOL_CPU_S 30
#define TOOL_MEMORY ((rlim_t)1 << 30)
#define TOOL_FILE ((rlim_t)64 << 20)
#define TOOL_PROCESSES 64

// Debian's toolchain: the driver's parts, headers, start files and libraries. The programs in
// /usr/bin are links to names with the machine in them; the targets are bound to the plain names.
static const ow_sandbox_bind toolchain[] = {
    {.from = "/usr/bin/gcc", .to = "/usr/bin/gcc"},
    {.from = "/usr/bin/as", .to = "/usr/bin/as"},
    {.from = "/usr/bin/ld", .to = "/usr/bin/ld"},
    {.from = "/usr/bin/addr2line", .to = "/usr/bin/addr2line"},
    {.from = "/usr/lib/gcc", .to = "/usr/lib/gcc"},
    {.from = "/usr/libexec/gcc", .to = "/usr/libexec/gcc"},
    {.from = "/usr/lib/x86_64-linux-gnu", .to = "/usr/lib/x86_64-linux-gnu"},
    {.from = "/usr/lib/aarch64-linux-gnu", .to = "/usr/lib/aarch64-linux-gnu"},
    {.from = "/usr/lib64", .to = "/usr/lib64"},
    {.from = "/usr/include", .to = "/usr/include"},
    {.from = "/dev/null", .to = "/dev/null"},
    {.to = "/lib", .link = "usr/lib"},
    {.to = "/lib64", .link = "usr/lib64"},
};

static const ow_sandbox_tree tree = {.binds = toolchain,
                                     .bind_count = sizeof toolchain / sizeof *toolchain,
                                     .tmp_mb = TREE_TMP_MB,
                                     .read_only = true};

static int wait_for(pid_t child) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return 1;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Time is kept outside of the walls; what runs inside dies with the process that is killed here.
static int wait_at_most(pid_t child, unsigned seconds) {
    struct pollfd ended = {.fd = (int)syscall(SYS_pidfd_open, child, 0), .events = POLLIN};
    bool late = ended.fd < 0 || poll(&ended, 1, (int)seconds * 1000) <= 0;
    if (late) {
        kill(child, SIGKILL);
    }
    if (ended.fd >= 0) {
        close(ended.fd);
    }
    int status = wait_for(child);
    return late ? EXIT_TIME : status;
}

typedef struct job {
    int (*work)(const workplace *place, void *data);
    void *data;
} job;

static void die_with_parent(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int in_own_tree(const job *job) {
    if (ow_sandbox_enter_namespaces(NULL) != OW_OK) {
        return EXIT_NO_NAMESPACES;
    }
    pid_t init = fork();
    if (init == 0) {
        die_with_parent();
        ow_err err = {0};
        if (ow_sandbox_enter_tree(&tree, &err) != OW_OK) {
            _exit(EXIT_NO_NAMESPACES);
        }
        const workplace place = {.root = "/tmp", .own_tree = true};
        _exit(job->work(&place, job->data));
    }
    return init > 0 ? wait_for(init) : EXIT_NO_NAMESPACES;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static int behind_landlock(const job *job, const workplace *place) {
    const char *const readable[] = {"/usr", "/lib", "/lib64", "/dev/null", NULL};
    const char *const writable[] = {place->root, "/dev/null", NULL};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (ow_sandbox_landlock_paths(readable, writable, NULL) != OW_OK) {
        return EXIT_NO_SANDBOX;
    }
    return job->work(place, job->data);
}

static int run_child(int (*body)(const job *, const workplace *), const job *job,
                     const workplace *place, unsigned seconds) {
    pid_t child = fork();
    if (child == 0) {
        die_with_parent();
        _exit(body(job, place));
    }
    return child > 0 ? wait_at_most(child, seconds) : 1;
}

static int own_tree_body(const job *job, const workplace *place) {
    (void)place;
    return in_own_tree(job);
}

int confine(int (*work)(const workplace *place, void *data), void *data, unsigned seconds) {
    const job job = {.work = work, .data = data};
    if (ow_sandbox_drop_root(NULL) != OW_OK) {
        return EXIT_NO_SANDBOX;
    }
    die_with_parent();
    int status = run_child(own_tree_body, &job, NULL, seconds);
    if (status != EXIT_NO_NAMESPACES) {
        return status;
    }
    workplace place = {.root = "/tmp/ow-build-XXXXXX"};
    if (!mkdtemp(place.root)) {
        return EXIT_NO_SANDBOX;
    }
    status = run_child(behind_landlock, &job, &place, seconds);
    nftw(place.root, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return status;
}

static void limit(int resource, rlim_t value) {
    struct rlimit both = {.rlim_cur = value, .rlim_max = value};
    setrlimit(resource, &both);
}

static void become_tool(const workplace *place, const char *folder, char *const arguments[]) {
    char temporary[80];
    snprintf(temporary, sizeof temporary, "TMPDIR=%s", place->root);
    char path[] = "PATH=/usr/bin";
    char locale[] = "LC_ALL=C";
    char *environment[] = {path, locale, temporary, NULL};
    limit(RLIMIT_CPU, TOOL_CPU_S);
    limit(RLIMIT_AS, TOOL_MEMORY);
    limit(RLIMIT_FSIZE, TOOL_FILE);
    limit(RLIMIT_CORE, 0);
    if (place->own_tree) {
        // Counted in the own user namespace; outside of one it would count strangers.
        limit(RLIMIT_NPROC, TOOL_PROCESSES);
    }
    syscall(SYS_close_range, CONTROL_FD, ~0u, 0);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ow_sandbox_tool_filter(NULL) != OW_OK ||
        chdir(folder) != 0) {
        return;
    }
    execve(arguments[0], arguments, environment);
}

int run_tool(const workplace *place, const char *folder, char *const arguments[]) {
    pid_t child = fork();
    if (child == 0) {
        become_tool(place, folder, arguments);
        _exit(127);
    }
    return child > 0 ? wait_for(child) : 1;
}

int copy_to_file(int fd, const char *path) {
    int to = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (to < 0) {
        return errno;
    }
    char buffer[16384];
    int failed = 0;
    off_t at = 0;
    for (ssize_t got; failed == 0 && (got = pread(fd, buffer, sizeof buffer, at)) != 0;) {
        if (got < 0 || write(to, buffer, (size_t)got) != got) {
            failed = errno ? errno : ENOSPC;
        }
        at += got > 0 ? got : 0;
    }
    close(to);
    return failed;
}
