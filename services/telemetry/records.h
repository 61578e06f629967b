#pragma once

// Records as they lie in a block, looked at without unpacking them: on the way in for the block's
// summary, and in queries to find the few that match. Any thread; nothing is allocated.

#include "core/arena/arena.h"
#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR } level;

// LEVEL_INFO for a name that is none.
level level_of(const char *name, size_t length);
const char *level_name(level l);

typedef struct slice {
    const char *text; // not NUL-terminated
    size_t length;
} slice;

bool slice_is(slice s, const char *text);

typedef enum record_kind {
    RECORD_NONE,
    RECORD_REQUEST,
    RECORD_INVOCATION,
    RECORD_LINE,
    RECORD_LEVELS,
} record_kind;

typedef struct record_view {
    const uint8_t *bytes; // the packed Record
    size_t size;
    int64_t time_us;
    slice request_id, title_id, invocation_id, virtual_server, function;
    slice parent_invocation_id, principal, client_address, method;
    slice reason, source, qualifier, revision_id;
    slice text, message, stack; // what is searched for words
    record_kind kind;
    level level; // of what is worst in it
    int64_t version;
    int64_t status;      // of a request
    int64_t duration_us; // of an invocation or a request
    int64_t init_us, queued_us;
    bool failed, init_only, changes;
    int32_t instances, instances_peak, waiting, waiting_peak; // of levels
} record_view;

// Walks a block: false at its end or where it is malformed.
typedef struct record_cursor {
    const uint8_t *at, *end;
    bool malformed;
} record_cursor;

// A cursor at the beginning; `records` may be NULL when `size` is 0.
record_cursor record_begin(const uint8_t *records, size_t size);

bool record_next(record_cursor *cursor, record_view *ret_view);

// ---- The block's summary ----

enum { WORDS_MAX = 64 * 1024 };       // bytes of a Bloom filter
enum { TEXT_WORDS_MAX = 20000 };      // more in a block are not indexed
enum { TEXT_BYTES_MAX = 512 * 1024 }; // the same for all of them together

// The words of a block's lines and errors, as core/db's word index wants them.
typedef struct block_text {
    const char *words; // each once, blanks between them; "" when there are none
    size_t size;
    bool too_many; // they are not there: every search must look into the block
} block_text;

typedef struct block_summary {
    level top_level;
    uint32_t count;
    size_t words_size;
    uint8_t words[WORDS_MAX];
} block_summary;

// A summary in the making: begin, take each record, end.
typedef struct summary_maker {
    block_summary *summary;
    slice request, server, function; // of the last record
} summary_maker;

// For `count` records, as the block's sender says.
summary_maker summary_begin(block_summary *summary, uint32_t count);
void summary_take(summary_maker *s, const record_view *v);

// Hashes of what can be asked for.
uint64_t word_of_request(slice request_id);
uint64_t word_of_server(slice virtual_server);
uint64_t word_of_function(slice virtual_server, slice function);

// False: the word is certainly not in the block.
bool words_may_have(const uint8_t *words, size_t size, uint64_t word);
