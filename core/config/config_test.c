#include "core/config/config.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct gate_values {
    int64_t port;
    bool plain;
    char *address;
    int64_t body;
    int64_t wait;
    int64_t mode;
} gate_values;

typedef struct other_values {
    int64_t depth;
} other_values;

static const char *const modes[] = {"loopback", "behind_proxy", NULL};

static const ow_config_key gate_keys[] = {
    {"public_port", OW_CONFIG_INT, offsetof(gate_values, port), "7350", 0, 65535, NULL, "Port."},
    {"plain", OW_CONFIG_BOOL, offsetof(gate_values, plain), "false", 0, 0, NULL, "Plain?"},
    {"address", OW_CONFIG_STRING, offsetof(gate_values, address), "127.0.0.1", 0, 0, NULL,
     "Where."},
    {"body_max", OW_CONFIG_SIZE, offsetof(gate_values, body), "6MB", 1024, 64 << 20, NULL, "Body."},
    {"wait", OW_CONFIG_DURATION, offsetof(gate_values, wait), "1500ms", 1000, 60000000, NULL,
     "Wait."},
    {"mode", OW_CONFIG_CHOICE, offsetof(gate_values, mode), "loopback", 0, 0, modes, "Mode."},
    {0},
};

static const ow_config_key other_keys[] = {
    {"depth", OW_CONFIG_INT, offsetof(other_values, depth), "-3", 0, 0, NULL, "Depth."},
    {0},
};

static const ow_config_table tables[] = {
    {"gate", gate_keys, sizeof(gate_values)},
    {"other", other_keys, sizeof(other_values)},
    {"empty", NULL, 0},
    {0},
};

typedef struct fixture {
    char path[256];
    ow_config *config;
    ow_err err;
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    const char *base = getenv("TEST_TMPDIR");
    snprintf(f->path, sizeof f->path, "%s/config-XXXXXX", base != NULL ? base : "/tmp");
    close(mkstemp(f->path));
    *state = f;
    return 0;
}

static int teardown(void **state) {
    fixture *f = *state;
    ow_config_free(f->config);
    unlink(f->path);
    free(f);
    return 0;
}

static ow_code load_file(fixture *f, const char *text) {
    FILE *out = fopen(f->path, "w");
    fputs(text, out);
    fclose(out);
    f->config = ow_config_free(f->config);
    return ow_config_load(tables, f->path, NULL, 0, NULL, &f->config, &f->err);
}

static ow_code load_flag(fixture *f, const char *flag) {
    f->config = ow_config_free(f->config);
    return ow_config_load(tables, NULL, &flag, 1, NULL, &f->config, &f->err);
}

static ow_code load_variable(fixture *f, const char *variable) {
    char *environment[] = {(char *)variable, NULL};
    f->config = ow_config_free(f->config);
    return ow_config_load(tables, NULL, NULL, 0, environment, &f->config, &f->err);
}

static const gate_values *gate(const fixture *f) {
    return ow_config_of(f->config, "gate");
}

static void defaults_fill_everything(void **state) {
    fixture *f = *state;
    assert_int_equal(load_file(f, ""), OW_OK);
    assert_int_equal(gate(f)->port, 7350);
    assert_false(gate(f)->plain);
    assert_string_equal(gate(f)->address, "127.0.0.1");
    assert_int_equal(gate(f)->body, 6 << 20);
    assert_int_equal(gate(f)->wait, 1500000);
    assert_int_equal(gate(f)->mode, 0);
    const other_values *other = ow_config_of(f->config, "other");
    assert_int_equal(other->depth, -3);
    assert_non_null(ow_config_of(f->config, "empty"));
    assert_null(ow_config_of(f->config, "nobody"));
}

static void the_file_is_read(void **state) {
    fixture *f = *state;
    assert_int_equal(load_file(f, "# a comment\n\n  gate.public_port=0 # any\n"
                                  "gate.address = a#b c \r\ngate.mode = behind_proxy\n"
                                  "gate.plain = true\ngate.body_max = 64KB\ngate.wait = 1m"),
                     OW_OK);
    assert_int_equal(gate(f)->port, 0);
    assert_string_equal(gate(f)->address, "a#b c");
    assert_int_equal(gate(f)->mode, 1);
    assert_true(gate(f)->plain);
    assert_int_equal(gate(f)->body, 65536);
    assert_int_equal(gate(f)->wait, 60000000);
}

static void flag_goes_before_environment_before_file(void **state) {
    fixture *f = *state;
    FILE *out = fopen(f->path, "w");
    fputs("gate.public_port = 1\ngate.wait = 1s\nother.depth = 1\n", out);
    fclose(out);
    char port[] = "OVERWORLD_GATE_PUBLIC_PORT=2";
    char wait[] = "OVERWORLD_GATE_WAIT=2s";
    char address[] = "OVERWORLD_GATE_ADDRESS=";
    char profile[] = "OVERWORLD_PROFILE=x";
    char path[] = "PATH=/bin";
    char *environment[] = {port, wait, address, profile, path, NULL};
    const char *const flags[] = {"--gate.public_port=3", "--gate.public_port=4"};
    assert_int_equal(ow_config_load(tables, f->path, flags, 2, environment, &f->config, &f->err),
                     OW_OK);
    assert_int_equal(gate(f)->port, 4);
    assert_int_equal(gate(f)->wait, 2000000);
    assert_string_equal(gate(f)->address, "");
    const other_values *other = ow_config_of(f->config, "other");
    assert_int_equal(other->depth, 1);
}

