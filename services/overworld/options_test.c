#include "services/overworld/options.h"

#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

static ow_code parse(const char *const *words, options *options, ow_err *err) {
    char *argv[16];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        argv[argc] = (char *)words[argc];
    }
    argv[argc] = NULL;
    return options_parse(argc, argv, options, err);
}

#define WORDS(...) ((const char *const[]){"overworld", __VA_ARGS__, NULL})

static void up_has_defaults(void **state) {
    (void)state;
    options options;
    unsetenv("OVERWORLD_DATA");
    assert_int_equal(parse(WORDS("up"), &options, NULL), OW_OK);
    assert_int_equal(options.command, COMMAND_UP);
    assert_string_equal(options.targets, "all");
    assert_string_equal(options.data, ".overworld");
    assert_null(options.config);
    assert_false(options.packed);
    setenv("OVERWORLD_DATA", "/srv/x", 1);
    assert_int_equal(parse(WORDS("up"), &options, NULL), OW_OK);
    assert_string_equal(options.data, "/srv/x");
}

static void every_flag_is_read(void **state) {
    (void)state;
    options options;
    assert_int_equal(parse(WORDS("up", "--target=a,b", "--data=/d", "--config=c", "--test-clock=t",
                                 "--rerun-writes", "--local-channel=packed", "--gateway.port=1",
                                 "--server.log_level="),
                           &options, NULL),
                     OW_OK);
    assert_string_equal(options.targets, "a,b");
    assert_string_equal(options.data, "/d");
    assert_string_equal(options.config, "c");
    assert_string_equal(options.test_clock, "t");
    assert_true(options.rerun_writes);
    assert_true(options.packed);
    assert_int_equal(options.config_flag_count, 2);
    assert_string_equal(options.config_flags[1], "--server.log_level=");
}

static void the_channel_has_a_seed(void **state) {
    (void)state;
    options options;
    assert_int_equal(parse(WORDS("up", "--local-channel=packed:77"), &options, NULL), OW_OK);
    assert_true(options.packed);
    assert_int_equal(options.seed, 77);
    static const char *const bad[] = {"--local-channel=packed:",   "--local-channel=packed7",
                                      "--local-channel=packed:7x", "--local-channel=packed:0",
                                      "--local-channel=loca",      "--local-channel=local:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(parse(WORDS("up", bad[i]), &options, NULL), OW_INVALID_ARGUMENT);
    }
}

static void questions_are_commands(void **state) {
    (void)state;
    static const struct {
        const char *flag;
        command command;
    } cases[] = {{"--help", COMMAND_HELP},
                 {"--help-config", COMMAND_HELP_CONFIG},
                 {"--check-config", COMMAND_CHECK_CONFIG},
                 {"--list-targets", COMMAND_LIST_TARGETS},
                 {"--version", COMMAND_VERSION}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        options options;
        assert_int_equal(parse(WORDS(cases[i].flag), &options, NULL), OW_OK);
        assert_int_equal(options.command, cases[i].command);
        assert_int_equal(parse(WORDS("up", cases[i].flag), &options, NULL), OW_OK);
        assert_int_equal(options.command, cases[i].command);
    }
    options options;
    const char *const nothing[] = {"overworld", NULL};
    assert_int_equal(parse(nothing, &options, NULL), OW_OK);
    assert_int_equal(options.command, COMMAND_HELP);
}

static void mistakes_are_named(void **state) {
    (void)state;
    static const struct {
        const char *flag;
        const char *message;
    } cases[] = {
        {"--tarket=a", "--tarket"},
        {"--target", "--target=all|a,b"},
        {"--data=", "names no folder"},
        {"--rerun-writes=1", "takes no value"},
        {"--local-channel=x", "local, packed or"},
        {"-v", "-v"},
        {"more", "more"},
        {"--targets=a.b", "--targets"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        options options;
        ow_err err;
        assert_int_equal(parse(WORDS("up", cases[i].flag), &options, &err), OW_INVALID_ARGUMENT);
        assert_non_null(strstr(err.message, cases[i].message));
    }
    options options;
    ow_err err;
    assert_int_equal(parse(WORDS("down"), &options, &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "bad_command");
}

static void the_help_names_every_flag(void **state) {
    (void)state;
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    options_print_help(out);
    fclose(out);
    assert_non_null(strstr(text, "--local-channel=local|packed[:SEED]"));
    assert_non_null(strstr(text, "--rerun-writes "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(up_has_defaults),        cmocka_unit_test(every_flag_is_read),
        cmocka_unit_test(the_channel_has_a_seed), cmocka_unit_test(questions_are_commands),
        cmocka_unit_test(mistakes_are_named),     cmocka_unit_test(the_help_names_every_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
