#include "core/crypto/password.h"

#include <sodium.h>
#include <string.h>

enum { PASSES = 2, MEMORY = 19 * 1024 * 1024 };

_Static_assert(OW_PASSWORD_HASH_SIZE >= crypto_pwhash_argon2id_STRBYTES, "a hash must fit");

ow_code ow_password_hash(const char *password, size_t length,
                         char ret_hash[static OW_PASSWORD_HASH_SIZE], ow_err *err) {
    if (length == 0 || length > OW_PASSWORD_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_password",
                       "a password has 1 to %d bytes, this one %zu", OW_PASSWORD_MAX, length);
    }
    char hash[crypto_pwhash_argon2id_STRBYTES] = {0};
    if (sodium_init() < 0 ||
        crypto_pwhash_argon2id_str(hash, password, length, PASSES, MEMORY) != 0) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory",
                       "no memory to hash a password (%d bytes are needed)", MEMORY);
    }
    memcpy(ret_hash, hash, sizeof hash);
    return OW_OK;
}

bool ow_password_verify(const char *hash, const char *password, size_t length) {
    return length > 0 && length <= OW_PASSWORD_MAX && sodium_init() >= 0 &&
           crypto_pwhash_argon2id_str_verify(hash, password, length) == 0;
}

bool ow_password_is_outdated(const char *hash) {
    return sodium_init() < 0 || crypto_pwhash_argon2id_str_needs_rehash(hash, PASSES, MEMORY) != 0;
}
