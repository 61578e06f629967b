#pragma once

// Code points of UTF-8 text and their lower-case form, without locale: functions run in the C locale.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Reads one code point from `text` (at least one byte is there, `size` in all). Returns the bytes it
// takes; a byte that is not valid UTF-8 reads as itself + 0xDC00 (a surrogate, so never a letter) and
// takes one byte, so that any input can be walked and given back unchanged.
size_t fold_read(const char *text, size_t size, uint32_t *ret_point);

// Writes a code point as UTF-8 (1 to 4 bytes); returns how many.
size_t fold_write(uint32_t point, char bytes[static 4]);

// Simple lower case for Latin, Greek, Cyrillic and full-width letters; others come back as they are.
uint32_t fold_lower(uint32_t point);

// True for letters and digits of scripts that put spaces between words: there a banned word counts
// only as a whole word ("class" has no "ass"). Scripts without spaces (Chinese, Japanese, Thai ...)
// give false, so that a word is found anywhere.
bool fold_is_word(uint32_t point);
