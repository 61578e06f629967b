#include "services/registry/alias_logic.h"

#include "core/split/split.h"
#include "core/testing/ow_test.h"

#include <string.h>

typedef struct targets_case {
    const char *first, *second; // NULL: one target
    int first_weight, second_weight;
    const char *described; // NULL: refused
} targets_case;

static void reads_targets(void **state) {
    (void)state;
    static const targets_case cases[] = {
        {"$LATEST", NULL, 0, 0, "$LATEST"},
        {"7", NULL, 10000, 0, "7"},
        {"3", "4", 9000, 1000, "3=9000 4=1000"},
        {"10", "9", 1, 9999, "9=9999 10=1"}, // by number, not by text
        {"3", "4", 10000, 0, "3=10000 4=0"},
        {"3", "4", 0, 10000, "3=0 4=10000"},
        {"0", NULL, 0, 0, NULL},
        {"", NULL, 0, 0, NULL},
        {"-1", NULL, 0, 0, NULL},
        {"03", NULL, 0, 0, NULL},
        {"3x", NULL, 0, 0, NULL},
        {"beta", NULL, 0, 0, NULL},
        {"1234567890123456789", NULL, 0, 0, NULL},
        {"3", NULL, 5000, 0, NULL},
        {"3", "3", 5000, 5000, NULL},
        {"3", "$LATEST", 5000, 5000, NULL},
        {"3", "4", 5000, 5001, NULL},
        {"3", "4", -1, 10001, NULL},
        {"3", "4", INT32_MAX, INT32_MAX, NULL},
    };
    ow_arena *arena = ow_arena_new(1 << 16);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const targets_case *c = &cases[i];
        alias_target_msg targets[2] = {OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT,
                                       OVERWORLD__REGISTRY__V1__ALIAS_TARGET__INIT};
        alias_target_msg *list[] = {&targets[0], &targets[1]};
        targets[0].version = (char *)(uintptr_t)c->first;
        targets[0].weight = c->first_weight;
        targets[1].version = (char *)(uintptr_t)(c->second != NULL ? c->second : "");
        targets[1].weight = c->second_weight;
        alias_aim aim;
        ow_err err;
        ow_code code = read_targets(list, c->second != NULL ? 2 : 1, &aim, &err);
        if (c->described == NULL) {
            assert_int_equal(code, OW_INVALID_ARGUMENT);
            assert_string_equal(err.reason, "bad_targets");
        } else {
            assert_int_equal(code, OW_OK);
            assert_string_equal(describe_aim(&aim, arena), c->described);
        }
    }
    ow_arena_free(arena);
    alias_aim aim;
    assert_int_equal(read_targets(NULL, 0, &aim, NULL), OW_INVALID_ARGUMENT);
}

typedef struct move {
    alias_aim to;
    const char *previous; // after it
} move;

static void goes_back_to_what_had_everything(void **state) {
    (void)state;
    static const move moves[] = {
        {{"1", "", 0}, "$LATEST"}, {{"1", "2", 1000}, "1"}, // a walk
        {{"1", "2", 5000}, "1"},   {{"1", "2", OW_SPLIT_WHOLE}, "1"},
        {{"2", "", 0}, "1"}, // the same, said shorter
        {{"2", "3", 0}, "1"},      {{"2", "3", 1}, "2"},
        {{"2", "", 0}, "2"}, // given up: nothing before 2 is known any more
        {{"4", "", 0}, "2"},       {{"2", "", 0}, "4"}, // rolled back, and forth
        {{"4", "", 0}, "2"},
    };
    alias_aim now = {"$LATEST", "", 0};
    const char *previous = "";
    for (size_t i = 0; i < sizeof moves / sizeof *moves; i++) {
        previous = previous_after(&now, &moves[i].to, previous);
        assert_string_equal(previous, moves[i].previous);
        now = moves[i].to;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_targets),
        cmocka_unit_test(goes_back_to_what_had_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
