#include "core/crypto/password.h"

#include "core/testing/ow_test.h"

#include <string.h>

static void passwords_verify(void **state) {
    (void)state;
    char hash[OW_PASSWORD_HASH_SIZE];
    assert_int_equal(ow_password_hash("secret", 6, hash, NULL), OW_OK);
    assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_true(ow_password_verify(hash, "secret", 6));
    assert_false(ow_password_verify(hash, "secreT", 6));
    assert_false(ow_password_verify(hash, "secret", 5));
    assert_false(ow_password_verify("no hash", "secret", 6));
    assert_false(ow_password_is_outdated(hash));
    char again[OW_PASSWORD_HASH_SIZE];
    assert_int_equal(ow_password_hash("secret", 6, again, NULL), OW_OK);
    assert_string_not_equal(hash, again);
}

static void sizes_are_bounded(void **state) {
    (void)state;
    char hash[OW_PASSWORD_HASH_SIZE];
    char text[OW_PASSWORD_MAX + 1];
    memset(text, 'x', sizeof text);
    assert_int_equal(ow_password_hash("", 0, hash, NULL), OW_INVALID_ARGUMENT);
    assert_int_equal(ow_password_hash(text, sizeof text, hash, NULL), OW_INVALID_ARGUMENT);
}

static void other_parameters_are_outdated(void **state) {
    (void)state;
    assert_true(ow_password_is_outdated("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
                                        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    assert_true(ow_password_is_outdated("garbage"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passwords_verify),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(other_parameters_are_outdated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
