#pragma once

// The one source of time for rules: due times, expiry, retry, retention. Sockets, gRPC deadlines
// and the killing of instances use real time and do not go through here.
//
// A test build opens the clock with a shared file, so that every process of a deployment can be
// moved together without sleeping.

#include "core/error/error.h"

#include <stdint.h>

typedef struct ow_clock ow_clock;

// The system clock (`test_file` NULL), or a clock steered by a file of 16 bytes that is mapped
// shared: int64 µs added to wall time, then int64 µs added to both wall and monotonic time, little
// endian. The file is made when missing. Heap; free with ow_clock_close. Codes: internal.
ow_code ow_clock_open(const char *test_file, ow_clock **ret_clock, ow_err *err);
ow_clock *ow_clock_close(ow_clock *clock);

// Microseconds since the Unix epoch, UTC; may jump. Any thread.
int64_t ow_clock_wall_us(const ow_clock *clock);

// Microseconds since an arbitrary start, never going back. Any thread.
int64_t ow_clock_mono_us(const ow_clock *clock);

// True when the clock is steered by a file: whoever sleeps until a time of this clock must then
// look again every few milliseconds.
int ow_clock_is_steered(const ow_clock *clock);

// Moves a steered clock forward (or, `wall_only`, sets wall time off by so much). For tests.
void ow_clock_advance(ow_clock *clock, int64_t by_us);
void ow_clock_step_wall(ow_clock *clock, int64_t by_us);
