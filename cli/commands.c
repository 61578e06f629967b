#include "cli/commands.h"

#include <string.h>

const cli_flag cli_global_flags[] = {
    {"json", CLI_FLAG_BOOL, NULL, "print the server's answer as JSON"},
    {"url", CLI_FLAG_TEXT, "URL", "the console listener to talk to"},
    {"token-file", CLI_FLAG_TEXT, "FILE", "file with an operator's token"},
    {"data", CLI_FLAG_TEXT, "DIR", "data folder of a server on this machine"},
    {"profile", CLI_FLAG_TEXT, "NAME", "a login stored with ow login"},
    {"title", CLI_FLAG_TEXT, "TITLE", "id or name of the title"},
    {"timeout", CLI_FLAG_INT, "SECONDS", "give up after so long (default 60)"},
    {"quiet", CLI_FLAG_BOOL, NULL, "no remarks on standard error"},
    {"help", CLI_FLAG_BOOL, NULL, "say how the command is used"},
    {0},
};

// In the order of the help.
static const cli_command *const tables[] = {
    admin_commands,     members_commands, vs_commands,           diff_commands,    pull_commands,
    instances_commands, alias_commands,   kv_commands,           secret_commands,  release_commands,
    push_commands,      route_commands,   dev_commands,          fn_commands,      exec_commands,
    queue_commands,     event_commands,   subscription_commands, webhook_commands, timer_commands,
    logs_commands,      trace_commands,   metrics_commands,      alarm_commands,   audit_commands,
    backup_commands,    restore_commands, player_commands,
};

// The nth of all; NULL behind the last.
static const cli_command *command_at(size_t n) {
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (const cli_command *at = tables[t]; at->name != NULL; at++) {
            if (n-- == 0) {
                return at;
            }
        }
    }
    return NULL;
}

// ---- Finding ----

static bool is_of_group(const cli_command *command, const char *group) {
    size_t length = strlen(group);
    return strncmp(command->name, group, length) == 0 && command->name[length] == ' ';
}

bool cli_is_group(const char *word) {
    const cli_command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        if (is_of_group(command, word)) {
            return true;
        }
    }
    return false;
}

const cli_command *cli_find_command(const char *first, const char *second, int *ret_words) {
    const cli_command *command;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        if (strcmp(command->name, first) == 0) {
            *ret_words = 1;
            return command;
        }
        if (second != NULL && is_of_group(command, first) &&
            strcmp(command->name + strlen(first) + 1, second) == 0) {
            *ret_words = 2;
            return command;
        }
    }
    return NULL;
}

static size_t distance(const char *a, const char *b) {
    enum { MAX = 32 };
    size_t row[MAX + 1];
    size_t la = strlen(a), lb = strlen(b);
    if (la > MAX || lb > MAX) {
        return MAX;
    }
    for (size_t j = 0; j <= lb; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            size_t insert = row[j - 1] + 1, erase = row[j] + 1;
            row[j] = change < insert ? change : insert;
            row[j] = row[j] < erase ? row[j] : erase;
        }
    }
    return row[lb];
}

cli_exit cli_unknown_command(const char *first, const char *second) {
    char given[64];
    snprintf(given, sizeof given, "%s%s%s", first, second != NULL ? " " : "",
             second != NULL ? second : "");
    const cli_command *command;
    const char *nearest = NULL;
    size_t best = 4;
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        size_t far = distance(given, command->name);
        size_t far_first = distance(first, command->name);
        far = far < far_first ? far : far_first;
        if (far < best) {
            best = far;
            nearest = command->name;
        }
    }
    fprintf(stderr, "ow: there is no command \"%s\".", given);
    if (nearest != NULL) {
        fprintf(stderr, " Did you mean \"ow %s\"?", nearest);
    }
    bool group = cli_is_group(first);
    fprintf(stderr, " ow %s%s--help lists them.\n", group ? first : "", group ? " " : "");
    return CLI_USAGE;
}

// ---- Help ----

static void print_flags(FILE *out, const cli_flag *flags) {
    for (; flags != NULL && flags->name != NULL; flags++) {
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", flags->name, flags->value_name != NULL ? " " : "",
                 flags->value_name != NULL ? flags->value_name : "");
        fprintf(out, "  %-24s %s\n", left, flags->doc);
    }
}

void cli_print_command_help(FILE *out, const cli_command *command) {
    fprintf(out, "ow %s%s%s\n\n", command->name, command->args[0] != '\0' ? " " : "",
            command->args);
    for (const char *line = command->doc; line[0] != '\0';) {
        int length = (int)strcspn(line, "\n");
        fprintf(out, "  %.*s\n", length, line);
        line += length + (line[length] == '\n');
    }
    fputs("\nFlags\n", out);
    print_flags(out, command->flags);
    print_flags(out, cli_global_flags);
    fprintf(out, "\nExample\n  %s\n", command->example);
}

static void print_commands(FILE *out, const char *group) {
    const cli_command *command;
    fputs("Commands\n", out);
    for (size_t i = 0; (command = command_at(i)) != NULL; i++) {
        char left[64];
        if (group == NULL || is_of_group(command, group)) {
            snprintf(left, sizeof left, "%s %s", command->name, command->args);
            fprintf(out, "  %-34s %.*s\n", left, (int)strcspn(command->doc, "\n"), command->doc);
        }
    }
}

void cli_print_help(FILE *out, const char *group) {
    if (group != NULL) {
        fprintf(out, "ow %s COMMAND [ARGUMENTS] [FLAGS]\n\n", group);
        print_commands(out, group);
        fprintf(out, "\now %s COMMAND --help says more about one.\n", group);
        return;
    }
    fputs("ow: Overworld's command line.\n\n  ow COMMAND [ARGUMENTS] [FLAGS]\n\n", out);
    print_commands(out, NULL);
    fputs("\nFlags of every command\n", out);
    print_flags(out, cli_global_flags);
    fputs(
        "\nThe environment can say the same: OVERWORLD_URL, OVERWORLD_TOKEN_FILE, OVERWORLD_DATA,\n"
        "OVERWORLD_PROFILE and OVERWORLD_TITLE; a flag goes first.\n"
        "Inside a server's data folder ow finds address and token by itself.\n"
        "ow --version says which one this is.\n"
        "Exit codes: 0 ok, 1 failed, 2 usage, 3 not allowed, 4 not found, 5 conflict, "
        "6 unavailable.\n",
        out);
}
