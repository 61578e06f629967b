#ifndef ARENA_RATING_H
#define ARENA_RATING_H

/* Elo ratings: what two players have after a match. */

#include <stdint.h>

enum { RATING_FIRST = 1000, RATING_LEAST = 0, RATING_MOST = 9999 };

/* How many points go from the loser to the winner: more the less it was to be expected, `k` at most;
 * never so many that the loser falls below RATING_LEAST or the winner rises above RATING_MOST. */
int64_t rating_points(int64_t winner, int64_t loser, int64_t k);

#endif
