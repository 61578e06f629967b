#include "core/crypto/seal.h"

#include "core/testing/ow_test.h"

#include <string.h>

static const uint8_t key[OW_SEAL_KEY_SIZE] = {1, 2, 3};
static const uint8_t other_key[OW_SEAL_KEY_SIZE] = {1, 2, 4};

static void opens_what_was_sealed(void **state) {
    (void)state;
    static const char *const texts[] = {"", "x", "a longer secret, with some text in it"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        uint8_t sealed[2][100], plain[100];
        size_t size = strlen(texts[i]);
        ow_seal_input in = {key, "vs/name", texts[i], size};
        assert_int_equal(ow_seal(&in, sealed[0], NULL), OW_OK);
        assert_int_equal(ow_seal(&in, sealed[1], NULL), OW_OK);
        assert_memory_not_equal(sealed[0], sealed[1], size + OW_SEAL_OVERHEAD);
        ow_seal_input out = {key, "vs/name", sealed[0], size + OW_SEAL_OVERHEAD};
        assert_int_equal(ow_unseal(&out, plain, NULL), OW_OK);
        assert_memory_equal(plain, texts[i], size);
    }
}

static void refuses_what_is_not_as_it_was_sealed(void **state) {
    (void)state;
    uint8_t sealed[40], plain[40] = {0};
    enum { SIZE = 5 + OW_SEAL_OVERHEAD };
    assert_int_equal(ow_seal(&(ow_seal_input){key, "a", "hello", 5}, sealed, NULL), OW_OK);
    ow_err err;
    assert_int_equal(ow_unseal(&(ow_seal_input){key, "b", sealed, SIZE}, plain, &err),
                     OW_DATA_LOSS);
    assert_string_equal(err.reason, "bad_seal");
    assert_int_equal(plain[0], 0);
    assert_int_equal(ow_unseal(&(ow_seal_input){other_key, "a", sealed, SIZE}, plain, NULL),
                     OW_DATA_LOSS);
    for (size_t i = 0; i < SIZE; i++) {
        sealed[i] ^= 1;
        assert_int_equal(ow_unseal(&(ow_seal_input){key, "a", sealed, SIZE}, plain, NULL),
                         OW_DATA_LOSS);
        sealed[i] ^= 1;
        assert_int_equal(ow_unseal(&(ow_seal_input){key, "a", sealed, i}, plain, NULL),
                         OW_DATA_LOSS);
    }
    assert_int_equal(ow_unseal(&(ow_seal_input){key, "a", sealed, SIZE}, plain, NULL), OW_OK);
    assert_int_equal(ow_seal(&(ow_seal_input){key, "a", "x", (1 << 20) + 1}, sealed, NULL),
                     OW_INVALID_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_what_was_sealed),
        cmocka_unit_test(refuses_what_is_not_as_it_was_sealed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
