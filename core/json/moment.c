#include "core/json/moment.h"

#include "core/json/internal.h"

#include <string.h>

#define MICROSECONDS 1000000

bool ow_moment_parse(const char *text, int64_t *ret_us) {
    int64_t seconds;
    int32_t nanos;
    if (!timestamp_parse(text, strlen(text), &seconds, &nanos)) {
        return false;
    }
    *ret_us = seconds * MICROSECONDS + nanos / 1000;
    return true;
}

bool ow_moment_print(int64_t us, char text[static OW_MOMENT_MAX]) {
    int64_t seconds = us / MICROSECONDS - (us % MICROSECONDS < 0);
    return timestamp_print(text, seconds, (int32_t)(us - seconds * MICROSECONDS) * 1000);
}
