#include "core/crypto/jwks.h"

#include "core/crypto/hash.h"
#include "core/json/tree.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 8,
    RSA_BYTES_MIN = 256, // 2048 bits: RFC 7518 chapter 3.3
    RSA_BYTES_MAX = 1024,
    EXPONENT_BYTES_MAX = 4,
    COORDINATE_SIZE = 32,
    DER_SIGNATURE_MAX = 80,
};

typedef struct key {
    char kid[OW_JWKS_KID_MAX + 1];
    ow_jws_algorithm algorithm;
    EVP_PKEY *public_key;
} key;

struct ow_jwks {
    size_t count;
    key keys[OW_JWKS_KEYS_MAX];
};

static ow_code bad(ow_err *err, const char *what) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_jwks", "the key set cannot be read: %s", what);
}

// ---- Reading ----

// A member that is base64url of min..max bytes; 0 when it is not.
static size_t read_bytes(const ow_json *object, const char *name, uint8_t *ret_bytes, size_t min,
                         size_t max) {
    const char *text = ow_json_string(ow_json_get(object, name));
    int64_t size = text != NULL ? ow_base64url_decode(text, strlen(text), ret_bytes, max) : -1;
    return size >= (int64_t)min ? (size_t)size : 0;
}

static EVP_PKEY *make_key(const char *type, OSSL_PARAM_BLD *builder) {
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *made = NULL;
    if (params != NULL && context != NULL && EVP_PKEY_fromdata_init(context) == 1 &&
        EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        made = NULL;
    }
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    return made;
}

static EVP_PKEY *make_rsa(const BIGNUM *n, const BIGNUM *e) {
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *made = NULL;
    if (n != NULL && e != NULL && builder != NULL &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        made = make_key("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    return made;
}

static EVP_PKEY *read_rsa(const ow_json *from) {
    uint8_t modulus[RSA_BYTES_MAX], exponent[EXPONENT_BYTES_MAX];
    size_t n_size = read_bytes(from, "n", modulus, RSA_BYTES_MIN, sizeof modulus);
    size_t e_size = read_bytes(from, "e", exponent, 1, sizeof exponent);
    if (n_size == 0 || e_size == 0) {
        return NULL;
    }
    // A modulus with leading zeros has fewer bits than it seems; an even one or exponent is none.
    bool is_one = e_size == 1 && exponent[0] < 3;
    if (modulus[0] == 0 || (modulus[n_size - 1] & exponent[e_size - 1] & 1) == 0 || is_one) {
        return NULL;
    }
    BIGNUM *n = BN_bin2bn(modulus, (int)n_size, NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)e_size, NULL);
    EVP_PKEY *made = make_rsa(n, e);
    BN_free(n);
    BN_free(e);
    return made;
}

// EVP_PKEY_fromdata refuses a point that is not on the curve.
static EVP_PKEY *read_p256(const ow_json *from) {
    uint8_t point[1 + 2 * COORDINATE_SIZE] = {0x04}; // uncompressed
    if (read_bytes(from, "x", point + 1, COORDINATE_SIZE, COORDINATE_SIZE) == 0 ||
        read_bytes(from, "y", point + 1 + COORDINATE_SIZE, COORDINATE_SIZE, COORDINATE_SIZE) == 0) {
        return NULL;
    }
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *made = NULL;
    if (builder != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point) ==
            1) {
        made = make_key("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    return made;
}

static bool is_text(const ow_json *object, const char *name, const char *wanted) {
    const char *text = ow_json_string(ow_json_get(object, name));
    return text != NULL && strcmp(text, wanted) == 0;
}

// Absent, or what is wanted.
static bool may_be(const ow_json *object, const char *name, const char *wanted) {
    return ow_json_get(object, name) == NULL || is_text(object, name, wanted);
}

// False: a key for something else.
static bool is_ours(const ow_json *from, ow_jws_algorithm *ret_algorithm) {
    bool rsa = is_text(from, "kty", "RSA") && may_be(from, "alg", "RS256");
    bool p256 =
        is_text(from, "kty", "EC") && is_text(from, "crv", "P-256") && may_be(from, "alg", "ES256");
    *ret_algorithm = rsa ? OW_JWS_RS256 : OW_JWS_ES256;
    return (rsa || p256) && may_be(from, "use", "sig");
}

static const key *find(const ow_jwks *jwks, const char *kid, ow_jws_algorithm algorithm) {
    const key *found = NULL;
    for (size_t i = 0; i < jwks->count; i++) {
        const key *each = &jwks->keys[i];
        if (each->algorithm == algorithm && (kid[0] == '\0' || strcmp(each->kid, kid) == 0)) {
            if (found != NULL) {
                return NULL; // without a name it must be the only one
            }
            found = each;
        }
    }
    return found;
}

// "" when it has none; false: it is no text, or too long.
static bool read_kid(const ow_json *from, char ret_kid[static OW_JWKS_KID_MAX + 1]) {
    const ow_json *kid = ow_json_get(from, "kid");
    const char *name = ow_json_string(kid);
    size_t length = name != NULL ? strlen(name) : 0;
    if ((kid != NULL && name == NULL) || length > OW_JWKS_KID_MAX) {
        return false;
    }
    memcpy(ret_kid, name != NULL ? name : "", length);
    return true;
}

static ow_code add_key(ow_jwks *jwks, const ow_json *from, ow_err *err) {
    key made = {0};
    if (ow_json_kind_of(from) != OW_JSON_OBJECT) {
        return bad(err, "a key is no object");
    }
    if (!is_ours(from, &made.algorithm)) {
        return OW_OK;
    }
    if (!read_kid(from, made.kid)) {
        return bad(err, "a kid is no text, or too long");
    }
    if (ow_json_get(from, "d") != NULL) {
        return bad(err, "a key is private: whoever published it must replace it");
    }
    if (made.kid[0] != '\0' && find(jwks, made.kid, made.algorithm) != NULL) {
        return bad(err, "two keys have the same kid");
    }
    made.public_key = made.algorithm == OW_JWS_RS256 ? read_rsa(from) : read_p256(from);
    if (made.public_key == NULL) {
        return bad(err, "a key is malformed or too weak");
    }
    jwks->keys[jwks->count++] = made;
    return OW_OK;
}

static ow_code add_keys(ow_jwks *jwks, const ow_json *set, ow_err *err) {
    const ow_json *list = ow_json_get(set, "keys");
    ow_code code = OW_OK;
    if (ow_json_kind_of(list) != OW_JSON_ARRAY) {
        return bad(err, "it has no list \"keys\"");
    }
    if (ow_json_count(list) > OW_JWKS_KEYS_MAX) {
        return bad(err, "it has too many keys");
    }
    for (const ow_json *each = ow_json_first(list); each != NULL && code == OW_OK;
         each = ow_json_next(each)) {
        code = add_key(jwks, each, err);
    }
    if (code == OW_OK && jwks->count == 0) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "no_keys",
                       "the key set has no key for RS256 or ES256");
    }
    return code;
}

