#include "core/crypto/secret.h"

#include "core/testing/ow_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct fixture {
    char folder[200];
    char path[256];
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TEST_TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%s/secret-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/key", f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    unlink(f->path);
    // Nothing else may be left in it.
    assert_int_equal(rmdir(f->folder), 0);
    free(f);
    return 0;
}

static void write_file(const fixture *f, const char *text, mode_t mode) {
    int fd = open(f->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static void a_secret_is_made_once(void **state) {
    fixture *f = *state;
    ow_secret first = {0};
    ow_secret second = {0};
    bool made = false;
    assert_int_equal(ow_secret_load(f->path, &first, NULL), OW_NOT_FOUND);
    assert_int_equal(ow_secret_load_or_make(f->path, 32, &first, &made, NULL), OW_OK);
    assert_true(made);
    assert_int_equal(first.size, 43);
    struct stat status;
    assert_int_equal(stat(f->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(status.st_nlink, 1);
    assert_int_equal(ow_secret_load_or_make(f->path, 32, &second, &made, NULL), OW_OK);
    assert_false(made);
    assert_string_equal(first.bytes, second.bytes);
    assert_int_equal(ow_secret_store(f->path, &first, NULL), OW_ALREADY_EXISTS);
    ow_secret_deinit(&first);
    ow_secret_deinit(&second);
}

static void expect_unsafe(const fixture *f, const char *hint) {
    ow_secret secret = {0};
    ow_err err;
    assert_int_equal(ow_secret_load(f->path, &secret, &err), OW_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "unsafe_secret");
    assert_non_null(strstr(err.message, hint));
    assert_int_equal(ow_secret_load_or_make(f->path, 32, &secret, NULL, &err),
                     OW_FAILED_PRECONDITION);
    assert_null(secret.bytes);
}

static void files_that_others_may_read_are_refused(void **state) {
    const fixture *f = *state;
    write_file(f, "hush\n", 0640);
    expect_unsafe(f, "chmod 600");
    write_file(f, "hush\n", 0604);
    expect_unsafe(f, "604");
    write_file(f, "hush\n", 0400);
    ow_secret secret = {0};
    assert_int_equal(ow_secret_load(f->path, &secret, NULL), OW_OK);
    assert_string_equal(secret.bytes, "hush");
    assert_int_equal(secret.size, 4);
    ow_secret_deinit(&secret);
}

static void empty_and_strange_files_are_refused(void **state) {
    const fixture *f = *state;
    write_file(f, "\n", 0600);
    expect_unsafe(f, "empty");
    char *text = calloc(1, 5001);
    memset(text, 'x', 5000);
    write_file(f, text, 0600);
    free(text);
    expect_unsafe(f, "too long");
    unlink(f->path);
    assert_int_equal(symlink("/etc/passwd", f->path), 0);
    expect_unsafe(f, "symbolic link");
    unlink(f->path);
    assert_int_equal(mkfifo(f->path, 0600), 0);
    expect_unsafe(f, "not a file");
}

static void sizes_are_bounded(void **state) {
    (void)state;
    ow_secret secret = {0};
    assert_int_equal(ow_secret_make(8, &secret, NULL), OW_INTERNAL);
    assert_int_equal(ow_secret_make(65, &secret, NULL), OW_INTERNAL);
    assert_int_equal(ow_secret_make(64, &secret, NULL), OW_OK);
    assert_int_equal(secret.size, 86);
    ow_secret_deinit(&secret);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_secret_is_made_once),
        CASE(files_that_others_may_read_are_refused),
        CASE(empty_and_strange_files_are_refused),
        CASE(sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
