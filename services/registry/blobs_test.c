#include "services/registry/blobs.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    assert_false(blobs_is_whole(&f->blobs, HASH_OF_ABC));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(blobs_put(&f->blobs, "abc", 3, hash, &f->err), OW_OK);
        assert_string_equal(hash, HASH_OF_ABC);
    }
    assert_true(blobs_is_whole(&f->blobs, hash));
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
    assert_false(blobs_is_whole(&f->blobs, HASH_OF_ABC));

    assert_int_equal(blobs_incoming_write(&f->blobs, HASH_OF_ABC, 0, "abcjunk", 7, &f->err), OW_OK);
    assert_int_equal(blobs_incoming_finish(&f->blobs, HASH_OF_ABC, 3, &f->err), OW_OK);
    assert_true(blobs_is_whole(&f->blobs, HASH_OF_ABC));
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
        assert_true(blobs_touch(&f->blobs, hash));
        char *path = blobs_path(&f->blobs, hash);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(spoilt[i], file);
        fclose(file);
        free(path);
        assert_false(blobs_is_whole(&f->blobs, hash));
        assert_false(blobs_touch(&f->blobs, hash));
    }
    assert_int_equal(blobs_incoming_write(&f->blobs, HASH_OF_ABC, 0, "abc", 3, &f->err), OW_OK);
    assert_int_equal(blobs_incoming_finish(&f->blobs, HASH_OF_ABC, 3, &f->err), OW_OK);
    assert_true(blobs_touch(&f->blobs, HASH_OF_ABC));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stores_and_reads, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_pieces_and_checks_the_hash, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damage_is_found_and_mended, set_up, tear_down),
        cmocka_unit_test_setup_teardown(forgets_what_was_on_its_way_at_a_restart, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
