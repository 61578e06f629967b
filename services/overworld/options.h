#pragma once

// The command line of `overworld`.

#include "core/error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONFIG_FLAGS_MAX 128

typedef enum command {
    COMMAND_UP,
    COMMAND_HELP,
    COMMAND_HELP_CONFIG,
    COMMAND_CHECK_CONFIG,
    COMMAND_LIST_TARGETS,
    COMMAND_VERSION,
} command;

// Everything is borrowed from argv and the environment.
typedef struct options {
    command command;
    const char *targets;
    const char *data;
    const char *config;     // NULL: none
    const char *test_clock; // NULL: the system's clock
    bool packed;
    uint64_t seed; // of the packed channel's order; 0: a random one
    bool rerun_writes;
    const char *config_flags[CONFIG_FLAGS_MAX]; // "--module.key=value"
    size_t config_flag_count;
} options;

// Codes: invalid_argument "bad_flag" or "bad_command".
ow_code options_parse(int argc, char **argv, options *ret_options, ow_err *err);

void options_print_help(FILE *out);
