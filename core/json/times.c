#include "core/json/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define SECONDS_PER_DAY 86400
#define TIMESTAMP_MIN INT64_C(-62135596800) // 0001-01-01T00:00:00Z
#define TIMESTAMP_MAX INT64_C(253402300799) // 9999-12-31T23:59:59Z
#define DURATION_MAX INT64_C(315576000000)
#define NANOS_PER_SECOND 1000000000

// Text being read from the front.
typedef struct scanner {
    const char *at;
    const char *end;
} scanner;

static bool take(scanner *scan, char wanted) {
    if (scan->at == scan->end || *scan->at != wanted) {
        return false;
    }
    scan->at++;
    return true;
}

static bool take_digits(scanner *scan, int count, int *ret_value) {
    int value = 0;
    if (scan->end - scan->at < count) {
        return false;
    }
    for (int i = 0; i < count; i++) {
        char c = *scan->at++;
        if (c < '0' || c > '9') {
            return false;
        }
        value = value * 10 + (c - '0');
    }
    *ret_value = value;
    return true;
}

// ".123": one to nine digits behind a point; nothing at all is 0.
static bool take_fraction(scanner *scan, int32_t *ret_nanos) {
    int32_t nanos = 0;
    int digits = 0;
    if (!take(scan, '.')) {
        *ret_nanos = 0;
        return true;
    }
    while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9') {
        if (++digits > 9) {
            return false;
        }
        nanos = nanos * 10 + (*scan->at++ - '0');
    }
    for (int i = digits; i < 9; i++) {
        nanos *= 10;
    }
    *ret_nanos = nanos;
    return digits > 0;
}

static bool is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static const int days_before_month[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

static int days_in_month(int year, int month) {
    return days_before_month[month] - days_before_month[month - 1] + (month == 2 && is_leap(year));
}

// Days since 1970-01-01 of a date of the Gregorian calendar, years 1 to 9999.
static int64_t days_of_date(int year, int month, int day) {
    int64_t before = year - 1;
    int64_t days = before * 365 + before / 4 - before / 100 + before / 400;
    days += days_before_month[month - 1] + (month > 2 && is_leap(year)) + (day - 1);
    return days - 719162;
}

static void date_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day) {
    int64_t since_year_1 = days + 719162;
    // An estimate that is never too high by more than one year, then the exact year.
    int year = (int)(since_year_1 / 366) + 1;
    while (days_of_date(year + 1, 1, 1) <= days) {
        year++;
    }
    int64_t left = days - days_of_date(year, 1, 1);
    int month = 1;
    while (left >= days_in_month(year, month)) {
        left -= days_in_month(year, month++);
    }
    *ret_year = year;
    *ret_month = month;
    *ret_day = (int)left + 1;
}

static bool take_date(scanner *scan, int64_t *ret_days) {
    int year, month, day;
    bool shaped = take_digits(scan, 4, &year) && take(scan, '-') && take_digits(scan, 2, &month) &&
                  take(scan, '-') && take_digits(scan, 2, &day);
    if (!shaped || year < 1 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month)) {
        return false;
    }
    *ret_days = days_of_date(year, month, day);
    return true;
}

static bool take_clock(scanner *scan, int64_t *ret_seconds) {
    int hour, minute, second;
    bool shaped = take_digits(scan, 2, &hour) && take(scan, ':') && take_digits(scan, 2, &minute) &&
                  take(scan, ':') && take_digits(scan, 2, &second);
    if (!shaped || hour > 23 || minute > 59 || second > 59) {
        return false;
    }
    *ret_seconds = hour * 3600 + minute * 60 + second;
    return true;
}

// "Z", "+02:00", "-08:30".
static bool take_zone(scanner *scan, int64_t *ret_offset_seconds) {
    int hour, minute;
    if (take(scan, 'Z')) {
        *ret_offset_seconds = 0;
        return true;
    }
    bool east = take(scan, '+');
    if (!east && !take(scan, '-')) {
        return false;
    }
    if (!take_digits(scan, 2, &hour) || !take(scan, ':') || !take_digits(scan, 2, &minute) ||
        hour > 23 || minute > 59) {
        return false;
    }
    int64_t offset = hour * 3600 + minute * 60;
    *ret_offset_seconds = east ? offset : -offset;
    return true;
}

