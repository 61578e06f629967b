#include "core/log/internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum width { WIDTH_INT, WIDTH_LONG, WIDTH_LONG_LONG, WIDTH_SIZE, WIDTH_MAX } width;

// One conversion of the format, taken apart.
typedef struct conversion {
    char flags[12]; // flags, width and precision as written, '*' replaced
    size_t flags_length;
    int precision; // -1: none
    width width;
    char type;
} conversion;

void value_begin(value *value) {
    value->is_number = false;
    value->cut = false;
    value->used = 0;
}

void value_add(value *value, const char *text, size_t length) {
    size_t room = sizeof value->bytes - value->used;
    if (length > room) {
        length = room;
        value->cut = true;
    }
    memcpy(value->bytes + value->used, text, length);
    value->used += length;
}

static void add_flag(conversion *conversion, const char *text) {
    size_t length = strlen(text);
    if (conversion->flags_length + length < sizeof conversion->flags) {
        memcpy(conversion->flags + conversion->flags_length, text, length + 1);
        conversion->flags_length += length;
    }
}

static void read_flags(field_reader *reader, conversion *conversion) {
    bool in_precision = false;
    for (; *reader->at != '\0' && strchr("-+ #0123456789.*", *reader->at); reader->at++) {
        char text[12] = {*reader->at, '\0'};
        if (*reader->at == '*') {
            int number = va_arg(reader->args, int);
            snprintf(text, sizeof text, "%d", number);
            conversion->precision = in_precision ? number : -1;
        } else if (*reader->at == '.') {
            in_precision = true;
            conversion->precision = 0;
        } else if (in_precision) {
            conversion->precision = conversion->precision * 10 + (*reader->at - '0');
        }
        add_flag(conversion, text);
    }
}

static void read_width(field_reader *reader, conversion *conversion) {
    static const struct {
        const char *text;
        width width;
    } widths[] = {{"hh", WIDTH_INT}, {"h", WIDTH_INT},  {"ll", WIDTH_LONG_LONG},
                  {"l", WIDTH_LONG}, {"z", WIDTH_SIZE}, {"j", WIDTH_MAX}};
    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++) {
        size_t length = strlen(widths[i].text);
        if (strncmp(reader->at, widths[i].text, length) == 0) {
            conversion->width = widths[i].width;
            reader->at += length;
            return;
        }
    }
}

static intmax_t take_signed(field_reader *reader, width width) {
    switch (width) {
    case WIDTH_LONG:
        return va_arg(reader->args, long);
    case WIDTH_LONG_LONG:
        return va_arg(reader->args, long long);
    case WIDTH_SIZE:
        return va_arg(reader->args, ssize_t);
    case WIDTH_MAX:
        return va_arg(reader->args, intmax_t);
    case WIDTH_INT:
    default:
        return va_arg(reader->args, int);
    }
}

static uintmax_t take_unsigned(field_reader *reader, width width) {
    switch (width) {
    case WIDTH_LONG:
        return va_arg(reader->args, unsigned long);
    case WIDTH_LONG_LONG:
        return va_arg(reader->args, unsigned long long);
    case WIDTH_SIZE:
        return va_arg(reader->args, size_t);
    case WIDTH_MAX:
        return va_arg(reader->args, uintmax_t);
    case WIDTH_INT:
    default:
        return va_arg(reader->args, unsigned);
    }
}

static void add_text(field_reader *reader, const conversion *conversion, value *value) {
    const char *text = va_arg(reader->args, const char *);
    if (text == NULL) {
        return;
    }
    size_t most =
        conversion->precision < 0 ? sizeof value->bytes + 1 : (size_t)conversion->precision;
    value_add(value, text, strnlen(text, most));
}

// Flags and widths make things like "+5" and "007", which JSON does not call numbers.
static bool is_json_number(const conversion *conversion) {
    bool is_float = conversion->type == 'f' || conversion->type == 'g';
    bool is_plain = conversion->flags_length == 0 || (is_float && conversion->flags[0] == '.');
    return is_plain && strchr("diufg", conversion->type);
}

static int format_integer(field_reader *reader, const conversion *conversion, char *text,
                          size_t size) {
    char shape[24];
    snprintf(shape, sizeof shape, "%%%sj%c", conversion->flags, conversion->type);
    return conversion->type == 'd' || conversion->type == 'i'
               ? snprintf(text, size, shape, take_signed(reader, conversion->width))
               : snprintf(text, size, shape, take_unsigned(reader, conversion->width));
}

static void add_number(field_reader *reader, const conversion *conversion, value *value) {
    char shape[24];
    char text[128];
    int used;
    bool finite = true;
    snprintf(shape, sizeof shape, "%%%s%c", conversion->flags, conversion->type);
    if (strchr("diuxXo", conversion->type)) {
        used = format_integer(reader, conversion, text, sizeof text);
    } else if (conversion->type == 'c') {
        used = snprintf(text, sizeof text, shape, va_arg(reader->args, int));
    } else {
        double number = va_arg(reader->args, double);
        finite = isfinite(number);
        used = snprintf(text, sizeof text, shape, number);
    }
    value->is_number = value->used == 0 && finite && is_json_number(conversion);
    if (used > 0) {
        value_add(value, text, (size_t)used < sizeof text ? (size_t)used : sizeof text - 1);
    }
}

// False for a conversion that ow_log does not know; the rest of the format is then unusable.
static bool add_conversion(field_reader *reader, value *value) {
    conversion conversion = {.precision = -1};
    read_flags(reader, &conversion);
    read_width(reader, &conversion);
    conversion.type = *reader->at;
    if (conversion.type == '\0' || !strchr("diuxXocsfg", conversion.type)) {
        return false;
    }
    reader->at++;
    if (conversion.type == 's') {
        add_text(reader, &conversion, value);
    } else {
        add_number(reader, &conversion, value);
    }
    return true;
}

static void add_plain(value *value, const char *text, size_t length) {
    value->is_number = false;
    value_add(value, text, length);
}

// Reads plain text or one conversion of a value that ends at `end`.
static void field_piece(field_reader *reader, const char *end, value *value) {
    const char stops[] = {*end, '%', '\0'};
    size_t plain = strcspn(reader->at, stops);
    if (plain > 0) {
        add_plain(value, reader->at, plain);
        reader->at += plain;
        return;
    }
    reader->at++;
    if (*reader->at == '%') {
        add_plain(value, "%", 1);
        reader->at++;
    } else if (!add_conversion(reader, value)) {
        add_plain(value, "(bad format)", 12);
        reader->at += strlen(reader->at);
    }
}

bool field_next(field_reader *reader, const char **ret_key, size_t *ret_key_length, value *value) {
    value_begin(value);
    if (*reader->at == '\0') {
        return false;
    }
    *ret_key = reader->at;
    *ret_key_length = strcspn(reader->at, "= ");
    reader->at += *ret_key_length;
    reader->at += *reader->at == '=';
    // Quotes in the format hold a value together that has spaces: why="%s, twice".
    const char *end = *reader->at == '"' ? "\"" : " ";
    reader->at += *end == '"';
    while (*reader->at != '\0' && *reader->at != *end) {
        field_piece(reader, end, value);
    }
    reader->at += *end == '"' && *reader->at == '"';
    reader->at += *reader->at == ' ';
    return true;
}
