#include "services/overworld/options.h"

#include <stdlib.h>
#include <string.h>

typedef ow_code (*setter)(options *options, const char *value, ow_err *err);

static ow_code set_target(options *options, const char *value, ow_err *err) {
    (void)err;
    options->targets = value;
    return OW_OK;
}

static ow_code set_data(options *options, const char *value, ow_err *err) {
    if (value[0] == '\0') {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_flag", "--data names no folder");
    }
    options->data = value;
    return OW_OK;
}

static ow_code set_config(options *options, const char *value, ow_err *err) {
    (void)err;
    options->config = value;
    return OW_OK;
}

static ow_code set_test_clock(options *options, const char *value, ow_err *err) {
    (void)err;
    options->test_clock = value;
    return OW_OK;
}

static ow_code set_local_channel(options *options, const char *value, ow_err *err) {
    options->packed = strncmp(value, "packed", 6) == 0;
    bool sound = options->packed || strcmp(value, "local") == 0;
    if (options->packed && value[6] != '\0') {
        char *end;
        options->seed = strtoull(value + 7, &end, 10);
        sound = value[6] == ':' && options->seed != 0 && *end == '\0';
    }
    if (!sound) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_flag",
                       "--local-channel is local, packed or packed:SEED, not \"%.40s\"", value);
    }
    return OW_OK;
}

static ow_code set_rerun_writes(options *options, const char *value, ow_err *err) {
    (void)value;
    (void)err;
    options->rerun_writes = true;
    return OW_OK;
}

static ow_code set_help(options *options, const char *value, ow_err *err) {
    (void)value;
    (void)err;
    options->command = COMMAND_HELP;
    return OW_OK;
}

static ow_code set_help_config(options *options, const char *value, ow_err *err) {
    (void)value;
    (void)err;
    options->command = COMMAND_HELP_CONFIG;
    return OW_OK;
}

static ow_code set_check_config(options *options, const char *value, ow_err *err) {
    (void)value;
    (void)err;
    options->command = COMMAND_CHECK_CONFIG;
    return OW_OK;
}

static ow_code set_list_targets(options *options, const char *value, ow_err *err) {
    (void)value;
    (void)err;
    options->command = COMMAND_LIST_TARGETS;
    return OW_OK;
}

static ow_code set_version(options *options, const char *value, ow_err *err) {
    (void)value;
    (void)err;
    options->command = COMMAND_VERSION;
    return OW_OK;
}

static const struct {
    const char *name;
    const char *value; // how the help calls it; NULL: takes none
    const char *doc;
    setter set;
} known[] = {
    {"--target", "all|a,b", "the services to run in this process (default all)", set_target},
    {"--data", "DIR", "the data folder (default $OVERWORLD_DATA, else .overworld)", set_data},
    {"--config", "FILE", "a configuration file", set_config},
    {"--local-channel", "local|packed[:SEED]",
     "calls in the process: direct, or encoded and in\n                                 random order (for tests)",
     set_local_channel},
    {"--test-clock", "FILE", "take the time from a file that tests move", set_test_clock},
    {"--rerun-writes", NULL, "run every write twice, rolled back once (for tests)",
     set_rerun_writes},
    {"--check-config", NULL, "check the configuration, print the effective values, end",
     set_check_config},
    {"--help-config", NULL, "print every key of the configuration, as a sample file",
     set_help_config},
    {"--list-targets", NULL, "print the services, in the order in which they start",
     set_list_targets},
    {"--version", NULL, "print the version", set_version},
    {"--help", NULL, "print this", set_help},
};

enum { KNOWN_COUNT = sizeof known / sizeof known[0] };

void options_print_help(FILE *out) {
    fputs("usage: overworld up [FLAGS] [--module.key=value ...]\n\n"
          "Runs Overworld: all services in one process, or some with --target.\n\n",
          out);
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        char flag[64];
        const char *equals = known[i].value == NULL ? "" : "=";
        const char *value = known[i].value == NULL ? "" : known[i].value;
        snprintf(flag, sizeof flag, "%s%s%s", known[i].name, equals, value);
        fprintf(out, "  %-30s %s\n", flag, known[i].doc);
    }
    fputs("\nCtrl-C (SIGINT, SIGTERM) stops after the running calls have ended, a second one at "
          "once.\n",
          out);
}

static ow_code add_config_flag(options *options, const char *flag, ow_err *err) {
    if (options->config_flag_count == CONFIG_FLAGS_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_flag",
                       "more than %d configuration flags; use a file", CONFIG_FLAGS_MAX);
    }
    options->config_flags[options->config_flag_count++] = flag;
    return OW_OK;
}

static ow_code apply(options *options, size_t index, const char *value, ow_err *err) {
    bool wants_value = known[index].value != NULL;
    if (wants_value && value == NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_flag", "%s needs a value: %s=%s",
                       known[index].name, known[index].name, known[index].value);
    }
    if (!wants_value && value != NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_flag", "%s takes no value",
                       known[index].name);
    }
    return known[index].set(options, value, err);
}

static ow_code parse_flag(options *options, const char *flag, ow_err *err) {
    size_t length = strcspn(flag, "=");
    const char *value = flag[length] == '=' ? flag + length + 1 : NULL;
    for (size_t i = 0; i < KNOWN_COUNT; i++) {
        if (strlen(known[i].name) == length && strncmp(flag, known[i].name, length) == 0) {
            return apply(options, i, value, err);
        }
    }
    if (strncmp(flag, "--", 2) == 0 && memchr(flag, '.', length) != NULL) {
        return add_config_flag(options, flag, err);
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_flag",
                   "there is no flag %.80s; overworld --help lists all", flag);
}

ow_code options_parse(int argc, char **argv, options *ret_options, ow_err *err) {
    const char *data = getenv("OVERWORLD_DATA");
    options options = {
        .command = COMMAND_HELP,
        .targets = "all",
        .data = data != NULL && data[0] != '\0' ? data : ".overworld",
    };
    int first = 1;
    if (argc > 1 && strcmp(argv[1], "up") == 0) {
        options.command = COMMAND_UP;
        first = 2;
    } else if (argc > 1 && argv[1][0] != '-') {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_command",
                       "there is no command %.80s; the one there is: overworld up", argv[1]);
    }
    for (int i = first; i < argc; i++) {
        ow_code code = parse_flag(&options, argv[i], err);
        if (code != OW_OK) {
            return code;
        }
    }
    *ret_options = options;
    return OW_OK;
}
