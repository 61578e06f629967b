#include "services/registry/blobs.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define HASH_OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

typedef struct fixture {
    char folder[300];
    blobs blobs;
    ow_err err;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TEST_TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%s/blobs_test_XXXXXX", base != NULL ? base : ".");
    *state = f;
    return mkdtemp(f->folder) != NULL && blobs_init(&f->blobs, f->folder, &f->err) == OW_OK ? 0
                                                                                            : -1;
}

static int tear_down(void **state) {
    fixture *f = *state;
    blobs_deinit(&f->blobs);
    free(f);
    return 0;
}

static void stores_and_reads(void **state) {
    fixture *f = *state;
    char hash[OW_SHA256_HEX_SIZE];
    assert_int_equal(blobs_check(&f->blobs, HASH_OF_ABC, NULL), OW_NOT_FOUND);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(blobs_put(&f->blobs, "abc", 3, hash, &f->err), OW_OK);
        assert_string_equal(hash, HASH_OF_ABC);
    }
    assert_int_equal(blobs_check(&f->blobs, hash, NULL), OW_OK);
    uint8_t buffer[8];
    blob_piece piece = {.offset = 1, .buffer = buffer, .room = 8};
    assert_int_equal(blobs_read(&f->blobs, hash, &piece, &f->err), OW_OK);
    assert_int_equal(piece.size, 2);
    assert_int_equal(piece.total, 3);
    assert_memory_equal(buffer, "bc", 2);
    piece.offset = 3;
    assert_int_equal(blobs_read(&f->blobs, hash, &piece, &f->err), OW_OK);
    assert_int_equal(piece.size, 0);
    piece.offset = 4;
    assert_int_equal(blobs_read(&f->blobs, hash, &piece, &f->err), OW_INVALID_ARGUMENT);
    hash[0] = 'f';
    assert_int_equal(blobs_read(&f->blobs, hash, &piece, &f->err), OW_NOT_FOUND);
}

static void takes_pieces_and_checks_the_hash(void **state) {
    fixture *f = *state;
    assert_int_equal(blobs_incoming_write(&f->blobs, HASH_OF_ABC, 0, "ab", 2, &f->err), OW_OK);
    assert_int_equal(blobs_incoming_write(&f->blobs, HASH_OF_ABC, 2, "x", 1, &f->err), OW_OK);
    assert_int_equal(blobs_incoming_finish(&f->blobs, HASH_OF_ABC, 3, &f->err),
                     OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, "hash_mismatch");
    assert_int_equal(blobs_check(&f->blobs, HASH_OF_ABC, NULL), OW_NOT_FOUND);

    assert_int_equal(blobs_incoming_write(&f->blobs, HASH_OF_ABC, 0, "abcjunk", 7, &f->err), OW_OK);
    assert_int_equal(blobs_incoming_finish(&f->blobs, HASH_OF_ABC, 3, &f->err), OW_OK);
    assert_int_equal(blobs_check(&f->blobs, HASH_OF_ABC, NULL), OW_OK);
}

static void forgets_what_was_on_its_way_at_a_restart(void **state) {
    fixture *f = *state;
    assert_int_equal(blobs_incoming_write(&f->blobs, HASH_OF_ABC, 0, "abc", 3, &f->err), OW_OK);
    blobs_deinit(&f->blobs);
    assert_int_equal(blobs_init(&f->blobs, f->folder, &f->err), OW_OK);
    assert_int_not_equal(blobs_incoming_finish(&f->blobs, HASH_OF_ABC, 3, &f->err), OW_OK);
}

// A disk that changes one bit, or loses the end: found before it is used, and what comes anew mends it.
static void damage_is_found_and_mended(void **state) {
    fixture *f = *state;
    static const char *const spoilt[] = {"abb", "ab", "abcd", ""};
    char hash[OW_SHA256_HEX_SIZE];
    for (size_t i = 0; i < sizeof spoilt / sizeof spoilt[0]; i++) {
        assert_int_equal(blobs_put(&f->blobs, "abc", 3, hash, &f->err), OW_OK);
        assert_int_equal(blobs_touch(&f->blobs, hash, NULL), OW_OK);
        char *path = blobs_path(&f->blobs, hash);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(spoilt[i], file);
        fclose(file);
        free(path);
        assert_int_equal(blobs_check(&f->blobs, hash, &f->err), OW_DATA_LOSS);
        assert_string_equal(f->err.reason, "blob_damaged");
        assert_int_equal(blobs_touch(&f->blobs, hash, NULL), OW_DATA_LOSS);
    }
    assert_int_equal(blobs_incoming_write(&f->blobs, HASH_OF_ABC, 0, "abc", 3, &f->err), OW_OK);
    assert_int_equal(blobs_incoming_finish(&f->blobs, HASH_OF_ABC, 3, &f->err), OW_OK);
    assert_int_equal(blobs_touch(&f->blobs, HASH_OF_ABC, NULL), OW_OK);
}

