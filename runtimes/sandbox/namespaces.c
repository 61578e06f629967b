#include "runtimes/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define NEW_ROOT "/tmp"

ow_code ow_sandbox_drop_root(ow_err *err) {
    if (geteuid() != 0) {
        return OW_OK;
    }
    // In a user namespace that maps root alone (a rootless container) there is nobody else to
    // become, and root is an ordinary user outside.
    if (setgroups(0, NULL) != 0 && errno != EPERM) {
        return ow_fail_errno(err, errno, "giving up root's groups");
    }
    if (setresgid(NOBODY, NOBODY, NOBODY) != 0 || setresuid(NOBODY, NOBODY, NOBODY) != 0) {
        return errno == EINVAL ? OW_OK : ow_fail_errno(err, errno, "giving up root");
    }
    // Changing user made /proc/self root's, and the uid map is written there.
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) {
        return ow_fail_errno(err, errno, "dumpable");
    }
    return OW_OK;
}

static ow_code write_file(const char *path, const char *text, ow_err *err) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t wrote = fd >= 0 ? write(fd, text, strlen(text)) : -1;
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    return wrote == (ssize_t)strlen(text) ? OW_OK : ow_fail_errno(err, saved, "writing %s", path);
}

ow_code ow_sandbox_enter_namespaces(ow_err *err) {
    char uid_map[40];
    char gid_map[40];
    // The same id inside: a program exec'ed in there holds no capability.
    snprintf(uid_map, sizeof uid_map, "%u %u 1", getuid(), getuid());
    snprintf(gid_map, sizeof gid_map, "%u %u 1", getgid(), getgid());
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                CLONE_NEWUTS | CLONE_NEWCGROUP) != 0) {
        return ow_fail_errno(err, errno, "new namespaces");
    }
    ow_code code = write_file("/proc/self/setgroups", "deny", err);
    if (code == OW_OK) {
        code = write_file("/proc/self/uid_map", uid_map, err);
    }
    if (code == OW_OK) {
        code = write_file("/proc/self/gid_map", gid_map, err);
    }
    return code;
}

static ow_code make_parents(const char *path, ow_err *err) {
    char part[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return ow_fail_errno(err, errno, "making %s", part);
        }
    }
    return OW_OK;
}

static ow_code bind_read_only(const char *from, const char *to, bool directory, ow_err *err) {
    int made = directory ? mkdir(to, 0755) : open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (made < 0 && errno != EEXIST) {
        return ow_fail_errno(err, errno, "making %s", to);
    }
    if (!directory && made >= 0) {
        close(made);
    }
    if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) != 0) {
        return ow_fail_errno(err, errno, "binding %s", from);
    }
    // A user namespace may not clear flags that the mount already has: keep them.
    unsigned long keep = MS_NOSUID | MS_RDONLY;
    if (directory) {
        keep |= MS_NODEV;
    }
    if (mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | keep, NULL) != 0) {
        return ow_fail_errno(err, errno, "making %s read-only", to);
    }
    return OW_OK;
}

static ow_code add_bind(const char *root, const ow_sandbox_bind *bind, ow_err *err) {
    char to[PATH_MAX];
    if (snprintf(to, sizeof to, "%s%s", root, bind->to) >= (int)sizeof to) {
        return ow_fail(err, OW_INTERNAL, "path_too_long", "%s is too long", bind->to);
    }
    struct stat info;
    if (!bind->link && stat(bind->from, &info) != 0) {
        return OW_OK;
    }
    ow_code code = make_parents(to, err);
    if (code != OW_OK) {
        return code;
    }
    if (bind->link) {
        return symlink(bind->link, to) == 0 ? OW_OK : ow_fail_errno(err, errno, "linking %s", to);
    }
    return bind_read_only(bind->from, to, S_ISDIR(info.st_mode), err);
}

static ow_code fill_tree(const ow_sandbox_tree *tree, ow_err *err) {
    for (size_t i = 0; i < tree->bind_count; i++) {
        ow_code code = add_bind(NEW_ROOT, &tree->binds[i], err);
        if (code != OW_OK) {
            return code;
        }
    }
    // /proc must be mounted while the old one is still visible.
    if (tree->proc && (mkdir(NEW_ROOT "/proc", 0555) != 0 ||
                       mount("proc", NEW_ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
                             "hidepid=2") != 0)) {
        return ow_fail_errno(err, errno, "mounting /proc");
    }
    if (tree->tmp_mb > 0) {
        char options[64];
        snprintf(options, sizeof options, "size=%um,nr_inodes=4096,mode=0755", tree->tmp_mb);
        if (mkdir(NEW_ROOT "/tmp", 0755) != 0 ||
            mount("tmp", NEW_ROOT "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0) {
            return ow_fail_errno(err, errno, "mounting /tmp");
        }
    }
    return OW_OK;
}

ow_code ow_sandbox_enter_tree(const ow_sandbox_tree *tree, ow_err *err) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("root", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,mode=0755") != 0) {
        return ow_fail_errno(err, errno, "mounting the new root");
    }
    ow_code code = fill_tree(tree, err);
    if (code != OW_OK) {
        return code;
    }
    if (chdir(NEW_ROOT) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
        umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
        return ow_fail_errno(err, errno, "changing to the new root");
    }
    if (tree->read_only &&
        mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL) !=
            0) {
        return ow_fail_errno(err, errno, "making the new root read-only");
    }
    return OW_OK;
}

static int try_tree(const ow_sandbox_tree *tree) {
    if (ow_sandbox_enter_namespaces(NULL) != OW_OK) {
        return 1;
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(ow_sandbox_enter_tree(tree, NULL) == OW_OK ? 0 : 1);
    }
    int status = 1;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return 1;
    }
    return status;
}

bool ow_sandbox_probe_namespaces(const ow_sandbox_tree *tree) {
    pid_t child = fork();
    if (child == 0) {
        _exit(try_tree(tree) == 0 ? 0 : 1);
    }
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}
