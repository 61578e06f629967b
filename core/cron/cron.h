#pragma once

// Cron expressions: when is the next time? Times are seconds since the epoch, UTC.
//
// 5 fields (minute hour day-of-month month day-of-week), 6 (with seconds before them) or 7 (with years
// behind them, 1970-2999); a field is a list of *, n, a-b, */n, a-b/n. Names (JAN, MON) in any case; days
// of the week from 0 = Sunday to 7 = Sunday. ? is *. Day of month also: L (the last), LW (the last
// Monday to Friday), 15W (the Monday to Friday nearest to the 15th, in the same month). Day of week also:
// 5#2 (the second Friday), 5L (the last one). Both days given: either fits; with + before the day of the
// week, both must. @yearly @annually @monthly @weekly @daily @midnight @hourly.
//
// When clocks change: a time of day that is one (no * and no /, one value for each of hour, minute,
// second) comes once a day: at the first of two equal times, and at the end of the gap when it falls into
// one. Any other expression goes by the clock on the wall: times in a gap do not come, times that come
// twice come twice.

#include "core/cron/zone.h"
#include "core/error/error.h"

#include <stdbool.h>
#include <stdint.h>

#define OW_CRON_TEXT_MAX 200
#define OW_CRON_YEAR_MIN 1970
#define OW_CRON_YEAR_MAX 2999
#define OW_CRON_YEAR_WORDS 17

// A parsed expression; its members are the package's own. Copied by value.
typedef struct ow_cron {
    uint64_t seconds, minutes; // bit n: n
    uint32_t hours;
    uint32_t days;       // bit n: day n, 1-31
    uint32_t near_days;  // nW
    uint32_t months;     // bit n: month n, 1-12
    uint8_t weekdays[7]; // bit k: the k+1st in the month; bit 5: the last; all six: each
    bool last_day, last_weekday;
    bool any_day, any_weekday; // the field is a bare *
    bool both_days;            // +
    bool any_year;
    bool fixed;                         // one time of day
    uint64_t years[OW_CRON_YEAR_WORDS]; // bit n: 1970 + n
} ow_cron;

// Any thread. Codes: invalid_argument "bad_cron"; the message names the field and what is wrong.
ow_code ow_cron_parse(const char *text, ow_cron *ret_cron, ow_err *err);

// The first time after `after_s` (>= 0); false: there is none before the year 3000. Any thread; no I/O; well
// under a microsecond, some hundred when there is none.
bool ow_cron_next(const ow_cron *cron, const ow_zone *zone, int64_t after_s, int64_t *ret_s);
