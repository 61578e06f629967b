#pragma once

// Tells an alarm's target one thing: a signed webhook, a mail, or a call of a function. Loop thread.

#include "services/telemetry/alarm_store.h"

#include "core/clock/clock.h"
#include "core/http/client.h"
#include "core/rpc/service.h"

// How the platform sends mails; all "": it does not.
typedef struct mail_settings {
    const char *server, *user, *password, *from;
} mail_settings;

typedef struct targets {
    ow_loop *loop;
    const ow_clock *clock;
    ow_http_client *client; // NULL: only functions can be told
    ProtobufCService *runner;
    mail_settings mail;
} targets;

// `why`: "" when the target took it. `for_good`: asking it again is of no use.
typedef void (*told)(void *self, const char *why, bool for_good);

// One at a time. Zeroed at first.
typedef struct delivery {
    const targets *targets;
    told on_told;
    void *self;
    ow_http_fetch *fetch;
    struct function_call *call;
} delivery;

// `on_told` may run before this returns. The notice must last until then.
void delivery_start(delivery *d, const notice_row *notice);
// Ends it without a word, should it be under way.
void delivery_cancel(delivery *d);
