#pragma once

// Passwords: argon2id (RFC 9106) with 19 MiB and 2 passes. About 25 ms of CPU: pool steps only.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>

#define OW_PASSWORD_HASH_SIZE 128 // with NUL
#define OW_PASSWORD_MAX 256       // bytes; longer ones are refused

// Writes a salted hash as text ("$argon2id$v=19$..."). Any thread. Codes: invalid_argument
// "bad_password" (empty or too long), resource_exhausted "no_memory".
ow_code ow_password_hash(const char *password, size_t length,
                         char ret_hash[static OW_PASSWORD_HASH_SIZE], ow_err *err);

// True when the password belongs to the hash; false also for a malformed hash. Any thread.
bool ow_password_verify(const char *hash, const char *password, size_t length);

// True when the hash was made with other parameters than today's: hash again after a login.
bool ow_password_is_outdated(const char *hash);
