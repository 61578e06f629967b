#pragma once

// What a subscription, an alarm or the like calls.

#include "cli/cli.h"

typedef struct cli_target {
    const char *virtual_server, *function;
    const char *alias; // or a version; "": $DEFAULT
} cli_target;

// Warns on standard error when it is not there yet: what calls it fails until it is.
void cli_warn_of_target(cli *c, const cli_target *target);
