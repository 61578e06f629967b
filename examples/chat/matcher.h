#pragma once

// Finds all banned words of many languages in one pass over a message: an Aho-Corasick automaton
// (Aho and Corasick, CACM 18(6), 1975) over the folded text's bytes.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MATCHER_LANGUAGES_MAX 64
#define MATCHER_LANGUAGE_NAME_MAX 16

typedef struct matcher matcher;

// Compiles a word list: lines of "language<TAB>word"; '#' starts a comment line. A word of several
// languages stands once for each. NULL with a text in *ret_why when the list is malformed or memory
// is short. Freed by matcher_free, which accepts NULL.
matcher *matcher_new(const char *list, size_t size, const char **ret_why);
void matcher_free(matcher *m);

size_t matcher_words(const matcher *m);
size_t matcher_languages(const matcher *m);
const char *matcher_language(const matcher *m, size_t index);

// Masks the words found in `text` of `size` bytes: each of their code points becomes one '*'. `out`
// has room for `size` bytes (the result is never longer). Returns the result's size. *ret_masked is
// the number of places masked, `by_language` (may be NULL) counts the words for each language; a word
// of two languages counts for both. Overlapping words are masked together, the longest one counts.
size_t matcher_mask(const matcher *m, const char *text, size_t size, char *out, size_t *ret_masked,
                    uint32_t by_language[MATCHER_LANGUAGES_MAX]);
