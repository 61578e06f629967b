#include "tests/faults/disk/small_disk.h"

#include "core/testing/ow_test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, NO_MOUNT = 77 };

static bool write_text(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return written;
}

// In a mount namespace of this process's own.
static bool mount_small(const char *folder, const char *size) {
    uid_t uid = getuid();
    char options[32];
    snprintf(options, sizeof options, "size=%s", size);
    if (unshare(CLONE_NEWNS) != 0) {
        char map[32];
        snprintf(map, sizeof map, "%u %u 1", (unsigned)uid, (unsigned)uid);
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || !write_text("/proc/self/uid_map", map)) {
            return false;
        }
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", folder, "tmpfs", 0, options) == 0;
}

void small_disk_run(const char *size, void (*run)(const char *folder)) {
    char folder[] = "/tmp/overworld-disk-XXXXXX";
    int status = 0;
    assert_non_null(mkdtemp(folder));
    pid_t child = fork(); // the namespace is for its life only
    assert_true(child >= 0);
    if (child == 0) {
        if (!mount_small(folder, size)) {
            _exit(NO_MOUNT);
        }
        run(folder);
        exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    rmdir(folder);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_MOUNT) {
        print_message("no small file system can be mounted here\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int small_disk_fill(const char *file, int spare) {
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char page[PAGE] = {1};
    int pages = 0;
    while (write(fd, page, sizeof page) == (ssize_t)sizeof page) {
        pages++;
    }
    pages = pages > spare ? pages - spare : 0;
    if (ftruncate(fd, (off_t)pages * PAGE) != 0) {
        pages = -1;
    }
    close(fd);
    return pages;
}
