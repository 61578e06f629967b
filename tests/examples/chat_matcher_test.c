#include "examples/chat/matcher.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static matcher *compile(const char *list) {
    const char *why = "";
    matcher *m = matcher_new(list, strlen(list), &why);
    assert_non_null(m);
    return m;
}

static void expect_masked(const matcher *m, const char *text, const char *wanted, size_t places) {
    char out[512];
    size_t masked = 0;
    size_t size = matcher_mask(m, text, strlen(text), out, &masked, NULL);
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(out, wanted, size);
    assert_int_equal(masked, places);
}

static void masks_whole_words_only(void **state) {
    (void)state;
    matcher *m = compile("en\tass\nen\tdamn\n");
    expect_masked(m, "class assassin bass", "class assassin bass", 0);
    expect_masked(m, "ass, an ass! ASS", "***, an ***! ***", 3);
    expect_masked(m, "damn", "****", 1);
    expect_masked(m, "", "", 0);
    matcher_free(m);
}

static void masks_anywhere_in_scripts_without_spaces(void **state) {
    (void)state;
    matcher *m = compile("zh\t笨蛋\nja\tバカ\n");
    expect_masked(m, "你这个笨蛋啊", "你这个**啊", 1);
    expect_masked(m, "バカバカ", "****", 2);
    matcher_free(m);
}

static void folds_case_beyond_ascii(void **state) {
    (void)state;
    matcher *m = compile("fr\timbécile\nru\tдурак\nel\tβλάκας\n");
    expect_masked(m, "IMBÉCILE", "********", 1);
    expect_masked(m, "ДуРаК", "*****", 1);
    expect_masked(m, "ΒΛΆΚΑς", "******", 1);
    matcher_free(m);
}

static void overlapping_words_are_one_place(void **state) {
    (void)state;
    matcher *m = compile("en\tshut\nen\tshut up\nen\tup yours\n");
    expect_masked(m, "shut up", "*******", 1);
    expect_masked(m, "shut up yours", "*************", 2);
    expect_masked(m, "just shut it", "just **** it", 1);
    matcher_free(m);
}

static void invalid_utf8_passes_unchanged(void **state) {
    (void)state;
    matcher *m = compile("en\tdamn\n");
    expect_masked(m, "\xff\xc0 damn \xe2\x82", "\xff\xc0 **** \xe2\x82", 1);
    matcher_free(m);
}

static void counts_for_each_language(void **state) {
    (void)state;
    matcher *m = compile("en\tidiot\nde\tidiot\nde\tmist\n");
    uint32_t counts[MATCHER_LANGUAGES_MAX] = {0};
    char out[64];
    size_t masked;
    const char *text = "idiot, so ein Mist";
    matcher_mask(m, text, strlen(text), out, &masked, counts);
    assert_int_equal(masked, 2);
    assert_string_equal(matcher_language(m, 0), "en");
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 2);
    matcher_free(m);
}

static void malformed_lists_are_refused(void **state) {
    (void)state;
    static const char *const lists[] = {"no tab here\n", "\tword\n", "en\t\n",
                                        "a-language-name-too-long\tx\n"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const char *why = NULL;
        assert_null(matcher_new(lists[i], strlen(lists[i]), &why));
        assert_non_null(why);
    }
}

// The automaton against a search for each word by itself, on random text over a small alphabet.
static size_t naive_places(const char *const *words, size_t count, const char *text) {
    bool hit[256] = {false};
    size_t length = strlen(text);
    for (size_t w = 0; w < count; w++) {
        size_t n = strlen(words[w]);
        for (size_t at = 0; at + n <= length; at++) {
            bool before = at > 0 && text[at - 1] != ' ';
            bool after = at + n < length && text[at + n] != ' ';
            if (memcmp(text + at, words[w], n) == 0 && !before && !after) {
                memset(hit + at, true, n);
            }
        }
    }
    size_t masked = 0;
    for (size_t i = 0; i < length; i++) {
        masked += hit[i];
    }
    return masked;
}

static void agrees_with_a_naive_search(void **state) {
    (void)state;
    static const char *const words[] = {"a", "ab", "bab", "b a", "aab", "ba", "bb a b", "abab"};
    char list[256] = "";
    for (size_t i = 0; i < 8; i++) {
        snprintf(list + strlen(list), sizeof list - strlen(list), "x\t%s\n", words[i]);
    }
    matcher *m = compile(list);
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char text[41];
        size_t length = 1 + (size_t)rand_r(&seed) % 40;
        for (size_t i = 0; i < length; i++) {
            text[i] = "ab "[rand_r(&seed) % 3];
        }
        text[length] = '\0';
        char out[64];
        size_t masked;
        size_t size = matcher_mask(m, text, length, out, &masked, NULL);
        assert_int_equal(size, length);
        size_t stars = 0;
        for (size_t i = 0; i < size; i++) {
            stars += out[i] == '*';
        }
        if (stars != naive_places(words, 8, text)) {
            fail_msg("text \"%s\" became \"%.*s\"", text, (int)size, out);
        }
    }
    matcher_free(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_whole_words_only),
        cmocka_unit_test(masks_anywhere_in_scripts_without_spaces),
        cmocka_unit_test(folds_case_beyond_ascii),
        cmocka_unit_test(overlapping_words_are_one_place),
        cmocka_unit_test(invalid_utf8_passes_unchanged),
        cmocka_unit_test(counts_for_each_language),
        cmocka_unit_test(malformed_lists_are_refused),
        cmocka_unit_test(agrees_with_a_naive_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
