#pragma once

// Identifiers: ULIDs (https://github.com/ulid/spec): 48 bits of milliseconds and 80 random bits in
// 26 characters of Crockford's base 32, with a kind prefix: "plr_01HXG3K5N8Q2Z4V6B8D0F2H4J6".

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_ULID_LENGTH 26
#define OW_ULID_BYTES 16
#define OW_ID_MAX 40 // prefix, ULID and NUL

// Writes prefix and a new ULID for the time `wall_us`, NUL-terminated. `prefix` has at most 8
// characters and ends with '_', or is "". Random bytes come from getrandom(2), buffered for each
// thread; a forked child must not make ids before exec. Any thread.
void ow_id_make(char id[static OW_ID_MAX], const char *prefix, int64_t wall_us);

// The 16 bytes of a new ULID, for ids that others write down (those of traces). As ow_id_make.
void ow_ulid_bytes(uint8_t bytes[static OW_ULID_BYTES], int64_t wall_us);

// True when `id` is `prefix` followed by a well-formed ULID (upper case) and nothing else; false for
// NULL.
bool ow_id_is(const char *id, const char *prefix);

// The milliseconds of the ULID that ends `id`; -1 when `id` does not end in one.
int64_t ow_id_time_ms(const char *id);

// Fills `bytes` from getrandom(2), unbuffered: fit for keys. Any thread.
void ow_random_bytes(void *bytes, size_t size);

// As ow_random_bytes, but buffered for each thread, as ids need it: a system call for each would cost
// as much as the rest of a request's bookkeeping. Not for keys: what is still to be given out lies in
// memory. A forked child must not call it before exec. Any thread.
void ow_random_id(void *bytes, size_t size);
