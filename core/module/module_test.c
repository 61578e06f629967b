#include "core/module/module.h"

#include "core/module/env.h"
#include "core/testing/ow_test.h"

#include <stdlib.h>
#include <string.h>

// A fake module writes down what happens to it; its behaviour comes from the environment, whose
// on_fatal_self it borrows for that.
typedef struct script {
    char log[1024];
    const char *fails_in_init;
    const char *fails_in_start;
    const char *not_ready;
    int drain_turns; // how often "drained" says no
} script;

typedef struct fake {
    const char *name;
    script *script;
    int drain_turns;
} fake;

static void note(script *script, const char *what, const char *name) {
    size_t used = strlen(script->log);
    snprintf(script->log + used, sizeof script->log - used, "%s%s %s", used == 0 ? "" : ", ", what,
             name);
}

static ow_code fake_init(ow_module_env *env, const char *name, void **ret_self, ow_err *err) {
    script *script = env->on_fatal_self;
    note(script, "init", name);
    if (script->fails_in_init != NULL && strcmp(script->fails_in_init, name) == 0) {
        return ow_fail(err, OW_INTERNAL, "broken", "it broke");
    }
    fake *fake = calloc(1, sizeof *fake);
    fake->name = name;
    fake->script = script;
    fake->drain_turns = script->drain_turns;
    *ret_self = fake;
    return OW_OK;
}

