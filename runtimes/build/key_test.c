#include "runtimes/build/key.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/testing/ow_test.h"

#define BINARY "runtimes/build/ow-build-c"

typedef struct machine {
    char root[PATH_MAX];
    char key[OW_BUILD_KEY_SIZE];
} machine;

static const char *const folders[] = {"/usr",
                                      "/usr/bin",
                                      "/usr/lib",
                                      "/usr/lib/gcc",
                                      "/usr/lib/gcc/machine",
                                      "/usr/lib/gcc/machine/12",
                                      "/usr/lib/x86_64-linux-gnu",
                                      "/usr/include",
                                      "/usr/include/cjson",
                                      "/usr/include/deep",
                                      "/usr/include/deep/deeper"};

static const char *const files[] = {"/builder",
                                    "/usr/bin/gcc-12",
                                    "/usr/bin/as",
                                    "/usr/bin/ld",
                                    "/usr/lib/gcc/machine/12/cc1",
                                    "/usr/lib/gcc/machine/12/collect2",
                                    "/usr/lib/x86_64-linux-gnu/libc.so.6",
                                    "/usr/include/cjson/cJSON.h",
                                    "/usr/include/math.h"};

static const char *at(const machine *m, const char *path) {
    static char full[PATH_MAX + 64];
    snprintf(full, sizeof full, "%s%s", m->root, path);
    return full;
}

static void put(const machine *m, const char *path, const char *text) {
    FILE *file = fopen(at(m, path), "we");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

// Times far from now, so that a change shows whatever the file system's clock does.
static void set_time(const machine *m, const char *path, time_t seconds) {
    const struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    assert_int_equal(utimensat(AT_FDCWD, at(m, path), times, 0), 0);
}

static ow_code find_key(const machine *m, char ret_key[static OW_BUILD_KEY_SIZE], ow_err *err) {
    char builder[PATH_MAX + 64];
    snprintf(builder, sizeof builder, "%s", at(m, "/builder"));
    return toolchain_key(m->root, builder, ret_key, err);
}

static bool changed(machine *m) {
    char key[OW_BUILD_KEY_SIZE] = "";
    ow_err err = {0};
    if (find_key(m, key, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
    bool different = strcmp(key, m->key) != 0;
    memcpy(m->key, key, sizeof key);
    return different;
}

static machine open_machine(void) {
    machine m = {.key = ""};
    const char *folder = getenv("TEST_TMPDIR");
    snprintf(m.root, sizeof m.root, "%s/machine-XXXXXX", folder != NULL ? folder : "/tmp");
    assert_non_null(mkdtemp(m.root));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        assert_int_equal(mkdir(at(&m, folders[i]), 0755), 0);
    }
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put(&m, files[i], "1");
        set_time(&m, files[i], 1000000000);
    }
    assert_int_equal(symlink("gcc-12", at(&m, "/usr/bin/gcc")), 0);
    assert_true(changed(&m));
    return m;
}

static void stays_while_nothing_changes(void **state) {
    (void)state;
    machine m = open_machine();
    assert_int_equal(strlen(m.key), OW_BUILD_KEY_SIZE - 1);
    assert_false(changed(&m));
}

static void changes_with_every_part(void **state) {
    (void)state;
    machine m = open_machine();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put(&m, files[i], i == 0 ? "2" : "22");
        set_time(&m, files[i], 1000000000);
        if (!changed(&m)) {
            fail_msg("the size of %s does not count", files[i]);
        }
        set_time(&m, files[i], 1000000001);
        if (i > 0 && !changed(&m)) {
            fail_msg("the time of %s does not count", files[i]);
        }
    }
}

static void changes_with_another_compiler(void **state) {
    (void)state;
    machine m = open_machine();
    put(&m, "/usr/bin/gcc-13", "1");
    set_time(&m, "/usr/bin/gcc-13", 1000000000);
    assert_int_equal(unlink(at(&m, "/usr/bin/gcc")), 0);
    assert_int_equal(symlink("gcc-13", at(&m, "/usr/bin/gcc")), 0);
    assert_true(changed(&m));
}

static void changes_when_a_package_brings_headers(void **state) {
    (void)state;
    machine m = open_machine();
    set_time(&m, "/usr/include/deep/deeper", 1000000000);
    assert_true(changed(&m));
    put(&m, "/usr/include/deep/deeper/new.h", "");
    assert_true(changed(&m));
}

static void says_when_there_is_no_compiler(void **state) {
    (void)state;
    machine m = open_machine();
    assert_int_equal(unlink(at(&m, "/usr/bin/as")), 0);
    char key[OW_BUILD_KEY_SIZE] = "untouched";
    ow_err err = {0};
    assert_int_equal(find_key(&m, key, &err), OW_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "no_compiler");
    assert_string_equal(key, "untouched");
}

// The machine that runs the tests has all that it needs to build.
static void knows_this_machine(void **state) {
    (void)state;
    char first[OW_BUILD_KEY_SIZE];
    char second[OW_BUILD_KEY_SIZE];
    ow_err err = {0};
    assert_int_equal(ow_build_key(BINARY, first, &err), OW_OK);
    assert_int_equal(ow_build_key(BINARY, second, &err), OW_OK);
    assert_string_equal(first, second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_while_nothing_changes),
        cmocka_unit_test(changes_with_every_part),
        cmocka_unit_test(changes_with_another_compiler),
        cmocka_unit_test(changes_when_a_package_brings_headers),
        cmocka_unit_test(says_when_there_is_no_compiler),
        cmocka_unit_test(knows_this_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
