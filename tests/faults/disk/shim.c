// faults.so: stands between a program and its disk, see plan.h. Loaded with LD_PRELOAD; the program's
// own children run without it.

#include "tests/faults/disk/plan.h"
#include "tests/faults/disk/raw.h"
#include "tests/faults/disk/volatile.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define EXPORTED __attribute__((visibility("default")))

static fault_plan *plan;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv(FAULT_PLAN_VARIABLE);
    int fd = path != NULL ? raw_open(AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    unsetenv(FAULT_PLAN_VARIABLE);
    unsetenv("LD_PRELOAD");
    if (fd < 0) {
        return;
    }
    void *memory = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    plan = memory != MAP_FAILED ? memory : NULL;
}

// ---- What a call is about ----

typedef struct subject {
    bool counts; // it is ours to disturb
    int error;   // it must fail with this; 0: go on
    bool dies;   // it is the last one
    struct stat st;
    char path[PATH_MAX];
} subject;

static bool is_ours(const char *path) {
    size_t length = strlen(plan->root);
    return strncmp(path, plan->root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static bool path_of_fd(int fd, char path[PATH_MAX]) {
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    path[size > 0 ? size : 0] = '\0';
    return size > 0;
}

static bool path_of_name(int folder, const char *name, char path[PATH_MAX]) {
    char base[PATH_MAX];
    if (name[0] == '/') {
        return snprintf(path, PATH_MAX, "%s", name) < PATH_MAX;
    }
    bool known = folder == AT_FDCWD ? getcwd(base, sizeof base) != NULL : path_of_fd(folder, base);
    return known && snprintf(path, PATH_MAX, "%s/%s", base, name) < PATH_MAX;
}

// Takes the lock when the call counts; `leave` gives it back.
static void enter(subject *s, fault_kind kind) {
    s->error = 0;
    s->dies = false;
    if (!s->counts) {
        return;
    }
    pthread_mutex_lock(&lock);
    if ((atomic_load(&plan->kinds) & (int)kind) == 0) {
        return;
    }
    long number = atomic_fetch_add(&plan->seen, 1) + 1;
    long at = atomic_load(&plan->at);
    int mode = atomic_load(&plan->mode);
    if (at == 0 || number < at) {
        return;
    }
    if (mode == FAULT_POWER) {
        s->dies = true;
    } else if (mode == FAULT_ERROR && number < at + atomic_load(&plan->fails)) {
        atomic_fetch_add(&plan->struck, 1);
        s->error = atomic_load(&plan->error);
    }
}

static bool is_power_test(const subject *s) {
    return s->counts && s->error == 0 && atomic_load(&plan->mode) == FAULT_POWER;
}

static void leave(const subject *s) {
    if (!s->counts) {
        return;
    }
    if (s->dies) {
        atomic_fetch_add(&plan->struck, 1);
        volatile_lose(atomic_load(&plan->seed), plan->stash);
        kill(getpid(), SIGKILL); // with the lock held: no other thread gets on
        for (;;) {
            pause();
        }
    }
    int error = s->error != 0 ? s->error : errno;
    pthread_mutex_unlock(&lock);
    errno = error;
}

static void enter_fd(subject *s, int fd, fault_kind kind) {
    s->counts = plan != NULL && fstat(fd, &s->st) == 0 &&
                (S_ISREG(s->st.st_mode) || (kind == FAULT_SYNC && S_ISDIR(s->st.st_mode))) &&
                path_of_fd(fd, s->path) && is_ours(s->path);
    enter(s, kind);
    if (s->counts) {
        fstat(fd, &s->st); // as of now that the lock is held
    }
}

static void enter_name(subject *s, int folder, const char *name) {
    s->counts = plan != NULL && path_of_name(folder, name, s->path) && is_ours(s->path);
    enter(s, FAULT_NAME);
}

// ---- Content ----

EXPORTED ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset) {
    subject s;
    enter_fd(&s, fd, FAULT_WRITE);
    if (is_power_test(&s)) {
        volatile_before_write(&s.st, s.path, offset, size);
    }
    ssize_t written = s.error != 0 ? -1 : raw_pwrite(fd, bytes, size, offset);
    leave(&s);
    return written;
}

EXPORTED ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset) {
    return pwrite64(fd, bytes, size, offset);
}

EXPORTED ssize_t write(int fd, const void *bytes, size_t size) {
    subject s;
    enter_fd(&s, fd, FAULT_WRITE);
    if (is_power_test(&s)) {
        bool at_end = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
        off_t offset = at_end ? s.st.st_size : lseek(fd, 0, SEEK_CUR);
        volatile_before_write(&s.st, s.path, offset, size);
    }
    ssize_t written = s.error != 0 ? -1 : raw_write(fd, bytes, size);
    leave(&s);
    return written;
}

// Never done in truth: the machine stays up, and thousands of points have to be quick.
EXPORTED int fsync(int fd) {
    subject s;
    enter_fd(&s, fd, FAULT_SYNC);
    if (is_power_test(&s) && !s.dies && !atomic_load(&plan->lies)) {
        volatile_sync(&s.st, s.path);
    }
    int result = s.error != 0 ? -1 : s.counts ? 0 : (int)syscall(SYS_fsync, fd);
    leave(&s);
    return result;
}