static void expect(const fixture *f, ow_code code, const char *message) {
    assert_int_equal(code, OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.reason, "bad_config");
    const char *at = strstr(f->err.message, message);
    if (at == NULL) {
        fail_msg("\"%s\" is not in \"%s\"", message, f->err.message);
    }
}

static void unknown_keys_are_refused(void **state) {
    fixture *f = *state;
    expect(f, load_file(f, "\ngate.public_prot = 1\n"),
           ":2: there is no key gate.public_prot; did you mean gate.public_port?");
    expect(f, load_flag(f, "--nobody.knows=1"),
           "flag --nobody.knows: there is no key nobody.knows; "
           "--help-config lists all");
    expect(
        f, load_variable(f, "OVERWORLD_GATE_PLANE=1"),
        "environment OVERWORLD_GATE_PLANE: there is no key gate.plane; did you mean gate.plain?");
    assert_int_equal(load_variable(f, "OVERWORLD_GATEWAY=1"), OW_OK);
    expect(f, load_flag(f, "--gate=1"), "there is no key gate;");
    expect(f, load_flag(f, "gate.plain"), "--module.name=value");
}

static void bad_values_say_what_is_allowed(void **state) {
    fixture *f = *state;
    expect(f, load_file(f, "gate.public_port = 65536"),
           ":1: gate.public_port = 65536 is not allowed; expected integer, 0 to 65535");
    expect(f, load_flag(f, "--gate.body_max=65MB"), "expected size (B, KB, MB, GB), 1KB to 64MB");
    expect(f, load_flag(f, "--gate.wait=10"), "expected duration (us, ms, s, m, h, d), 1ms to 1m");
    expect(f, load_flag(f, "--gate.mode=open"), "expected one of: loopback, behind_proxy");
    expect(f, load_flag(f, "--gate.plain=yes"), "expected true or false");
    static const char *const bad[] = {"--other.depth=",
                                      "--other.depth=1 ",
                                      "--other.depth= 1",
                                      "--other.depth=0x1",
                                      "--other.depth=+1",
                                      "--other.depth=1.5",
                                      "--other.depth=99999999999999999999",
                                      "--gate.body_max=-1KB",
                                      "--gate.body_max=1kb",
                                      "--gate.wait=99999999999999999d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        expect(f, load_flag(f, bad[i]), "is not allowed");
    }
}

static void broken_files_are_refused(void **state) {
    fixture *f = *state;
    expect(f, load_file(f, "gate.plain"), ":1: \"gate.plain\" is not of the form");
    expect(f, load_file(f, "gate.plain = true\n#\ngate.plain = true\n"),
           ":3: gate.plain was set in line 1 already");
    char text[6000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    expect(f, load_file(f, text), ":1: the line is longer");
    FILE *out = fopen(f->path, "w");
    fwrite("\0\n", 1, 2, out);
    fclose(out);
    expect(f, ow_config_load(tables, f->path, NULL, 0, NULL, &f->config, &f->err), "is not text");
    ow_config *config = NULL;
    assert_int_equal(ow_config_load(tables, "/nowhere/x.conf", NULL, 0, NULL, &config, &f->err),
                     OW_NOT_FOUND);
    assert_null(config);
    assert_int_equal(ow_config_load(tables, "/", NULL, 0, NULL, &config, &f->err), OW_INTERNAL);
}

static void what_is_printed_can_be_loaded(void **state) {
    fixture *f = *state;
    assert_int_equal(load_flag(f, "--gate.wait=45s"), OW_OK);
    FILE *out = fopen(f->path, "w");
    ow_config_print_effective(f->config, out);
    fclose(out);
    f->config = ow_config_free(f->config);
    assert_int_equal(ow_config_load(tables, f->path, NULL, 0, NULL, &f->config, &f->err), OW_OK);
    assert_int_equal(gate(f)->wait, 45000000);
    assert_int_equal(gate(f)->body, 6 << 20);
}

static void the_sample_names_every_key(void **state) {
    fixture *f = *state;
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");
    ow_config_print_sample(tables, out);
    fclose(out);
    assert_non_null(strstr(text, "\n# Body.\n# Allowed: size (B, KB, MB, GB), 1KB to 64MB\n"
                                 "#gate.body_max = 6MB\n"));
    assert_non_null(strstr(text, "\n#other.depth = -3\n"));
    assert_int_equal(load_file(f, text), OW_OK);
}

static void a_bad_default_is_our_fault(void **state) {
    fixture *f = *state;
    static const ow_config_key keys[] = {
        {"depth", OW_CONFIG_INT, offsetof(other_values, depth), "x", 0, 0, NULL, "Depth."}, {0}};
    static const ow_config_table broken[] = {{"other", keys, sizeof(other_values)}, {0}};
    assert_int_equal(ow_config_load(broken, NULL, NULL, 0, NULL, &f->config, &f->err), OW_INTERNAL);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(defaults_fill_everything),
        CASE(the_file_is_read),
        CASE(flag_goes_before_environment_before_file),
        CASE(unknown_keys_are_refused),
        CASE(bad_values_say_what_is_allowed),
        CASE(broken_files_are_refused),
        CASE(what_is_printed_can_be_loaded),
        CASE(the_sample_names_every_key),
        CASE(a_bad_default_is_our_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
