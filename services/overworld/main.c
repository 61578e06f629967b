// The server. Its modules stand in the table below and nowhere else.

#include "core/config/config.h"
#include "core/error/error.h"
#include "core/module/module.h"
#include "services/gateway/gateway.h"
#include "services/identity/identity.h"
#include "services/overworld/options.h"
#include "services/overworld/process.h"
#include "services/registry/registry.h"
#include "services/runner/runner.h"
#include "services/telemetry/telemetry.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OVERWORLD_VERSION "0.1.0"

enum { EXIT_USAGE = 2 };

// Every module; those that need nobody first. Ends with name == NULL.
static size_t list_modules(ow_module table[static OW_MODULES_MAX]) {
    const ow_module *const modules[] = {
        &ow_identity_module, &ow_registry_module, &ow_telemetry_module,
        &ow_runner_module,   &ow_gateway_module,  NULL,
    };
    size_t count = 0;
    while (modules[count] != NULL) {
        table[count] = *modules[count];
        count++;
    }
    return count;
}

static void list_tables(const ow_module *modules, size_t count,
                        ow_config_table tables[static OW_MODULES_MAX + 2]) {
    static const ow_config_key none[] = {{0}};
    tables[0] = (ow_config_table){"server", process_config_keys, sizeof(process_config)};
    for (size_t i = 0; i < count; i++) {
        const ow_config_key *keys = modules[i].config == NULL ? none : modules[i].config;
        tables[i + 1] = (ow_config_table){modules[i].name, keys, modules[i].config_size};
    }
    tables[count + 1] = (ow_config_table){0};
}

static int complain(const ow_err *err) {
    fprintf(stderr, "overworld: %s\n", err->message);
    return EXIT_USAGE;
}

static int with_config(const options *options, const ow_config_table *tables, ow_modules *modules) {
    ow_err err;
    ow_config *config = NULL;
    if (ow_config_load(tables, options->config, options->config_flags, options->config_flag_count,
                       environ, &config, &err) != OW_OK) {
        return complain(&err);
    }
    int status = 0;
    if (options->command == COMMAND_CHECK_CONFIG) {
        ow_config_print_effective(config, stdout);
    } else {
        status = process_run(options, config, modules);
    }
    ow_config_free(config);
    return status;
}

static void print_targets(const ow_module *modules, size_t count) {
    for (size_t i = 0; i < count; i++) {
        printf("%-12s %s\n", modules[i].name, modules[i].doc);
    }
}

static int run(const options *options, const ow_module *table, size_t count) {
    ow_config_table tables[OW_MODULES_MAX + 2];
    ow_err err;
    ow_modules *modules = NULL;
    list_tables(table, count, tables);
    switch (options->command) {
    case COMMAND_HELP:
        options_print_help(stdout);
        return 0;
    case COMMAND_HELP_CONFIG:
        ow_config_print_sample(tables, stdout);
        return 0;
    case COMMAND_LIST_TARGETS:
        print_targets(table, count);
        return 0;
    case COMMAND_VERSION:
        puts("overworld " OVERWORLD_VERSION);
        return 0;
    case COMMAND_UP:
    case COMMAND_CHECK_CONFIG:
    default:
        break;
    }
    if (ow_modules_new(table, count, options->targets, &modules, &err) != OW_OK) {
        return complain(&err);
    }
    int status = with_config(options, tables, modules);
    ow_modules_free(modules);
    return status;
}

int main(int argc, char **argv) {
    options options;
    ow_module table[OW_MODULES_MAX];
    ow_err err;
    if (options_parse(argc, argv, &options, &err) != OW_OK) {
        return complain(&err);
    }
    return run(&options, table, list_modules(table));
}
