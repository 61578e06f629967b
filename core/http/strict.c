#include "core/http/strict.h"

#include "core/http/text.h"

#include <string.h>
#include <strings.h>

static const ow_http_rejection bad_version = {505, "bad_request", "only HTTP/1.0 and HTTP/1.1"};
static const ow_http_rejection bad_method = {501, "bad_request", "this method is not known"};
static const ow_http_rejection bad_uri = {400, "bad_request",
                                          "the address has characters that must be encoded"};
static const ow_http_rejection bad_field = {400, "bad_request",
                                            "a header has a malformed name or value"};
static const ow_http_rejection many_fields = {431, "bad_request", "too many headers"};
static const ow_http_rejection bad_host = {400, "bad_request", "exactly one Host header is needed"};
static const ow_http_rejection bad_length = {400, "bad_request",
                                             "Content-Length must be one decimal number"};
static const ow_http_rejection two_lengths = {
    400, "bad_request", "Transfer-Encoding and Content-Length exclude each other"};
static const ow_http_rejection bad_coding = {501, "bad_request",
                                             "the only Transfer-Encoding is chunked"};
static const ow_http_rejection bad_expect = {417, "bad_request", "only Expect: 100-continue"};

static const char *const methods[] = {"POST", "GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"};

// Headers that decide how a request is read.
enum { HOST, LENGTH, CODING, EXPECT, WATCHED };

static const struct {
    const char *name;
    uint32_t size;
} watched[WATCHED] = {
    [HOST] = {"Host", 4},
    [LENGTH] = {"Content-Length", 14},
    [CODING] = {"Transfer-Encoding", 17},
    [EXPECT] = {"Expect", 6},
};

static bool is_known_method(const char *method) {
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i], method) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_clean_uri(const char *uri) {
    const char *at = uri;
    while (*at > ' ' && *at < 0x7f) {
        at++;
    }
    return *at == '\0' && uri[0] == '/';
}

// What may stand in a value, and in a name (RFC 9110's token).
static const uint8_t value_characters[256] = {['\t'] = 1, [' ' ... '~'] = 1, [0x80 ... 0xff] = 1};

static const uint8_t name_characters[256] = {
    ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1,
    ['%'] = 1,         ['&'] = 1,         ['\''] = 1,        ['*'] = 1, ['+'] = 1, ['-'] = 1,
    ['.'] = 1,         ['^'] = 1,         ['_'] = 1,         ['`'] = 1, ['|'] = 1, ['~'] = 1,
};

static bool consists_of(const uint8_t set[256], const char *text, uint32_t size) {
    for (uint32_t i = 0; i < size; i++) {
        if (!set[(unsigned char)text[i]]) {
            return false;
        }
    }
    return true;
}

// Eight bytes at a time, every call's headers pass here; a word with a control character in it is
// looked at closely. (x - n) & ~x has the high bit of each byte that is less than n, n <= 0x80.
static bool is_value(const char *text, uint32_t size) {
    static const uint64_t each = UINT64_C(0x0101010101010101);
    uint32_t at = 0;
    for (; at + sizeof each <= size; at += sizeof each) {
        uint64_t word;
        memcpy(&word, text + at, sizeof word);
        uint64_t deletes = word ^ each * 0x7f;
        uint64_t control = (word - each * ' ') & ~word;
        uint64_t deleted = (deletes - each) & ~deletes;
        if (((control | deleted) & each * 0x80) != 0 &&
            !consists_of(value_characters, text + at, sizeof word)) {
            return false;
        }
    }
    return consists_of(value_characters, text + at, size - at);
}

// Finds the watched headers: the first value of each and how often it came.
static const ow_http_rejection *look_at_fields(const ow_http_head *head,
                                               const char *values[WATCHED], int counts[WATCHED]) {
    for (size_t i = 0; i < head->field_count; i++) {
        const ow_http_field *field = &head->fields[i];
        if (field->name_size == 0 || !consists_of(name_characters, field->name, field->name_size) ||
            !is_value(field->value, field->value_size)) {
            return &bad_field;
        }
        for (int w = 0; w < WATCHED; w++) {
            if (field->name_size == watched[w].size &&
                strncasecmp(field->name, watched[w].name, watched[w].size) == 0) {
                values[w] = counts[w]++ == 0 ? field->value : values[w];
            }
        }
    }
    return NULL;
}

static const ow_http_rejection *check_framing(const char *const values[WATCHED],
                                              const int counts[WATCHED], bool is_1_0,
                                              ow_http_framing *ret_framing) {
    if (counts[CODING] > 0 && counts[LENGTH] > 0) {
        return &two_lengths;
    }
    if (counts[CODING] > 0) {
        if (counts[CODING] > 1 || is_1_0 || strcasecmp(values[CODING], "chunked") != 0) {
            return &bad_coding;
        }
        ret_framing->content_length = -1;
        return NULL;
    }
    if (counts[LENGTH] == 0) {
        ret_framing->content_length = 0;
        return NULL;
    }
    long long length = counts[LENGTH] == 1 ? ow_http_parse_number(values[LENGTH]) : -1;
    ret_framing->content_length = length;
    return length < 0 ? &bad_length : NULL;
}

const ow_http_rejection *ow_http_strict_check(const ow_http_head *head,
                                              ow_http_framing *ret_framing) {
    const char *values[WATCHED] = {NULL};
    int counts[WATCHED] = {0};
    bool is_1_0 = strcmp(head->version, "HTTP/1.0") == 0;
    if (!is_1_0 && strcmp(head->version, "HTTP/1.1") != 0) {
        return &bad_version;
    }
    if (!is_known_method(head->method)) {
        return &bad_method;
    }
    if (!is_clean_uri(head->uri)) {
        return &bad_uri;
    }
    if (head->field_count > OW_HTTP_HEADERS_MAX) {
        return &many_fields;
    }
    const ow_http_rejection *why = look_at_fields(head, values, counts);
    if (why != NULL) {
        return why;
    }
    if (counts[HOST] > 1 || (counts[HOST] == 0 && !is_1_0)) {
        return &bad_host;
    }
    if (counts[EXPECT] > 0 && strcasecmp(values[EXPECT], "100-continue") != 0) {
        return &bad_expect;
    }
    return check_framing(values, counts, is_1_0, ret_framing);
}
