#include "core/crypto/seal.h"

#include "core/id/id.h"

#include <openssl/evp.h>

#include <stdbool.h>
#include <string.h>

// A sealed value is nonce, encrypted bytes, tag.
enum { NONCE = 12, TAG = 16, SIZE_MAX_BYTES = 1 << 20 };

static ow_code broken(EVP_CIPHER_CTX *context, ow_err *err) {
    EVP_CIPHER_CTX_free(context);
    return ow_fail(err, OW_INTERNAL, "cipher", "AES-256-GCM is not to be had");
}

ow_code ow_seal(const ow_seal_input *plain, uint8_t *ret_sealed, ow_err *err) {
    if (plain->size > SIZE_MAX_BYTES) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "too_large", "at most 1 MB can be sealed");
    }
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t *bytes = ret_sealed + NONCE;
    int size = 0;
    ow_random_bytes(ret_sealed, NONCE);
    bool good = context != NULL &&
                EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, plain->key, ret_sealed) == 1 &&
                EVP_EncryptUpdate(context, NULL, &size, (const uint8_t *)plain->belongs_to,
                                  (int)strlen(plain->belongs_to)) == 1 &&
                EVP_EncryptUpdate(context, bytes, &size, plain->bytes, (int)plain->size) == 1 &&
                EVP_EncryptFinal_ex(context, bytes + plain->size, &size) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG, bytes + plain->size) == 1;
    if (!good) {
        return broken(context, err);
    }
    EVP_CIPHER_CTX_free(context);
    return OW_OK;
}

static ow_code bad_seal(ow_err *err) {
    return ow_fail(err, OW_DATA_LOSS, "bad_seal", "a sealed value does not open with this key");
}

ow_code ow_unseal(const ow_seal_input *sealed, uint8_t *ret_plain, ow_err *err) {
    if (sealed->size < OW_SEAL_OVERHEAD || sealed->size > SIZE_MAX_BYTES + OW_SEAL_OVERHEAD) {
        return bad_seal(err);
    }
    const uint8_t *nonce = sealed->bytes;
    const uint8_t *bytes = nonce + NONCE;
    size_t plain_size = sealed->size - OW_SEAL_OVERHEAD;
    uint8_t tag[TAG];
    int size = 0;
    memcpy(tag, bytes + plain_size, TAG);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool good = context != NULL &&
                EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, sealed->key, nonce) == 1 &&
                EVP_DecryptUpdate(context, NULL, &size, (const uint8_t *)sealed->belongs_to,
                                  (int)strlen(sealed->belongs_to)) == 1 &&
                EVP_DecryptUpdate(context, ret_plain, &size, bytes, (int)plain_size) == 1 &&
                EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG, tag) == 1;
    if (!good) {
        return broken(context, err);
    }
    bool whole = EVP_DecryptFinal_ex(context, ret_plain + plain_size, &size) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!whole) {
        explicit_bzero(ret_plain, plain_size);
        return bad_seal(err);
    }
    return OW_OK;
}
