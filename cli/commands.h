#pragma once

// All commands: finding one by its words, and help.

#include "cli/cli.h"

#include <stdio.h>

// Flags that every command has; ends with name == NULL.
extern const cli_flag cli_global_flags[];

// The command that begins with these words (`second` may be NULL); *ret_words says how many of them are its
// name. NULL: there is none.
const cli_command *cli_find_command(const char *first, const char *second, int *ret_words);

// Whether there are commands of two words of which this is the first.
bool cli_is_group(const char *word);

// Help to `out`: of a command; of all commands of a group, or of all there are (NULL).
void cli_print_command_help(FILE *out, const cli_command *command);
void cli_print_help(FILE *out, const char *group);

// Says that there is no such command, and which is meant perhaps. Returns CLI_USAGE.
cli_exit cli_unknown_command(const char *first, const char *second);
