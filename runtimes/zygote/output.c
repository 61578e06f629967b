#include "runtimes/zygote/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

// A little more than the host keeps, so that it notices what was cut.
#define OUTPUT_MAX ((64u << 10) + 64u)
#define RECORD_MARK '\x1e'

static void write_all(const struct iovec *parts, int count) {
    // A write to the pipe of up to PIPE_BUF bytes is whole; longer ones are continued here.
    for (int i = 0; i < count; i++) {
        const char *at = parts[i].iov_base;
        size_t left = parts[i].iov_len;
        while (left > 0) {
            long wrote = syscall(SYS_write, STDOUT_FILENO, at, left);
            if (wrote < 0 && errno != EINTR) {
                return;
            }
            at += wrote > 0 ? wrote : 0;
            left -= wrote > 0 ? (size_t)wrote : 0;
        }
    }
}

static void emit(ow_rt *rt, const char *text, size_t length) {
    rt->printed = true;
    if (rt->log_bytes >= OUTPUT_MAX) {
        return;
    }
    if (length > OUTPUT_MAX - rt->log_bytes) {
        length = OUTPUT_MAX - rt->log_bytes;
    }
    rt->log_bytes += length;
    struct iovec part = {.iov_base = (void *)text, .iov_len = length};
    write_all(&part, 1);
}

static ssize_t stream_write(void *cookie, const char *text, size_t length) {
    (void)cookie;
    ow_rt *rt = instance_current();
    if (rt) {
        emit(rt, text, length);
    } else {
        struct iovec part = {.iov_base = (void *)text, .iov_len = length};
        write_all(&part, 1);
    }
    return (ssize_t)length;
}

int output_init(void) {
    const cookie_io_functions_t functions = {.write = stream_write};
    FILE *out = fopencookie(NULL, "w", functions);
    FILE *errors = fopencookie(NULL, "w", functions);
    if (!out || !errors) {
        return ENOMEM;
    }
    // By the line: what was printed right before a crash is what one wants to see.
    setvbuf(out, NULL, _IOLBF, 1024);
    setvbuf(errors, NULL, _IONBF, 0);
    stdout = out;
    stderr = errors;
    return 0;
}

void ow_rt_printed(void) {
    ow_rt *rt = instance_current();
    if (rt) {
        rt->printed = true;
    }
}

void ow_rt_log(ow_rt *rt, int level, const char *text, size_t length) {
    char record[4096];
    if (length > sizeof record - 4) {
        length = sizeof record - 4;
    }
    fflush(stdout);
    record[0] = RECORD_MARK;
    record[1] = (char)('0' + (level < 0 ? 0 : level > 3 ? 3 : level));
    memcpy(record + 2, text, length);
    for (size_t i = 2; i < length + 2; i++) {
        if (record[i] == RECORD_MARK) {
            record[i] = ' ';
        }
    }
    record[length + 2] = RECORD_MARK;
    record[length + 3] = '\n';
    emit(rt, record, length + 4);
}

bool output_finish(ow_rt *rt, uint32_t serial) {
    fflush(stdout);
    if (!rt->printed) {
        return false;
    }
    char marker[16];
    int length = snprintf(marker, sizeof marker, "%cM%08x%c\n", RECORD_MARK, serial, RECORD_MARK);
    struct iovec part = {.iov_base = marker, .iov_len = (size_t)length};
    write_all(&part, 1);
    rt->printed = false;
    rt->log_bytes = 0;
    return true;
}
