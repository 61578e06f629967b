#pragma once

// Commands that cmd_event.c has in its table and another file implements.

#include "cli/cli.h"

cli_exit cmd_sub_create(cli *c);
cli_exit cmd_sub_list(cli *c);
cli_exit cmd_sub_off(cli *c);
cli_exit cmd_sub_on(cli *c);
cli_exit cmd_sub_delete(cli *c);
cli_exit cmd_sub_try(cli *c);
