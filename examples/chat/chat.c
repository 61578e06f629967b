/* A small chat. What its functions share begins here; each file is about one thing:
 *
 *     moderation.c  masks banned words in messages       words.c    which words those are
 *     rooms.c       who is in a room, what is said there history.c  what was said
 *     players.c     greets who logs in                   gifts.c    gives something to everybody
 */

#include <overworld.h>

#include "words.h"

int ow_init(ow_ctx *ctx) {
    return words_init(ctx);
}
