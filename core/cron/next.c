#include "core/cron/civil.h"
#include "core/cron/cron.h"

enum {
    YEARS_TRIED_MAX = 400,   // after so many the calendar repeats itself
    MARGIN_S = 2 * OW_DAY_S, // no two offsets of a zone differ by more
};

// Local time as a count of seconds since 1970-01-01 00:00 local, and as its parts.
typedef struct moment {
    ow_date date;
    int hour, minute, second;
} moment;

static int first_bit(uint64_t bits, int from) {
    uint64_t rest = from < 64 ? bits >> from : 0;
    return rest != 0 ? from + __builtin_ctzll(rest) : -1;
}

// ---- Days ----

static int near_weekday(int day, int first_weekday, int last) {
    int weekday = (first_weekday + day - 1) % 7;
    if (weekday == 0) {
        return day == last ? day - 2 : day + 1;
    }
    if (weekday == 6) {
        return day == 1 ? day + 2 : day - 1;
    }
    return day;
}

static uint32_t days_by_date(const ow_cron *c, int first_weekday, int last) {
    uint32_t days = c->days;
    for (uint32_t near = c->near_days; near != 0; near &= near - 1) {
        int day = __builtin_ctz(near);
        days |= day <= last ? 1U << near_weekday(day, first_weekday, last) : 0;
    }
    if (c->last_weekday) {
        int weekday = (first_weekday + last - 1) % 7;
        days |= 1U << (weekday == 0 ? last - 2 : weekday == 6 ? last - 1 : last);
    }
    days |= c->last_day ? 1U << last : 0;
    return days;
}

static uint32_t days_by_weekday(const ow_cron *c, int first_weekday, int last) {
    uint32_t days = 0;
    for (int weekday = 0; weekday < 7; weekday++) {
        int weeks = c->weekdays[weekday];
        if (weeks == 0) {
            continue;
        }
        int day = 1 + (weekday - first_weekday + 7) % 7;
        for (int k = 0; day <= last; k++, day += 7) {
            bool fits = (weeks >> k & 1) != 0 || (weeks >> 5 != 0 && day + 7 > last);
            days |= fits ? 1U << day : 0;
        }
    }
    return days;
}

// Bit n: the n-th of that month fits.
static uint32_t days_of(const ow_cron *c, int year, int month) {
    int last = ow_civil_month_days(year, month);
    int first_weekday = ow_civil_weekday(ow_civil_days(year, month, 1));
    uint32_t whole = (uint32_t)(((uint64_t)2 << last) - 2);
    uint32_t by_date = days_by_date(c, first_weekday, last) & whole;
    if (c->any_weekday) {
        return by_date;
    }
    uint32_t by_weekday = days_by_weekday(c, first_weekday, last);
    bool either = !c->both_days && !c->any_day;
    return either ? by_date | by_weekday : by_date & by_weekday;
}

static bool year_fits(const ow_cron *c, int year) {
    int at = year - OW_CRON_YEAR_MIN;
    return c->any_year || (at >= 0 && (c->years[at / 64] >> (at % 64) & 1) != 0);
}

// The first date from `d` on that fits; *ret_later: it is not `d` itself.
static bool find_date(const ow_cron *c, ow_date *d, bool *ret_later) {
    int day = d->day;
    int month = d->month;
    for (int year = d->year; year <= OW_CRON_YEAR_MAX; year++, month = 1, day = 1) {
        if (c->any_year && year - d->year > YEARS_TRIED_MAX) {
            return false;
        }
        if (!year_fits(c, year)) {
            continue;
        }
        for (int m = first_bit(c->months, month); m > 0; m = first_bit(c->months, m + 1)) {
            int found = first_bit(days_of(c, year, m), m == month ? day : 1);
            if (found > 0) {
                *ret_later = year != d->year || m != d->month || found != d->day;
                *d = (ow_date){year, m, found};
                return true;
            }
        }
    }
    return false;
}

// ---- Times of day ----

