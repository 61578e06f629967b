// The steps of falling asleep and waking, put between each other in every order that matters: nobody sleeps
// on while something is there. Host and instance are one thread here; the only real sleep is that of the
// last test, which another thread ends.

#include "runtimes/wire/sleep.h"

#include "core/testing/ow_test.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

// How long a sleep lasts that ought never to have begun.
static const struct timespec limit = {.tv_sec = 2};

typedef struct sides {
    ow_region *region;
    uint32_t passed; // requests that the instance has served
} sides;

static int set_up(void **state) {
    static sides s;
    int fd = ow_region_create();
    assert_true(fd >= 0);
    s = (sides){.region = ow_region_map(fd)};
    close(fd);
    assert_non_null(s.region);
    *state = &s;
    return 0;
}

static int tear_down(void **state) {
    ow_region_unmap(((sides *)*state)->region);
    return 0;
}

static void publish(sides *s) {
    atomic_fetch_add(&s->region->submit_head, 1);
}

static bool declare(sides *s) {
    return ow_sleep_declare(s->region, s->passed);
}

static int fall_asleep(sides *s) {
    return ow_sleep_wait(s->region, &limit);
}

// A request that comes before the instance looks is seen.
static void what_was_published_before_is_seen(void **state) {
    sides *s = *state;
    publish(s);
    assert_false(declare(s));
    ow_sleep_end(s->region);
    ow_sleep_wake(s->region);
    assert_int_equal(atomic_load(&s->region->sleeping), 0);
}

// One that comes between the look and the sleep ends it before it begins.
static void what_comes_before_the_sleep_begins_ends_it(void **state) {
    sides *s = *state;
    assert_true(declare(s));
    publish(s);
    ow_sleep_wake(s->region);
    assert_int_equal(fall_asleep(s), EAGAIN);
    assert_false(declare(s));
}

// The wake-up of a request that was served meanwhile comes between the look and the sleep: it takes the
// declaration back and wakes nobody. The next request then finds nobody asleep.
static void a_late_wake_up_loses_no_later_one(void **state) {
    sides *s = *state;
    publish(s); // seen by an instance that was awake ...
    s->passed = 1;
    assert_true(declare(s));
    ow_sleep_wake(s->region); // ... before the host came to wake it
    assert_int_equal(atomic_load(&s->region->sleeping), 0);
    publish(s);
    ow_sleep_wake(s->region);
    assert_int_equal(fall_asleep(s), EAGAIN);
    assert_false(declare(s)); // and sees it
    s->passed = 2;
    assert_true(declare(s)); // what was declared anew stands again
    assert_int_equal(atomic_load(&s->region->sleeping), 1);
}

// The same, but the next request comes only later: a sleep that began here would be one that nobody ends, for
// nothing says any more that somebody sleeps. It goes round once instead.
static void a_late_wake_up_is_slept_through(void **state) {
    sides *s = *state;
    publish(s);
    s->passed = 1;
    assert_true(declare(s));
    ow_sleep_wake(s->region);
    assert_int_equal(fall_asleep(s), EAGAIN);
    assert_true(declare(s));
    publish(s);
    ow_sleep_wake(s->region);
    assert_int_equal(fall_asleep(s), EAGAIN);
    assert_false(declare(s));
}

static void *wake_when_asleep(void *self) {
    sides *s = self;
    while (atomic_load(&s->region->sleeping) == 0) {
        usleep(100);
    }
    publish(s);
    ow_sleep_wake(s->region);
    return NULL;
}

static void a_sleeper_is_woken(void **state) {
    sides *s = *state;
    pthread_t host;
    assert_int_equal(pthread_create(&host, NULL, wake_when_asleep, s), 0);
    while (declare(s)) {
        int ended = fall_asleep(s);
        assert_true(ended == 0 || ended == EAGAIN || ended == EINTR);
    }
    ow_sleep_end(s->region);
    assert_int_equal(atomic_load(&s->region->submit_head), 1);
    assert_int_equal(pthread_join(host, NULL), 0);
}

int main(void) {
#define CASE(name) OW_TEST_WITH(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_was_published_before_is_seen),
        CASE(what_comes_before_the_sleep_begins_ends_it),
        CASE(a_late_wake_up_loses_no_later_one),
        CASE(a_late_wake_up_is_slept_through),
        CASE(a_sleeper_is_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
