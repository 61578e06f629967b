// ow route ...: HTTP routes that virtual servers declare, and the replies of theirs that the gateway keeps.

#include "cli/list.h"

#include "overworld/gateway/v1/gateway.pb-c.h"
#include "overworld/registry/v1/registry.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

#define REGISTRY_PATH "/overworld.registry.v1.Registry/"

typedef Overworld__Registry__V1__RouteState RouteState;

static cli_exit route_purge(cli *c) {
    Overworld__Gateway__V1__PurgeRoutesRequest request =
        OVERWORLD__GATEWAY__V1__PURGE_ROUTES_REQUEST__INIT;
    Overworld__Gateway__V1__PurgeRoutesResponse *reply;
    request.virtual_server = (char *)(uintptr_t)c->args[0];
    request.path_prefix = (char *)(uintptr_t)(c->arg_count > 1 ? c->args[1] : "");
    cli_exit code =
        cli_rpc(c, "/overworld.gateway.v1.Gateway/PurgeRoutes", &request.base,
                &overworld__gateway__v1__purge_routes_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        printf("%" PRId64 " kept %s forgotten\n", reply->purged,
               reply->purged == 1 ? "reply" : "replies");
    }
    return code;
}

static const char *state_of(const RouteState *state) {
    const char *now = state->disabled ? "off" : "on";
    return state->undeclared ? "gone" : now;
}

static void add_row(cli *c, cli_table *table, const void *entry) {
    const RouteState *state = entry;
    const Overworld__Api__Route *route = state->declared;
    cli_table_add(c, table, route->name);
    cli_table_add(c, table, route->method);
    cli_table_add(c, table, route->path);
    cli_table_add(c, table, route->function);
    cli_table_add(c, table, route->alias[0] != '\0' ? route->alias : "$DEFAULT");
    cli_table_add(c, table, route->access);
    cli_table_add(c, table, state_of(state));
    cli_table_add(c, table, state->switched != NULL ? state->switched_by : "manifest");
}

static cli_exit route_list(cli *c) {
    static const char *const columns[] = {"NAME",   "METHOD", "PATH",   "FUNCTION", "ALIAS",
                                          "ACCESS", "STATE",  "SET BY", NULL};
    Overworld__Registry__V1__ListRoutesRequest request =
        OVERWORLD__REGISTRY__V1__LIST_ROUTES_REQUEST__INIT;
    request.virtual_server = (char *)(uintptr_t)c->args[0];
    return cli_list_print(
        c, &(cli_list){.path = REGISTRY_PATH "ListRoutes",
                       .request = &request.base,
                       .reply_type = &overworld__registry__v1__list_routes_response__descriptor,
                       .columns = columns,
                       .add_row = add_row,
                       .if_empty = "no routes: \"routes\" of virtualserver.json declares some"});
}

static cli_exit switch_to(cli *c, bool disabled) {
    Overworld__Registry__V1__SetRouteDisabledRequest request =
        OVERWORLD__REGISTRY__V1__SET_ROUTE_DISABLED_REQUEST__INIT;
    RouteState *reply;
    request.virtual_server = (char *)(uintptr_t)c->args[0];
    request.name = (char *)(uintptr_t)c->args[1];
    request.alias = cli_text_or(c, "alias", "");
    request.disabled = disabled;
    return cli_rpc(c, REGISTRY_PATH "SetRouteDisabled", &request.base,
                   &overworld__registry__v1__route_state__descriptor, true, &reply);
}

static cli_exit route_disable(cli *c) {
    return switch_to(c, true);
}

static cli_exit route_enable(cli *c) {
    return switch_to(c, false);
}

// ---- The table ----

static const cli_flag switch_flags[] = {
    {"alias", CLI_FLAG_TEXT, "NAME", "the route of this alias; $DEFAULT when it is not given"},
    {0},
};

const cli_command route_commands[] = {
    {"route list", "VS", "HTTP routes of a virtual server that are in force", 1, 1, NULL,
     route_list, "ow route list web"},
    {"route disable", "VS NAME", "switch one off, over deployments too", 2, 2, switch_flags,
     route_disable, "ow route disable web rooms"},
    {"route enable", "VS NAME", "switch one on again", 2, 2, switch_flags, route_enable,
     "ow route enable web rooms"},
    {"route purge", "VS [PREFIX]",
     "forget kept replies of its HTTP routes\nWith PREFIX only of those whose path begins so.", 1,
     2, NULL, route_purge, "ow route purge web /rooms/"},
    {0},
};
