#include "core/rpc/internal.h"

#include <string.h>
#include <time.h>

static const char hex_digits[] = "0123456789abcdef";

// The finaliser of splitmix64: every input bit reaches every output bit.
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

void trace_derive_span(ow_trace *trace, uint32_t number) {
    uint64_t span;
    memcpy(&span, trace->span_id, sizeof span);
    span = mix(span ^ mix(number));
    span |= span == 0; // all zero means "none"
    memcpy(trace->span_id, &span, sizeof span);
}

// A ULID is 128 bits, 80 of them random: just what a trace id needs, without a system call of its
// own. The low bits, which samplers look at, are the random ones.
void ow_trace_begin(ow_trace *trace) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    ow_ulid_bytes(trace->trace_id, (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    memcpy(trace->span_id, trace->trace_id + 8, sizeof trace->span_id);
    trace_derive_span(trace, (uint32_t)now.tv_nsec);
    trace->flags = 1;
}

void ow_trace_new_span(ow_trace *trace) {
    ow_random_id(trace->span_id, sizeof trace->span_id);
    trace->span_id[7] |= 1;
}

static char *write_hex(char *to, const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < size; i++) {
        *to++ = hex_digits[bytes[i] >> 4];
        *to++ = hex_digits[bytes[i] & 15];
    }
    return to;
}

void ow_trace_format(char text[static OW_TRACEPARENT_MAX], const ow_trace *trace) {
    char *to = text;
    memcpy(to, "00-", 3);
    to = write_hex(to + 3, trace->trace_id, sizeof trace->trace_id);
    *to++ = '-';
    to = write_hex(to, trace->span_id, sizeof trace->span_id);
    *to++ = '-';
    to = write_hex(to, &trace->flags, 1);
    *to = '\0';
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; // upper case is not allowed
}

// False unless `size` bytes stand there and, where asked, one of them is not zero.
static bool read_hex(const char *text, uint8_t *bytes, size_t size, bool not_zero) {
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0) {
            return false;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
        any |= bytes[i];
    }
    return any != 0 || !not_zero;
}

bool ow_trace_parse(const char *text, ow_trace *ret_trace) {
    enum { VERSION_AT = 0, TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53, LENGTH = 55 };
    size_t length = strnlen(text, LENGTH + 1);
    if (length < LENGTH || text[2] != '-' || text[35] != '-' || text[52] != '-') {
        return false;
    }
    ow_trace trace;
    uint8_t version;
    if (!read_hex(text + VERSION_AT, &version, 1, false) || version == 0xff ||
        !read_hex(text + TRACE_AT, trace.trace_id, sizeof trace.trace_id, true) ||
        !read_hex(text + SPAN_AT, trace.span_id, sizeof trace.span_id, true) ||
        !read_hex(text + FLAGS_AT, &trace.flags, 1, false)) {
        return false;
    }
    // A later version may go on after a dash; version 0 ends here.
    if (length > LENGTH && (version == 0 || text[LENGTH] != '-')) {
        return false;
    }
    *ret_trace = trace;
    return true;
}

// ---- tracestate: https://www.w3.org/TR/trace-context/#tracestate-header ----

enum { MEMBERS_MAX = 32, KEY_MAX = 256, TENANT_MAX = 241, SYSTEM_MAX = 14, VALUE_MAX = 256 };

static bool is_small(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// The characters of a part of a key; what it may begin with is another matter.
static bool is_key_part(const char *text, size_t size, size_t max) {
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!is_small(c) && !is_digit(c) && c != '_' && c != '-' && c != '*' && c != '/') {
            return false;
        }
    }
    return size > 0 && size <= max;
}

// "system", or "tenant@system", whose tenant may begin with a digit.
static bool is_key(const char *text, size_t size) {
    const char *at = memchr(text, '@', size);
    if (at == NULL) {
        return is_key_part(text, size, KEY_MAX) && is_small(text[0]);
    }
    size_t tenant = (size_t)(at - text);
    return is_key_part(text, tenant, TENANT_MAX) && (is_small(text[0]) || is_digit(text[0])) &&
           is_key_part(at + 1, size - tenant - 1, SYSTEM_MAX) && is_small(at[1]);
}

static bool is_value(const char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        if (text[i] < ' ' || text[i] > '~' || text[i] == '=') {
            return false;
        }
    }
    return size > 0 && size <= VALUE_MAX && text[size - 1] != ' ';
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

// How many members `state` has; *ret_known: one of them has this key.
static size_t count_members(const char *state, const char *key, size_t size, bool *ret_known) {
    size_t count = 0;
    *ret_known = false;
    for (const char *at = state; *at != '\0'; at += at[0] == ',') {
        size_t length = strcspn(at, ",");
        *ret_known = *ret_known || (length > size && memcmp(at, key, size) == 0 && at[size] == '=');
        at += length;
        count++;
    }
    return count;
}

// False: there is no more room.
static bool add_member(char *state, const char *text, size_t size) {
    const char *sign = memchr(text, '=', size);
    size_t key = sign != NULL ? (size_t)(sign - text) : 0;
    bool known;
    if (sign == NULL || !is_key(text, key) || !is_value(sign + 1, size - key - 1)) {
        return true;
    }
    size_t count = count_members(state, text, key, &known);
    size_t used = strlen(state);
    if (known) {
        return true;
    }
    if (count == MEMBERS_MAX || used + 1 + size >= OW_TRACESTATE_MAX) {
        return false;
    }
    if (used > 0) {
        state[used++] = ',';
    }
    memcpy(state + used, text, size);
    state[used + size] = '\0';
    return true;
}

void ow_tracestate_add(char state[static OW_TRACESTATE_MAX], const char *header) {
    if (strlen(header) >= OW_TRACESTATE_MAX) {
        state[0] = '\0';
        return;
    }
    for (const char *at = header; *at != '\0'; at += at[0] == ',') {
        size_t size = strcspn(at, ",");
        const char *next = at + size;
        while (size > 0 && is_blank(at[0])) {
            at++;
            size--;
        }
        while (size > 0 && is_blank(at[size - 1])) {
            size--;
        }
        if (!add_member(state, at, size)) {
            state[0] = '\0';
            return;
        }
        at = next;
    }
}
