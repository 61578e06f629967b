#include "services/registry/manifest.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct fixture {
    ow_arena *arena;
    ow_manifest manifest;
    ow_err err;
} fixture;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->arena = ow_arena_new(1 << 20);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    ow_arena_free(f->arena);
    free(f);
    return 0;
}

static ow_code read_text(fixture *f, const char *text) {
    return ow_manifest_read(text, strlen(text), f->arena, &f->manifest, &f->err);
}

static void expect_bad(fixture *f, const char *text, const char *words) {
    assert_int_equal(read_text(f, text), OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, "bad_manifest");
    if (strstr(f->err.message, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", f->err.message, words);
    }
}

static void reads_a_whole_manifest(void **state) {
    fixture *f = *state;
    assert_int_equal(read_text(f, "{\"name\":\"chat\",\"runtime\":\"c\",\"functions\":{"
                                  "\"stats-all\":{\"exposure\":\"server\",\"timeout_ms\":5000,"
                                  "\"memory_mb\":64,\"log_payload\":true},"
                                  "\"moderate\":{\"exposure\":\"client\",\"entry\":\"mod\","
                                  "\"source\":\"a.c\"}},"
                                  "\"files\":[\"words.txt\"],\"env\":{\"B\":\"2\",\"A\":\"1\"}}"),
                     OW_OK);
    const ow_manifest *m = &f->manifest;
    assert_string_equal(m->name, "chat");
    assert_int_equal(m->function_count, 2);
    assert_string_equal(m->functions[0].name, "moderate");
    assert_string_equal(m->functions[0].entry, "mod");
    assert_int_equal(m->functions[0].timeout_ms, 3000);
    assert_int_equal(m->functions[0].memory_mb, 128);
    assert_false(m->functions[0].log_payload);
    assert_string_equal(m->functions[1].entry, "stats_all");
    assert_string_equal(m->functions[1].exposure, "server");
    assert_true(m->functions[1].log_payload);
    assert_int_equal(m->env_count, 2);
    assert_string_equal(m->env[0].name, "A");
}

#define START "{\"name\":\"a\",\"runtime\":\"c\","

static void says_what_is_wrong(void **state) {
    fixture *f = *state;
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "virtualserver.json"},
        {"[]", "must be a JSON object"},
        {"{\"runtime\":\"c\",\"functions\":{\"f\":{}}}", "\"name\" is missing"},
        {"{\"name\":\"1a\"}", "with a letter first"},
        {"{\"name\":\"a\",\"runtime\":\"lua\"}", "must be \"c\""},
        {START "\"functions\":{}}", "1 to 50"},
        {START "\"funktions\":{}}", "did you mean \"functions\"?"},
        {START "\"wholly_else\":1}", "known are name, runtime"},
        {START "\"functions\":{\"f\":{\"time_out_ms\":1}}}",
         "functions.f: unknown key \"time_out_ms\": did you mean \"timeout_ms\"?"},
        {START "\"functions\":{\"f\":{\"timeout_ms\":900001}}}", "from 1 to 900000"},
        {START "\"functions\":{\"f\":{\"memory_mb\":63}}}", "from 64 to 3072"},
        {START "\"functions\":{\"f\":{\"memory_mb\":64.5}}}", "whole number"},
        {START "\"functions\":{\"f\":{\"exposure\":\"public\"}}}", "\"client\", \"server\""},
        {START "\"functions\":{\"f\":{\"entry\":\"a b\"}}}", "name of a C function"},
        {START "\"functions\":{\"f\":{\"source\":\"a.py\"}}}", "must name a .c file"},
        {START "\"functions\":{\"f\":{\"log_payload\":1}}}", "true or false"},
        {START "\"functions\":{\"f\":3}}", "must be an object"},
        {START "\"functions\":{\"f g\":{}}}", "is no name"},
        {START "\"functions\":{\"f\":{},\"f\":{}}}", "there twice"},
        {START "\"name\":\"b\"}", "there twice"},
        {START "\"files\":\"x\"}", "must be a list"},
        {START "\"files\":[\"../x\"]}", "files[0]"},
        {START "\"env\":{\"A-B\":\"1\"}}", "no name of a variable"},
        {START "\"env\":{\"A\":1}}", "env.A must be a text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        expect_bad(f, cases[i].text, cases[i].words);
    }
}

