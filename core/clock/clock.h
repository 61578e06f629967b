#pragma once

// The one source of time for rules: due times, expiry, retry, retention. Sockets, gRPC deadlines
// and the killing of instances use real time and do not go through here.
//
// A test build opens the clock with a shared file, so that every process of a deployment can be
// moved together without sleeping.

#include "core/error/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct ow_clock ow_clock;

// The system clock (`test_file` NULL), or a clock steered by a file of 16 bytes that is mapped
// shared: int64 µs added to wall time, then int64 µs added to both wall and monotonic time, little
// endian. The file is made (0600) when missing. Heap; free with ow_clock_close. Codes: internal,
// invalid_argument "bad_test_clock" (the file is something else).
ow_code ow_clock_open(const char *test_file, ow_clock **ret_clock, ow_err *err);
ow_clock *ow_clock_close(ow_clock *clock);

// Microseconds since the Unix epoch, UTC; may jump. Any thread.
int64_t ow_clock_wall_us(const ow_clock *clock);

// Microseconds since an arbitrary start, never going back. Any thread.
int64_t ow_clock_mono_us(const ow_clock *clock);

// True when the clock is steered by a file: whoever sleeps until a time of this clock must then
// look again every few milliseconds.
bool ow_clock_is_steered(const ow_clock *clock);

// For tests, on a steered clock: moves wall and monotonic time forward by `by_us` >= 0, or sets wall
// time alone off by so much (either way). Seen by every process that maps the file. Any thread.
void ow_clock_advance(ow_clock *clock, int64_t by_us);
void ow_clock_step_wall(ow_clock *clock, int64_t by_us);
