#include "core/crypto/id_token.h"

#include "core/crypto/hash.h"
#include "core/json/tree.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 8, MEMBERS_MAX = 128, SIGNATURE_MAX = 1024 };

typedef struct token {
    const char *text;
    size_t header_length, signed_length, length; // up to the first dot, to the second, all
    ow_json *header, *claims;
    uint8_t signature[SIGNATURE_MAX];
    size_t signature_size;
} token;

static ow_code bad(ow_err *err, const char *what) {
    return ow_fail(err, OW_UNAUTHENTICATED, "bad_id_token", "the id token is not acceptable: %s",
                   what);
}

// ---- Form ----

// An object whose names occur once: of two members of one name readers take different ones.
static bool is_sound(const ow_json *object) {
    if (ow_json_kind_of(object) != OW_JSON_OBJECT || ow_json_count(object) > MEMBERS_MAX) {
        return false;
    }
    for (const ow_json *a = ow_json_first(object); a != NULL; a = ow_json_next(a)) {
        if (ow_json_get(object, ow_json_name_of(a)) != a) {
            return false;
        }
    }
    return true;
}

static ow_json *read_part(const char *text, size_t length) {
    uint8_t *bytes = malloc(length + 1);
    ow_json *json = NULL;
    int64_t size = bytes != NULL ? ow_base64url_decode(text, length, bytes, length) : -1;
    // A NUL in a text would end it early for us and not for others.
    if (size >= 0 && memmem(bytes, (size_t)size, "\\u0000", 6) == NULL &&
        ow_json_parse((const char *)bytes, (size_t)size, DEPTH_MAX, &json, NULL) == OW_OK &&
        !is_sound(json)) {
        json = ow_json_free(json);
    }
    free(bytes);
    return json;
}

static bool token_read(token *t) {
    t->length = strnlen(t->text, OW_ID_TOKEN_MAX + 1);
    const char *first = memchr(t->text, '.', t->length);
    const char *second =
        first != NULL ? memchr(first + 1, '.', t->length - (size_t)(first + 1 - t->text)) : NULL;
    if (t->length > OW_ID_TOKEN_MAX || second == NULL) {
        return false;
    }
    t->header_length = (size_t)(first - t->text);
    t->signed_length = (size_t)(second - t->text);
    int64_t size = ow_base64url_decode(second + 1, t->length - t->signed_length - 1, t->signature,
                                       sizeof t->signature);
    t->signature_size = size > 0 ? (size_t)size : 0;
    t->header = read_part(t->text, t->header_length);
    t->claims = read_part(first + 1, t->signed_length - t->header_length - 1);
    return t->signature_size > 0 && t->header != NULL && t->claims != NULL;
}

static const char *text_of(const ow_json *object, const char *name) {
    const char *text = ow_json_string(ow_json_get(object, name));
    return text != NULL ? text : "";
}

static bool read_algorithm(const ow_json *header, ow_jws_algorithm *ret_algorithm) {
    const char *name = text_of(header, "alg");
    *ret_algorithm = strcmp(name, "ES256") == 0 ? OW_JWS_ES256 : OW_JWS_RS256;
    return strcmp(name, "ES256") == 0 || strcmp(name, "RS256") == 0;
}

// Absent or a text (kid), absent or "JWT" (typ).
static bool header_is_sound(const ow_json *header) {
    const ow_json *kid = ow_json_get(header, "kid"), *type = ow_json_get(header, "typ");
    bool kid_is_good =
        kid == NULL || (ow_json_string(kid) != NULL && text_of(header, "kid")[0] != 0);
    bool type_is_good = type == NULL || strcasecmp(text_of(header, "typ"), "JWT") == 0;
    // "crit" names extensions that a reader must know; we know none.
    return kid_is_good && type_is_good && ow_json_get(header, "crit") == NULL;
}

static ow_code check_signature(const ow_jwks *keys, const token *t, ow_err *err) {
    ow_jws_algorithm algorithm;
    if (!read_algorithm(t->header, &algorithm)) {
        return bad(err, "it must be signed with RS256 or ES256");
    }
    if (!header_is_sound(t->header)) {
        return bad(err, "its header asks for something else than a signed JWT");
    }
    return ow_jwks_verify(keys,
                          &(ow_jws){.algorithm = algorithm,
                                    .kid = text_of(t->header, "kid"),
                                    .text = t->text,
                                    .text_size = t->signed_length,
                                    .signature = t->signature,
                                    .signature_size = t->signature_size},
                          err);
}

