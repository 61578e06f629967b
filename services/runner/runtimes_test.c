// Which sandbox suffices. The zygote is only an address here: nothing is started.

#include "services/runner/runtimes.h"

#include <stdio.h>
#include <string.h>

#include "core/testing/ow_test.h"

typedef struct fixture {
    struct runtimes runtimes;
    int changes;
} fixture;

static void on_changed(void *self, struct runtime *runtime) {
    fixture *f = self;
    (void)runtime;
    f->changes++;
}

// What runtime_check says when a machine that reaches `level` has `least` required of it.
static ow_code checked(fixture *f, ow_host_sandbox_level least, ow_host_sandbox_level level,
                       ow_err *err) {
    *f = (fixture){.runtimes = {.changed = on_changed, .self = f, .least = least}};
    ow_host_zygote *zygote = (ow_host_zygote *)f;
    struct runtime *runtime = &f->runtimes.each[0];
    *runtime = (struct runtime){.name = "c", .all = &f->runtimes, .zygote = zygote};
    ow_host_zygote_status status = {.ready = true, .level = level};
    snprintf(status.text, sizeof status.text, "Landlock: no");
    runtimes_on_zygote(&f->runtimes, zygote, &status);
    assert_int_equal(f->changes, 1);
    *err = (ow_err){0};
    return runtime_check(runtime, err);
}

static void levels_suffice_or_do_not(void **state) {
    (void)state;
    static const struct {
        ow_host_sandbox_level least, level;
        bool runs;
    } cases[] = {
        {OW_HOST_SANDBOX_LANDLOCK, OW_HOST_SANDBOX_FULL, true},
        {OW_HOST_SANDBOX_LANDLOCK, OW_HOST_SANDBOX_LANDLOCK, true},
        {OW_HOST_SANDBOX_LANDLOCK, OW_HOST_SANDBOX_SECCOMP, false},
        {OW_HOST_SANDBOX_LANDLOCK, OW_HOST_SANDBOX_REFUSED, false},
        {OW_HOST_SANDBOX_SECCOMP, OW_HOST_SANDBOX_SECCOMP, true},
        {OW_HOST_SANDBOX_SECCOMP, OW_HOST_SANDBOX_REFUSED, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture f;
        ow_err err;
        ow_code code = checked(&f, cases[i].least, cases[i].level, &err);
        assert_ow_code(code, cases[i].runs ? OW_OK : OW_FAILED_PRECONDITION, &err);
        if (!cases[i].runs) {
            assert_string_equal(err.reason, "sandbox_refused");
        }
    }
}

static void a_refusal_says_what_would_help(void **state) {
    (void)state;
    fixture f;
    ow_err err;
    checked(&f, OW_HOST_SANDBOX_LANDLOCK, OW_HOST_SANDBOX_SECCOMP, &err);
    assert_non_null(strstr(err.message, "Landlock: no"));
    assert_non_null(strstr(err.message, "best_effort"));
    checked(&f, OW_HOST_SANDBOX_LANDLOCK, OW_HOST_SANDBOX_REFUSED, &err);
    assert_null(strstr(err.message, "best_effort")); // it would not
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(levels_suffice_or_do_not),
        OW_TEST(a_refusal_says_what_would_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
