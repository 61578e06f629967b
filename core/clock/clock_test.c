#include "core/clock/clock.h"

#include "core/testing/ow_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void scratch(char path[static 256]) {
    const char *folder = getenv("TEST_TMPDIR");
    snprintf(path, 256, "%s/clock-XXXXXX", folder != NULL ? folder : "/tmp");
    close(mkstemp(path));
}

static void the_system_clock_is_the_system_s(void **state) {
    (void)state;
    ow_clock *clock;
    assert_int_equal(ow_clock_open(NULL, &clock, NULL), OW_OK);
    assert_false(ow_clock_is_steered(clock));
    int64_t seconds = ow_clock_wall_us(clock) / 1000000;
    assert_in_range(seconds, time(NULL) - 1, time(NULL) + 1);
    int64_t before = ow_clock_mono_us(clock);
    assert_true(ow_clock_mono_us(clock) >= before);
    assert_null(ow_clock_close(clock));
    assert_null(ow_clock_close(NULL));
}

static void two_processes_move_together(void **state) {
    (void)state;
    char path[256];
    scratch(path);
    unlink(path);
    ow_clock *a;
    ow_clock *b;
    assert_int_equal(ow_clock_open(path, &a, NULL), OW_OK);
    assert_int_equal(ow_clock_open(path, &b, NULL), OW_OK);
    assert_true(ow_clock_is_steered(b));
    struct stat status;
    stat(path, &status);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(status.st_size, 16);

    const int64_t hour = INT64_C(3600) * 1000000;
    int64_t wall = ow_clock_wall_us(b);
    int64_t mono = ow_clock_mono_us(b);
    ow_clock_advance(a, hour);
    assert_in_range(ow_clock_wall_us(b) - wall, hour, hour + 60000000);
    assert_in_range(ow_clock_mono_us(b) - mono, hour, hour + 60000000);
    ow_clock_step_wall(a, -2 * hour);
    assert_true(ow_clock_wall_us(b) < wall);
    assert_true(ow_clock_mono_us(b) >= mono + hour);
    ow_clock_close(a);
    ow_clock_close(b);
    unlink(path);
}

static void another_file_is_refused(void **state) {
    (void)state;
    char path[256];
    scratch(path);
    int fd = open(path, O_WRONLY);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    ow_clock *clock = NULL;
    ow_err err;
    assert_int_equal(ow_clock_open(path, &clock, &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "bad_test_clock");
    assert_null(clock);
    unlink(path);
    assert_int_equal(ow_clock_open("/nowhere/at/all", &clock, &err), OW_INTERNAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_system_clock_is_the_system_s),
        cmocka_unit_test(two_processes_move_together),
        cmocka_unit_test(another_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