static void bounds_functions_and_environment(void **state) {
    fixture *f = *state;
    char text[8192] = START "\"functions\":{";
    for (int i = 0; i <= OW_MANIFEST_FUNCTIONS_MAX; i++) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s\"f%d\":{}", i > 0 ? "," : "", i);
    }
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "}}");
    expect_bad(f, text, "1 to 50");

    snprintf(text, sizeof text, START "\"functions\":{\"f\":{}},\"env\":{\"A\":\"%*s\"}}", 4093,
             "x");
    assert_int_equal(read_text(f, text), OW_OK);
    snprintf(text, sizeof text, START "\"functions\":{\"f\":{}},\"env\":{\"A\":\"%*s\"}}", 4094,
             "x");
    expect_bad(f, text, "4096 bytes");
}

static void matches_patterns(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {"words.txt", "words.txt", true},
        {"words.txt", "words.txts", false},
        {"*.txt", "words.txt", true},
        {"*.txt", "maps/words.txt", false},
        {"maps/*", "maps/a.bin", true},
        {"maps/*", "maps/a/b.bin", false},
        {"*/*.bin", "maps/a.bin", true},
        {"a?c", "abc", true},
        {"a?c", "a/c", false},
        {"*", "", true},
        {"a*b*c", "a__b__c", true},
        {"a*b*c", "a__b__", false},
        {"**", "abc", true},
        {"a", "", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ow_manifest_pattern_matches(cases[i].pattern, cases[i].path),
                         cases[i].matches);
    }
}

static void checks_the_files_of_the_bundle(void **state) {
    fixture *f = *state;
    ow_archive_file files[] = {
        {.path = "a.c"}, {.path = "virtualserver.json"}, {.path = "words.txt"}};
    ow_archive archive = {.files = files, .count = 3};
    const char *good = START "\"functions\":{\"f\":{\"source\":\"a.c\"}},\"files\":[\"*.txt\"]}";
    assert_int_equal(read_text(f, good), OW_OK);
    assert_int_equal(ow_manifest_check_files(&f->manifest, &archive, &f->err), OW_OK);
    assert_true(ow_manifest_is_data(&f->manifest, "words.txt"));
    assert_false(ow_manifest_is_data(&f->manifest, "a.c"));

    read_text(f, START "\"functions\":{\"f\":{\"source\":\"b.c\"}}}");
    assert_int_equal(ow_manifest_check_files(&f->manifest, &archive, &f->err), OW_INVALID_ARGUMENT);
    assert_non_null(strstr(f->err.message, "no file \"b.c\""));

    read_text(f, START "\"functions\":{\"f\":{}},\"files\":[\"*.json\"]}");
    assert_int_equal(ow_manifest_check_files(&f->manifest, &archive, &f->err), OW_INVALID_ARGUMENT);
    assert_non_null(strstr(f->err.message, "names no data file"));

    // What stands in for a function is a data file.
    static const char route[] =
        START "\"functions\":{\"f\":{}},\"files\":[\"*.txt\"],\"routes\":[{\"name\":"
              "\"r\",\"method\":\"GET\",\"path\":\"/\",\"function\":\"f\","
              "\"access\":\"public\",\"fallback_file\":\"%s\"}]}";
    static const struct {
        const char *file;
        ow_code code;
    } stand_ins[] = {
        {"words.txt", OW_OK}, {"a.c", OW_INVALID_ARGUMENT}, {"sorry.html", OW_INVALID_ARGUMENT}};
    for (size_t i = 0; i < sizeof stand_ins / sizeof stand_ins[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, route, stand_ins[i].file);
        assert_int_equal(read_text(f, text), OW_OK);
        assert_int_equal(ow_manifest_check_files(&f->manifest, &archive, &f->err),
                         stand_ins[i].code);
    }

    archive.files++;
    archive.count--;
    read_text(f, START "\"functions\":{\"f\":{}}}");
    assert_int_equal(ow_manifest_check_files(&f->manifest, &archive, &f->err), OW_INVALID_ARGUMENT);
    assert_non_null(strstr(f->err.message, "no .c file"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_a_whole_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(says_what_is_wrong, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_functions_and_environment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(matches_patterns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_the_files_of_the_bundle, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
