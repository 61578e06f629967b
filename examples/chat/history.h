#pragma once

/* What was said in each room: the keys "history/<room>/<time>/<call>" of the virtual server, so that their order
 * is the order of time. Each line is kept for a day; a timer leaves the last 200 of each room. */

#include <overworld.h>

/* Keeps a line: JSON text. */
ow_status history_keep(ow_ctx *ctx, const char *room, const char *line);

/* The last `count` lines of a room, oldest first; NULL when they could not be read. */
cJSON *history_read(ow_ctx *ctx, const char *room, int count);

/* Deletes all but the last lines; how many those were goes to `deleted`. */
ow_status history_trim(ow_ctx *ctx, const char *room, int *deleted);