ow_code ow_jwks_parse(const char *text, size_t size, ow_jwks **ret_jwks, ow_err *err) {
    ow_json *set = NULL;
    if (size > OW_JWKS_SIZE_MAX) {
        return bad(err, "it is too large");
    }
    if (ow_json_parse(text, size, DEPTH_MAX, &set, NULL) != OW_OK) {
        return bad(err, "it is no JSON");
    }
    ow_jwks *made = calloc(1, sizeof *made);
    if (made == NULL) {
        ow_json_free(set);
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a key set");
    }
    ow_code code = add_keys(made, set, err);
    ow_json_free(set);
    if (code != OW_OK) {
        ow_jwks_free(made);
        return code;
    }
    *ret_jwks = made;
    return OW_OK;
}

ow_jwks *ow_jwks_free(ow_jwks *jwks) {
    for (size_t i = 0; jwks != NULL && i < jwks->count; i++) {
        EVP_PKEY_free(jwks->keys[i].public_key);
    }
    free(jwks);
    return NULL;
}

size_t ow_jwks_count(const ow_jwks *jwks) {
    return jwks->count;
}

bool ow_jwks_has(const ow_jwks *jwks, const char *kid) {
    return find(jwks, kid, OW_JWS_RS256) != NULL || find(jwks, kid, OW_JWS_ES256) != NULL;
}

// ---- Verifying ----

// JOSE writes both numbers of an ECDSA signature with 32 bytes each; OpenSSL wants them as ASN.1.
static int to_der(const unsigned char *signature, size_t size,
                  unsigned char ret_der[static DER_SIGNATURE_MAX]) {
    if (size != 2 * COORDINATE_SIZE) {
        return 0;
    }
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, COORDINATE_SIZE, NULL);
    BIGNUM *s = BN_bin2bn(signature + COORDINATE_SIZE, COORDINATE_SIZE, NULL);
    int length = 0;
    if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        unsigned char *at = ret_der;
        length = i2d_ECDSA_SIG(pair, &at);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return length > 0 ? length : 0;
}

ow_code ow_jwks_verify(const ow_jwks *jwks, const ow_jws *signed_text, ow_err *err) {
    const key *with = find(jwks, signed_text->kid, signed_text->algorithm);
    if (with == NULL) {
        return ow_fail(err, OW_UNAUTHENTICATED, "unknown_key",
                       "the token is signed with a key that its issuer does not publish");
    }
    unsigned char der[DER_SIGNATURE_MAX];
    const unsigned char *signature = signed_text->signature;
    size_t size = signed_text->signature_size;
    if (with->algorithm == OW_JWS_ES256) {
        size = (size_t)to_der(signature, size, der);
        signature = der;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool valid =
        context != NULL && size > 0 &&
        EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, with->public_key) == 1 &&
        EVP_DigestVerify(context, signature, size, signed_text->text, signed_text->text_size) == 1;
    EVP_MD_CTX_free(context);
    return valid ? OW_OK
                 : ow_fail(err, OW_UNAUTHENTICATED, "bad_signature",
                           "the token's signature is not that of its issuer");
}
