/* A transport and a machine of tests: answers are planned, time passes only where the client waits. */
#ifndef OVERWORLD_SDK_FAKE_TRANSPORT_H
#define OVERWORLD_SDK_FAKE_TRANSPORT_H

#include "sdk/c/overworld_transport.h"
#include "sdk/c/platform.h"

enum { FAKE_PLANS = 64, FAKE_SENT = 256 };

typedef struct fake_plan {
    ow_client_outcome outcome;
    int status;        /* 0: 200 */
    const char *body;  /* NULL: "{}" */
    int retry_after_s; /* 0: no such header */
    const char *date;  /* NULL: no such header */
    bool is_held;      /* no answer until fake_release */
    size_t extra;      /* so many more bytes of body */
} fake_plan;

typedef struct fake_sent {
    char method[8], path[96], body[512], authorization[128], title[32];
    int64_t at_ms;
    long timeout_ms;
    ow_client_exchange *exchange;
    fake_plan plan;
    bool is_over;
} fake_sent;

typedef struct fake_transport {
    sdk_platform platform;
    int64_t now_ms, wall_s;
    fake_plan plans[FAKE_PLANS]; /* of the next requests; after the last one, the default */
    int plan_count, plan_next;
    fake_sent sent[FAKE_SENT];
    int sent_count;
    bool is_closed;
} fake_transport;

void fake_init(fake_transport *fake);
extern const ow_client_transport fake_transport_table;

/* Plans the answer to the next request that has none yet. */
void fake_answer(fake_transport *fake, fake_plan plan);

/* Lets request `index` have this answer at the next poll. */
void fake_release(fake_transport *fake, int index, fake_plan plan);

/* How many requests went to a path that ends so. */
int fake_count(const fake_transport *fake, const char *ending);

#endif
