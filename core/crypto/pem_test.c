#include "core/crypto/pem.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, size_t size, mode_t mode) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < size; i++) {
        fputc('a', file);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void loads_what_is_safe(void **state) {
    (void)state;
    static const struct {
        size_t size;
        mode_t mode;
        bool is_key;
        const char *reason; // NULL: loads
    } files[] = {
        {10, 0600, true, NULL},
        {10, 0640, true, NULL},
        {10, 0400, true, NULL},
        {10, 0644, false, NULL},
        {65536, 0600, true, NULL},
        {10, 0644, true, "unsafe_secret"},
        {10, 0660, true, "unsafe_secret"},
        {10, 0604, true, "unsafe_secret"},
        {0, 0600, true, "bad_pem"},
        {65537, 0600, false, "bad_pem"},
    };
    char folder[] = "/tmp/ow_pem_test.XXXXXX";
    char path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *text = NULL;
        ow_err err = {0};
        write_file(path, files[i].size, files[i].mode);
        ow_code code = ow_pem_load(path, files[i].is_key, &text, &err);
        if (files[i].reason != NULL) {
            assert_int_equal(code, OW_FAILED_PRECONDITION);
            assert_string_equal(err.reason, files[i].reason);
            assert_null(text);
        } else {
            assert_int_equal(code, OW_OK);
            assert_int_equal(strlen(text), files[i].size);
        }
        assert_null(ow_pem_wipe(text));
        unlink(path);
    }
    char *text = NULL;
    ow_err err;
    assert_int_equal(ow_pem_load(path, false, &text, &err), OW_FAILED_PRECONDITION);
    assert_int_equal(ow_pem_load(folder, false, &text, &err), OW_FAILED_PRECONDITION);
    rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(loads_what_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
