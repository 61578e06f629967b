#pragma once

// Weighted splits: which of two sides a key belongs to. The same key and salt give the same point
// in every process and every release, so a split needs no memory of who went where.

#include <stdint.h>

#define OW_SPLIT_WHOLE 10000u // weights are parts of it

// The point of a key, evenly spread over 0 .. OW_SPLIT_WHOLE - 1. A side with weight w takes the
// points below w: as w grows nobody leaves the side. `salt` names the split, so that not the same
// keys are first in each. Any thread.
unsigned ow_split_point(const char *salt, const char *key);

// All of the hash that the point is made of. For rendezvous: of several names, a key belongs to the one
// with the highest hash of name and key; when a name goes, only its keys move. Any thread.
uint64_t ow_split_hash(const char *salt, const char *key);
