#pragma once

// The process's own log: one line an event, logfmt or JSON, to standard error. Functions' output
// does not come here, it is telemetry's.
//
// The sink is the only mutable file-scope state in Overworld. Libraries log at debug only; services
// and main at info and above.

#include <stdbool.h>
#include <stdint.h>

typedef enum ow_log_level {
    OW_LOG_DEBUG,
    OW_LOG_INFO,
    OW_LOG_WARN,
    OW_LOG_ERROR,
} ow_log_level;

typedef enum ow_log_format { OW_LOG_LOGFMT, OW_LOG_JSON } ow_log_format;

// Sets the sink of the process. Before it: info, logfmt, fd 2. Call before threads start.
void ow_log_open(int fd, ow_log_level level, ow_log_format format);

bool ow_log_enabled(ow_log_level level);

// Logs `event` (a short constant phrase) with fields, written as a format of keys and values that
// are separated by single spaces; quotes hold a value together that has some: why="%s, again".
//     ow_log(OW_LOG_INFO, "listening", "address=%s:%d idle_kb=%" PRId64, host, port, idle_kb);
// Values are quoted and escaped as the sink's format asks for, so %s may be anything; NULL is "".
// Conversions: d i u x c s f g, with flags, width, precision and the lengths l ll z j h hh. A line
// is at most 4 KB (long values are cut, `cut=true` says so) and is one write(2). Never changes
// errno. Any thread.
void ow_log(ow_log_level level, const char *event, const char *fields_format, ...)
    __attribute__((format(printf, 3, 4)));

// A secret in memory: printed as "***" by whoever shows it, wiped when freed. `bytes` is malloc'ed.
typedef struct ow_secret {
    char *bytes;
    uint64_t size;
} ow_secret;

// Overwrites and frees; accepts an empty one.
void ow_secret_deinit(ow_secret *secret);
