#pragma once

// Log entries: asking for them and printing them.

#include "cli/cli.h"

#include "overworld/telemetry/v1/telemetry.pb-c.h"

#include <stdio.h>

// Waits shortly until the records of a request have arrived, and prints them.
cli_exit cli_logs_of_request(cli *c, const char *request_id, FILE *out);

typedef Overworld__Telemetry__V1__QueryLogsRequest cli_log_query;

// Follows the log while something else goes on: start, then poll. One long poll is always out.
typedef struct cli_follow {
    cli *c;
    char page_token[256];
    cli_log_query query; // what to look for; where it goes on is the token's
    bool waiting;
    bool failed;
    ow_arena *arena; // of one page
} cli_follow;

cli_exit cli_follow_start(cli *c, cli_follow *follow, const cli_log_query *query);
// Leaves out what is there already. The server says where that ends: clocks may differ.
cli_exit cli_follow_from_now(cli_follow *follow);
// Prints what came, asks again; returns within `wait_ms`.
void cli_follow_poll(cli_follow *follow, int wait_ms);
void cli_follow_stop(cli_follow *follow);