#define FAKE_INIT(name)                                                                            \
    static ow_code init_##name(ow_module_env *env, const void *config, void **ret_self,            \
                               ow_err *err) {                                                      \
        (void)config;                                                                              \
        return fake_init(env, #name, ret_self, err);                                               \
    }
FAKE_INIT(a)
FAKE_INIT(b)
FAKE_INIT(c)

static ow_code fake_start(void *self, ow_err *err) {
    fake *fake = self;
    note(fake->script, "start", fake->name);
    const char *fails = fake->script->fails_in_start;
    return fails != NULL && strcmp(fails, fake->name) == 0
               ? ow_fail(err, OW_UNAVAILABLE, "port_taken", "the port is taken")
               : OW_OK;
}

static bool fake_ready(void *self, const char **why_not) {
    const fake *fake = self;
    *why_not = "warming up";
    return fake->script->not_ready == NULL || strcmp(fake->script->not_ready, fake->name) != 0;
}

static void fake_drain(void *self) {
    fake *fake = self;
    note(fake->script, "drain", fake->name);
}

static bool fake_drained(void *self) {
    fake *fake = self;
    return fake->drain_turns-- <= 0;
}

static void fake_stop(void *self) {
    fake *fake = self;
    note(fake->script, "stop", fake->name);
}

static void fake_free(void *self) {
    fake *fake = self;
    note(fake->script, "free", fake->name);
    free(fake);
}

#define FAKE(letter, ...)                                                                          \
    {                                                                                              \
        .name = #letter, .doc = "a fake", .needs_to_start = (const char *const[]){__VA_ARGS__},    \
        .init = init_##letter, .start = fake_start, .ready = fake_ready, .drain = fake_drain,      \
        .drained = fake_drained, .stop = fake_stop, .free = fake_free                              \
    }

// c needs a and b, b needs nobody, a needs b.
static const ow_module table[] = {
    FAKE(c, "a", "b", NULL),
    FAKE(a, "b", NULL),
    FAKE(b, NULL),
};

typedef struct fixture {
    script script;
    ow_module_env env;
    ow_config *config;
    ow_modules *modules;
    ow_err err;
} fixture;

static int setup(void **state) {
    static const ow_config_table no_tables[] = {{0}};
    fixture *f = calloc(1, sizeof *f);
    f->env.on_fatal_self = &f->script;
    *state = f;
    return ow_config_load(no_tables, NULL, NULL, 0, NULL, &f->config, NULL) != OW_OK;
}

static int teardown(void **state) {
    fixture *f = *state;
    ow_modules_free(f->modules);
    ow_config_free(f->config);
    free(f);
    return 0;
}

static ow_code start(fixture *f, const char *targets) {
    assert_int_equal(ow_modules_new(table, 3, targets, &f->modules, &f->err), OW_OK);
    return ow_modules_start(f->modules, &f->env, f->config, &f->err);
}

static void end(fixture *f) {
    ow_modules_stop(f->modules);
    ow_modules_deinit(f->modules);
}

static void expect_log(fixture *f, const char *expected) {
    assert_string_equal(f->script.log, expected);
    f->script.log[0] = '\0';
}

static void order_follows_the_needs(void **state) {
    fixture *f = *state;
    assert_int_equal(start(f, "all"), OW_OK);
    expect_log(f, "init b, init a, init c, start b, start a, start c");
    assert_non_null(ow_modules_self(f->modules, "a"));
    end(f);
    expect_log(f, "stop c, stop a, stop b, free c, free a, free b");
    assert_null(ow_modules_self(f->modules, "a"));
}

static void targets_choose(void **state) {
    fixture *f = *state;
    assert_int_equal(start(f, "c,b"), OW_OK);
    expect_log(f, "init b, init c, start b, start c");
    assert_true(ow_modules_chosen(f->modules, "c"));
    assert_false(ow_modules_chosen(f->modules, "a"));
    assert_null(ow_modules_self(f->modules, "a"));
    end(f);
}

static void unknown_targets_are_refused(void **state) {
    fixture *f = *state;
    static const char *const bad[] = {"d", "", "a,", ",a", "a,,b", "al", "all,a", "aa"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(ow_modules_new(table, 3, bad[i], &f->modules, &f->err),
                         OW_INVALID_ARGUMENT);
        assert_string_equal(f->err.reason, "unknown_target");
    }
    assert_int_equal(ow_modules_new(table, 3, "d", &f->modules, &f->err), OW_INVALID_ARGUMENT);
    assert_string_equal(f->err.message, "there is no target \"d\"; there are: all, c, a, b");
    assert_null(f->modules);
}

static void broken_tables_are_refused(void **state) {
    fixture *f = *state;
    const ow_module cycle[] = {FAKE(b, NULL), FAKE(a, "c", NULL), FAKE(c, "a", NULL)};
    const ow_module unknown[] = {FAKE(a, "z", NULL)};
    const ow_module twice[] = {FAKE(a, NULL), FAKE(a, NULL)};
    assert_int_equal(ow_modules_new(cycle, 3, "b", &f->modules, &f->err), OW_INTERNAL);
    assert_non_null(strstr(f->err.message, "module a needs itself"));
    assert_int_equal(ow_modules_new(unknown, 1, "all", &f->modules, &f->err), OW_INTERNAL);
    assert_non_null(strstr(f->err.message, "needs z"));
    assert_int_equal(ow_modules_new(twice, 2, "all", &f->modules, &f->err), OW_INTERNAL);
    assert_non_null(strstr(f->err.message, "two modules"));
}

static void a_failed_start_undoes_what_was_done(void **state) {
    fixture *f = *state;
    f->script.fails_in_start = "a";
    assert_int_equal(start(f, "all"), OW_UNAVAILABLE);
    assert_string_equal(f->err.message, "a: the port is taken");
    end(f);
    expect_log(f,
               "init b, init a, init c, start b, start a, stop a, stop b, free c, free a, free b");
}

static void a_failed_init_undoes_what_was_done(void **state) {
    fixture *f = *state;
    f->script.fails_in_init = "a";
    assert_int_equal(start(f, "all"), OW_INTERNAL);
    assert_string_equal(f->err.message, "a: it broke");
    end(f);
    expect_log(f, "init b, init a, free b");
}

static void readiness_names_who_is_not(void **state) {
    fixture *f = *state;
    const char *name = NULL;
    const char *why_not = NULL;
    assert_int_equal(start(f, "all"), OW_OK);
    assert_true(ow_modules_ready(f->modules, &name, &why_not));
    f->script.not_ready = "a";
    assert_false(ow_modules_ready(f->modules, &name, &why_not));
    assert_string_equal(name, "a");
    assert_string_equal(why_not, "warming up");
    f->script.not_ready = NULL;
    ow_modules_drain(f->modules);
    assert_false(ow_modules_ready(f->modules, &name, &why_not));
    assert_string_equal(why_not, "draining");
    end(f);
}

static void drain_goes_one_by_one(void **state) {
    fixture *f = *state;
    f->script.drain_turns = 2;
    assert_int_equal(start(f, "all"), OW_OK);
    f->script.log[0] = '\0';
    assert_false(ow_modules_drain(f->modules));
    expect_log(f, "drain c");
    assert_false(ow_modules_drain(f->modules));
    expect_log(f, "");
    assert_false(ow_modules_drain(f->modules));
    expect_log(f, "drain a");
    assert_false(ow_modules_drain(f->modules));
    assert_false(ow_modules_drain(f->modules));
    expect_log(f, "drain b");
    assert_false(ow_modules_drain(f->modules));
    assert_true(ow_modules_drain(f->modules));
    assert_true(ow_modules_drain(f->modules));
    expect_log(f, "");
    end(f);
}

static void a_stop_cuts_the_drain_short(void **state) {
    fixture *f = *state;
    f->script.drain_turns = 1000;
    assert_int_equal(start(f, "all"), OW_OK);
    f->script.log[0] = '\0';
    assert_false(ow_modules_drain(f->modules));
    end(f);
    expect_log(f, "drain c, stop c, stop a, stop b, free c, free a, free b");
    end(f);
    expect_log(f, "");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(order_follows_the_needs),
        CASE(targets_choose),
        CASE(unknown_targets_are_refused),
        CASE(broken_tables_are_refused),
        CASE(a_failed_start_undoes_what_was_done),
        CASE(a_failed_init_undoes_what_was_done),
        CASE(readiness_names_who_is_not),
        CASE(drain_goes_one_by_one),
        CASE(a_stop_cuts_the_drain_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
