#pragma once

// Writes JSON text into an arena. What comes out is always valid: names and texts are escaped,
// bytes that are not UTF-8 become U+FFFD, commas are set by the writer.
//
//     ow_json_writer w;
//     ow_json_writer_init(&w, arena, 4096);
//     ow_json_object_open(&w);
//     ow_json_name(&w, "code");
//     ow_json_text(&w, "not_found");
//     ow_json_object_close(&w);
//     size_t size;
//     const char *text = ow_json_writer_end(&w, &size);
//
// Nothing fails before ow_json_writer_end: a text that grew beyond its maximum, or nested deeper
// than OW_JSON_MAX_DEPTH, is NULL there.

#include "core/arena/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// In place; the members are the writer's own.
typedef struct ow_json_writer {
    ow_arena *arena;
    char *text;
    size_t size, room, max_size;
    uint64_t filled; // one bit a level: something was written there, a comma is due
    int depth;
    bool failed;
} ow_json_writer;

// Starts a text of at most `max_size` bytes in `arena`, which must outlive it. Needs no deinit.
void ow_json_writer_init(ow_json_writer *writer, ow_arena *arena, size_t max_size);

void ow_json_object_open(ow_json_writer *writer);
void ow_json_object_close(ow_json_writer *writer);
void ow_json_array_open(ow_json_writer *writer);
void ow_json_array_close(ow_json_writer *writer);

// The name of the member whose value comes next.
void ow_json_name(ow_json_writer *writer, const char *name);

// Values. `text` NULL is null.
void ow_json_text(ow_json_writer *writer, const char *text);
void ow_json_text_n(ow_json_writer *writer, const char *text, size_t size);
void ow_json_bool(ow_json_writer *writer, bool value);
// A number: for what is known to be small; 64-bit ids and amounts are written as text.
void ow_json_int(ow_json_writer *writer, int64_t value);
// A 64-bit number as proto3 JSON writes it: in quotes.
void ow_json_int64_text(ow_json_writer *writer, int64_t value);
void ow_json_uint64_text(ow_json_writer *writer, uint64_t value);
// A finite number, shortest form; NaN and the infinities as proto3 JSON writes them.
void ow_json_double(ow_json_writer *writer, double value);
void ow_json_float(ow_json_writer *writer, float value);
// Bytes in base64.
void ow_json_bytes(ow_json_writer *writer, const void *bytes, size_t size);
// A value that is JSON already: the caller has checked it.
void ow_json_raw(ow_json_writer *writer, const char *json, size_t size);

// The text, NUL-terminated (the NUL is not counted); lives as long as the arena. NULL: too long or
// too deep. `ret_size` may be NULL.
const char *ow_json_writer_end(ow_json_writer *writer, size_t *ret_size);
