#include "core/http/text.h"

#include <string.h>
#include <strings.h>

#define NUMBER_DIGITS_MAX 18

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

long ow_http_percent_decode(const char *text, size_t size, bool plus_is_blank, char *value,
                            size_t room) {
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        int c = (unsigned char)text[i];
        if (c == '%') {
            bool whole = size - i > 2;
            int high = whole ? hex_digit(text[i + 1]) : -1;
            int low = whole ? hex_digit(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return -2;
            }
            c = high * 16 + low;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (c == 0 || length + 1 >= room) {
            return -2;
        }
        value[length++] = (char)c;
    }
    value[length] = '\0';
    return (long)length;
}

long ow_http_query_find(const char *query, const char *name, char *value, size_t room) {
    size_t name_size = strlen(name);
    const char *at = query;
    while (*at != '\0') {
        size_t size = strcspn(at, "&");
        if (size > name_size && at[name_size] == '=' && strncmp(at, name, name_size) == 0) {
            return ow_http_percent_decode(at + name_size + 1, size - name_size - 1, true, value,
                                          room);
        }
        at += size + (at[size] == '&');
    }
    return -1;
}

bool ow_http_is_media_type(const char *content_type, const char *media_type) {
    size_t size = strlen(media_type);
    if (content_type == NULL || strncasecmp(content_type, media_type, size) != 0) {
        return false;
    }
    const char *rest = content_type + size;
    rest += strspn(rest, " \t");
    return *rest == '\0' || *rest == ';';
}

bool ow_http_is_header_value(const char *text, size_t max) {
    size_t size = 0;
    for (; text[size] != '\0'; size++) {
        if (size == max || text[size] < ' ' || text[size] > '~') {
            return false;
        }
    }
    return size > 0;
}

long long ow_http_parse_number(const char *text) {
    long long value = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9'; digits++) {
        if (digits == NUMBER_DIGITS_MAX) {
            return -1;
        }
        value = value * 10 + (text[digits] - '0');
    }
    return digits > 0 && text[digits] == '\0' ? value : -1;
}
