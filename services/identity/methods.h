#pragma once

// The steps of the methods that stand in files of their own; identity_rpc.c has the table.

#include "services/identity/reply.h"

// ---- sessions_rpc.c ----

typedef struct session_refreshing {
    session_refresh row;
    char next_token[REFRESH_TOKEN_SIZE];
} session_refreshing;

ow_code refresh_check(ow_run *run);
ow_code refresh_store(ow_run *run);
ow_code refresh_reply(ow_run *run);

typedef struct session_ending {
    char session_id[OW_ID_MAX];
    int64_t now_us;
    ended_sessions ended;
} session_ending;

ow_code logout_check(ow_run *run);
ow_code logout_store(ow_run *run);
ow_code logout_tell(ow_run *run);
ow_code logout_everywhere_check(ow_run *run);
ow_code logout_everywhere_store(ow_run *run);
ow_code logout_everywhere_tell(ow_run *run);
