#pragma once

// google.protobuf.Timestamp and microseconds since the epoch, in UTC, as everything else here has time. Any thread.

#include "core/arena/arena.h"

#include "google/protobuf/timestamp.pb-c.h"

// In place; before the epoch, too.
void ow_timestamp_init(Google__Protobuf__Timestamp *time, int64_t us);
// In the arena; NULL: out of memory.
Google__Protobuf__Timestamp *ow_timestamp_in(ow_arena *arena, int64_t us);
// What is finer than a microsecond is cut off. NULL, a field that is not there, is 0; before the year 1 and after
// the year 9999 it is the first or the last second of these, so that one can calculate with it.
int64_t ow_timestamp_us(const Google__Protobuf__Timestamp *time);
