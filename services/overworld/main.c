// The server. Its modules stand in the table below and nowhere else.

#include "core/config/config.h"
#include "core/error/error.h"
#include "core/module/module.h"
#include "core/version/version.h"
#include "overworld/data/v1/data.pb-c.h"
#include "overworld/events/v1/events.pb-c.h"
#include "overworld/events/v1/hands.pb-c.h"
#include "overworld/events/v1/queue.pb-c.h"
#include "overworld/gateway/v1/gateway.pb-c.h"
#include "overworld/identity/v1/identity.pb-c.h"
#include "overworld/push/v1/push.pb-c.h"
#include "overworld/registry/v1/registry.pb-c.h"
#include "overworld/runner/v1/runner.pb-c.h"
#include "overworld/telemetry/v1/telemetry.pb-c.h"
#include "overworld/timers/v1/timers.pb-c.h"
#include "services/data/data.h"
#include "services/events/events.h"
#include "services/gateway/gateway.h"
#include "services/identity/identity.h"
#include "services/overworld/options.h"
#include "services/overworld/process.h"
#include "services/push/push.h"
#include "services/registry/registry.h"
#include "services/runner/runner.h"
#include "services/runner/spread.h"
#include "services/telemetry/telemetry.h"
#include "services/timers/timers.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

// Every module and the service it offers; those that need nobody first.
static const struct {
    const ow_module *module;
    const ProtobufCServiceDescriptor *service;
} rows[] = {
    {&ow_identity_module, &overworld__identity__v1__identity__descriptor},
    {&ow_registry_module, &overworld__registry__v1__registry__descriptor},
    {&ow_telemetry_module, &overworld__telemetry__v1__telemetry__descriptor},
    {&ow_data_module, &overworld__data__v1__data__descriptor},
    {&ow_push_module, &overworld__push__v1__push__descriptor},
    {&ow_runner_module, &overworld__runner__v1__runner__descriptor},
    {&ow_events_module, &overworld__events__v1__queue__descriptor},
    {&ow_timers_module, &overworld__timers__v1__timers__descriptor},
    {&ow_gateway_module, &overworld__gateway__v1__gateway__descriptor},
};

// Modules with several services have the others here.
static const platform_service more_services[] = {
    {"events", &overworld__events__v1__events__descriptor, NULL},
    {"events", &overworld__events__v1__hands__descriptor, NULL},
};

enum {
    MODULE_COUNT = sizeof rows / sizeof rows[0],
    MORE_COUNT = sizeof more_services / sizeof more_services[0],
};

typedef struct tables {
    ow_module modules[MODULE_COUNT];
    platform_service services[MODULE_COUNT + MORE_COUNT + 1];
    ow_config_table config[MODULE_COUNT + 2];
} tables;

// How calls find their copy, where several processes may run one. NULL: it runs once.
static const ow_spread_rules *spread_of(const ow_module *module) {
    return module == &ow_runner_module ? &ow_runner_spread : NULL;
}

static void fill_tables(tables *tables) {
    static const ow_config_key none[] = {{0}};
    *tables = (struct tables){0};
    tables->config[0] = (ow_config_table){"server", process_config_keys, sizeof(process_config)};
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        const ow_module *module = rows[i].module;
        const ow_config_key *keys = module->config == NULL ? none : module->config;
        tables->modules[i] = *module;
        tables->services[i] = (platform_service){module->name, rows[i].service, spread_of(module)};
        tables->config[i + 1] = (ow_config_table){module->name, keys, module->config_size};
    }
    for (size_t i = 0; i < MORE_COUNT; i++) {
        tables->services[MODULE_COUNT + i] = more_services[i];
    }
}

static int complain(const ow_err *err) {
    fprintf(stderr, "overworld: %s\n", err->message);
    return EXIT_USAGE;
}

static int with_config(const options *options, const tables *tables, ow_modules *modules) {
    ow_err err;
    ow_config *config = NULL;
    if (ow_config_load(tables->config, options->config, options->config_flags,
                       options->config_flag_count, environ, &config, &err) != OW_OK) {
        return complain(&err);
    }
    int status = 0;
    if (options->command == COMMAND_CHECK_CONFIG) {
        ow_config_print_effective(config, stdout);
    } else {
        status = process_run(options, config, modules, tables->services);
    }
    ow_config_free(config);
    return status;
}

static int with_modules(const options *options, const tables *tables) {
    ow_err err;
    ow_modules *modules = NULL;
    if (ow_modules_new(tables->modules, MODULE_COUNT, options->targets, &modules, &err) != OW_OK) {
        return complain(&err);
    }
    int status = with_config(options, tables, modules);
    ow_modules_free(modules);
    return status;
}

static void print_targets(const tables *tables) {
    for (size_t i = 0; i < MODULE_COUNT; i++) {
        printf("%-12s %s\n", tables->modules[i].name, tables->modules[i].doc);
    }
}

static int run(const options *options, const tables *tables) {
    switch (options->command) {
    case COMMAND_HELP:
        options_print_help(stdout);
        return 0;
    case COMMAND_HELP_CONFIG:
        ow_config_print_sample(tables->config, stdout);
        return 0;
    case COMMAND_LIST_TARGETS:
        print_targets(tables);
        return 0;
    case COMMAND_VERSION:
        puts("overworld " OVERWORLD_VERSION);
        return 0;
    case COMMAND_UP:
    case COMMAND_CHECK_CONFIG:
    default:
        return with_modules(options, tables);
    }
}

int main(int argc, char **argv) {
    options options;
    tables tables;
    ow_err err;
    if (options_parse(argc, argv, &options, &err) != OW_OK) {
        return complain(&err);
    }
    fill_tables(&tables);
    return run(&options, &tables);
}
