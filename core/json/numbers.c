#include "core/json/internal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 20 // of UINT64_MAX
#define EXPONENT_MAX 100000

// A decimal number as digits x 10^exponent, without zeros at either end.
typedef struct decimal {
    char digits[DIGITS_MAX];
    int count; // 0: the number is zero
    int64_t exponent;
    bool negative;
    bool too_long; // more significant digits than fit: no 64-bit integer
} decimal;

static void add_digit(decimal *number, char digit, int64_t *pending_zeros) {
    if (digit == '0') {
        *pending_zeros += number->count > 0;
        return;
    }
    // Zeros count only once another digit follows them.
    while (*pending_zeros > 0 && number->count < DIGITS_MAX) {
        number->digits[number->count++] = '0';
        (*pending_zeros)--;
    }
    if (number->count == DIGITS_MAX) {
        number->too_long = true;
        return;
    }
    number->digits[number->count++] = digit;
}

static int64_t read_exponent(const char *at, const char *end) {
    bool negative = *at == '-';
    at += *at == '-' || *at == '+';
    int64_t value = 0;
    for (; at < end; at++) {
        value = value < EXPONENT_MAX ? value * 10 + (*at - '0') : value;
    }
    return negative ? -value : value;
}

// `text` is a number as number_end delimits it.
static void read_decimal(const char *text, size_t size, decimal *ret_number) {
    *ret_number = (decimal){.negative = text[0] == '-'};
    const char *end = text + size;
    const char *at = text + ret_number->negative;
    bool in_fraction = false;
    int64_t fraction_digits = 0;
    int64_t pending_zeros = 0;
    for (; at < end && *at != 'e' && *at != 'E'; at++) {
        if (*at == '.') {
            in_fraction = true;
            continue;
        }
        add_digit(ret_number, *at, &pending_zeros);
        fraction_digits += in_fraction;
    }
    ret_number->exponent = pending_zeros - fraction_digits;
    if (at < end) {
        ret_number->exponent += read_exponent(at + 1, end);
    }
}

// The absolute value of an integral decimal.
static bool decimal_to_magnitude(const decimal *number, uint64_t *ret_value) {
    if (number->count == 0) {
        *ret_value = 0;
        return true;
    }
    if (number->too_long || number->exponent < 0 || number->exponent + number->count > DIGITS_MAX) {
        return false;
    }
    uint64_t value = 0;
    for (int i = 0; i < number->count + number->exponent; i++) {
        uint64_t digit = i < number->count ? (uint64_t)(number->digits[i] - '0') : 0;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value)) {
            return false;
        }
    }
    *ret_value = value;
    return true;
}

bool number_to_uint64(const char *text, size_t size, uint64_t *ret_value) {
    decimal number;
    uint64_t magnitude;
    read_decimal(text, size, &number);
    if (!decimal_to_magnitude(&number, &magnitude) || (number.negative && magnitude != 0)) {
        return false;
    }
    *ret_value = magnitude;
    return true;
}

bool number_to_int64(const char *text, size_t size, int64_t *ret_value) {
    decimal number;
    uint64_t magnitude;
    read_decimal(text, size, &number);
    if (!decimal_to_magnitude(&number, &magnitude)) {
        return false;
    }
    if (magnitude > (uint64_t)INT64_MAX + number.negative) {
        return false;
    }
    *ret_value = number.negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

bool number_to_double(const char *text, size_t size, double *ret_value) {
    char copy[1025];
    if (size >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    double value = strtod(copy, NULL);
    if (!isfinite(value)) {
        return false;
    }
    *ret_value = value;
    return true;
}

size_t number_from_double(char text[static NUMBER_TEXT_MAX], double value) {
    int length = 0;
    for (int digits = DBL_DIG; digits <= DBL_DIG + 2; digits++) {
        length = snprintf(text, NUMBER_TEXT_MAX, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    return (size_t)length;
}

size_t number_from_float(char text[static NUMBER_TEXT_MAX], float value) {
    int length = 0;
    for (int digits = FLT_DIG; digits <= FLT_DIG + 3; digits++) {
        length = snprintf(text, NUMBER_TEXT_MAX, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value) {
            break;
        }
    }
    return (size_t)length;
}
