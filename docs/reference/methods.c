// Prints docs/reference/methods.md: every method of every service with its access rule, from the
// descriptors that the server itself reads at start.

#include "core/rpc/api.h"
#include "proto/descriptors.h"

#include <stdio.h>
#include <string.h>

#define FROM_PUBLIC (OW_ALLOW_PUBLIC | OW_ALLOW_PLAYER | OW_ALLOW_SERVER)

static void print_rule(const ow_api_method *method) {
    static const char *const every[] = {[OW_ROLE_VIEWER] = "operators of every title",
                                        [OW_ROLE_DEVELOPER] = "developers of every title",
                                        [OW_ROLE_ADMIN] = "admins of every title"};
    static const char *const roles[] = {[OW_ROLE_VIEWER] = "operators",
                                        [OW_ROLE_DEVELOPER] = "operators from developer",
                                        [OW_ROLE_ADMIN] = "operators who are admin"};
    const struct {
        uint32_t bit;
        const char *who;
    } rules[] = {
        {OW_ALLOW_PUBLIC, "everybody"},
        {OW_ALLOW_CONSOLE, "everybody"},
        {OW_ALLOW_PLAYER, "players"},
        {OW_ALLOW_SERVER, "server keys"},
        {OW_ALLOW_OPERATOR, (method->every_title ? every : roles)[method->min_role]},
        {OW_ALLOW_SERVICE, "services"},
    };
    const char *between = "";
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if ((method->allow & rules[i].bit) != 0) {
            printf("%s%s", between, rules[i].who);
            between = ", ";
        }
    }
}

static const char *doors_of(const ow_api_method *method) {
    if ((method->allow & FROM_PUBLIC) != 0) {
        return "public, console";
    }
    return (method->allow & (OW_ALLOW_OPERATOR | OW_ALLOW_CONSOLE)) != 0 ? "console" : "none";
}

static void print_method(const ow_api_method *method) {
    printf("| `%s` | ", method->name);
    print_rule(method);
    printf(" | %s | %s%s |\n", doors_of(method),
           method->server_streaming ? "server stream" : "unary",
           method->no_side_effects ? ", no side effects" : "");
}

int main(void) {
    ow_err err;
    ow_api *api = NULL;
    if (ow_api_open(ow_descriptors, ow_descriptors_size, &api, &err) != OW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    fputs(
        "# Methods\n\n"
        "Generated from `proto/`, where each method and field is described; a test keeps it equal. "
        "From outside a\nmethod is `POST /<service>/<method>` (Connect protocol, JSON or binary) on "
        "the listeners that are named here.\n",
        stdout);
    size_t count;
    const ow_api_method *methods = ow_api_methods(api, &count);
    const char *service = "";
    for (size_t i = 0; i < count; i++) {
        if (strcmp(methods[i].service, service) != 0) {
            service = methods[i].service;
            printf("\n## %s\n\n| method | who | listeners | kind |\n|---|---|---|---|\n", service);
        }
        print_method(&methods[i]);
    }
    ow_api_free(api);
    return 0;
}
