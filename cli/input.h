#pragma once

// What commands are given to send.

#include "cli/cli.h"

// The whole of a file ("-": standard input) as text in the arena, at most `max` bytes; NULL when it cannot
// be read (errno says why).
char *cli_read_file(cli *c, const char *path, size_t max, size_t *ret_size);

// The text of the file that a flag names; "" without the flag. What cannot be read is told.
cli_exit cli_flag_file(cli *c, const char *flag, size_t max, char **ret_text, size_t *ret_size);

// The argument at `index` ("-": standard input), or of --file, at most `max` bytes. NULL: neither is there.
// Both, and what cannot be read, is told.
cli_exit cli_content(cli *c, size_t index, size_t max, char **ret_text, size_t *ret_size);
