#pragma once

// Key pairs and signed tokens as identity providers make them, for tests. Failures end the test.

#include <stddef.h>

typedef struct jws_signer jws_signer;

// A new key pair: "RS256" or "ES256". Heap; jws_signer_free.
jws_signer *jws_signer_new(const char *algorithm);
jws_signer *jws_signer_free(jws_signer *signer);

// The public key as a JSON object, with more members of your own ("\"kid\":\"k1\"").
void jws_signer_jwk(const jws_signer *signer, const char *members, char *ret_json, size_t size);

// A token of this header and these claims, signed.
void jws_signer_sign(const jws_signer *signer, const char *header, const char *claims,
                     char *ret_token, size_t size);
