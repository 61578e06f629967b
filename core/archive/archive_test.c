#include "core/archive/archive.h"
#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 512 };

typedef struct fixture {
    ow_arena *arena;
    uint8_t *bytes;
    size_t size;
    ow_err err;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->arena = ow_arena_new(4 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    free(f->bytes);
    ow_arena_free(f->arena);
    free(f);
    return 0;
}

static ow_archive_file text_file(const char *path, const char *text) {
    return (ow_archive_file){.path = path, .bytes = (const uint8_t *)text, .size = strlen(text)};
}

static void write_two(fixture *f) {
    ow_archive_file files[] = {text_file("src/main.c", "int x;\n"), text_file("a.txt", "")};
    assert_int_equal(ow_archive_write(files, 2, &f->bytes, &f->size, &f->err), OW_OK);
}

static ow_code read_back(fixture *f, ow_archive *ret_archive) {
    return ow_archive_read(f->bytes, f->size, f->arena, ret_archive, &f->err);
}

// After a field of the first header was changed on purpose.
static void mend_checksum(uint8_t *block) {
    memset(block + 148, ' ', 8);
    unsigned sum = 0;
    for (int i = 0; i < BLOCK; i++) {
        sum += block[i];
    }
    char digits[8];
    snprintf(digits, sizeof digits, "%06o", sum & 0777777);
    memcpy(block + 148, digits, 7);
}

static void reads_what_it_wrote(void **state) {
    fixture *f = *state;
    write_two(f);
    assert_int_equal(f->size, 5 * BLOCK);
    ow_archive archive;
    assert_int_equal(read_back(f, &archive), OW_OK);
    assert_int_equal(archive.count, 2);
    assert_string_equal(archive.files[0].path, "a.txt");
    assert_int_equal(archive.files[0].size, 0);
    const ow_archive_file *main_file = ow_archive_find(&archive, "src/main.c");
    assert_non_null(main_file);
    assert_memory_equal(main_file->bytes, "int x;\n", 7);
    assert_null(ow_archive_find(&archive, "src"));
}

static void is_the_same_in_any_order(void **state) {
    fixture *f = *state;
    write_two(f);
    ow_archive_file files[] = {text_file("a.txt", ""), text_file("src/main.c", "int x;\n")};
    uint8_t *bytes;
    size_t size;
    assert_int_equal(ow_archive_write(files, 2, &bytes, &size, &f->err), OW_OK);
    assert_int_equal(size, f->size);
    assert_memory_equal(bytes, f->bytes, size);
    free(bytes);
}

static void holds_nothing_and_long_paths(void **state) {
    fixture *f = *state;
    assert_int_equal(ow_archive_write(NULL, 0, &f->bytes, &f->size, &f->err), OW_OK);
    ow_archive archive;
    assert_int_equal(read_back(f, &archive), OW_OK);
    assert_int_equal(archive.count, 0);
    free(f->bytes);

    char path[OW_ARCHIVE_PATH_MAX + 2];
    memset(path, 'p', sizeof path);
    path[120] = '/';
    path[OW_ARCHIVE_PATH_MAX] = 0;
    ow_archive_file file = text_file(path, "x");
    assert_int_equal(ow_archive_write(&file, 1, &f->bytes, &f->size, &f->err), OW_OK);
    assert_int_equal(read_back(f, &archive), OW_OK);
    assert_string_equal(archive.files[0].path, path);

    path[OW_ARCHIVE_PATH_MAX] = 'p';
    path[OW_ARCHIVE_PATH_MAX + 1] = 0;
    assert_int_equal(ow_archive_check_path(path, &f->err), OW_INVALID_ARGUMENT);
}

static void refuses_bad_paths(void **state) {
    fixture *f = *state;
    static const char *const paths[] = {
        "",     "/etc/passwd", "..",   "a/../b", "./a",      "a//b",       "a/",
        "a\\b", "a\nb",        "a/..", ".",      "\xff\xfe", "\xc0\xae/x",
    };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_equal(ow_archive_check_path(paths[i], &f->err), OW_INVALID_ARGUMENT);
        assert_string_equal(f->err.reason, "bad_path");
    }
    static const char *const good[] = {"a", "..a", "a..", ".hidden/x", "d\xc3\xa9j\xc3\xa0.txt"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(ow_archive_check_path(good[i], &f->err), OW_OK);
    }
}

