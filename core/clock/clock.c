#include "core/clock/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// The layout of the file; see clock.h.
typedef struct steering {
    _Atomic int64_t wall_off_us;
    _Atomic int64_t both_off_us;
} steering;

static_assert(sizeof(steering) == 16, "the test clock's file has 16 bytes");
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file is written little endian");

struct ow_clock {
    steering *steering; // NULL: the system clock
};

static ow_code map_fd(int fd, const char *test_file, steering **ret_steering, ow_err *err) {
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return ow_fail_errno(err, errno, "cannot read %s", test_file);
    }
    off_t size = sizeof(steering);
    if (!S_ISREG(status.st_mode) || (status.st_size != 0 && status.st_size != size)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_test_clock",
                       "%s is not a test clock: that is a file of 16 bytes", test_file);
    }
    if (status.st_size == 0 && ftruncate(fd, size) != 0) {
        return ow_fail_errno(err, errno, "cannot write %s", test_file);
    }
    void *memory = mmap(NULL, sizeof(steering), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        return ow_fail_errno(err, errno, "cannot map %s", test_file);
    }
    *ret_steering = memory;
    return OW_OK;
}

static ow_code map_file(const char *test_file, steering **ret_steering, ow_err *err) {
    int fd = open(test_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "cannot open the test clock %s", test_file);
    }
    ow_code code = map_fd(fd, test_file, ret_steering, err);
    close(fd);
    return code;
}

ow_code ow_clock_open(const char *test_file, ow_clock **ret_clock, ow_err *err) {
    ow_clock *clock = calloc(1, sizeof *clock);
    if (clock == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for a clock");
    }
    if (test_file != NULL) {
        ow_code code = map_file(test_file, &clock->steering, err);
        if (code != OW_OK) {
            ow_clock_close(clock);
            return code;
        }
    }
    *ret_clock = clock;
    return OW_OK;
}

ow_clock *ow_clock_close(ow_clock *clock) {
    if (clock != NULL && clock->steering != NULL) {
        munmap(clock->steering, sizeof *clock->steering);
    }
    free(clock);
    return NULL;
}

static int64_t system_us(clockid_t id) {
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t ow_clock_wall_us(const ow_clock *clock) {
    int64_t now = system_us(CLOCK_REALTIME);
    return clock->steering == NULL ? now
                                   : now + atomic_load(&clock->steering->wall_off_us) +
                                         atomic_load(&clock->steering->both_off_us);
}

int64_t ow_clock_mono_us(const ow_clock *clock) {
    int64_t now = system_us(CLOCK_MONOTONIC);
    return clock->steering == NULL ? now : now + atomic_load(&clock->steering->both_off_us);
}

bool ow_clock_is_steered(const ow_clock *clock) {
    return clock->steering != NULL;
}

void ow_clock_advance(ow_clock *clock, int64_t by_us) {
    assert(clock->steering != NULL && by_us >= 0);
    atomic_fetch_add(&clock->steering->both_off_us, by_us);
}

void ow_clock_step_wall(ow_clock *clock, int64_t by_us) {
    assert(clock->steering != NULL);
    atomic_fetch_add(&clock->steering->wall_off_us, by_us);
}
