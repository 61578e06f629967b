// What the rate limiter costs a call: the two buckets that the gateway asks, with as many players as
// the load tests rotate. Prints one JSON object.

#include "core/limit/limit.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PLAYERS 16000
#define CALLS 4000000
#define WINDOW_US 5000000
#define CALL_US 12 // between two calls of all players

static double cpu_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

int main(void) {
    static char players[PLAYERS][31];
    static char calls[PLAYERS][48];
    ow_limit *all = ow_limit_new(
        &(ow_limit_options){.count = 100, .window_us = WINDOW_US, .max_keys = 4 * PLAYERS});
    ow_limit *function = ow_limit_new(
        &(ow_limit_options){.count = 50, .window_us = WINDOW_US, .max_keys = 4 * PLAYERS});
    uint64_t refused = 0;
    if (all == NULL || function == NULL) {
        return 1;
    }
    for (int i = 0; i < PLAYERS; i++) {
        snprintf(players[i], sizeof players[i], "plr_%026d", i);
        snprintf(calls[i], sizeof calls[i], "plr_%026d bench echo", i);
    }
    double before = cpu_us();
    for (int64_t i = 0; i < CALLS; i++) {
        int64_t now_us = i * CALL_US;
        const char *player = players[i % PLAYERS];
        const char *call = calls[i % PLAYERS];
        refused += ow_limit_take(all, ow_limit_key(all, player, 30), now_us) > 0;
        refused += ow_limit_take(function, ow_limit_key(function, call, 41), now_us) > 0;
    }
    printf("{\"us\":%.4f,\"players\":%d,\"refused\":%llu}\n", (cpu_us() - before) / CALLS, PLAYERS,
           (unsigned long long)refused);
    ow_limit_free(all);
    ow_limit_free(function);
    return 0;
}
