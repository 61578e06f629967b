// ow route: replies of a virtual server's routes that the gateway keeps.

#include "cli/rpc.h"

#include "overworld/gateway/v1/gateway.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

static cli_exit cmd_route_purge(cli *c) {
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

// ---- The table ----

const cli_command route_commands[] = {
    {"route purge", "VS [PREFIX]",
     "forget kept replies of its HTTP routes, or of those whose path begins so", 1, 2, NULL,
     cmd_route_purge, "ow route purge web /rooms/"},
    {0},
};
