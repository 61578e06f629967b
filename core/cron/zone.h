#pragma once

// Time zones by their IANA names, read from the system's TZif files (RFC 8536) into memory: no global
// state, no TZ, no limit at 2037 (the rule at the file's end goes on for ever).

#include "core/error/error.h"

#include <stdint.h>

#define OW_ZONE_NAME_MAX 64
#define OW_ZONE_FOLDER "/usr/share/zoneinfo"

typedef struct ow_zone ow_zone; // immutable: any thread

// A stretch of time with one offset: from <= t < until, in seconds since the epoch, UTC. INT64_MIN and
// INT64_MAX where there is no end.
typedef struct ow_zone_span {
    int64_t from, until;
    int32_t offset_s; // local time - UTC
} ow_zone_span;

// Reads <folder>/<name>; "" and "UTC" need no file. Heap; freed by ow_zone_free. Codes: invalid_argument
// "bad_zone" (no such name, or its file is not one), resource_exhausted "memory".
ow_code ow_zone_open(const char *folder, const char *name, ow_zone **ret_zone, ow_err *err);
ow_zone *ow_zone_free(ow_zone *zone);

// The same from the bytes of a file. Codes as ow_zone_open.
ow_code ow_zone_read(const uint8_t *bytes, size_t size, ow_zone **ret_zone, ow_err *err);

// The stretch that has `at_s`.
void ow_zone_span_at(const ow_zone *zone, int64_t at_s, ow_zone_span *ret_span);

// Zones kept by name, so that each file is read once: at most as many as there are names. Any thread.
typedef struct ow_zones ow_zones;

ow_zones *ow_zones_new(const char *folder); // NULL: out of memory
ow_zones *ow_zones_free(ow_zones *zones);

// Borrowed until ow_zones_free. Codes as ow_zone_open; resource_exhausted "too_many_zones".
ow_code ow_zones_find(ow_zones *zones, const char *name, const ow_zone **ret_zone, ow_err *err);
