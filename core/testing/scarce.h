#pragma once

// Memory that runs out. A program that links this has a malloc of its own that can be told to fail, counts
// what is in use, and overwrites what is freed. Under a sanitizer malloc is the sanitizer's: nothing fails
// there. One thread at a time.

#include <stdbool.h>
#include <stddef.h>

// Whether memory can run out here; in other builds the functions below do nothing.
bool ow_scarce_is_possible(void);

// From now on the `nth` allocation fails, counted from 1, once; or with `from_then_on` every one behind it too.
// 0: none.
void ow_scarce_begin(long nth, bool from_then_on);

// No more failures. True when there was one since ow_scarce_begin.
bool ow_scarce_end(void);

// True when an allocation has failed since ow_scarce_begin, also after ow_scarce_end.
bool ow_scarce_has_failed(void);

// Blocks in use.
long ow_scarce_blocks(void);
