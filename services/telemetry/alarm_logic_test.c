// Alarms: the rules by themselves.

#include "services/telemetry/alarm_logic.h"

#include "core/testing/ow_test.h"

#define TEXT(literal) ((char *)(uintptr_t)(literal))
#define SECOND_US ((int64_t)1000000)

typedef struct moment {
    int at_s;
    bool breaks;
    alarm_event wanted;
} moment;

// Silence: 100 s.
static const moment moments[] = {
    {0, false, ALARM_NOTHING},      {10, true, ALARM_FIRING},      {20, true, ALARM_NOTHING},
    {900, true, ALARM_NOTHING},     {910, false, ALARM_RECOVERED}, {920, false, ALARM_NOTHING},
    {930, true, ALARM_NOTHING},  // within the silence of the recovery
    {940, false, ALARM_NOTHING}, // nobody was told that it fires
    {950, true, ALARM_NOTHING},     {1000, true, ALARM_NOTHING},   {1010, true, ALARM_FIRING},
    {1020, false, ALARM_RECOVERED},
};

static void tells_once_and_once_that_it_is_over(void **state) {
    (void)state;
    alarm_state s = {.firing = false};
    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        const moment *m = &moments[i];
        alarm_event event = alarm_look(&s, m->breaks, 100 * SECOND_US, (m->at_s + 1) * SECOND_US);
        if (event != m->wanted) {
            fail_msg("at %d s: %d, wanted %d", m->at_s, event, m->wanted);
        }
        assert_int_equal(s.firing, m->breaks);
    }
}

static void measures_what_the_rule_names(void **state) {
    (void)state;
    static const struct {
        const char *measure;
        double wanted;
    } cases[] = {{"calls", 60},    {"rate", 1},        {"errors", 15},  {"error_rate", 0.25},
                 {"throttled", 7}, {"cold_starts", 3}, {"p50_ms", 0.1}, {"p95_ms", 3.2},
                 {"p99_ms", 3.2},  {"instances", 4},   {"queue", 9}};
    point p = {.calls = 60,
               .errors = 15,
               .throttled = 7,
               .cold_starts = 3,
               .instances_peak = 4,
               .waiting_peak = 9};
    p.durations[0] = 54;
    p.durations[5] = 6;
    alarm_rule rule = OVERWORLD__TELEMETRY__V1__ALARM_RULE__INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rule.measure = TEXT(cases[i].measure);
        double value = alarm_value(&rule, &p);
        assert_true(value > cases[i].wanted - 1e-9 && value < cases[i].wanted + 1e-9);
    }
    point none = {.calls = 0};
    rule.measure = TEXT("error_rate");
    assert_true(alarm_value(&rule, &none) == 0);
    assert_int_equal(notice_delay_us(1), 5 * SECOND_US);
    assert_int_equal(notice_delay_us(2), 10 * SECOND_US);
    assert_int_equal(notice_delay_us(60), 7200 * SECOND_US);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(tells_once_and_once_that_it_is_over),
        OW_TEST(measures_what_the_rule_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
