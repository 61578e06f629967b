#include "services/telemetry/records.h"

#include <stddef.h>
#include <string.h>

// ---- Protobuf's wire format: https://protobuf.dev/programming-guides/encoding/ ----

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

typedef struct field {
    uint32_t number;
    uint32_t type;
    uint64_t value; // of a varint
    slice bytes;
} field;

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && *at < end; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static bool take_bytes(const uint8_t **at, const uint8_t *end, uint64_t length, slice *ret_slice) {
    if (length > (uint64_t)(end - *at)) {
        return false;
    }
    *ret_slice = (slice){(const char *)*at, (size_t)length};
    *at += length;
    return true;
}

static bool read_field(const uint8_t **at, const uint8_t *end, field *f) {
    uint64_t tag;
    if (!read_varint(at, end, &tag)) {
        return false;
    }
    f->number = (uint32_t)(tag >> 3);
    f->type = (uint32_t)(tag & 7);
    uint64_t length;
    switch (f->type) {
    case WIRE_VARINT:
        return read_varint(at, end, &f->value);
    case WIRE_BYTES:
        return read_varint(at, end, &length) && take_bytes(at, end, length, &f->bytes);
    case WIRE_FIXED64:
        return take_bytes(at, end, 8, &f->bytes);
    case WIRE_FIXED32:
        return take_bytes(at, end, 4, &f->bytes);
    default:
        return false;
    }
}

// ---- Views ----

static const char *const level_names[] = {"debug", "info", "warn", "error"};

level level_of(const char *name, size_t length) {
    for (int i = 0; i < 4; i++) {
        if (strlen(level_names[i]) == length && memcmp(level_names[i], name, length) == 0) {
            return (level)i;
        }
    }
    return LEVEL_INFO;
}

const char *level_name(level l) {
    return level_names[l];
}

bool slice_is(slice s, const char *text) {
    return strlen(text) == s.length && memcmp(s.text, text, s.length) == 0;
}

// The numbers below are those of telemetry.proto.

// Where a text field goes; 0: nowhere.
static void take_text(record_view *v, const size_t *places, size_t count, const field *f) {
    if (f->number < count && places[f->number] != 0) {
        *(slice *)(void *)((char *)v + places[f->number]) = f->bytes;
    }
}

#define TEXT_FIELD(member) offsetof(record_view, member)

static void take_request(record_view *v, const field *f) {
    static const size_t places[] = {
        [1] = TEXT_FIELD(principal), [2] = TEXT_FIELD(client_address),
        [3] = TEXT_FIELD(method),    [4] = TEXT_FIELD(virtual_server),
        [5] = TEXT_FIELD(function),  [6] = TEXT_FIELD(revision_id),
        [7] = TEXT_FIELD(qualifier), [9] = TEXT_FIELD(reason),
    };
    switch (f->number) {
    case 8:
        v->status = (int64_t)f->value;
        v->failed = f->value >= 500;
        break;
    case 12:
        v->duration_us = (int64_t)f->value;
        break;
    case 16:
        v->changes = f->value != 0;
        break;
    default:
        take_text(v, places, sizeof places / sizeof *places, f);
        break;
    }
}

static void take_invocation(record_view *v, const field *f) {
    static const size_t places[] = {
        [1] = TEXT_FIELD(invocation_id),  [2] = TEXT_FIELD(parent_invocation_id),
        [3] = TEXT_FIELD(virtual_server), [4] = TEXT_FIELD(function),
        [5] = TEXT_FIELD(revision_id),    [7] = TEXT_FIELD(source),
        [8] = TEXT_FIELD(qualifier),      [9] = TEXT_FIELD(reason),
        [10] = TEXT_FIELD(message),       [11] = TEXT_FIELD(stack),
    };
    take_text(v, places, sizeof places / sizeof *places, f);
    switch (f->number) {
    case 6:
        v->version = (int64_t)f->value;
        break;
    case 9:
        // A refusal is an answer.
        v->failed = f->bytes.length > 0 && !slice_is(f->bytes, "refused");
        break;
    case 12:
        v->queued_us = (int64_t)f->value;
        break;
    case 13:
        v->duration_us = (int64_t)f->value;
        break;
    case 14:
        v->init_us = (int64_t)f->value;
        break;
    case 16:
        v->init_only = f->value != 0;
        break;
    default:
        break;
    }
}