bool timestamp_parse(const char *text, size_t size, int64_t *ret_seconds, int32_t *ret_nanos) {
    scanner scan = {text, text + size};
    int64_t days, clock, offset;
    int32_t nanos;
    if (!take_date(&scan, &days) || !take(&scan, 'T') || !take_clock(&scan, &clock) ||
        !take_fraction(&scan, &nanos) || !take_zone(&scan, &offset) || scan.at != scan.end) {
        return false;
    }
    int64_t seconds = days * SECONDS_PER_DAY + clock - offset;
    if (seconds < TIMESTAMP_MIN || seconds > TIMESTAMP_MAX) {
        return false;
    }
    *ret_seconds = seconds;
    *ret_nanos = nanos;
    return true;
}

bool duration_parse(const char *text, size_t size, int64_t *ret_seconds, int32_t *ret_nanos) {
    scanner scan = {text, text + size};
    bool negative = take(&scan, '-');
    const char *digits = scan.at;
    int64_t seconds = 0;
    while (scan.at < scan.end && *scan.at >= '0' && *scan.at <= '9') {
        seconds = seconds * 10 + (*scan.at++ - '0');
        if (seconds > DURATION_MAX) {
            return false;
        }
    }
    int32_t nanos;
    if (scan.at == digits || !take_fraction(&scan, &nanos) || !take(&scan, 's') ||
        scan.at != scan.end || (seconds == DURATION_MAX && nanos > 0)) {
        return false;
    }
    *ret_seconds = negative ? -seconds : seconds;
    *ret_nanos = negative ? -nanos : nanos;
    return true;
}

// Appends ".123", ".123456" or ".123456789", as short as exactness allows; nothing for 0.
static void print_fraction(char *out, size_t room, int32_t nanos) {
    out[0] = '\0';
    if (nanos == 0) {
        return;
    }
    if (nanos % 1000000 == 0) {
        snprintf(out, room, ".%03d", nanos / 1000000);
    } else if (nanos % 1000 == 0) {
        snprintf(out, room, ".%06d", nanos / 1000);
    } else {
        snprintf(out, room, ".%09d", nanos);
    }
}

bool timestamp_print(char text[static TIME_TEXT_MAX], int64_t seconds, int32_t nanos) {
    if (seconds < TIMESTAMP_MIN || seconds > TIMESTAMP_MAX || nanos < 0 ||
        nanos >= NANOS_PER_SECOND) {
        return false;
    }
    int64_t days = seconds / SECONDS_PER_DAY - (seconds % SECONDS_PER_DAY < 0);
    int clock = (int)(seconds - days * SECONDS_PER_DAY);
    int year, month, day;
    char fraction[12];
    date_of_days(days, &year, &month, &day);
    print_fraction(fraction, sizeof fraction, nanos);
    snprintf(text, TIME_TEXT_MAX, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", year, month, day,
             clock / 3600, clock / 60 % 60, clock % 60, fraction);
    return true;
}

bool duration_print(char text[static TIME_TEXT_MAX], int64_t seconds, int32_t nanos) {
    bool negative = seconds < 0 || nanos < 0;
    if (seconds < -DURATION_MAX || seconds > DURATION_MAX || nanos <= -NANOS_PER_SECOND ||
        nanos >= NANOS_PER_SECOND || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0)) {
        return false;
    }
    char fraction[12];
    print_fraction(fraction, sizeof fraction, nanos < 0 ? -nanos : nanos);
    snprintf(text, TIME_TEXT_MAX, "%s%" PRId64 "%ss", negative ? "-" : "",
             seconds < 0 ? -seconds : seconds, fraction);
    return true;
}