// ---- Claims ----

static bool is_one_of(const char *text, const char *const *list) {
    for (; text != NULL && *list != NULL; list++) {
        if (strcmp(text, *list) == 0) {
            return true;
        }
    }
    return false;
}

static bool audience_fits(const ow_json *claims, const char *const *audiences) {
    const ow_json *audience = ow_json_get(claims, "aud");
    bool fits = is_one_of(ow_json_string(audience), audiences);
    if (ow_json_kind_of(audience) == OW_JSON_ARRAY) {
        for (const ow_json *each = ow_json_first(audience); each != NULL;
             each = ow_json_next(each)) {
            fits = fits || is_one_of(ow_json_string(each), audiences);
        }
    }
    const ow_json *party = ow_json_get(claims, "azp");
    return fits && (party == NULL || is_one_of(ow_json_string(party), audiences));
}

// A NumericDate, whole seconds of it.
static bool read_time(const ow_json *claims, const char *name, int64_t *ret_seconds) {
    double value;
    if (!ow_json_as_double(ow_json_get(claims, name), &value) || !(value >= 0 && value < 1e12)) {
        return false;
    }
    *ret_seconds = (int64_t)value;
    return true;
}

static ow_code check_times(const ow_json *claims, const ow_id_rules *rules, int64_t *ret_expires_s,
                           ow_err *err) {
    int64_t expires_s, issued_s, not_before_s = 0;
    if (!read_time(claims, "exp", &expires_s) || !read_time(claims, "iat", &issued_s) ||
        (ow_json_get(claims, "nbf") != NULL && !read_time(claims, "nbf", &not_before_s))) {
        return bad(err, "exp, iat and nbf must be times");
    }
    if (rules->now_s >= expires_s + rules->skew_s) {
        return ow_fail(err, OW_UNAUTHENTICATED, "id_token_expired", "the id token has expired");
    }
    if (rules->now_s + rules->skew_s < issued_s || rules->now_s + rules->skew_s < not_before_s) {
        return ow_fail(err, OW_UNAUTHENTICATED, "id_token_too_early",
                       "the id token is from the future: is a clock wrong?");
    }
    *ret_expires_s = expires_s;
    return OW_OK;
}

static bool subject_is_sound(const char *subject) {
    size_t length = strnlen(subject, OW_ID_SUBJECT_MAX + 1);
    for (size_t i = 0; i < length; i++) {
        if (subject[i] < 0x20 || subject[i] > 0x7e) { // ASCII: OpenID Connect Core chapter 2
            return false;
        }
    }
    return length > 0 && length <= OW_ID_SUBJECT_MAX;
}

static ow_code check_claims(const ow_json *claims, const ow_id_rules *rules,
                            ow_id_claims *ret_claims, ow_err *err) {
    const char *subject = text_of(claims, "sub");
    if (!is_one_of(ow_json_string(ow_json_get(claims, "iss")), rules->issuers)) {
        return ow_fail(err, OW_UNAUTHENTICATED, "wrong_issuer",
                       "the id token is from another issuer");
    }
    if (!audience_fits(claims, rules->audiences)) {
        return ow_fail(err, OW_UNAUTHENTICATED, "wrong_audience",
                       "the id token was made for another application");
    }
    if (rules->nonce[0] != '\0' && strcmp(text_of(claims, "nonce"), rules->nonce) != 0) {
        return ow_fail(err, OW_UNAUTHENTICATED, "wrong_nonce",
                       "the id token was made for another login");
    }
    if (!subject_is_sound(subject)) {
        return bad(err, "sub must have 1 to 255 characters of ASCII");
    }
    memset(ret_claims, 0, sizeof *ret_claims);
    memcpy(ret_claims->subject, subject, strlen(subject));
    return check_times(claims, rules, &ret_claims->expires_s, err);
}

ow_code ow_id_token_verify(const ow_jwks *keys, const ow_id_rules *rules, const char *text,
                           ow_id_claims *ret_claims, ow_err *err) {
    token t = {.text = text};
    ow_id_claims claims;
    ow_code code = token_read(&t) ? OW_OK : bad(err, "it is no signed JWT");
    code = code == OW_OK ? check_signature(keys, &t, err) : code;
    code = code == OW_OK ? check_claims(t.claims, rules, &claims, err) : code;
    ow_json_free(t.header);
    ow_json_free(t.claims);
    if (code == OW_OK) {
        *ret_claims = claims;
    }
    return code;
}
