#include "core/http/strict.h"

#include "core/http/text.h"

#include <string.h>
#include <strings.h>

static const ow_http_rejection bad_version = {505, "bad_request", "only HTTP/1.0 and HTTP/1.1"};
static const ow_http_rejection bad_method = {501, "bad_request", "this method is not known"};
static const ow_http_rejection bad_uri = {400, "bad_request",
                                          "the address has characters that must be encoded"};
static const ow_http_rejection bad_path = {
    400, "bad_request", "the address has dot segments or a malformed percent-code"};
static const ow_http_rejection bad_lines = {
    400, "bad_request", "lines must end with CR LF, and neither be folded nor contain NUL"};
static const ow_http_rejection bad_field = {400, "bad_request",
                                            "a header has a malformed name or value"};
static const ow_http_rejection twice = {400, "bad_request",
                                        "a header that may come once came twice"};
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
enum { HOST, LENGTH, CODING, EXPECT, TYPE, TOKEN, WATCHED };

static const struct {
    const char *name;
    uint32_t size;
} watched[WATCHED] = {
    [HOST] = {"Host", 4},
    [LENGTH] = {"Content-Length", 14},
    [CODING] = {"Transfer-Encoding", 17},
    [EXPECT] = {"Expect", 6},
    [TYPE] = {"Content-Type", 12},
    [TOKEN] = {"Authorization", 13},
};

static bool is_known_method(const char *method) {
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (strcmp(methods[i], method) == 0) {
            return true;
        }
    }
    return false;
}

// What may stand in a value; in a name (RFC 9110's token); in Host (RFC 3986 without what separates).
static const uint8_t value_characters[256] = {['\t'] = 1, [' ' ... '~'] = 1, [0x80 ... 0xff] = 1};

static const uint8_t name_characters[256] = {
    ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['!'] = 1, ['#'] = 1, ['$'] = 1,
    ['%'] = 1,         ['&'] = 1,         ['\''] = 1,        ['*'] = 1, ['+'] = 1, ['-'] = 1,
    ['.'] = 1,         ['^'] = 1,         ['_'] = 1,         ['`'] = 1, ['|'] = 1, ['~'] = 1,
};

static const uint8_t host_characters[256] = {
    ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['-'] = 1, ['.'] = 1,
    ['_'] = 1,         ['~'] = 1,         [':'] = 1,         ['['] = 1, [']'] = 1,
};

// In a path what RFC 3986 allows; in a query also what browsers leave as it is.
enum { IN_PATH = 1, IN_QUERY = 2, IN_BOTH = 3 };

static const uint8_t uri_characters[256] = {
    ['a' ... 'z'] = IN_BOTH, ['A' ... 'Z'] = IN_BOTH, ['0' ... '9'] = IN_BOTH, ['-'] = IN_BOTH,
    ['.'] = IN_BOTH,         ['_'] = IN_BOTH,         ['~'] = IN_BOTH,         ['!'] = IN_BOTH,
    ['$'] = IN_BOTH,         ['&'] = IN_BOTH,         ['\''] = IN_BOTH,        ['('] = IN_BOTH,
    [')'] = IN_BOTH,         ['*'] = IN_BOTH,         ['+'] = IN_BOTH,         [','] = IN_BOTH,
    [';'] = IN_BOTH,         ['='] = IN_BOTH,         [':'] = IN_BOTH,         ['@'] = IN_BOTH,
    ['/'] = IN_BOTH,         ['%'] = IN_BOTH,         ['?'] = IN_QUERY,        ['['] = IN_QUERY,
    [']'] = IN_QUERY,        ['\\'] = IN_QUERY,       ['^'] = IN_QUERY,        ['`'] = IN_QUERY,
    ['{'] = IN_QUERY,        ['|'] = IN_QUERY,        ['}'] = IN_QUERY,
};

static bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// "%41", not "%00".
static bool is_percent_code(const char *at) {
    return is_hex(at[1]) && is_hex(at[2]) && !(at[1] == '0' && at[2] == '0');
}

