#include "runtimes/build/build.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/testing/ow_test.h"
#include "runtimes/build/diagnostics.h"

#define BINARY "runtimes/build/ow-build-c"
#define PATIENCE_S 100

static ow_build *run(const ow_build_source *sources, size_t count, const char *symbol) {
    const ow_build_spec spec = {.binary = BINARY,
                                .sources = sources,
                                .source_count = count,
                                .symbols = &symbol,
                                .symbol_count = symbol ? 1 : 0};
    ow_build *build = NULL;
    ow_err err = {0};
    if (ow_build_start(&spec, &build, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
    struct pollfd fd = {.fd = ow_build_fd(build), .events = POLLIN};
    time_t end = time(NULL) + PATIENCE_S;
    while (!ow_build_advance(build) && time(NULL) < end) {
        poll(&fd, 1, 1000);
    }
    assert_true(ow_build_advance(build));
    return build;
}

static ow_build *run_text(const char *text, const char *symbol) {
    const ow_build_source source = {.name = "f.c", .data = text, .length = strlen(text)};
    return run(&source, 1, symbol);
}

// A build that must fail, with this in some diagnostic or in the failure.
static void fails_with(const char *text, const char *symbol, const char *wanted) {
    ow_build *build = run_text(text, symbol);
    const ow_build_result *result = ow_build_result_get(build);
    assert_false(result->ok);
    assert_int_equal(result->code_fd, -1);
    bool found = strstr(result->failure, wanted) != NULL;
    for (size_t i = 0; i < result->diagnostic_count; i++) {
        found = found || strstr(result->diagnostics[i].message, wanted);
    }
    if (!found) {
        fail_msg("nothing says `%s`: %s %s", wanted, result->failure,
                 result->diagnostic_count ? result->diagnostics[0].message : "");
    }
    ow_build_free(build);
}

static void compiles_several_files(void **state) {
    (void)state;
    static const char main_c[] =
        "#include \"lib/words.h\"\n"
        "#include <overworld.h>\n"
        "#include <cjson/cJSON.h>\n"
        "#include <math.h>\n"
        "#include <string.h>\n"
        "int ow_init(ow_ctx *ctx) { (void)ctx; return 0; }\n"
        "int hello(ow_ctx *ctx) {\n"
        "    int unused;\n"
        "    char *copy = strdup(words());\n"
        "    cJSON *tree = cJSON_CreateNumber(sqrt(ow_deadline_left_ms(ctx)));\n"
        "    cJSON_AddStringToObject(tree, \"a\", copy);\n"
        "    return ow_reply_json(ctx, tree);\n"
        "}\n";
    static const char words_c[] =
        "#include \"words.h\"\nconst char *words(void) { return \"w\"; }\n";
    static const char words_h[] = "#pragma once\nconst char *words(void);\n";
    const ow_build_source sources[] = {
        {"main.c", main_c, sizeof main_c - 1},
        {"lib/words.c", words_c, sizeof words_c - 1},
        {"lib/words.h", words_h, sizeof words_h - 1},
    };
    ow_build *build = run(sources, 3, "hello");
    const ow_build_result *result = ow_build_result_get(build);
    assert_true(result->ok);
    assert_int_equal(result->diagnostic_count, 1);
    assert_string_equal(result->diagnostics[0].file, "main.c");
    assert_int_equal(result->diagnostics[0].line, 8);
    assert_int_equal(result->diagnostics[0].severity, OW_BUILD_WARNING);
    int fd = ow_build_take_code(build);
    ow_build_free(build);
    char magic[4] = "";
    assert_int_equal(pread(fd, magic, 4, 0), 4);
    assert_memory_equal(magic, "\177ELF", 4);
    assert_int_equal(write(fd, "x", 1), -1); // sealed
    close(fd);
}

static void says_where_the_error_is(void **state) {
    (void)state;
    ow_build *build = run_text("int a;\nint hello(void) { return b; }\n", "hello");
    const ow_build_result *result = ow_build_result_get(build);
    assert_false(result->ok);
    assert_true(result->diagnostic_count >= 1);
    assert_string_equal(result->diagnostics[0].file, "f.c");
    assert_int_equal(result->diagnostics[0].line, 2);
    assert_int_equal(result->diagnostics[0].column, 26);
    assert_int_equal(result->diagnostics[0].severity, OW_BUILD_ERROR);
    assert_non_null(strstr(result->diagnostics[0].message, "undeclared"));
    ow_build_free(build);
    fails_with("int foo(void); int hello(void) { return foo(); }\n", "hello",
               "undefined reference to `foo'");
    fails_with("int hello(void) { return bar(); }\n", "hello", "implicit declaration");
    fails_with("int other;\n", "hello", "required symbol `hello' not defined");
}

static void same_source_same_code(void **state) {
    (void)state;
    char bytes[2][65536];
    ssize_t lengths[2];
    for (int i = 0; i < 2; i++) {
        ow_build *build = run_text("#include <overworld.h>\nint f(ow_ctx *c)"
                                   "{ return ow_reply_text(c, __FILE__); }\n",
                                   "f");
        int fd = ow_build_take_code(build);
        ow_build_free(build);
        lengths[i] = pread(fd, bytes[i], sizeof bytes[i], 0);
        close(fd);
    }
    assert_true(lengths[0] > 0);
    assert_int_equal(lengths[0], lengths[1]);
    assert_memory_equal(bytes[0], bytes[1], (size_t)lengths[0]);
}

// What a hostile source may try to read, and what the compiler must say instead.
static void reads_nothing_of_the_host(void **state) {
    (void)state;
    fails_with("#include \"/etc/shadow\"\n", NULL, "No such file");
    fails_with("#include \"/etc/passwd\"\n", NULL, "No such file");
    fails_with("#include \"../../../../../../etc/passwd\"\n", NULL, "No such file");
    fails_with("#include \"/proc/self/environ\"\n", NULL, "No such file");
    fails_with("__asm__(\".incbin \\\"/etc/passwd\\\"\");\n", NULL, "");
    fails_with("__asm__(\".include \\\"/etc/passwd\\\"\");\n", NULL, "");
    fails_with("#pragma GCC dependency \"/etc/passwd\"\n", NULL, "No such file");
}

static void bombs_end(void **state) {
    (void)state;
    fails_with("#include __FILE__\n", NULL, "nested");
    fails_with("char a[3u << 30] = {1};\n", NULL, "");
    fails_with("#define A B B B B B B B B B B\n#define B C C C C C C C C C C\n"
               "#define C D D D D D D D D D D\n#define D E E E E E E E E E E\n"
               "#define E F F F F F F F F F F\n#define F G G G G G G G G G G\n"
               "#define G H H H H H H H H H H\n#define H I I I I I I I I I I\n"
               "#define I \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\nconst char *x = A;\n",
               NULL, "");
    fails_with("#warning \"%n%s\"\n#error one\n", NULL, "one");
}

static void refuses_odd_names(void **state) {
    (void)state;
    static const char *const bad[] = {"",       "../a.c", "/a.c",  "-o.c",    "@f.c", "a/../b.c",
                                      "a//b.c", "a b.c",  "a\n.c", ".hidden", "a/-x", "a/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(ow_build_name_valid(bad[i]));
    }
    assert_true(ow_build_name_valid("src/a-b_c.1.c"));
    const char *symbol = "a;b";
    const ow_build_source source = {.name = "a.c", .data = "", .length = 0};
    ow_build_spec spec = {.binary = BINARY,
                          .sources = &source,
                          .source_count = 1,
                          .symbols = &symbol,
                          .symbol_count = 1};
    ow_build *build = NULL;
    ow_err err;
    assert_int_equal(ow_build_start(&spec, &build, &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "bad_symbol");
    spec.source_count = 0;
    assert_int_equal(ow_build_start(&spec, &build, &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "no_source");
}

static void can_be_given_up(void **state) {
    (void)state;
    const ow_build_source source = {.name = "a.c", .data = "int a;\n", .length = 7};
    const ow_build_spec spec = {.binary = BINARY, .sources = &source, .source_count = 1};
    ow_build *build = NULL;
    assert_int_equal(ow_build_start(&spec, &build, NULL), OW_OK);
    assert_null(ow_build_free(build));
}

static void reads_what_tools_print(void **state) {
    (void)state;
    static const char text[] = "In file included from a.c:1:\n"
                               "a.h:3:7: warning: unused variable 'x' [-Wunused-variable]\n"
                               "a.c:9: fatal error: y.h: No such file\n"
                               "{standard input}:12: Error: no such instruction\n"
                               "/usr/bin/ld: a.c:4: warning: undefined reference to `foo'\n"
                               "/usr/bin/ld: a.c:5: warning: undefined reference to `ow_reply'\n"
                               "/usr/bin/ld: /tmp/x.o: in function `f':\n"
                               "collect2: error: ld returned 1 exit status\n"
                               "gcc: fatal error: Killed signal terminated program cc1\n"
                               "a.c:99999999999999999999:1: error: far";
    ow_build_diagnostic found[8];
    bool truncated = true;
    size_t count = diagnostics_parse(text, sizeof text - 1, found, 8, &truncated);
    assert_false(truncated);
    assert_int_equal(count, 6);
    assert_int_equal(found[0].severity, OW_BUILD_WARNING);
    assert_int_equal(found[0].line, 3);
    assert_int_equal(found[1].severity, OW_BUILD_ERROR);
    assert_string_equal(found[2].message, "no such instruction");
    assert_string_equal(found[3].file, "a.c");
    assert_int_equal(found[3].line, 4);
    assert_string_equal(found[4].message, "Killed signal terminated program cc1");
    assert_int_equal(diagnostics_parse(text, sizeof text - 1, found, 2, &truncated), 2);
    assert_true(truncated);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compiles_several_files),
        cmocka_unit_test(says_where_the_error_is),
        cmocka_unit_test(same_source_same_code),
        cmocka_unit_test(reads_nothing_of_the_host),
        cmocka_unit_test(bombs_end),
        cmocka_unit_test(refuses_odd_names),
        cmocka_unit_test(can_be_given_up),
        cmocka_unit_test(reads_what_tools_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
