#pragma once

// What the commands about versions and aliases share.

#include "cli/cli.h"

#include "overworld/registry/v1/registry.pb-c.h"

typedef Overworld__Registry__V1__Alias Alias;
typedef Overworld__Registry__V1__VirtualServer VirtualServer;

// Reads the virtual server that the first argument names. With --json and `show` it is printed.
cli_exit cli_get_virtual_server(cli *c, bool show, VirtualServer **ret_vs);

// "3", or "3 90 %, 4 10 %". In the arena.
const char *cli_alias_targets(cli *c, const Alias *alias);
