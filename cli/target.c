#include "cli/target.h"

#include "cli/release.h"
#include "cli/rpc.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool has_alias(const VirtualServer *vs, const char *alias) {
    for (size_t i = 0; i < vs->n_aliases; i++) {
        if (strcmp(vs->aliases[i]->name, alias) == 0) {
            return true;
        }
    }
    // Versions are not listed here: a number is believed.
    return strcmp(alias, "$LATEST") == 0 || isdigit((unsigned char)alias[0]);
}

static bool has_function(const VirtualServer *vs, const char *function) {
    for (size_t i = 0; vs->latest != NULL && i < vs->latest->n_functions; i++) {
        if (strcmp(vs->latest->functions[i]->name, function) == 0) {
            return true;
        }
    }
    return false;
}

void cli_warn_of_target(cli *c, const cli_target *target) {
    Overworld__Registry__V1__GetVirtualServerRequest request =
        OVERWORLD__REGISTRY__V1__GET_VIRTUAL_SERVER_REQUEST__INIT;
    const char *alias = target->alias[0] != '\0' ? target->alias : "$DEFAULT";
    VirtualServer *vs;
    ow_client_error error;
    request.name = (char *)(uintptr_t)target->virtual_server;
    cli_exit code =
        cli_rpc_untold(c, "/overworld.registry.v1.Registry/GetVirtualServer", &request.base,
                       &overworld__registry__v1__virtual_server__descriptor, &vs, &error);
    if (code == CLI_NOT_FOUND) {
        fprintf(stderr, "warning: there is no virtual server %s yet: calls fail until there is\n",
                target->virtual_server);
    } else if (code == CLI_OK && !has_alias(vs, alias)) {
        fprintf(stderr, "warning: %s has no alias %s yet: calls fail until it has\n",
                target->virtual_server, alias);
    } else if (code == CLI_OK && !has_function(vs, target->function)) {
        fprintf(stderr,
                "warning: the newest code of %s has no function %s yet: calls fail until it has\n",
                target->virtual_server, target->function);
    }
}
