#include "services/overworld/folders.h"

#include "core/testing/ow_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct fixture {
    char base[200];
    char data[256];
    folders folders;
    ow_err err;
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TEST_TMPDIR");
    snprintf(f->base, sizeof f->base, "%s/folders-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(f->base));
    snprintf(f->data, sizeof f->data, "%s/deep/data", f->base);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    static const char *const left[] = {"/deep/data/run", "/deep/data", "/deep", ""};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s%s", f->base, left[i]);
        rmdir(path);
    }
    free(f);
    return 0;
}

static unsigned mode_of(const char *path) {
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_mode & 07777;
}

static void folders_are_made_for_us_alone(void **state) {
    fixture *f = *state;
    assert_int_equal(folders_open(f->data, NULL, &f->folders, NULL), OW_OK);
    assert_string_equal(f->folders.data, f->data);
    assert_int_equal(mode_of(f->folders.data), 0700);
    assert_int_equal(mode_of(f->folders.run), 0700);
    assert_non_null(strstr(f->folders.run, "/deep/data/run"));
    assert_int_equal(f->folders.binaries[0], '/');
    assert_int_equal(folders_open(f->data, f->base, &f->folders, NULL), OW_OK);
    assert_string_equal(f->folders.binaries, f->base);
}

static void a_readable_folder_is_closed(void **state) {
    fixture *f = *state;
    assert_int_equal(folders_open(f->data, NULL, &f->folders, NULL), OW_OK);
    chmod(f->data, 0755);
    assert_int_equal(folders_open(f->data, NULL, &f->folders, NULL), OW_OK);
    assert_int_equal(mode_of(f->data), 0700);
}

static void a_writable_folder_is_refused(void **state) {
    fixture *f = *state;
    assert_int_equal(folders_open(f->data, NULL, &f->folders, NULL), OW_OK);
    static const mode_t modes[] = {0770, 0702, 0777};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        chmod(f->data, modes[i]);
        assert_int_equal(folders_open(f->data, NULL, &f->folders, &f->err), OW_FAILED_PRECONDITION);
        assert_string_equal(f->err.reason, "unsafe_folder");
        assert_int_equal(mode_of(f->data), modes[i]);
    }
}

static void other_things_are_refused(void **state) {
    fixture *f = *state;
    char path[300];
    snprintf(path, sizeof path, "%s/file", f->base);
    close(open(path, O_WRONLY | O_CREAT, 0600));
    assert_int_not_equal(folders_open(path, NULL, &f->folders, &f->err), OW_OK);
    unlink(path);
    assert_int_equal(folders_open(f->data, "/nowhere/at/all", &f->folders, &f->err), OW_INTERNAL);
    assert_int_equal(folders_open("", NULL, &f->folders, &f->err), OW_INTERNAL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(folders_are_made_for_us_alone),
        CASE(a_readable_folder_is_closed),
        CASE(a_writable_folder_is_refused),
        CASE(other_things_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
