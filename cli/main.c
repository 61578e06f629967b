// What the words and flags of a command line mean.

#include "cli/commands.h"
#include "cli/rpc.h"
#include "core/version/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ARENA_MAX = 256 << 20 };

static const cli_flag *find_flag(const cli_flag *flags, const char *name, size_t length) {
    for (; flags != NULL && flags->name != NULL; flags++) {
        if (strlen(flags->name) == length && memcmp(flags->name, name, length) == 0) {
            return flags;
        }
    }
    return NULL;
}

static bool read_number(const char *text, int64_t *ret_number) {
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    *ret_number = number;
    return errno == 0 && end != text && *end == '\0';
}

static const cli_flag *flag_named(const cli *c, const char *name, size_t length) {
    const cli_flag *flag = find_flag(cli_global_flags, name, length);
    const cli_flag *own = c->command != NULL ? c->command->flags : NULL;
    return flag != NULL ? flag : find_flag(own, name, length);
}

static cli_exit keep_flag(cli *c, const cli_flag *flag, const char *value) {
    int64_t number = 0;
    if (flag->type == CLI_FLAG_INT && !read_number(value, &number)) {
        return cli_fail(c, CLI_USAGE, "--%s needs a whole number, not \"%s\"", flag->name, value);
    }
    if (c->flag_count == CLI_FLAGS_MAX) {
        return cli_fail(c, CLI_USAGE, "too many flags");
    }
    c->flags[c->flag_count].flag = flag;
    c->flags[c->flag_count].text = value;
    c->flags[c->flag_count++].number = number;
    return CLI_OK;
}

static bool is_flag(const char *word) {
    return strncmp(word, "--", 2) == 0 || strcmp(word, "-h") == 0;
}

static const char *flag_name(const char *word) {
    return word[1] == '-' ? word + 2 : "help";
}

// Reads the flag at argv[*index]; moves on when its value is the next argument.
static cli_exit read_flag(cli *c, char **argv, int argc, int *index) {
    const char *name = flag_name(argv[*index]);
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const cli_flag *flag = flag_named(c, name, length);
    if (flag == NULL) {
        return cli_fail(c, CLI_USAGE, "there is no flag --%.*s here; see ow %s%s--help",
                        (int)length, name, c->command != NULL ? c->command->name : "",
                        c->command != NULL ? " " : "");
    }
    if (flag->type == CLI_FLAG_BOOL) {
        return value == NULL ? keep_flag(c, flag, "")
                             : cli_fail(c, CLI_USAGE, "--%s takes no value", flag->name);
    }
    if (value == NULL && *index + 1 < argc) {
        value = argv[++*index];
    }
    return value != NULL
               ? keep_flag(c, flag, value)
               : cli_fail(c, CLI_USAGE, "--%s needs a value: %s", flag->name, flag->value_name);
}

static cli_exit read_arguments(cli *c, int argc, char **argv, int first) {
    bool only_args = false;
    c->args = ow_arena_calloc(c->arena, (size_t)argc, sizeof *c->args);
    if (c->args == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    for (int i = first; i < argc; i++) {
        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (!only_args && is_flag(argv[i])) {
            cli_exit code = read_flag(c, argv, argc, &i);
            if (code != CLI_OK) {
                return code;
            }
        } else {
            c->args[c->arg_count++] = argv[i];
        }
    }
    return CLI_OK;
}

static cli_exit run_command(cli *c) {
    const cli_command *command = c->command;
    if (cli_bool(c, "help")) {
        cli_print_command_help(stdout, command);
        return CLI_OK;
    }
    if (c->arg_count < command->min_args || c->arg_count > command->max_args) {
        return cli_fail(c, CLI_USAGE, "usage: ow %s%s%s\nexample: %s", command->name,
                        command->args[0] != '\0' ? " " : "", command->args, command->example);
    }
    c->json = cli_bool(c, "json");
    c->color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    return command->run(c);
}

static cli_exit help(const cli *c, const char *group) {
    bool asked = cli_bool(c, "help");
    cli_print_help(asked ? stdout : stderr, group);
    return asked ? CLI_OK : CLI_USAGE;
}

// argv[at] is the first word that is no flag.
static cli_exit run_words(cli *c, int argc, char **argv, int at) {
    int words = 1;
    const char *second = at + 1 < argc && argv[at + 1][0] != '-' ? argv[at + 1] : NULL;
    c->command = cli_find_command(argv[at], second, &words);
    if (c->command == NULL && (second != NULL || !cli_is_group(argv[at]))) {
        return cli_unknown_command(argv[at], second);
    }
    cli_exit code = read_arguments(c, argc, argv, at + words);
    if (code != CLI_OK) {
        return code;
    }
    return c->command != NULL ? run_command(c) : help(c, argv[at]);
}

// Flags of every command may stand in front of it too, for aliases: ow --data DIR status.
static cli_exit run_line(cli *c, int argc, char **argv) {
    int at = 1;
    cli_exit code = CLI_OK;
    for (; code == CLI_OK && at < argc && is_flag(argv[at]); at++) {
        code = read_flag(c, argv, argc, &at);
    }
    if (code == CLI_OK && at < argc && strcmp(argv[at], "help") == 0) {
        code = keep_flag(c, find_flag(cli_global_flags, "help", strlen("help")), "");
        at++;
    }
    if (code != CLI_OK) {
        return code;
    }
    return at < argc ? run_words(c, argc, argv, at) : help(c, NULL);
}

int main(int argc, char **argv) {
    // Commands have a --version of their own.
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("ow " OVERWORLD_VERSION);
        return CLI_OK;
    }
    cli c = {.arena = ow_arena_new(ARENA_MAX)};
    if (c.arena == NULL) {
        return cli_fail(&c, CLI_FAILED, "out of memory");
    }
    cli_exit code = run_line(&c, argc, argv);
    cli_disconnect(&c);
    ow_arena_free(c.arena);
    return (int)code;
}
