#include "core/crypto/hash.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

static void expect_hex(const uint8_t *digest, const char *hex) {
    char text[OW_SHA256_HEX_SIZE];
    ow_hex_encode(digest, OW_SHA256_SIZE, text);
    assert_string_equal(text, hex);
}

// The vectors of FIPS 180-4's examples.
static void sha256_is_sha256(void **state) {
    (void)state;
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256("abc", 3, digest);
    expect_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ow_sha256(NULL, 0, digest);
    expect_hex(digest, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void pieces_give_the_same(void **state) {
    (void)state;
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256_stream *stream = ow_sha256_stream_new();
    for (int round = 0; round < 2; round++) {
        ow_sha256_stream_add(stream, "a", 1);
        ow_sha256_stream_add(stream, "", 0);
        ow_sha256_stream_add(stream, "bc", 2);
        ow_sha256_stream_finish(stream, digest);
        expect_hex(digest, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
    assert_null(ow_sha256_stream_free(stream));
    assert_null(ow_sha256_stream_free(NULL));
}

// RFC 4231, test cases 2 and 6.
static void hmac_is_hmac(void **state) {
    (void)state;
    uint8_t mac[OW_SHA256_SIZE];
    const char *text = "what do ya want for nothing?";
    ow_hmac_sha256("Jefe", 4, text, strlen(text), mac);
    expect_hex(mac, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    uint8_t key[131];
    memset(key, 0xaa, sizeof key);
    text = "Test Using Larger Than Block-Size Key - Hash Key First";
    ow_hmac_sha256(key, sizeof key, text, strlen(text), mac);
    expect_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    ow_hmac_key *kept = ow_hmac_key_new(key, sizeof key);
    assert_non_null(kept);
    for (int i = 0; i < 2; i++) {
        memset(mac, 0, sizeof mac);
        ow_hmac_key_sign(kept, text, strlen(text), mac);
        expect_hex(mac, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    }
    assert_null(ow_hmac_key_free(kept));
}

static void hex_goes_both_ways(void **state) {
    (void)state;
    uint8_t bytes[3];
    assert_true(ow_hex_decode("00fFa1", 6, bytes, 3));
    assert_memory_equal(bytes, "\x00\xff\xa1", 3);
    assert_false(ow_hex_decode("00ffa", 5, bytes, 3));
    assert_false(ow_hex_decode("00ffg1", 6, bytes, 3));
    assert_false(ow_hex_decode("00ff\xc3\x41", 6, bytes, 3));
}

// RFC 4648 chapter 10, without the padding.
static void base64url_goes_both_ways(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t size = strlen(pairs[i][0]);
        char text[OW_BASE64URL_SIZE(6)];
        assert_int_equal(ow_base64url_encode(pairs[i][0], size, text), strlen(pairs[i][1]));
        assert_string_equal(text, pairs[i][1]);
        uint8_t bytes[6];
        assert_int_equal(ow_base64url_decode(text, strlen(text), bytes, sizeof bytes), size);
        assert_memory_equal(bytes, pairs[i][0], size);
    }
}

static void base64url_has_one_spelling(void **state) {
    (void)state;
    static const char *const bad[] = {"Z",    "Zg==", "Zh",     "Zm9",   "Zm9v ",
                                      "Zm+v", "Zm/v", "Zm9v\n", "Zm9vZ", "\xff\xff\xff\xff"};
    uint8_t bytes[16];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ow_base64url_decode(bad[i], strlen(bad[i]), bytes, sizeof bytes), -1);
    }
    assert_int_equal(ow_base64url_decode("Zm9v", 4, bytes, 2), -1);
    assert_int_equal(ow_base64url_decode("Zm9v", 4, bytes, 3), 3);
}

static void random_bytes_survive(void **state) {
    (void)state;
    srandom(3);
    for (size_t size = 0; size < 200; size++) {
        uint8_t bytes[200];
        uint8_t back[200];
        char text[OW_BASE64URL_SIZE(200)];
        for (size_t i = 0; i < size; i++) {
            bytes[i] = (uint8_t)random();
        }
        size_t length = ow_base64url_encode(bytes, size, text);
        assert_true(length < OW_BASE64URL_SIZE(size));
        assert_int_equal(ow_base64url_decode(text, length, back, size), size);
        assert_memory_equal(bytes, back, size);
    }
}

static void equality_is_equality(void **state) {
    (void)state;
    assert_true(ow_equal_in_constant_time("abc", "abc", 3));
    assert_false(ow_equal_in_constant_time("abc", "abd", 3));
    assert_true(ow_equal_in_constant_time("abc", "abd", 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_is_sha256),
        cmocka_unit_test(pieces_give_the_same),
        cmocka_unit_test(hmac_is_hmac),
        cmocka_unit_test(hex_goes_both_ways),
        cmocka_unit_test(base64url_goes_both_ways),
        cmocka_unit_test(base64url_has_one_spelling),
        cmocka_unit_test(random_bytes_survive),
        cmocka_unit_test(equality_is_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