// The first one from the moment's on; false: none is left that day.
static bool find_time(const ow_cron *c, moment *m) {
    int hour = first_bit(c->hours, m->hour);
    int minute = hour == m->hour ? first_bit(c->minutes, m->minute) : first_bit(c->minutes, 0);
    bool same = hour == m->hour && minute == m->minute;
    int second = same ? first_bit(c->seconds, m->second) : first_bit(c->seconds, 0);
    if (hour >= 0 && minute >= 0 && second < 0) { // the next minute then
        second = first_bit(c->seconds, 0);
        minute = first_bit(c->minutes, minute + 1);
    }
    if (hour >= 0 && minute < 0) { // the next hour then
        second = first_bit(c->seconds, 0);
        minute = first_bit(c->minutes, 0);
        hour = first_bit(c->hours, hour + 1);
    }
    m->hour = hour;
    m->minute = minute;
    m->second = second;
    return hour >= 0;
}

// The first local time from `local_s` on that fits.
static bool find_local(const ow_cron *c, int64_t local_s, int64_t *ret_local_s) {
    int64_t days = (local_s - (local_s < 0 ? OW_DAY_S - 1 : 0)) / OW_DAY_S;
    int in_day = (int)(local_s - days * OW_DAY_S);
    moment m = {.hour = in_day / 3600, .minute = in_day / 60 % 60, .second = in_day % 60};
    bool later = false;
    ow_civil_date(days, &m.date);
    if (!find_date(c, &m.date, &later)) {
        return false;
    }
    if (!later && !find_time(c, &m)) {
        ow_civil_date(days + 1, &m.date);
        later = true;
        if (!find_date(c, &m.date, &(bool){false})) {
            return false;
        }
    }
    if (later) {
        m.hour = m.minute = m.second = 0;
        find_time(c, &m);
    }
    *ret_local_s = ow_civil_days(m.date.year, m.date.month, m.date.day) * OW_DAY_S + m.hour * 3600 +
                   m.minute * 60 + m.second;
    return true;
}

// ---- Instants ----

// By the clock on the wall: stretch after stretch of one offset. Far from a change nothing can come that the
// calendar has not shown.
static bool next_on_wall(const ow_cron *c, const ow_zone *zone, int64_t from_s, int64_t *ret_s) {
    for (;;) {
        ow_zone_span span;
        int64_t local_s;
        ow_zone_span_at(zone, from_s, &span);
        bool far = span.until - from_s > MARGIN_S;
        bool found = find_local(c, from_s + span.offset_s, &local_s);
        if (found && local_s - span.offset_s < span.until) {
            *ret_s = local_s - span.offset_s;
            return true;
        }
        if (!found && far) {
            return false;
        }
        int64_t near_s = found ? local_s - span.offset_s - MARGIN_S : 0;
        from_s = far && near_s > span.until ? near_s : span.until;
    }
}

// When a local time comes, first; in a gap: at its end, when that is the same day. False: never.
static bool instant_of(const ow_zone *zone, int64_t local_s, int64_t *ret_s) {
    ow_zone_span span;
    ow_zone_span_at(zone, local_s - MARGIN_S, &span);
    for (;;) {
        int64_t at_s = local_s - span.offset_s;
        if (span.from != INT64_MIN && at_s < span.from) {
            *ret_s = span.from;
            return (span.from + span.offset_s) / OW_DAY_S == local_s / OW_DAY_S;
        }
        if (at_s < span.until) {
            *ret_s = at_s;
            return true;
        }
        ow_zone_span_at(zone, span.until, &span);
    }
}

// One time of day: each day's own instant.
static bool next_fixed(const ow_cron *c, const ow_zone *zone, int64_t after_s, int64_t *ret_s) {
    ow_zone_span span;
    int64_t local_s;
    ow_zone_span_at(zone, after_s, &span);
    bool settled = span.from == INT64_MIN || after_s - span.from > MARGIN_S;
    if (settled && find_local(c, after_s + 1 + span.offset_s, &local_s) &&
        local_s - span.offset_s < span.until) {
        *ret_s = local_s - span.offset_s;
        return true;
    }
    local_s = after_s - MARGIN_S;
    while (find_local(c, local_s, &local_s)) {
        if (instant_of(zone, local_s, ret_s) && *ret_s > after_s) {
            return true;
        }
        local_s++;
    }
    return false;
}

bool ow_cron_next(const ow_cron *cron, const ow_zone *zone, int64_t after_s, int64_t *ret_s) {
    return cron->fixed ? next_fixed(cron, zone, after_s, ret_s)
                       : next_on_wall(cron, zone, after_s + 1, ret_s);
}
