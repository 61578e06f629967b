/* A client over the fake transport, as the tests use it. */
#ifndef OVERWORLD_SDK_TEST_WORLD_H
#define OVERWORLD_SDK_TEST_WORLD_H

#include "sdk/c/fake_transport.h"
#include "sdk/c/overworld_client.h"

/* An error answer's body. */
#define CODE(reason) "{\"code\":\"" reason "\"}"

/* An hour after the fake machine's clock. */
#define LOGIN(number)                                                                              \
    "{\"accessToken\":\"access-" number "\",\"refreshToken\":\"refresh-" number                    \
    "\",\"expiresAt\":\"2023-11-14T23:13:20Z\",\"playerId\":\"plr_1\",\"sessionId\":\"ses_1\"}"

typedef struct world {
    fake_transport fake;
    ow_client *client;
    int renewed, logged_out, queued;
    char logged_out_reason[48];
} world;

typedef struct tally {
    int good, bad;
    char reason[48];
} tally;

/* `wanted` may be NULL; where and over what is the world's. */
void open_world(world *w, const ow_client_config *wanted);
void close_world(world *w);

/* As device-1, with LOGIN("1"). */
void log_in(world *w);

void count_reply(void *user, ow_client_reply *reply, const ow_client_error *error);
void start_calls(world *w, int count, tally *t);

#endif
