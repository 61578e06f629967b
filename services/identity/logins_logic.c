#include "services/identity/logins_logic.h"

#include "core/crypto/password.h"
#include "core/id/id.h"
#include "core/json/check.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
    SECRET_ID_MIN = 8,
    SECRET_ID_MAX = 128,
    PLATFORM_MAX = 32,
    CUSTOM_MAX = 1024, // characters
    LOCAL_PART_MAX = 64,
    LABEL_MAX = 63,
    LOGIN_ID_BYTES = 12,
};

const char *login_kind_name(login_kind kind) {
    static const char *const names[] = {[LOGIN_DEVICE] = "device",
                                        [LOGIN_CUSTOM] = "custom",
                                        [LOGIN_EMAIL] = "email",
                                        [LOGIN_OIDC] = "oidc"};
    return names[kind];
}

static size_t count_characters(const char *utf8) {
    size_t count = 0;
    for (; *utf8 != '\0'; utf8++) {
        count += ((unsigned char)*utf8 & 0xc0) != 0x80;
    }
    return count;
}

ow_code check_secret_id(const char *id, const char *reason, ow_err *err) {
    size_t length = 0;
    while (id[length] >= 0x20 && id[length] <= 0x7e) {
        length++;
    }
    if (id[length] != '\0' || length < SECRET_ID_MIN || length > SECRET_ID_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, reason,
                       "the id must have %d to %d characters of printable ASCII", SECRET_ID_MIN,
                       SECRET_ID_MAX);
    }
    return OW_OK;
}

ow_code check_manner(const char *platform, const char *custom, ow_err *err) {
    // What is no UTF-8 has no characters to count.
    if (!ow_utf8_check(platform, strlen(platform)) || count_characters(platform) > PLATFORM_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_platform",
                       "platform must have at most %d characters of UTF-8", PLATFORM_MAX);
    }
    if (!ow_utf8_check(custom, strlen(custom)) || strlen(custom) > CUSTOM_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_custom",
                       "custom must have at most %d bytes of UTF-8", CUSTOM_MAX);
    }
    return OW_OK;
}

// ---- E-mail addresses ----

// RFC 5321's dot-string: atoms with single dots between them.
static bool is_local_part(const char *text, size_t length) {
    static const char others[] = "!#$%&'*+-/=?^_`{|}~.";
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_outer = i == 0 || i + 1 == length;
        if (c > 0x7e || (!isalnum(c) && strchr(others, c) == NULL) ||
            (c == '.' && (is_outer || text[i - 1] == '.'))) {
            return false;
        }
    }
    return length >= 1 && length <= LOCAL_PART_MAX;
}

static bool is_label(const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        bool is_outer = i == 0 || i + 1 == length;
        if (c > 0x7e || (!isalnum(c) && (c != '-' || is_outer))) {
            return false;
        }
    }
    return length >= 1 && length <= LABEL_MAX;
}

// At least two labels: addresses of this machine alone are nobody's.
static bool is_domain(const char *text) {
    int labels = 0;
    while (true) {
        size_t length = strcspn(text, ".");
        if (!is_label(text, length)) {
            return false;
        }
        labels++;
        if (text[length] == '\0') {
            return labels >= 2;
        }
        text += length + 1;
    }
}

ow_code normalize_email(const char *email, char ret_email[static EMAIL_SIZE], ow_err *err) {
    const char *at = strrchr(email, '@');
    size_t length = strnlen(email, EMAIL_SIZE);
    if (at == NULL || length == EMAIL_SIZE || !is_local_part(email, (size_t)(at - email)) ||
        !is_domain(at + 1)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_email",
                       "email must be an address like name@example.com, in ASCII, with at most %d "
                       "characters",
                       EMAIL_SIZE - 1);
    }
    for (size_t i = 0; i <= length; i++) {
        ret_email[i] = (char)tolower((unsigned char)email[i]);
    }
    return OW_OK;
}

// ---- Passwords ----

