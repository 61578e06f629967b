#include "services/telemetry/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// ---- Words ----

static bool is_of_word(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c >= 0x80;
}

static char small(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

// Not in the middle of a character.
static size_t cut(const char *text, size_t length) {
    if (length <= WORD_LENGTH_MAX) {
        return length;
    }
    size_t end = WORD_LENGTH_MAX;
    while (end > 1 && ((unsigned char)text[end] & 0xC0) == 0x80) {
        end--;
    }
    return end;
}

// The next word of `rest`, which moves on; false: none left.
static bool word_next(slice *rest, word *ret_word) {
    const char *at = rest->text;
    const char *end = at + rest->length;
    while (at < end && !is_of_word((unsigned char)*at)) {
        at++;
    }
    const char *begin = at;
    while (at < end && is_of_word((unsigned char)*at)) {
        at++;
    }
    *rest = (slice){at, (size_t)(end - at)};
    size_t length = cut(begin, (size_t)(at - begin));
    for (size_t i = 0; i < length; i++) {
        ret_word->text[i] = small(begin[i]);
    }
    ret_word->text[length] = 0;
    ret_word->length = length;
    ret_word->prefix = false;
    return length > 0;
}

// ---- Searches ----

ow_code search_parse(const char *text, search *ret_search, ow_err *err) {
    search s = {.count = 0};
    slice rest = {text, strlen(text)};
    word w;
    bool good = rest.length <= SEARCH_TEXT_MAX;
    while (good && word_next(&rest, &w)) {
        w.prefix = rest.length > 0 && rest.text[0] == '*';
        good = s.count < SEARCH_WORDS_MAX;
        if (good) {
            s.words[s.count++] = w;
        }
    }
    if (!good || (text[0] != 0 && s.count == 0)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_text",
                       "text is 1 to %d words, of letters, digits and '_'", SEARCH_WORDS_MAX);
    }
    *ret_search = s;
    return OW_OK;
}

static bool word_fits(const word *wanted, const word *w) {
    return wanted->length <= w->length && (wanted->prefix || wanted->length == w->length) &&
           memcmp(wanted->text, w->text, wanted->length) == 0;
}

static void look_into(const search *s, slice text, uint32_t *found) {
    word w;
    while (word_next(&text, &w)) {
        for (int i = 0; i < s->count; i++) {
            if (word_fits(&s->words[i], &w)) {
                *found |= 1U << i;
            }
        }
    }
}

bool search_matches(const search *s, const record_view *v) {
    uint32_t found = 0;
    uint32_t all = (1U << s->count) - 1;
    const slice texts[] = {v->text, v->message, v->stack};
    for (size_t i = 0; i < sizeof texts / sizeof *texts && found != all; i++) {
        look_into(s, texts[i], &found);
    }
    return found == all;
}

void search_query(const search *s, char text[static SEARCH_QUERY_MAX]) {
    size_t used = 0;
    for (int i = 0; i < s->count; i++) {
        const word *w = &s->words[i];
        memcpy(text + used, w->text, w->length);
        used += w->length;
        if (w->prefix) {
            text[used++] = '*';
        }
        text[used++] = ' ';
    }
    text[used] = 0;
}

// ---- The words of a block ----

enum { SET_ROOM = 65536 }; // for TEXT_WORDS_MAX and as much again; a power of two

static uint64_t hash_of(const word *w) {
    uint64_t hash = 0xCBF29CE484222325U;
    for (size_t i = 0; i < w->length; i++) {
        hash = (hash ^ (unsigned char)w->text[i]) * 0x100000001B3U;
    }
    return hash ^ (hash >> 29);
}

static bool stands_at(const word_set *set, uint32_t place, const word *w) {
    const char *text = set->text + place;
    return memcmp(text, w->text, w->length) == 0 && text[w->length] == ' ';
}

// False: too many.
static bool add_word(word_set *set, const word *w) {
    size_t at = hash_of(w) & (SET_ROOM - 1);
    while (set->places[at] != 0) {
        if (stands_at(set, set->places[at] - 1, w)) {
            return true;
        }
        at = (at + 1) & (SET_ROOM - 1);
    }
    if (set->count == TEXT_WORDS_MAX || set->size + w->length + 1 > TEXT_BYTES_MAX) {
        return false;
    }
    set->places[at] = (uint32_t)set->size + 1;
    set->count++;
    memcpy(set->text + set->size, w->text, w->length);
    set->size += w->length;
    set->text[set->size++] = ' ';
    return true;
}

static bool add_text(word_set *set, slice text) {
    word w;
    while (word_next(&text, &w)) {
        if (!add_word(set, &w)) {
            return false;
        }
    }
    return true;
}

static bool has_text(const record_view *v) {
    return v->text.length + v->message.length + v->stack.length > 0;
}

// Room for a word's comparison behind the last one.
static bool make_set(word_set *set, ow_arena *arena) {
    set->places = ow_arena_calloc(arena, SET_ROOM, sizeof *set->places);
    set->text = ow_arena_calloc(arena, TEXT_BYTES_MAX + WORD_LENGTH_MAX + 1, 1);
    return set->places != NULL && set->text != NULL;
}

bool words_take(word_set *set, const record_view *v, ow_arena *arena) {
    if (set->too_many || !has_text(v)) {
        return true;
    }
    if (set->text == NULL && !make_set(set, arena)) {
        return false;
    }
    set->too_many =
        !(add_text(set, v->text) && add_text(set, v->message) && add_text(set, v->stack));
    return true;
}

block_text words_end(const word_set *set) {
    return set->too_many ? (block_text){.words = "", .too_many = true}
                         : (block_text){.words = set->size > 0 ? set->text : "", .size = set->size};
}

ow_code text_of_block(slice records, ow_arena *arena, block_text *ret_text, ow_err *err) {
    word_set set = {0};
    record_cursor cursor = record_begin((const uint8_t *)records.text, records.length);
    record_view v;
    while (record_next(&cursor, &v)) {
        if (!words_take(&set, &v, arena)) {
            return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a block's words");
        }
    }
    *ret_text = words_end(&set);
    return OW_OK;
}
