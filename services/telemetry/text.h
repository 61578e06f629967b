#pragma once

// Words of text: what a search for text looks for, in a line and in the word index alike. A word is a
// run of ASCII letters, digits, '_' and bytes from 0x80 on; case counts for nothing in ASCII; a longer
// word than WORD_LENGTH_MAX is cut. Any thread; no I/O.

#include "services/telemetry/records.h"

enum { WORD_LENGTH_MAX = 64, SEARCH_WORDS_MAX = 16, SEARCH_TEXT_MAX = 1000 };

typedef struct word {
    char text[WORD_LENGTH_MAX + 1];
    size_t length;
    bool prefix; // of a search: all that begin so
} word;

typedef struct search {
    word words[SEARCH_WORDS_MAX];
    int count; // 0: everything matches
} search;

// Reads what somebody looks for; "" gives an empty search. Codes: invalid_argument "bad_text".
ow_code search_parse(const char *text, search *ret_search, ow_err *err);

// Whether all words stand in the texts of a record together.
bool search_matches(const search *s, const record_view *v);

// The search as core/db's word index takes it. `room` of SEARCH_QUERY_MAX is enough.
enum { SEARCH_QUERY_MAX = SEARCH_WORDS_MAX * (WORD_LENGTH_MAX + 2) + 1 };
void search_query(const search *s, char text[static SEARCH_QUERY_MAX]);

// The words of a block in the making: zeroed, take each record, end.
typedef struct word_set {
    uint32_t *places; // of a word in `text` + 1; 0: free
    char *text;
    size_t size, count;
    bool too_many;
} word_set;

// In `arena`, where there are words at all. False: no memory.
bool words_take(word_set *set, const record_view *v, ow_arena *arena);
block_text words_end(const word_set *set);

// All of that for a block. In `arena`. Codes: resource_exhausted.
ow_code text_of_block(slice records, ow_arena *arena, block_text *ret_text, ow_err *err);
