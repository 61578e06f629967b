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
    ow_random_bytes(trace->span_id, sizeof trace->span_id);
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
