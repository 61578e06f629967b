#pragma once

// Sealing: encryption with a check, for values that lie in stores. AES-256-GCM; every sealing takes
// a new random nonce, so one key is good for 2^32 of them. Any thread.

#include "core/error/error.h"

#include <stddef.h>
#include <stdint.h>

#define OW_SEAL_KEY_SIZE 32
#define OW_SEAL_OVERHEAD 28 // bytes that a sealed value is longer than the plain one

// What is sealed, and what it belongs to: text that is not stored with it and has to be the same at
// unsealing, so that nobody can swap two sealed values.
typedef struct ow_seal_input {
    const uint8_t *key; // OW_SEAL_KEY_SIZE
    const char *belongs_to;
    const void *bytes;
    size_t size; // at most 1 MB
} ow_seal_input;

// Writes size + OW_SEAL_OVERHEAD bytes. Codes: internal, invalid_argument "too_large".
ow_code ow_seal(const ow_seal_input *plain, uint8_t *ret_sealed, ow_err *err);

// Writes size - OW_SEAL_OVERHEAD bytes. Codes: data_loss "bad_seal" (another key, another owner, or
// changed bytes), internal.
ow_code ow_unseal(const ow_seal_input *sealed, uint8_t *ret_plain, ow_err *err);
