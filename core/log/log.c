#include "core/log/log.h"

#include "core/log/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    int fd;
    ow_log_level level;
    ow_log_format format;
} sink = {.fd = STDERR_FILENO, .level = OW_LOG_INFO, .format = OW_LOG_LOGFMT};

void ow_log_open(int fd, ow_log_level level, ow_log_format format) {
    sink.fd = fd;
    sink.level = level;
    sink.format = format;
}

bool ow_log_enabled(ow_log_level level) {
    return level >= sink.level;
}

static void add_text(line *line, value *scratch, const char *key, const char *text) {
    value_begin(scratch);
    value_add(scratch, text, strlen(text));
    line_add(line, key, strlen(key), scratch);
}

static void add_time(line *line, value *scratch) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct tm parts;
    gmtime_r(&now.tv_sec, &parts);
    char text[48];
    size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, sizeof text - used, ".%06ldZ", now.tv_nsec / 1000);
    add_text(line, scratch, "time", text);
}

void ow_log(ow_log_level level, const char *event, const char *fields_format, ...) {
    static const char *const names[] = {"debug", "info", "warn", "error"};
    if (!ow_log_enabled(level)) {
        return;
    }
    int before = errno;
    line line;
    value value;
    line_begin(&line, sink.format);
    add_time(&line, &value);
    add_text(&line, &value, "level", names[level]);
    add_text(&line, &value, "event", event);

    field_reader reader = {.at = fields_format};
    va_start(reader.args, fields_format);
    const char *key;
    size_t key_length;
    while (field_next(&reader, &key, &key_length, &value)) {
        line_add(&line, key, key_length, &value);
    }
    va_end(reader.args);
    line_end(&line);
    // Nobody is left to be told when the log itself cannot be written.
    ssize_t written = write(sink.fd, line.bytes, line.used);
    (void)written;
    errno = before;
}

void ow_secret_deinit(ow_secret *secret) {
    if (secret->bytes != NULL) {
        explicit_bzero(secret->bytes, secret->size);
    }
    free(secret->bytes);
    *secret = (ow_secret){0};
}