EXPORTED int fdatasync(int fd) {
    return fsync(fd);
}

EXPORTED int ftruncate64(int fd, off64_t size) {
    subject s;
    enter_fd(&s, fd, FAULT_SIZE);
    if (is_power_test(&s)) {
        volatile_before_resize(&s.st, s.path, size);
    }
    int result = s.error != 0 ? -1 : raw_ftruncate(fd, size);
    leave(&s);
    return result;
}

EXPORTED int ftruncate(int fd, off_t size) {
    return ftruncate64(fd, size);
}

EXPORTED int fallocate64(int fd, int mode, off64_t offset, off64_t size) {
    subject s;
    enter_fd(&s, fd, FAULT_SIZE);
    if (is_power_test(&s)) {
        volatile_before_resize(&s.st, s.path, s.st.st_size);
    }
    int result = s.error != 0 ? -1 : (int)syscall(SYS_fallocate, fd, mode, offset, size);
    leave(&s);
    return result;
}

EXPORTED int fallocate(int fd, int mode, off_t offset, off_t size) {
    return fallocate64(fd, mode, offset, size);
}

EXPORTED int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    return fallocate64(fd, 0, offset, size) == 0 ? 0 : errno;
}

EXPORTED int posix_fallocate(int fd, off_t offset, off_t size) {
    return posix_fallocate64(fd, offset, size);
}

// ---- Names ----

static bool makes_file(int folder, const char *name, int flags) {
    return (flags & O_CREAT) != 0 && (flags & O_TMPFILE) != O_TMPFILE &&
           faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
}

static int open_new(int folder, const char *name, int flags, mode_t mode) {
    subject s;
    enter_name(&s, folder, name);
    int fd = s.error != 0 ? -1 : raw_open(folder, name, flags, mode);
    if (fd >= 0 && is_power_test(&s)) {
        volatile_made(s.path);
    }
    leave(&s);
    return fd;
}

static int open_and_empty(int folder, const char *name, int flags, mode_t mode) {
    int fd = raw_open(folder, name, flags & ~O_TRUNC, mode);
    if (fd >= 0 && ftruncate64(fd, 0) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

// A file that is made, or emptied by its opening, changes the disk; others only look.
static int open_any(int folder, const char *name, int flags, mode_t mode) {
    if (plan != NULL && makes_file(folder, name, flags)) {
        return open_new(folder, name, flags, mode);
    }
    if (plan != NULL && (flags & O_TRUNC) != 0) {
        return open_and_empty(folder, name, flags, mode);
    }
    return raw_open(folder, name, flags, mode);
}

static mode_t mode_argument(int flags, va_list arguments) {
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(arguments, mode_t)
                                                                      : 0;
}

EXPORTED int open64(const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_any(AT_FDCWD, name, flags, mode);
}

EXPORTED int open(const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_any(AT_FDCWD, name, flags, mode);
}

EXPORTED int openat64(int folder, const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_any(folder, name, flags, mode);
}

EXPORTED int openat(int folder, const char *name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_argument(flags, arguments);
    va_end(arguments);
    return open_any(folder, name, flags, mode);
}

EXPORTED int link(const char *from, const char *to) {
    subject s;
    enter_name(&s, AT_FDCWD, to);
    int result = s.error != 0 ? -1 : raw_link(AT_FDCWD, from, AT_FDCWD, to);
    if (result == 0 && is_power_test(&s)) {
        volatile_made(s.path);
    }
    leave(&s);
    return result;
}

EXPORTED int mkdirat(int folder, const char *name, mode_t mode) {
    subject s;
    enter_name(&s, folder, name);
    int result = s.error != 0 ? -1 : raw_mkdir(folder, name, mode);
    if (result == 0 && is_power_test(&s)) {
        volatile_made(s.path);
    }
    leave(&s);
    return result;
}

EXPORTED int mkdir(const char *name, mode_t mode) {
    return mkdirat(AT_FDCWD, name, mode);
}

EXPORTED int unlinkat(int folder, const char *name, int flags) {
    subject s;
    enter_name(&s, folder, name);
    if (is_power_test(&s)) {
        volatile_before_unlink(s.path, plan->stash);
    }
    int result = s.error != 0 ? -1 : raw_unlink(folder, name, flags);
    leave(&s);
    return result;
}

EXPORTED int unlink(const char *name) {
    return unlinkat(AT_FDCWD, name, 0);
}

EXPORTED int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    subject s;
    char source[PATH_MAX] = "";
    enter_name(&s, to_folder, to);
    bool models = is_power_test(&s) && path_of_name(from_folder, from, source);
    if (models) {
        volatile_before_rename(s.path, plan->stash);
    }
    int result = s.error != 0 ? -1 : raw_rename(from_folder, from, to_folder, to);
    if (models && result == 0) {
        volatile_renamed(source, s.path);
    }
    leave(&s);
    return result;
}

EXPORTED int rename(const char *from, const char *to) {
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}