static struct stat look_at(const fixture *f, const char *sha256) {
    struct stat info = {0};
    char *path = blobs_path(&f->blobs, sha256);
    assert_int_equal(stat(path, &info), 0);
    free(path);
    return info;
}

// The file system's clock has moved on since the file was changed: some milliseconds at most.
static void let_it_settle(const struct stat *info) {
    struct timespec now;
    do {
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (now.tv_sec == info->st_ctim.tv_sec && now.tv_nsec <= info->st_ctim.tv_nsec);
}

static void a_whole_file_is_hashed_once(void **state) {
    fixture *f = *state;
    char hash[OW_SHA256_HEX_SIZE];
    assert_int_equal(blobs_put(&f->blobs, "abc", 3, hash, &f->err), OW_OK);
    struct stat info = look_at(f, hash);
    let_it_settle(&info);
    assert_false(whole_blobs_has(f->blobs.whole, hash, &info));
    assert_int_equal(blobs_check(&f->blobs, hash, NULL), OW_OK);
    assert_true(whole_blobs_has(f->blobs.whole, hash, &info));
    // Who touches it reads it: what was remembered is of another time.
    assert_int_equal(blobs_touch(&f->blobs, hash, NULL), OW_OK);
    info = look_at(f, hash);
    assert_false(whole_blobs_has(f->blobs.whole, hash, &info));
    // What is remembered is not hashed: here, something else.
    char other[] = HASH_OF_ABC;
    other[2] = other[2] == 'a' ? 'b' : 'a';
    char *from = blobs_path(&f->blobs, hash), *to = blobs_path(&f->blobs, other);
    assert_int_equal(rename(from, to), 0);
    free(from);
    free(to);
    assert_int_equal(blobs_check(&f->blobs, other, NULL), OW_DATA_LOSS);
    info = look_at(f, other);
    whole_blobs_add(f->blobs.whole, other, &info);
    assert_int_equal(blobs_check(&f->blobs, other, NULL), OW_OK);
}

static void remembers_the_last_ones_alone(void **state) {
    fixture *f = *state;
    struct stat info = {.st_ino = 1, .st_size = 3};
    char hash[OW_SHA256_HEX_SIZE];
    for (int i = 0; i <= WHOLE_BLOBS_MAX; i++) {
        snprintf(hash, sizeof hash, "%064d", i);
        whole_blobs_add(f->blobs.whole, hash, &info);
        whole_blobs_add(f->blobs.whole, hash, &info);
    }
    assert_true(whole_blobs_has(f->blobs.whole, hash, &info));
    struct stat others[] = {info, info, info, info};
    others[0].st_ino++;
    others[1].st_size++;
    others[2].st_mtim.tv_nsec++;
    others[3].st_ctim.tv_sec++;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(whole_blobs_has(f->blobs.whole, hash, &others[i]));
    }
    snprintf(hash, sizeof hash, "%064d", 0);
    assert_false(whole_blobs_has(f->blobs.whole, hash, &info));
    snprintf(hash, sizeof hash, "%064d", 1);
    assert_true(whole_blobs_has(f->blobs.whole, hash, &info));
}

// A process without a free descriptor knows nothing about the blob.
static void what_cannot_be_read_is_not_damaged(void **state) {
    fixture *f = *state;
    char hash[OW_SHA256_HEX_SIZE];
    assert_int_equal(blobs_put(&f->blobs, "abc", 3, hash, &f->err), OW_OK);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    ow_code checked = blobs_check(&f->blobs, hash, NULL);
    ow_code touched = blobs_touch(&f->blobs, hash, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(checked, OW_INTERNAL);
    assert_int_equal(touched, OW_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stores_and_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_pieces_and_checks_the_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_found_and_mended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_whole_file_is_hashed_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remembers_the_last_ones_alone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_damaged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgets_what_was_on_its_way_at_a_restart, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
