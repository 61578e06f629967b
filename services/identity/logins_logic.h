#pragma once

// The rules of players' logins: what ids, e-mail addresses and passwords must look like, and what a
// login is stored under. No I/O.

#include "services/identity/messages.h"

#include "core/crypto/hash.h"
#include "core/error/error.h"

#include <stdbool.h>

#define EMAIL_SIZE 255 // with NUL
#define LOGIN_ID_SIZE (OW_BASE64URL_SIZE(12))

typedef enum login_kind { LOGIN_DEVICE, LOGIN_CUSTOM, LOGIN_EMAIL, LOGIN_OIDC } login_kind;

// "device", "custom", "email", "oidc".
const char *login_kind_name(login_kind kind);

// A device id or a custom id. Codes: invalid_argument `reason`.
ow_code check_secret_id(const char *id, const char *reason, ow_err *err);
// What is told about a login besides who it is. Codes: invalid_argument "bad_platform", "bad_custom".
ow_code check_manner(const char *platform, const char *custom, ow_err *err);

// The address in the form in which it is compared: lower case. ASCII alone (domains of other scripts
// in their xn-- form); no part of it is left out, since only its owner's provider knows what
// dots and plus signs mean. Codes: invalid_argument "bad_email".
ow_code normalize_email(const char *email, char ret_email[static EMAIL_SIZE], ow_err *err);

// What may be tried as a password. Codes: invalid_argument "bad_password".
ow_code check_password_form(const char *password, ow_err *err);
// What may become one: at least `min_characters` of UTF-8, not one that everybody uses, not the address
// (normalized, or "") or its first part. Codes: those of the form; invalid_argument "weak_password".
ow_code check_new_password(const char *password, const char *email, int min_characters,
                           ow_err *err);

// The hash of a password that nobody has, with today's parameters: what an unknown address is
// compared with, so that it takes as long as a known one.
extern const char unknown_password_hash[];

// What a login is stored under.
void hash_login(const char *title, login_kind kind, const char *id,
                uint8_t ret_hash[static OW_SHA256_SIZE]);

// What a player names a login by: the beginning of its hash.
void make_login_id(const uint8_t hash[static OW_SHA256_SIZE], char ret_id[static LOGIN_ID_SIZE]);