static void refuses_conflicts(void **state) {
    fixture *f = *state;
    ow_archive_file twice[] = {text_file("a", "1"), text_file("a", "2")};
    assert_int_equal(ow_archive_write(twice, 2, &f->bytes, &f->size, &f->err), OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, "duplicate_path");
    ow_archive_file folder[] = {text_file("a", "1"), text_file("a-b", ""), text_file("a/b", "2")};
    assert_int_equal(ow_archive_write(folder, 3, &f->bytes, &f->size, &f->err),
                     OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, "duplicate_path");
}

static void expect_refused(fixture *f, const char *reason, const char *word) {
    ow_archive archive;
    assert_int_equal(read_back(f, &archive), OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, reason);
    assert_non_null(strstr(f->err.message, word));
}

static void refuses_other_kinds_of_entries(void **state) {
    fixture *f = *state;
    write_two(f);
    static const struct {
        char type;
        const char *word;
    } kinds[] = {{'2', "symbolic link"}, {'1', "hard link"}, {'5', "folder"}, {'x', "pax"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        f->bytes[156] = (uint8_t)kinds[i].type;
        mend_checksum(f->bytes);
        expect_refused(f, "bad_archive", kinds[i].word);
    }
}

static void refuses_other_forms(void **state) {
    fixture *f = *state;
    write_two(f);
    f->bytes[106] = '7'; // last digit of the mode
    mend_checksum(f->bytes);
    expect_refused(f, "bad_archive", "0644");
    f->bytes[106] = '4';
    mend_checksum(f->bytes);
    f->bytes[20] = 'z'; // behind the end of the name
    expect_refused(f, "bad_archive", "checksum");
    f->bytes[20] = 0;
    f->bytes[3 * BLOCK - 1] = 1; // padding of the second file
    expect_refused(f, "bad_archive", "hidden");
    f->bytes[3 * BLOCK - 1] = 0;
    f->bytes[f->size - 1] = 1;
    expect_refused(f, "bad_archive", "two zero blocks");
    f->bytes[f->size - 1] = 0;
    f->size -= BLOCK;
    expect_refused(f, "bad_archive", "two zero blocks");
    f->size = 2 * BLOCK + 10;
    expect_refused(f, "bad_archive", "ends inside");
}

static void refuses_unsorted_and_escaping(void **state) {
    fixture *f = *state;
    write_two(f);
    memcpy(f->bytes, "zzzzz", 5);
    mend_checksum(f->bytes);
    expect_refused(f, "bad_archive", "sorted");
    memcpy(f->bytes, "../xx", 5);
    mend_checksum(f->bytes);
    expect_refused(f, "bad_path", "relative");
}

static void refuses_too_much(void **state) {
    fixture *f = *state;
    ow_archive_file *files = calloc(OW_ARCHIVE_FILES_MAX + 1, sizeof *files);
    assert_non_null(files);
    assert_int_equal(
        ow_archive_write(files, OW_ARCHIVE_FILES_MAX + 1, &f->bytes, &f->size, &f->err),
        OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, "too_many_files");
    files[0] = (ow_archive_file){.path = "a", .bytes = NULL, .size = OW_ARCHIVE_SIZE_MAX};
    assert_int_equal(ow_archive_write(files, 1, &f->bytes, &f->size, &f->err), OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, "archive_too_large");
    free(files);
}

static void maps_a_file(void **state) {
    fixture *f = *state;
    write_two(f);
    const char *base = getenv("TEST_TMPDIR");
    char file[300];
    snprintf(file, sizeof file, "%s/archive_test_XXXXXX", base != NULL ? base : ".");
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, f->bytes, f->size), f->size);
    close(fd);
    ow_archive_map map;
    assert_int_equal(ow_archive_map_open(file, &map, &f->err), OW_OK);
    assert_int_equal(map.size, f->size);
    assert_memory_equal(map.bytes, f->bytes, f->size);
    ow_archive_map_close(&map);
    unlink(file);
    assert_int_equal(ow_archive_map_open(file, &map, &f->err), OW_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_it_wrote, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_the_same_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(holds_nothing_and_long_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_bad_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_conflicts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_other_kinds_of_entries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_other_forms, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_unsorted_and_escaping, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_too_much, set_up, tear_down),
        cmocka_unit_test_setup_teardown(maps_a_file, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
