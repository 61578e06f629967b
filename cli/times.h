#pragma once

// Times as people write and read them.

#include "cli/cli.h"

#include "google/protobuf/timestamp.pb-c.h"

// "30s", "5m", "2h", "7d": 0 to a billion of them, in seconds. False: it is none.
bool cli_read_span(const char *text, int64_t *ret_seconds);

// An RFC 3339 time in UTC, in seconds since the epoch. False: it is none.
bool cli_read_date(const char *text, int64_t *ret_seconds);

// The time that a flag names, a span ago or a date, in `room`; without the flag *ret_time stays as it is.
// Anything else is told.
cli_exit cli_time(const cli *c, const char *flag, Google__Protobuf__Timestamp *room,
                  Google__Protobuf__Timestamp **ret_time);

// Of a reply's time, which may be missing: 0.
int64_t cli_seconds(const Google__Protobuf__Timestamp *at);

// "2026-01-31T08:00:00Z", in the arena; "-" when it is missing.
const char *cli_date(cli *c, const Google__Protobuf__Timestamp *at);

// "3m ago", "2h ago" for a time in seconds since the epoch; "-" for 0. In the arena.
const char *cli_ago(cli *c, int64_t seconds);
