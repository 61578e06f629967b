#include "core/timestamp/timestamp.h"

#include "core/testing/ow_test.h"

static void both_ways(void **state) {
    (void)state;
    static const struct {
        int64_t us, seconds;
        int32_t nanos;
    } cases[] = {
        {0, 0, 0},           {1, 0, 1000},      {1800000000123456, 1800000000, 123456000},
        {-1, -1, 999999000}, {-1000000, -1, 0}, {-1500000, -2, 500000000},
    };
    ow_arena *arena = ow_arena_new(1 << 12);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const Google__Protobuf__Timestamp *time = ow_timestamp_in(arena, cases[i].us);
        assert_non_null(time);
        assert_int_equal(time->seconds, cases[i].seconds);
        assert_int_equal(time->nanos, cases[i].nanos);
        assert_int_equal(ow_timestamp_us(time), cases[i].us);
    }
    ow_arena_free(arena);
    Google__Protobuf__Timestamp fine = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    fine.nanos = 1999;
    assert_int_equal(ow_timestamp_us(&fine), 1);
    assert_int_equal(ow_timestamp_us(NULL), 0);
    fine.seconds = INT64_MAX;
    assert_int_equal(ow_timestamp_us(&fine), 253402300799000000);
    fine.seconds = INT64_MIN;
    assert_int_equal(ow_timestamp_us(&fine), -62135596800000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
