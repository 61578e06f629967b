#include "runtimes/zygote/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OUTPUT_MAX (64u << 10) // what the host keeps
#define RECORD_MARK '\x1e'

// A write to the pipe of up to PIPE_BUF bytes is whole; longer ones are continued here.
static void write_part(const char *text, size_t length) {
    while (length > 0) {
        long wrote = syscall(SYS_write, STDOUT_FILENO, text, length);
        if (wrote < 0 && errno != EINTR) {
            return;
        }
        text += wrote > 0 ? wrote : 0;
        length -= wrote > 0 ? (size_t)wrote : 0;
    }
}

// Told in the region at once: a crash may follow.
static void lose(ow_rt *rt, uint32_t lines) {
    rt->lines_lost += lines;
    if (rt->slot) {
        rt->slot->lines_lost = rt->lines_lost;
    }
}

// A line that goes on is counted where it begins.
static void lose_text(ow_rt *rt, const char *text, size_t length) {
    uint32_t lines = 0;
    for (size_t at = 0; at < length;) {
        const char *newline = memchr(text + at, '\n', length - at);
        lines += !rt->losing;
        rt->losing = newline == NULL;
        at = newline ? (size_t)(newline - text) + 1 : length;
    }
    lose(rt, lines);
}

static void emit_text(ow_rt *rt, const char *text, size_t length) {
    size_t room = OUTPUT_MAX - rt->log_bytes;
    size_t fits = length;
    rt->printed = true;
    if (length > room) {
        const char *end = memrchr(text, '\n', room);
        fits = end ? (size_t)(end - text) + 1 : 0;
        rt->log_bytes = OUTPUT_MAX; // nothing more after a gap
        lose_text(rt, text + fits, length - fits);
    } else {
        rt->log_bytes += length;
    }
    write_part(text, fits);
}

static void emit_record(ow_rt *rt, const char *record, size_t length) {
    rt->printed = true;
    if (length > OUTPUT_MAX - rt->log_bytes) {
        rt->log_bytes = OUTPUT_MAX;
        lose(rt, 1);
        return;
    }
    rt->log_bytes += length;
    write_part(record, length);
}

static ssize_t stream_write(void *cookie, const char *text, size_t length) {
    (void)cookie;
    ow_rt *rt = instance_current();
    if (rt) {
        emit_text(rt, text, length);
    } else {
        write_part(text, length);
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
    emit_record(rt, record, length + 4);
}

bool output_finish(ow_rt *rt, uint32_t serial) {
    fflush(stdout);
    if (!rt->printed) {
        return false;
    }
    char marker[16];
    int length = snprintf(marker, sizeof marker, "%cM%08x%c\n", RECORD_MARK, serial, RECORD_MARK);
    write_part(marker, (size_t)length);
    rt->printed = false;
    rt->log_bytes = 0;
    return true;
}
