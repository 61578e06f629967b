// ow vs instances: the processes that serve functions.

#include "cli/rpc.h"

#include "overworld/runner/v1/runner.pb-c.h"

#include <inttypes.h>

static void add_instance(cli *c, cli_table *table, const Overworld__Runner__V1__Instance *i) {
    cli_table_addf(c, table, "%s/%s", i->virtual_server, i->function);
    if (i->version > 0) {
        cli_table_addf(c, table, "%" PRId64, i->version);
    } else {
        cli_table_add(c, table, "$LATEST");
    }
    cli_table_add(c, table, i->state);
    cli_table_addf(c, table, "%" PRId64 " of %" PRId64 " MB", i->memory_bytes >> 20,
                   i->memory_limit_bytes >> 20);
    cli_table_addf(c, table, "%" PRId64 " s", i->age_us / 1000000);
    cli_table_addf(c, table, "%" PRId64, i->calls);
}

static cli_exit cmd_vs_instances(cli *c) {
    static const char *const columns[] = {"FUNCTION", "VERSION", "STATE", "MEMORY",
                                          "AGE",      "CALLS",   NULL};
    Overworld__Runner__V1__ListInstancesRequest request =
        OVERWORLD__RUNNER__V1__LIST_INSTANCES_REQUEST__INIT;
    Overworld__Runner__V1__ListInstancesResponse *reply;
    const char *function = cli_text(c, "function");
    cli_table table = {.columns = columns};
    request.virtual_server = (char *)(uintptr_t)(c->arg_count > 0 ? c->args[0] : "");
    request.function = (char *)(uintptr_t)(function != NULL ? function : "");
    cli_exit code =
        cli_rpc(c, "/overworld.runner.v1.Runner/ListInstances", &request.base,
                &overworld__runner__v1__list_instances_response__descriptor, true, &reply);
    if (code != CLI_OK || c->json) {
        return code;
    }
    for (size_t i = 0; i < reply->n_instances; i++) {
        add_instance(c, &table, reply->instances[i]);
    }
    cli_table_print(c, &table);
    if (reply->truncated) {
        cli_say(c, "there are more: name a function");
    }
    return CLI_OK;
}

static const cli_flag instances_flags[] = {
    {"function", CLI_FLAG_TEXT, "NAME", "of this function"},
    {0},
};

const cli_command instances_commands[] = {
    {"vs instances", "[VS]", "the processes that serve functions", 0, 1, instances_flags,
     cmd_vs_instances, "ow vs instances chat"},
    {0},
};
