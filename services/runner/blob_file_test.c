// The disk side of blobs: what is read is what the hash says, and the folder stays bounded.

#include "services/runner/blob_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/crypto/hash.h"
#include "core/testing/ow_test.h"

static void make_folder(char *folder, size_t size) {
    const char *base = getenv("TEST_TMPDIR");
    snprintf(folder, size, "%s/blobs-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
}

static struct blob_job job_of(const char *folder, const char *content, bool store) {
    struct blob_job job = {.fd = -1};
    uint8_t digest[OW_SHA256_SIZE];
    snprintf(job.folder, sizeof job.folder, "%s", folder);
    ow_sha256(content, strlen(content), digest);
    ow_hex_encode(digest, sizeof digest, job.sha256);
    if (store) {
        job.bytes = (uint8_t *)strdup(content);
        job.size = strlen(content);
    }
    return job;
}

static void end(struct blob_job *job) {
    free(job->bytes);
    if (job->fd >= 0) {
        close(job->fd);
    }
}

static void store(const char *folder, const char *content) {
    struct blob_job job = job_of(folder, content, true);
    blob_file_store(&job);
    assert_ow_ok(job.err.code, &job.err);
    assert_true(job.fd >= 0);
    end(&job);
}

static ow_code load(const char *folder, const char *content) {
    struct blob_job job = job_of(folder, content, false);
    blob_file_load(&job);
    char text[64] = "";
    if (job.fd >= 0) {
        assert_int_equal(pread(job.fd, text, sizeof text - 1, 0), (ssize_t)strlen(content));
        assert_string_equal(text, content);
    }
    end(&job);
    return job.err.code;
}

static void what_is_stored_is_loaded(void **state) {
    (void)state;
    char folder[256];
    make_folder(folder, sizeof folder);
    assert_int_equal(load(folder, "one"), OW_NOT_FOUND);
    store(folder, "one");
    assert_int_equal(load(folder, "one"), OW_OK);
}

static void spoilt_files_are_not_used(void **state) {
    (void)state;
    char folder[256];
    char path[512];
    make_folder(folder, sizeof folder);
    store(folder, "two");
    struct blob_job job = job_of(folder, "two", false);
    snprintf(path, sizeof path, "%s/%s", folder, job.sha256);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("twx", file);
    fclose(file);
    assert_int_equal(load(folder, "two"), OW_NOT_FOUND);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void wrong_bytes_are_refused(void **state) {
    (void)state;
    char folder[256];
    make_folder(folder, sizeof folder);
    struct blob_job job = job_of(folder, "three", true);
    job.bytes[0] = 'X';
    blob_file_store(&job);
    assert_int_equal(job.err.code, OW_DATA_LOSS);
    assert_int_equal(job.fd, -1);
    end(&job);
    assert_int_equal(load(folder, "three"), OW_NOT_FOUND);
}

static void used(struct blob_cache *cache, const char *folder, const char *content) {
    struct blob_job job = job_of(folder, content, false);
    blob_cache_use(cache, job.sha256, (int64_t)strlen(content));
}

static void what_was_used_longest_ago_goes(void **state) {
    (void)state;
    char folder[256];
    char sub[300];
    ow_err err = {0};
    struct blob_cache cache;
    make_folder(folder, sizeof folder);
    snprintf(sub, sizeof sub, "%s/cache", folder);
    assert_ow_ok(blob_cache_open(&cache, sub, 10, &err), &err);
    const char *const contents[] = {"aaaa", "bbbb", "cccc"};
    for (int i = 0; i < 2; i++) {
        store(sub, contents[i]);
        used(&cache, sub, contents[i]);
    }
    used(&cache, sub, "aaaa");
    store(sub, "cccc");
    used(&cache, sub, "cccc");
    assert_int_equal(load(sub, "aaaa"), OW_OK);
    assert_int_equal(load(sub, "bbbb"), OW_NOT_FOUND);
    assert_int_equal(load(sub, "cccc"), OW_OK);
    blob_cache_close(&cache);

    // ... and a restart knows what is there
    assert_ow_ok(blob_cache_open(&cache, sub, 5, &err), &err);
    assert_int_equal(cache.count, 1);
    blob_cache_close(&cache);
}

static void names_are_hashes(void **state) {
    (void)state;
    assert_false(blob_name_valid(""));
    assert_false(blob_name_valid("../../../../etc/passwd"));
    assert_false(
        blob_name_valid("ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789"));
    assert_true(
        blob_name_valid("abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(what_is_stored_is_loaded), OW_TEST(spoilt_files_are_not_used),
        OW_TEST(wrong_bytes_are_refused),  OW_TEST(what_was_used_longest_ago_goes),
        OW_TEST(names_are_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