// Behind a '/': "." or ".." and the end of the segment, each dot as itself or as "%2e".
static bool is_dot_segment(const char *at) {
    int dots = 0;
    while (*at == '.' || (at[0] == '%' && at[1] == '2' && (at[2] | 0x20) == 'e')) {
        at += *at == '.' ? 1 : 3;
        dots++;
    }
    return (dots == 1 || dots == 2) && (*at == '/' || *at == '?' || *at == '\0');
}

static const ow_http_rejection *check_uri(const char *uri) {
    uint8_t part = IN_PATH;
    if (uri[0] != '/') {
        return &bad_uri;
    }
    for (const char *at = uri; *at != '\0'; at++) {
        if (*at == '?') {
            part = IN_QUERY;
        }
        if ((uri_characters[(unsigned char)*at] & part) == 0) {
            return &bad_uri;
        }
        if ((*at == '%' && !is_percent_code(at)) ||
            (*at == '/' && part == IN_PATH && is_dot_segment(at + 1))) {
            return &bad_path;
        }
    }
    return NULL;
}

// CR LF, of which NULs were made. (A NUL beside a bare line feed looks the same; wire.h tells them apart.)
static bool is_line_end(const char *at) {
    return at[0] == '\0' && at[1] == '\0';
}

// True when name and value begin at `at` and before `end` with nothing between but a colon and blanks.
static bool lies_there(const ow_http_field *field, uintptr_t at, uintptr_t end) {
    uintptr_t value = (uintptr_t)field->value;
    if ((uintptr_t)field->name != at || value <= at + field->name_size || value >= end) {
        return false;
    }
    const char *blank = field->name + field->name_size + 1;
    blank += strspn(blank, " \t");
    return blank >= field->value;
}

// True when these texts lie one behind the other with nothing between but one blank, colon and
// blanks, or CR LF.
static bool lies_in_one_piece(const ow_http_head *head) {
    uintptr_t end = (uintptr_t)head->method + head->size;
    uintptr_t uri = (uintptr_t)head->method + strlen(head->method) + 1;
    if ((uintptr_t)head->uri_at != uri || (uintptr_t)head->version != uri + strlen(head->uri) + 1) {
        return false;
    }
    const char *line_end = head->version + strlen(head->version);
    for (size_t i = 0; i < head->field_count; i++) {
        const ow_http_field *field = &head->fields[i];
        if (!is_line_end(line_end) || !lies_there(field, (uintptr_t)line_end + 2, end)) {
            return false;
        }
        line_end = field->value + field->value_size;
    }
    return (uintptr_t)line_end + 4 == end && is_line_end(line_end) && is_line_end(line_end + 2);
}

static bool consists_of(const uint8_t set[256], const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
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

static bool is_host(const char *text) {
    return text[0] != '\0' && consists_of(host_characters, text, strlen(text));
}

static const ow_http_rejection *check_single(const char *const values[WATCHED],
                                             const int counts[WATCHED], bool is_1_0) {
    if (counts[HOST] > 1 || (counts[HOST] == 0 && !is_1_0) ||
        (counts[HOST] == 1 && !is_host(values[HOST]))) {
        return &bad_host;
    }
    for (int each = EXPECT; each < WATCHED; each++) {
        if (counts[each] > 1) {
            return &twice;
        }
    }
    if (counts[EXPECT] == 1 && strcasecmp(values[EXPECT], "100-continue") != 0) {
        return &bad_expect;
    }
    return NULL;
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
    if (head->field_count > OW_HTTP_HEADERS_MAX) {
        return &many_fields;
    }
    if (head->size > 0 && !lies_in_one_piece(head)) {
        return &bad_lines;
    }
    const ow_http_rejection *why = check_uri(head->uri);
    why = why == NULL ? look_at_fields(head, values, counts) : why;
    why = why == NULL ? check_single(values, counts, is_1_0) : why;
    return why == NULL ? check_framing(values, counts, is_1_0, ret_framing) : why;
}