static void take_line(record_view *v, const field *f) {
    static const size_t places[] = {
        [1] = TEXT_FIELD(invocation_id),
        [2] = TEXT_FIELD(virtual_server),
        [3] = TEXT_FIELD(function),
        [6] = TEXT_FIELD(text),
    };
    switch (f->number) {
    case 4:
        v->version = (int64_t)f->value;
        break;
    case 5:
        v->level = level_of(f->bytes.text, f->bytes.length);
        break;
    default:
        take_text(v, places, sizeof places / sizeof *places, f);
        break;
    }
}

static void take_levels(record_view *v, const field *f) {
    static const size_t places[] = {
        [1] = TEXT_FIELD(virtual_server),
        [2] = TEXT_FIELD(function),
    };
    static const size_t numbers[] = {
        [4] = offsetof(record_view, instances),
        [5] = offsetof(record_view, instances_peak),
        [6] = offsetof(record_view, waiting),
        [7] = offsetof(record_view, waiting_peak),
    };
    take_text(v, places, sizeof places / sizeof *places, f);
    if (f->number == 3) {
        v->version = (int64_t)f->value;
    } else if (f->number >= 4 && f->number < sizeof numbers / sizeof *numbers) {
        *(int32_t *)(void *)((char *)v + numbers[f->number]) = (int32_t)f->value;
    }
}

static bool view_inner(record_view *v, slice inner) {
    static void (*const takers[])(record_view *, const field *) = {
        [RECORD_REQUEST] = take_request,
        [RECORD_INVOCATION] = take_invocation,
        [RECORD_LINE] = take_line,
        [RECORD_LEVELS] = take_levels,
    };
    const uint8_t *at = (const uint8_t *)inner.text;
    const uint8_t *end = at + inner.length;
    while (at < end) {
        field f = {.bytes = {"", 0}};
        if (!read_field(&at, end, &f)) {
            return false;
        }
        takers[v->kind](v, &f);
    }
    return true;
}

// A field of the record itself; what it is a record of goes to `inner`.
static void take_outer(record_view *v, const field *f, slice *inner) {
    switch (f->number) {
    case 1:
        v->time_us = (int64_t)f->value;
        break;
    case 2:
        v->request_id = f->bytes;
        break;
    case 3:
        v->title_id = f->bytes;
        break;
    case 4:
    case 5:
    case 6:
        v->kind = (record_kind)(f->number - 4 + RECORD_REQUEST);
        *inner = f->bytes;
        break;
    case 11:
        v->kind = RECORD_LEVELS;
        *inner = f->bytes;
        break;
    default:
        break;
    }
}

static bool view_record(record_view *v) {
    const uint8_t *at = v->bytes;
    const uint8_t *end = at + v->size;
    slice inner = {"", 0};
    while (at < end) {
        field f = {.bytes = {"", 0}};
        if (!read_field(&at, end, &f)) {
            return false;
        }
        take_outer(v, &f, &inner);
    }
    if (v->kind == RECORD_NONE || !view_inner(v, inner)) {
        return false;
    }
    v->level = v->failed ? LEVEL_ERROR : v->level;
    return true;
}

#define NOTHING                                                                                    \
    { "", 0 }

static const record_view empty_view = {
    .request_id = NOTHING,
    .title_id = NOTHING,
    .invocation_id = NOTHING,
    .virtual_server = NOTHING,
    .function = NOTHING,
    .parent_invocation_id = NOTHING,
    .principal = NOTHING,
    .client_address = NOTHING,
    .method = NOTHING,
    .reason = NOTHING,
    .source = NOTHING,
    .qualifier = NOTHING,
    .revision_id = NOTHING,
    .text = NOTHING,
    .message = NOTHING,
    .stack = NOTHING,
    .level = LEVEL_INFO,
};

