#include "services/timers/timers_logic.h"

#include "core/cron/civil.h"
#include "core/testing/ow_test.h"

#include <string.h>

#define TEXT(literal) ((char *)(uintptr_t)(literal))

static ow_zones *zones;

static int64_t at(int year, int month, int day, int hour, int minute) {
    return (ow_civil_days(year, month, day) * OW_DAY_S + hour * 3600 + minute * 60) * SECOND_US;
}

static timer_spec cron_spec(const char *cron, const char *zone) {
    timer_spec spec = OVERWORLD__API__TIMER__INIT;
    spec.name = TEXT("tick");
    spec.function = TEXT("on_tick");
    spec.cron = TEXT(cron);
    spec.time_zone = TEXT(zone);
    return spec;
}

static schedule every(int64_t every_us, int64_t anchor_us) {
    return (schedule){
        .kind = SCHEDULE_EVERY, .every_us = every_us, .anchor_us = anchor_us, .ends_us = NEVER};
}

static void checks_what_is_said(void **state) {
    (void)state;
    ow_err err;
    timer_spec good = cron_spec("0 4 * * *", "Europe/Berlin");
    Google__Protobuf__Duration second = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Protobuf__Duration blink = GOOGLE__PROTOBUF__DURATION__INIT;
    second.seconds = 1;
    blink.nanos = 999999000;
    assert_ow_ok(spec_check(zones, &good, &err), &err);
    timer_spec bad[10];
    for (size_t i = 0; i < 10; i++) {
        bad[i] = good;
    }
    bad[0].name = TEXT("");
    bad[1].name = TEXT("a/b");
    bad[2].function = TEXT("");
    bad[3].catch_up = TEXT("maybe");
    bad[4].overlap = TEXT("never");
    bad[5].every = &second; // and cron
    bad[6].cron = TEXT("");
    bad[7].cron = TEXT("");
    bad[7].every = &blink;
    bad[8].alias = TEXT("no alias");
    bad[9].cron = TEXT("61 * * * *");
    for (size_t i = 0; i < 10; i++) {
        assert_ow_code(spec_check(zones, &bad[i], &err), OW_INVALID_ARGUMENT, &err);
    }
    timer_spec nowhere = cron_spec("0 4 * * *", "Europe/Atlantis");
    assert_int_equal(spec_check(zones, &nowhere, &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "bad_zone");
}

static void goes_by_the_zone_and_ends(void **state) {
    (void)state;
    timer_spec spec = cron_spec("30 2 * * *", "Europe/Berlin");
    Google__Protobuf__Timestamp ends = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    schedule s;
    ends.seconds = at(2025, 3, 31, 12, 0) / SECOND_US;
    spec.ends_at = &ends;
    assert_int_equal(schedule_of(zones, &spec, 0, &s, NULL), OW_OK);
    int64_t first = schedule_next(&s, at(2025, 3, 29, 12, 0));
    assert_int_equal(first, at(2025, 3, 30, 1, 0)); // the end of the gap
    int64_t second = schedule_next(&s, first);
    assert_int_equal(second, at(2025, 3, 31, 0, 30));
    assert_int_equal(schedule_next(&s, second), NEVER);
}

static void intervals_keep_their_beat(void **state) {
    (void)state;
    schedule s = every(7 * SECOND_US, 100);
    assert_int_equal(schedule_next(&s, 0), 100 + 7 * SECOND_US);
    assert_int_equal(schedule_next(&s, 100), 100 + 7 * SECOND_US);
    assert_int_equal(schedule_next(&s, 100 + 7 * SECOND_US - 1), 100 + 7 * SECOND_US);
    assert_int_equal(schedule_next(&s, 100 + 7 * SECOND_US), 100 + 14 * SECOND_US);
}

static plan plan_at(const schedule *s, int catch_up, int64_t late_us, int64_t window_us) {
    plan p;
    int64_t due = s->anchor_us + s->every_us;
    plan_rule rule = {.now_us = due + late_us,
                      .missed_after_us = MINUTE_US,
                      .catch_up = catch_up,
                      .window_us = window_us,
                      .max_fires = PLAN_FIRES_MAX};
    plan_make(s, &rule, due, &p);
    return p;
}

static void late_slots_are_caught_up_with(void **state) {
    (void)state;
    schedule s = every(30 * SECOND_US, 0);
    // In time: all are fired.
    plan p = plan_at(&s, CATCH_UP_SKIP, 45 * SECOND_US, 0);
    assert_int_equal(p.fire_count, 2);
    assert_int_equal(p.missed_count, 0);
    assert_int_equal(p.next_us, 90 * SECOND_US);
    // 10 min late: 21 slots, of which the last three are not later than a minute.
    p = plan_at(&s, CATCH_UP_SKIP, 10 * MINUTE_US, 0);
    assert_int_equal(p.fire_count, 3);
    assert_int_equal(p.missed_count, 18);
    assert_int_equal(p.missed_first_us, 30 * SECOND_US);
    assert_int_equal(p.missed_last_us, 18 * 30 * SECOND_US);
    p = plan_at(&s, CATCH_UP_ONCE, 10 * MINUTE_US, 0);
    assert_int_equal(p.fire_count, 4);
    assert_true(p.fires[3].catch_up);
    assert_int_equal(p.fires[3].due_us, 18 * 30 * SECOND_US);
    assert_int_equal(p.missed_count, 17);
    assert_int_equal(p.missed_last_us, 17 * 30 * SECOND_US);
    p = plan_at(&s, CATCH_UP_ALL, 10 * MINUTE_US, 5 * MINUTE_US);
    assert_int_equal(p.fire_count, 11);
    assert_int_equal(p.missed_count, 10);
    p = plan_at(&s, CATCH_UP_ALL, 10 * MINUTE_US, HOUR_US);
    assert_int_equal(p.fire_count, 21);
    assert_int_equal(p.missed_count, 0);
}

// However long it was: in bounded steps, and each slot is in one plan only.
static void plans_are_bounded(void **state) {
    (void)state;
    schedule s = every(SECOND_US, 0);
    plan p = plan_at(&s, CATCH_UP_SKIP, 366 * DAY_US, 0);
    assert_true(p.missed_more);
    assert_int_equal(p.fire_count, 61);
    assert_true(p.next_us > SECOND_US + 366 * DAY_US);
    int64_t due = SECOND_US;
    int64_t now = due + 500 * SECOND_US;
    int64_t expected = due;
    int rounds = 0;
    for (; due <= now; rounds++) {
        plan_rule rule = {.now_us = now,
                          .missed_after_us = MINUTE_US,
                          .catch_up = CATCH_UP_ALL,
                          .window_us = HOUR_US,
                          .max_fires = PLAN_FIRES_MAX};
        plan_make(&s, &rule, due, &p);
        for (int i = 0; i < p.fire_count; i++, expected += SECOND_US) {
            assert_int_equal(p.fires[i].due_us, expected);
        }
        due = p.next_us;
    }
    assert_int_equal(expected, now + SECOND_US);
    assert_in_range(rounds, 500 / PLAN_FIRES_MAX, 500 / PLAN_FIRES_MAX + 2);
}

static void jitter_is_the_same_each_time(void **state) {
    (void)state;
    timer_spec spec = cron_spec("* * * * *", "");
    Google__Protobuf__Duration jitter = GOOGLE__PROTOBUF__DURATION__INIT;
    int64_t lowest = NEVER;
    int64_t highest = 0;
    assert_int_equal(start_of(&spec, "tmr_1", 5), 5);
    jitter.seconds = 60;
    spec.jitter = &jitter;
    for (int64_t due = 0; due < 1000; due++) {
        int64_t later = start_of(&spec, "tmr_1", due) - due;
        assert_int_equal(later, start_of(&spec, "tmr_1", due) - due);
        assert_in_range(later, 0, 60 * SECOND_US - 1);
        lowest = later < lowest ? later : lowest;
        highest = later > highest ? later : highest;
    }
    assert_true(lowest < 2 * SECOND_US && highest > 58 * SECOND_US);
}

static void functions_get_what_scf_sends(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 16);
    timer_spec spec = cron_spec("* * * * *", "");
    size_t size = 0;
    spec.payload = TEXT("say \"hi\"");
    assert_string_equal(timer_event(&spec, at(2025, 3, 1, 4, 5), arena, &size),
                        "{\"Type\":\"Timer\",\"TriggerName\":\"tick\",\"Time\":\"2025-03-01T04:05:"
                        "00Z\",\"Message\":\"say \\\"hi\\\"\"}");
    const ow_zone *zone = NULL;
    assert_int_equal(ow_zones_find(zones, "America/St_Johns", &zone, NULL), OW_OK);
    assert_string_equal(local_text(zone, at(2025, 1, 1, 0, 0), arena), "2024-12-31T20:30:00-03:30");
    ow_arena_free(arena);
}

static void who_has_much_gives(void **state) {
    (void)state;
    static const struct {
        int64_t counts[4], max, level;
        size_t n;
    } cases[] = {
        {{0}, 100, NEVER, 0},
        {{100}, 100, NEVER, 1},
        {{101}, 100, 100, 1},
        {{150, 1}, 100, 99, 2},
        {{60, 60}, 100, 50, 2},
        {{40, 60}, 100, NEVER, 2},
        {{1000, 20, 900, 10}, 130, 50, 4},
        {{5, 5, 5, 5}, 3, 0, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t counts[4];
        memcpy(counts, cases[i].counts, sizeof counts);
        assert_int_equal(history_level(counts, cases[i].n, cases[i].max), cases[i].level);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(checks_what_is_said),
        OW_TEST(goes_by_the_zone_and_ends),
        OW_TEST(intervals_keep_their_beat),
        OW_TEST(late_slots_are_caught_up_with),
        OW_TEST(plans_are_bounded),
        OW_TEST(jitter_is_the_same_each_time),
        OW_TEST(functions_get_what_scf_sends),
        OW_TEST(who_has_much_gives),
    };
    zones = ow_zones_new(OW_ZONE_FOLDER);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ow_zones_free(zones);
    return failed;
}
