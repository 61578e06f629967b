#include "services/identity/keys.h"

#include "core/folder/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEY_BYTES = 32, FILE_PATH_MAX = 512 };

// Longer than a token lives.
static const int64_t OUTLIVED_US = INT64_C(3660) * 1000000;

static const char KID_PREFIX[] = "sig_";

static ow_code make_folder(const char *path, ow_err *err) {
    ow_code code = ow_folder_make(path, err);
    if (code != OW_OK) {
        return code;
    }
    struct stat st;
    if (stat(path, &st) != 0) {
        return ow_fail_errno(err, errno, "look at %s", path);
    }
    if (!S_ISDIR(st.st_mode) || (st.st_mode & 022) != 0) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_secret",
                       "%s must be a folder that only its owner can write", path);
    }
    return OW_OK;
}

// What a person wrote into such a file in haste is not what 32 random bytes are.
static ow_code load_secret(const char *path, ow_secret *ret_secret, bool *ret_made, ow_err *err) {
    ow_secret secret = {0};
    ow_code code = ow_secret_load_or_make(path, KEY_BYTES, &secret, ret_made, err);
    if (code == OW_OK && secret.size < KEY_BYTES) {
        ow_secret_deinit(&secret);
        return ow_fail(err, OW_FAILED_PRECONDITION, "unsafe_secret",
                       "%s has less than %d characters and can be guessed: remove it to get a new "
                       "one",
                       path, KEY_BYTES);
    }
    if (code == OW_OK) {
        *ret_secret = secret;
    }
    return code;
}

// ---- Signing keys ----

static int is_signing_key(const struct dirent *entry) {
    return ow_id_is(entry->d_name, KID_PREFIX);
}

static ow_code signing_add(keys *k, const char *folder, const char *kid, ow_err *err) {
    if (k->signing_count == OW_TOKEN_KEYS_MAX) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "too_many_keys",
                       "%s has more than %d signing keys: remove old ones", folder,
                       OW_TOKEN_KEYS_MAX);
    }
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, kid);
    signing_key *key = &k->signing[k->signing_count];
    ow_code code = load_secret(path, &key->secret, NULL, err);
    if (code != OW_OK) {
        return code;
    }
    k->signing_count++;
    snprintf(key->kid, sizeof key->kid, "%s", kid);
    return ow_key_ring_add(k->ring, kid, key->secret.bytes, key->secret.size, err);
}

static ow_code signing_load(keys *k, const char *folder, ow_err *err) {
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_signing_key, alphasort);
    if (count < 0) {
        return ow_fail_errno(err, errno, "read folder %s", folder);
    }
    ow_code code = OW_OK;
    for (int i = 0; i < count; i++) {
        if (code == OW_OK) {
            code = signing_add(k, folder, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    return code;
}

static ow_code signing_open(keys *k, const char *data_folder, int64_t now_us, ow_err *err) {
    char folder[FILE_PATH_MAX / 2];
    snprintf(folder, sizeof folder, "%s/keys/signing", data_folder);
    k->ring = ow_key_ring_new();
    if (k->ring == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for keys");
    }
    ow_code code = make_folder(folder, err);
    if (code == OW_OK) {
        code = signing_load(k, folder, err);
    }
    if (code == OW_OK && k->signing_count == 0) {
        char kid[OW_ID_MAX];
        ow_id_make(kid, KID_PREFIX, now_us);
        code = signing_add(k, folder, kid, err);
    }
    return code;
}

// ---- The others ----

static ow_code operator_open(keys *k, const char *data_folder, ow_err *err) {
    char path[FILE_PATH_MAX];
    snprintf(path, sizeof path, "%s/operator.token", data_folder);
    ow_secret token = {0};
    ow_code code = load_secret(path, &token, &k->operator_made, err);
    if (code == OW_OK) {
        ow_sha256(token.bytes, token.size, k->operator_sha256);
        ow_secret_deinit(&token);
    }
    return code;
}

ow_code keys_open(keys *k, const char *data_folder, int64_t now_us, ow_err *err) {
    k->opened_us = now_us;
    char path[FILE_PATH_MAX];
    if (strlen(data_folder) > FILE_PATH_MAX / 2 - 64) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_folder", "the path %s is too long",
                       data_folder);
    }
    snprintf(path, sizeof path, "%s/keys", data_folder);
    ow_code code = make_folder(path, err);
    if (code == OW_OK) {
        code = signing_open(k, data_folder, now_us, err);
    }
    if (code == OW_OK) {
        snprintf(path, sizeof path, "%s/keys/server-keys", data_folder);
        code = load_secret(path, &k->master, NULL, err);
    }
    if (code == OW_OK) {
        snprintf(path, sizeof path, "%s/keys/refresh", data_folder);
        code = load_secret(path, &k->refresh, NULL, err);
    }
    return code == OW_OK ? operator_open(k, data_folder, err) : code;
}