record_cursor record_begin(const uint8_t *records, size_t size) {
    static const uint8_t nothing[1];
    const uint8_t *at = size > 0 ? records : nothing;
    return (record_cursor){.at = at, .end = at + size};
}

bool record_next(record_cursor *cursor, record_view *ret_view) {
    if (cursor->at == cursor->end) {
        return false;
    }
    record_view v = empty_view;
    uint64_t length;
    slice bytes;
    if (!read_varint(&cursor->at, cursor->end, &length) ||
        !take_bytes(&cursor->at, cursor->end, length, &bytes)) {
        cursor->malformed = true;
        return false;
    }
    v.bytes = (const uint8_t *)bytes.text;
    v.size = bytes.length;
    if (!view_record(&v)) {
        cursor->malformed = true;
        return false;
    }
    *ret_view = v;
    return true;
}

// ---- Words ----

enum { WORD_PROBES = 4, BITS_A_RECORD = 10, WORDS_MIN = 32 };

static uint64_t hash_add(uint64_t hash, slice s) {
    for (size_t i = 0; i < s.length; i++) {
        hash = (hash ^ (unsigned char)s.text[i]) * 0x100000001B3U;
    }
    // A byte that no text has keeps "ab","c" and "a","bc" apart.
    return (hash ^ 0xFF) * 0x100000001B3U;
}

static uint64_t hash_end(uint64_t hash) {
    hash = (hash ^ (hash >> 31)) * 0x9E3779B97F4A7C15U;
    return hash ^ (hash >> 29);
}

static uint64_t hash_begin(char kind) {
    return 0xCBF29CE484222325U ^ (unsigned char)kind;
}

uint64_t word_of_request(slice request_id) {
    return hash_end(hash_add(hash_begin('r'), request_id));
}

uint64_t word_of_server(slice virtual_server) {
    return hash_end(hash_add(hash_begin('v'), virtual_server));
}

uint64_t word_of_function(slice virtual_server, slice function) {
    return hash_end(hash_add(hash_add(hash_begin('f'), virtual_server), function));
}

// The bit of one probe; `size` is a power of two.
static size_t probe(uint64_t word, int number, size_t size) {
    uint64_t step = (word >> 32) | 1;
    return (size_t)((word + (uint64_t)number * step) & (size * 8 - 1));
}

static void add_word(block_summary *s, uint64_t word) {
    for (int i = 0; i < WORD_PROBES; i++) {
        size_t bit = probe(word, i, s->words_size);
        s->words[bit / 8] |= (uint8_t)(1U << (bit % 8));
    }
}

bool words_may_have(const uint8_t *words, size_t size, uint64_t word) {
    if (size == 0 || (size & (size - 1)) != 0) {
        return true;
    }
    for (int i = 0; i < WORD_PROBES; i++) {
        size_t bit = probe(word, i, size);
        if ((words[bit / 8] & (1U << (bit % 8))) == 0) {
            return false;
        }
    }
    return true;
}

static bool same(slice a, slice b) {
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

summary_maker summary_begin(block_summary *s, uint32_t count) {
    s->top_level = LEVEL_DEBUG;
    s->count = 0;
    s->words_size = WORDS_MIN;
    while (s->words_size < WORDS_MAX && s->words_size * 8 < (size_t)count * BITS_A_RECORD) {
        s->words_size *= 2;
    }
    memset(s->words, 0, s->words_size);
    return (summary_maker){
        .summary = s, .request = {"", 0}, .server = {"", 0}, .function = {"", 0}};
}

void summary_take(summary_maker *m, const record_view *v) {
    block_summary *s = m->summary;
    s->count++;
    s->top_level = v->level > s->top_level ? v->level : s->top_level;
    // Neighbours are mostly about the same thing: what was just added is not added again.
    if (!same(v->request_id, m->request)) {
        m->request = v->request_id;
        add_word(s, word_of_request(m->request));
    }
    if (!same(v->virtual_server, m->server) || !same(v->function, m->function)) {
        m->server = v->virtual_server;
        m->function = v->function;
        add_word(s, word_of_server(m->server));
        add_word(s, word_of_function(m->server, m->function));
    }
}
