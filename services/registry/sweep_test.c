// What nothing refers to goes, in the second round that sees it; everything else stays.

#include "services/registry/internal.h"
#include "services/registry/registry_rig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HOUR_S = 3600 };

static int set_up(void **state) {
    return rig_set_up(state, OW_CHANNEL_LOCAL);
}

static sweep *sweep_of(fixture *f) {
    return ((registry *)f->stage.self)->sweep;
}

static const blobs *blobs_of(fixture *f) {
    return &((registry *)f->stage.self)->blobs;
}

static bool is_over(void *self) {
    return !sweep_busy(self);
}

static void round_of(fixture *f) {
    sweep_begin(sweep_of(f), HOUR_S);
    stage_until(&f->stage, is_over, sweep_of(f));
}

static void make_old(fixture *f, const char *sha256) {
    char *path = blobs_path(blobs_of(f), sha256);
    struct timespec times[2] = {{.tv_sec = time(NULL) - 2 * HOUR_S},
                                {.tv_sec = time(NULL) - 2 * HOUR_S}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    free(path);
}

static void put(fixture *f, const char *text, char ret_hash[static OW_SHA256_HEX_SIZE]) {
    size_t size = strlen(text);
    hash_hex(text, size, ret_hash);
    assert_non_null(put_chunk(f, ret_hash, (const uint8_t *)text, 0, size, size));
}

static void what_is_not_referred_to_goes(void **state) {
    fixture *f = *state;
    char orphan[OW_SHA256_HEX_SIZE], young[OW_SHA256_HEX_SIZE];
    put(f, "an orphan", orphan);
    put(f, "a young one", young);
    make_old(f, orphan);
    round_of(f);
    // Runners may still hold the routes of before.
    assert_int_equal(blobs_check(blobs_of(f), orphan, NULL), OW_OK);
    round_of(f);
    assert_int_equal(blobs_check(blobs_of(f), orphan, NULL), OW_NOT_FOUND);
    assert_int_equal(blobs_check(blobs_of(f), young, NULL), OW_OK);
}

static void what_is_deployed_stays(void **state) {
    fixture *f = *state;
    char bundle[OW_SHA256_HEX_SIZE], code[OW_SHA256_HEX_SIZE], words[OW_SHA256_HEX_SIZE];
    upload(f, MANIFEST("client"), "int a;", "some words");
    assert_true(deploy(f, false)->built);
    memcpy(bundle, f->sha256, sizeof bundle);
    hash_hex(f->runner.code, strlen(f->runner.code), code);
    hash_hex("some words", strlen("some words"), words);
    const char *const all[] = {bundle, code, words};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(blobs_check(blobs_of(f), all[i], NULL), OW_OK);
        make_old(f, all[i]);
    }
    round_of(f);
    round_of(f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(blobs_check(blobs_of(f), all[i], NULL), OW_OK);
    }
    // Another $LATEST: no name reaches the first revision any more. The build is known still.
    upload(f, MANIFEST("server"), "int b;", "other words");
    deploy(f, false);
    round_of(f);
    round_of(f);
    assert_int_equal(blobs_check(blobs_of(f), bundle, NULL), OW_NOT_FOUND);
    assert_int_equal(blobs_check(blobs_of(f), words, NULL), OW_NOT_FOUND);
    assert_int_equal(blobs_check(blobs_of(f), code, NULL), OW_OK);
    assert_int_equal(blobs_check(blobs_of(f), f->sha256, NULL), OW_OK);
}

static void who_uploads_again_keeps_it(void **state) {
    fixture *f = *state;
    char hash[OW_SHA256_HEX_SIZE];
    put(f, "uploaded twice", hash);
    make_old(f, hash);
    round_of(f);
    put(f, "uploaded twice", hash); // to be deployed now
    round_of(f);
    assert_int_equal(blobs_check(blobs_of(f), hash, NULL), OW_OK);
    assert_false(blobs_remove_old(blobs_of(f), hash, HOUR_S));
    assert_int_equal(blobs_check(blobs_of(f), hash, NULL), OW_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST_WITH(what_is_not_referred_to_goes, set_up, rig_tear_down),
        OW_TEST_WITH(what_is_deployed_stays, set_up, rig_tear_down),
        OW_TEST_WITH(who_uploads_again_keeps_it, set_up, rig_tear_down),
    };
    return cmocka_run_group_tests_name("sweep", tests, NULL, NULL);
}
