#pragma once

// Days and dates of the Gregorian calendar. Pure; any thread.

#include <stdint.h>

#define OW_DAY_S 86400

typedef struct ow_date {
    int year;
    int month; // 1-12
    int day;   // 1-31
} ow_date;

// Days since 1970-01-01; any year from 0 on.
int64_t ow_civil_days(int year, int month, int day);
void ow_civil_date(int64_t days, ow_date *ret_date);

// 0 = Sunday.
int ow_civil_weekday(int64_t days);

int ow_civil_month_days(int year, int month);
