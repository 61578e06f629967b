#include "services/gateway/stages.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

static void finds_by_path_then_by_host(void **state) {
    (void)state;
    static const struct {
        const char *host, *path, *alias; // NULL: none
    } cases[] = {
        {"test.game.example", "/v1/call/a/b", "test"},
        {"TEST.game.Example:8080", "/v1/call/a/b", "test"},
        {"test.game.example", "/prehub/v1/call/a/b", "prehub"},
        {"other.example", "/prehub/v1/call/a/b", "prehub"},
        {"other.example", "/prehubs/v1/call/a/b", NULL},
        {"other.example", "/prehub", NULL},
        {"game.example", "/v1/call/a/b", "$DEFAULT"},
        {"xgame.example", "/v1/call/a/b", NULL},
        {"test.game.example.evil", "/v1/call/a/b", NULL},
        {"", "/v1/call/a/b", NULL},
        {NULL, "/v1/call/a/b", NULL},
    };
    stages all;
    assert_int_equal(
        stages_read(" test.game.example = test ,/prehub=prehub,game.example=$DEFAULT", &all, NULL),
        OW_OK);
    assert_int_equal(all.count, 3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const stage_rule *found = stages_find(&all, cases[i].host, cases[i].path);
        assert_int_equal(found == NULL, cases[i].alias == NULL);
        if (found != NULL) {
            assert_string_equal(found->alias, cases[i].alias);
        }
    }
    stages_deinit(&all);
}

static void refuses_what_is_no_stage(void **state) {
    (void)state;
    static const char *const bad[] = {
        "test",     "=test",       "a.b=",      "a.b=$LATEST", "a.b=3",    "a.b=x y",
        "A.b=test", "a.b:80=test", "/a/b=test", "/=test",      "/v1=test", "/a.b=test",
        "a=x,a=y",  "a=x,",        ",a=x",      "/..=test",    "a=b=c",    "/http=test",
    };
    stages all;
    ow_err err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(stages_read(bad[i], &all, &err), OW_INVALID_ARGUMENT);
        assert_string_equal(err.reason, "bad_stages");
    }
    char many[40 * (STAGES_MAX + 1)] = "";
    for (int i = 0; i <= STAGES_MAX; i++) {
        char one[40];
        snprintf(one, sizeof one, "%sh%d=a", i > 0 ? "," : "", i);
        memcpy(many + strlen(many), one, strlen(one) + 1);
    }
    assert_int_equal(stages_read(many, &all, &err), OW_INVALID_ARGUMENT);
    assert_int_equal(stages_read("", &all, &err), OW_OK);
    assert_int_equal(all.count, 0);
    stages_deinit(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_by_path_then_by_host),
        cmocka_unit_test(refuses_what_is_no_stage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
