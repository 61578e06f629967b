#include "core/crypto/jws_signer.h"

#include "core/crypto/hash.h"
#include "core/testing/ow_test.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 512 };

struct jws_signer {
    EVP_PKEY *pair;
    bool is_rsa;
};

jws_signer *jws_signer_new(const char *algorithm) {
    jws_signer *made = calloc(1, sizeof *made);
    assert_non_null(made);
    made->is_rsa = strcmp(algorithm, "RS256") == 0;
    made->pair = made->is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    assert_non_null(made->pair);
    return made;
}

jws_signer *jws_signer_free(jws_signer *signer) {
    EVP_PKEY_free(signer->pair);
    free(signer);
    return NULL;
}

static void number(const jws_signer *signer, const char *name, int size, char *ret_text) {
    BIGNUM *value = NULL;
    uint8_t bytes[NUMBER_MAX];
    assert_int_equal(EVP_PKEY_get_bn_param(signer->pair, name, &value), 1);
    size = size == 0 ? BN_num_bytes(value) : size;
    assert_int_equal(BN_bn2binpad(value, bytes, size), size);
    ow_base64url_encode(bytes, (size_t)size, ret_text);
    BN_free(value);
}

void jws_signer_jwk(const jws_signer *signer, const char *members, char *ret_json, size_t size) {
    char one[OW_BASE64URL_SIZE(NUMBER_MAX)], two[OW_BASE64URL_SIZE(NUMBER_MAX)];
    const char *comma = members[0] != '\0' ? "," : "";
    if (signer->is_rsa) {
        number(signer, OSSL_PKEY_PARAM_RSA_N, 0, one);
        number(signer, OSSL_PKEY_PARAM_RSA_E, 0, two);
        snprintf(ret_json, size, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s%s}", one, two, comma,
                 members);
    } else {
        number(signer, OSSL_PKEY_PARAM_EC_PUB_X, 32, one);
        number(signer, OSSL_PKEY_PARAM_EC_PUB_Y, 32, two);
        snprintf(ret_json, size, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s%s}",
                 one, two, comma, members);
    }
}

static size_t raw_signature(const unsigned char *der, size_t der_size, unsigned char *ret_raw) {
    const unsigned char *at = der;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
    assert_non_null(pair);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), ret_raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), ret_raw + 32, 32);
    ECDSA_SIG_free(pair);
    return 64;
}

void jws_signer_sign(const jws_signer *signer, const char *header, const char *claims,
                     char *ret_token, size_t size) {
    size_t used = 0;
    assert_true(size > OW_BASE64URL_SIZE(strlen(header)) + OW_BASE64URL_SIZE(strlen(claims)) + 400);
    used += ow_base64url_encode(header, strlen(header), ret_token);
    ret_token[used++] = '.';
    used += ow_base64url_encode(claims, strlen(claims), ret_token + used);

    unsigned char signature[NUMBER_MAX], raw[64];
    size_t signature_size = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, signer->pair), 1);
    assert_int_equal(
        EVP_DigestSign(context, signature, &signature_size, (const unsigned char *)ret_token, used),
        1);
    EVP_MD_CTX_free(context);
    ret_token[used++] = '.';
    if (signer->is_rsa) {
        ow_base64url_encode(signature, signature_size, ret_token + used);
    } else {
        ow_base64url_encode(raw, raw_signature(signature, signature_size, raw), ret_token + used);
    }
}
