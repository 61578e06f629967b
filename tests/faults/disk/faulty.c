#include "tests/faults/disk/faulty.h"

#include "core/testing/ow_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OPEN_FOLDERS_MAX = 16 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static void remove_folder(const char *path) {
    nftw(path, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
}

static void make_folders(const faulty *f) {
    assert_int_equal(mkdir(f->plan->root, 0700), 0);
    assert_int_equal(mkdir(f->plan->stash, 0700), 0);
}

void faulty_init(faulty *f) {
    *f = (faulty){0};
    char shim[PATH_MAX];
    assert_non_null(realpath("tests/faults/disk/faults.so", shim));
    snprintf(f->folder, sizeof f->folder, "/tmp/overworld-faults-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->file, sizeof f->file, "%s/plan", f->folder);
    int fd = open(f->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof *f->plan), 0);
    f->plan = mmap(NULL, sizeof *f->plan, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(f->plan != MAP_FAILED);
    close(fd);
    snprintf(f->plan->root, sizeof f->plan->root, "%s/root", f->folder);
    snprintf(f->plan->stash, sizeof f->plan->stash, "%s/stash", f->folder);
    make_folders(f);
    snprintf(f->preload, sizeof f->preload, "LD_PRELOAD=%s", shim);
    snprintf(f->variable, sizeof f->variable, "%s=%s", FAULT_PLAN_VARIABLE, f->file);
    f->environment[0] = f->preload;
    f->environment[1] = f->variable;
    faulty_rest(f);
}

void faulty_deinit(faulty *f) {
    munmap(f->plan, sizeof *f->plan);
    remove_folder(f->folder);
}

void faulty_renew(faulty *f) {
    remove_folder(f->plan->root);
    remove_folder(f->plan->stash);
    make_folders(f);
    faulty_rest(f);
}

static void plan_set(faulty *f, fault_mode mode, int kinds, long at) {
    atomic_store(&f->plan->kinds, kinds);
    atomic_store(&f->plan->seen, 0);
    atomic_store(&f->plan->struck, 0);
    atomic_store(&f->plan->lies, false);
    atomic_store(&f->plan->at, at);
    atomic_store(&f->plan->mode, (int)mode);
}

void faulty_lose_power(faulty *f, long at, unsigned seed) {
    atomic_store(&f->plan->seed, seed);
    plan_set(f, FAULT_POWER, FAULT_ALL, at);
}

void faulty_fail(faulty *f, int kinds, long at, int error, int fails) {
    atomic_store(&f->plan->error, error);
    atomic_store(&f->plan->fails, fails);
    plan_set(f, FAULT_ERROR, kinds, at);
}

void faulty_rest(faulty *f) {
    plan_set(f, FAULT_NONE, FAULT_ALL, 0);
}