void keys_close(keys *k) {
    for (int i = 0; i < k->signing_count; i++) {
        ow_secret_deinit(&k->signing[i].secret);
    }
    k->signing_count = 0;
    ow_secret_deinit(&k->master);
    ow_secret_deinit(&k->refresh);
    k->ring = ow_key_ring_free(k->ring);
}

const char *keys_current(const keys *k, int64_t now_us) {
    int last = k->signing_count - 1;
    while (last > 0 && k->signing[last].signs_from_us > now_us) {
        last--;
    }
    return k->signing[last].kid;
}

// ---- Rotation ----

void keys_next_kid(const keys *k, int64_t now_us, char ret_kid[static OW_ID_MAX]) {
    int64_t last_ms = ow_id_time_ms(k->signing[k->signing_count - 1].kid);
    int64_t least_us = (last_ms + 1) * 1000; // also when the clock was set back
    ow_id_make(ret_kid, KID_PREFIX, now_us > least_us ? now_us : least_us);
}

int keys_outlived(const keys *k, int64_t now_us, char ret_kids[][OW_ID_MAX]) {
    int count = 0;
    for (int i = 0; i + 1 < k->signing_count; i++) {
        // What was there at the start may have begun to sign just then.
        int64_t since_us = k->signing[i + 1].signs_from_us;
        since_us = since_us > k->opened_us ? since_us : k->opened_us;
        if (since_us + OUTLIVED_US < now_us) {
            snprintf(ret_kids[count++], OW_ID_MAX, "%s", k->signing[i].kid);
        }
    }
    return count;
}

static void signing_path(char path[static FILE_PATH_MAX], const char *data_folder,
                         const char *kid) {
    snprintf(path, FILE_PATH_MAX, "%s/keys/signing/%s", data_folder, kid);
}

ow_code keys_file_make(const char *data_folder, const char *kid, ow_secret *ret_secret,
                       ow_err *err) {
    char path[FILE_PATH_MAX];
    signing_path(path, data_folder, kid);
    return load_secret(path, ret_secret, NULL, err);
}

void keys_file_remove(const char *data_folder, const char *kid) {
    char path[FILE_PATH_MAX];
    signing_path(path, data_folder, kid);
    if (unlink(path) != 0 && errno != ENOENT) {
        ow_log(OW_LOG_WARN, "old signing key not removed", "file=%s errno=%d", path, errno);
    }
}

ow_code keys_take(keys *k, const char *kid, ow_secret *secret, int64_t signs_from_us, ow_err *err) {
    if (k->signing_count == OW_TOKEN_KEYS_MAX) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "too_many_keys",
                       "there are %d signing keys with which live tokens may be signed: wait until "
                       "the oldest is an hour old",
                       OW_TOKEN_KEYS_MAX);
    }
    ow_code code = ow_key_ring_add(k->ring, kid, secret->bytes, secret->size, err);
    if (code == OW_OK) {
        signing_key *made = &k->signing[k->signing_count++];
        snprintf(made->kid, sizeof made->kid, "%s", kid);
        made->secret = *secret;
        made->signs_from_us = signs_from_us;
        *secret = (ow_secret){0};
    }
    return code;
}

void keys_drop(keys *k, const char *kid) {
    for (int i = 0; i < k->signing_count; i++) {
        if (strcmp(k->signing[i].kid, kid) == 0) {
            ow_key_ring_remove(k->ring, kid);
            ow_secret_deinit(&k->signing[i].secret);
            memmove(&k->signing[i], &k->signing[i + 1],
                    (size_t)(k->signing_count - i - 1) * sizeof k->signing[0]);
            k->signing[--k->signing_count] = (signing_key){0};
            return;
        }
    }
}

refresh_key keys_refresh(const keys *k) {
    return (refresh_key){.bytes = k->refresh.bytes, .size = k->refresh.size};
}
