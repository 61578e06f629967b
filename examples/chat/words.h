#pragma once

/* The banned words that are in force: those of the virtual server's key "words" when there is one
 *
 *     ow kv set words --vs chat --file words.txt
 *
 * else those of the bundle. A change is seen by every instance within WORDS_MAX_AGE_MS, without a deploy. A
 * list that cannot be read, or is none, changes nothing: the one before stays. */

#include <overworld.h>

#include "matcher.h"

/* Once per instance, from ow_init: the bundle's list. Not 0: it is malformed. */
int words_init(ow_ctx *ctx);

/* The list as it is now; valid until the next use. */
const matcher *words_now(ow_ctx *ctx);

/* `text` with the banned words masked; free it. */
char *words_mask(ow_ctx *ctx, const char *text, size_t *ret_places);
