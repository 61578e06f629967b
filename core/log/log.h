#pragma once

// The process's own log: one line an event, logfmt or JSON, to standard error. Functions' output
// does not come here, it is telemetry's.
//
// The sink is one of the two pieces of mutable file-scope state in Overworld (the other is none).
// Libraries log at debug only; services and main at info and above.

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

// Logs `event` (a short constant phrase) and fields given as a format with keys:
//     ow_log(OW_LOG_INFO, "listening", "address=%s port=%d", address, port);
// Values are quoted as needed when a field is written with OW_LOG_FIELD helpers; in a plain format
// the caller writes key=value himself. A line is at most 4 KB and is written with one write(2).
// Lines with bytes that are not printable are escaped. Any thread.
void ow_log(ow_log_level level, const char *event, const char *fields_format, ...)
    __attribute__((format(printf, 3, 4)));

// A secret in memory: printed as "***" by whoever shows it, wiped when freed.
typedef struct ow_secret {
    char *bytes;
    uint64_t size;
} ow_secret;

// Overwrites and frees; accepts an empty one.
void ow_secret_deinit(ow_secret *secret);
