// Output of instances: bytes from the log pipe, cut at the markers the shim writes. Everything in
// it is the function's to forge; a forged marker moves lines between its own invocations only.

#include "runtimes/host/host.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtimes/host/internal.h"

#define MARK '\x1e'
#define MARKER_LENGTH 12u // MARK 'M' 8 hex MARK '\n'
#define LOG_CAPACITY (2u * OW_HOST_LOG_MAX + LOG_SPARE)
#define INFO 1

// Lines of what is thrown away; an unfinished one counts, so that no cut goes unnoticed.
static uint64_t count_lines(const char *data, size_t length) {
    uint64_t count = 0;
    const char *end = data + length;
    const char *at = data;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
        count++;
    }
    return count;
}

// Over the limit only the last few bytes are kept: a marker may have begun in them.
void log_shorten(log_buffer *log) {
    size_t keep = OW_HOST_LOG_MAX;
    if (log->length <= keep + LOG_SPARE) {
        return;
    }
    size_t cut = log->length - LOG_SPARE - keep;
    uint64_t lines = count_lines(log->data + keep, cut);
    // The line that goes on behind the cut is counted with its end.
    bool goes_on = log->data[keep + cut - 1] != '\n';
    log->lines_lost += lines - goes_on;
    memmove(log->data + keep, log->data + keep + cut, LOG_SPARE);
    log->length = keep + LOG_SPARE;
}

// One read: what a flooding function writes meanwhile waits for the next turn.
void log_drain(log_buffer *log, int fd) {
    if (fd < 0) {
        return;
    }
    if (!log->data) {
        log->data = malloc(LOG_CAPACITY);
        if (!log->data) {
            return;
        }
    }
    ssize_t got;
    do {
        got = read(fd, log->data + log->length, LOG_CAPACITY - log->length);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        log->length += (size_t)got;
    }
}

// The first `length` bytes of it, as far as they are kept.
static void hand_out(const log_buffer *log, size_t length, ow_host_log *ret_log) {
    size_t kept = length > OW_HOST_LOG_MAX ? OW_HOST_LOG_MAX : length;
    *ret_log = (ow_host_log){
        .data = log->data ? log->data : "", .length = kept, .lines_lost = log->lines_lost};
    if (length > kept) {
        ret_log->lines_lost += count_lines(log->data + kept, length - kept);
    }
}

void log_all(const log_buffer *log, ow_host_log *ret_log) {
    hand_out(log, log->length, ret_log);
}

size_t log_until(log_buffer *log, uint32_t serial, ow_host_log *ret_log) {
    char marker[MARKER_LENGTH + 1];
    snprintf(marker, sizeof marker, "%cM%08x%c\n", MARK, serial, MARK);
    const char *found =
        log->data && log->length > 0 ? memmem(log->data, log->length, marker, MARKER_LENGTH) : NULL;
    if (!found) {
        log_all(log, ret_log);
        return log->length;
    }
    size_t before = (size_t)(found - log->data);
    hand_out(log, before, ret_log);
    return before + MARKER_LENGTH;
}

void log_drop(log_buffer *log, size_t span) {
    if (log->length > span) {
        memmove(log->data, log->data + span, log->length - span);
    }
    log->length -= span;
    log->lines_lost = 0;
}

static void plain_line(const ow_host_log *log, size_t *cursor, ow_host_log_record *ret_record) {
    const char *at = log->data + *cursor;
    size_t left = log->length - *cursor;
    size_t length = 0;
    while (length < left && at[length] != '\n' && at[length] != MARK) {
        length++;
    }
    *ret_record =
        (ow_host_log_record){.level = INFO, .text = at, .length = length, .printed = true};
    *cursor += length + (length < left && at[length] == '\n' ? 1 : 0);
}

static bool leveled_record(const ow_host_log *log, size_t *cursor, ow_host_log_record *ret_record) {
    const char *at = log->data + *cursor;
    size_t left = log->length - *cursor;
    if (left < 2 || at[1] < '0' || at[1] > '3') {
        *cursor += left < 2 ? left : 1;
        return false;
    }
    const char *end = memchr(at + 2, MARK, left - 2);
    size_t length = end ? (size_t)(end - at - 2) : left - 2;
    *ret_record = (ow_host_log_record){.level = at[1] - '0', .text = at + 2, .length = length};
    size_t span = 2 + length + (end ? 1 : 0);
    if (span < left && at[span] == '\n') {
        span++;
    }
    *cursor += span;
    return true;
}

bool ow_host_log_next(const ow_host_log *log, size_t *cursor, ow_host_log_record *ret_record) {
    while (*cursor < log->length) {
        if (log->data[*cursor] != MARK) {
            plain_line(log, cursor, ret_record);
            return true;
        }
        if (leveled_record(log, cursor, ret_record)) {
            return true;
        }
    }
    return false;
}
