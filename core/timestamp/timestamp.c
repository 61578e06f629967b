#include "core/timestamp/timestamp.h"

enum { SECOND_US = 1000000, NANOS_A_MICRO = 1000 };

// Of the years 1 and 9999, as the message is defined.
static const int64_t FIRST_S = -62135596800, LAST_S = 253402300799;

void ow_timestamp_init(Google__Protobuf__Timestamp *time, int64_t us) {
    // nanos count forward whatever the sign of the seconds.
    int64_t seconds = us / SECOND_US - (us % SECOND_US < 0);
    google__protobuf__timestamp__init(time);
    time->seconds = seconds;
    time->nanos = (int32_t)(us - seconds * SECOND_US) * NANOS_A_MICRO;
}

Google__Protobuf__Timestamp *ow_timestamp_in(ow_arena *arena, int64_t us) {
    Google__Protobuf__Timestamp *time = ow_arena_alloc(arena, sizeof *time);
    if (time != NULL) {
        ow_timestamp_init(time, us);
    }
    return time;
}

int64_t ow_timestamp_us(const Google__Protobuf__Timestamp *time) {
    if (time == NULL) {
        return 0;
    }
    // A caller may send any number.
    if (time->seconds < FIRST_S || time->seconds > LAST_S) {
        return (time->seconds < FIRST_S ? FIRST_S : LAST_S) * SECOND_US;
    }
    return time->seconds * SECOND_US + time->nanos / NANOS_A_MICRO;
}
