#include "core/folder/folder.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void makes_a_private_folder_once_and_again(void **state) {
    (void)state;
    const char *base = getenv("TEST_TMPDIR");
    char path[512];
    struct stat st;
    ow_err err;
    snprintf(path, sizeof path, "%s/folder_XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(path));
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/a");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ow_folder_make(path, &err), OW_OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
    }
    assert_int_equal(ow_folder_sync(path, &err), OW_OK);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(ow_folder_sync(path, &err), OW_INTERNAL);
    snprintf(path + length, sizeof path - length, "/a/b");
    assert_int_equal(ow_folder_make(path, &err), OW_INTERNAL); // no parent
    path[length] = '\0';
    rmdir(path);
}

static void knows_the_folder_of_every_path(void **state) {
    (void)state;
    ow_err err;
    assert_int_equal(ow_folder_sync_parent("/tmp", &err), OW_OK);
    assert_int_equal(ow_folder_sync_parent("a", &err), OW_OK);
    assert_int_equal(ow_folder_sync_parent("/nowhere-at-all/a", &err), OW_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_private_folder_once_and_again),
        cmocka_unit_test(knows_the_folder_of_every_path),
    };
    return cmocka_run_group_tests_name("folder", tests, NULL, NULL);
}
