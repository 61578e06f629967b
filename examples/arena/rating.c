#include "rating.h"

#include <math.h>

int64_t rating_points(int64_t winner, int64_t loser, int64_t k) {
    double expected = 1.0 / (1.0 + pow(10.0, (double)(loser - winner) / 400.0));
    int64_t points = llround((double)k * (1.0 - expected));
    points = points > loser - RATING_LEAST ? loser - RATING_LEAST : points;
    return points > RATING_MOST - winner ? RATING_MOST - winner : points;
}