ow_code check_password_form(const char *password, ow_err *err) {
    size_t length = strlen(password);
    if (length == 0 || length > OW_PASSWORD_MAX || !ow_utf8_check(password, length)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_password",
                       "password must have 1 to %d bytes of UTF-8", OW_PASSWORD_MAX);
    }
    return OW_OK;
}

// What is tried first, of eight characters and more: lists of leaked passwords are headed by these.
static bool is_common(const char *password) {
    static const char *const common[] = {
        "password",   "password1",  "password12", "password123", "password1234",  "passw0rd",
        "p@ssw0rd",   "p@ssword",   "12345678",   "123456789",   "1234567890",    "12345678910",
        "0123456789", "0987654321", "87654321",   "987654321",   "123123123",     "12341234",
        "11112222",   "12344321",   "1q2w3e4r",   "1q2w3e4r5t",  "1q2w3e4r5t6y",  "1qaz2wsx",
        "1qazxsw2",   "qazwsxedc",  "zaq12wsx",   "qwertyui",    "qwertyuiop",    "qwerty123",
        "qwerty1234", "qwerty12",   "qwer1234",   "asdfghjk",    "asdfghjkl",     "asdf1234",
        "zxcvbnm1",   "abcd1234",   "abcdefgh",   "abc12345",    "a1b2c3d4",      "aa123456",
        "a1234567",   "a12345678",  "iloveyou",   "iloveyou1",   "sunshine",      "princess",
        "football",   "baseball",   "superman",   "starwars",    "whatever",      "trustno1",
        "jennifer",   "michelle",   "computer",   "corvette",    "maverick",      "letmein1",
        "letmein123", "welcome1",   "welcome123", "admin123",    "administrator", "changeme",
        "dragon123",  "monkey123",  "master123",  "shadow123",   "minecraft",     "minecraft1",
        "pokemon123", "fortnite",   "fortnite1",  "playstation", "nintendo",      "butterfly",
        "liverpool",  "charlie1",   "michael1",   "jordan23",    "samsung1",      "internet",
        "test1234",   "testtest",   "asdasdasd",  "qweqweqwe",   "q1w2e3r4",      "woaini1314",
        "5201314520", "147258369",  "789456123",  "789456123a",  "159753456",     "secret123",
    };
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++) {
        if (strcasecmp(password, common[i]) == 0) {
            return true;
        }
    }
    return strspn(password, (char[]){password[0], '\0'}) == strlen(password);
}

static bool is_the_address(const char *password, const char *email) {
    size_t local = strcspn(email, "@");
    return email[0] != '\0' &&
           (strcasecmp(password, email) == 0 ||
            (strlen(password) == local && strncasecmp(password, email, local) == 0));
}

ow_code check_new_password(const char *password, const char *email, int min_characters,
                           ow_err *err) {
    ow_code code = check_password_form(password, err);
    if (code != OW_OK) {
        return code;
    }
    if (count_characters(password) < (size_t)min_characters) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "weak_password",
                       "the password must have at least %d characters", min_characters);
    }
    if (is_common(password) || is_the_address(password, email)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "weak_password",
                       "this password is among those that are tried first: choose another one");
    }
    return OW_OK;
}

const char unknown_password_hash[] = "$argon2id$v=19$m=19456,t=2,p=1$b3ZlcndvcmxkLXVua25vdw$"
                                     "Tm8gcGFzc3dvcmQgaGFzIHRoaXMgaGFzaC4gU29ycnkuLi4";

// ---- What is stored ----

// Devices came first, without a kind; no id of theirs has a line feed.
void hash_login(const char *title, login_kind kind, const char *id,
                uint8_t ret_hash[static OW_SHA256_SIZE]) {
    char text[1024];
    int length = kind == LOGIN_DEVICE
                     ? snprintf(text, sizeof text, "%s\n%s", title, id)
                     : snprintf(text, sizeof text, "%s\n%s\n%s", title, login_kind_name(kind), id);
    ow_sha256(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1, ret_hash);
}

void make_login_id(const uint8_t hash[static OW_SHA256_SIZE], char ret_id[static LOGIN_ID_SIZE]) {
    ow_base64url_encode(hash, LOGIN_ID_BYTES, ret_id);
}
