// ow vs ...: virtual servers, deploys, versions.

#include "cli/bundle.h"
#include "cli/list.h"
#include "cli/release.h"

#include <inttypes.h>
#include <stdio.h>

#define REGISTRY "/overworld.registry.v1.Registry/"

typedef Overworld__Registry__V1__Revision Revision;
typedef Overworld__Registry__V1__Diagnostic Diagnostic;

static const char *version_name(cli *c, int64_t version) {
    return version > 0 ? ow_arena_printf_in(c->arena, "%" PRId64, version) : "$LATEST";
}

static cli_exit cmd_vs_create(cli *c) {
    Overworld__Registry__V1__CreateVirtualServerRequest request =
        OVERWORLD__REGISTRY__V1__CREATE_VIRTUAL_SERVER_REQUEST__INIT;
    const char *runtime = cli_text(c, "runtime");
    const char *description = cli_text(c, "description");
    request.name = (char *)c->args[0];
    request.runtime = (char *)(runtime != NULL ? runtime : "c");
    request.description = (char *)(description != NULL ? description : "");
    VirtualServer *made;
    cli_exit code = cli_rpc(c, REGISTRY "CreateVirtualServer", &request.base,
                            &overworld__registry__v1__virtual_server__descriptor, true, &made);
    if (code == CLI_OK && !c->json) {
        printf("%s\n", made->name);
        cli_say(c, "next: ow vs deploy DIR, with \"name\": \"%s\" in its virtualserver.json",
                made->name);
    }
    return code;
}

static void add_virtual_server(cli *c, cli_table *table, const void *entry) {
    const VirtualServer *vs = entry;
    cli_table_add(c, table, vs->name);
    cli_table_add(c, table, vs->runtime);
    cli_table_add(c, table, version_name(c, vs->latest_version));
    cli_table_addf(c, table, "%zu", vs->latest != NULL ? vs->latest->n_functions : 0);
    cli_table_add(c, table, cli_ago(c, cli_seconds(vs->updated_at)));
    cli_table_add(c, table, vs->description);
}

static cli_exit cmd_vs_list(cli *c) {
    static const char *const columns[] = {"NAME",    "RUNTIME",     "VERSION", "FUNCTIONS",
                                          "UPDATED", "DESCRIPTION", NULL};
    Overworld__Registry__V1__ListVirtualServersRequest request =
        OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_REQUEST__INIT;
    bool all = cli_text(c, "name") == NULL && cli_text(c, "function") == NULL;
    request.name_contains = cli_text_or(c, "name", "");
    request.function_contains = cli_text_or(c, "function", "");
    return cli_list_print(
        c, &(cli_list){
               .path = REGISTRY "ListVirtualServers",
               .request = &request.base,
               .reply_type = &overworld__registry__v1__list_virtual_servers_response__descriptor,
               .columns = columns,
               .add_row = add_virtual_server,
               .if_empty =
                   all ? "no virtual servers yet: ow vs deploy DIR makes the first one" : NULL});
}

static void print_functions(cli *c, const Revision *revision) {
    static const char *const columns[] = {"FUNCTION", "EXPOSURE", "TIMEOUT", "MEMORY", NULL};
    cli_table table = {.columns = columns};
    for (size_t i = 0; i < revision->n_functions; i++) {
        const Overworld__Registry__V1__FunctionInfo *function = revision->functions[i];
        cli_table_add(c, &table, function->name);
        cli_table_add(c, &table, function->exposure);
        cli_table_addf(c, &table, "%d ms", function->timeout_ms);
        cli_table_addf(c, &table, "%d MB", function->memory_mb);
    }
    cli_table_print(c, &table);
}

cli_exit cli_get_virtual_server(cli *c, bool show, VirtualServer **ret_vs) {
    Overworld__Registry__V1__GetVirtualServerRequest request =
        OVERWORLD__REGISTRY__V1__GET_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = (char *)c->args[0];
    return cli_rpc(c, REGISTRY "GetVirtualServer", &request.base,
                   &overworld__registry__v1__virtual_server__descriptor, show, ret_vs);
}

static cli_exit cmd_vs_show(cli *c) {
    VirtualServer *vs;
    cli_exit code = cli_get_virtual_server(c, true, &vs);
    if (code != CLI_OK || c->json) {
        return code;
    }
    printf("%s (%s)%s%s\n", vs->name, vs->runtime, vs->description[0] != '\0' ? ": " : "",
           vs->description);
    for (size_t i = 0; i < vs->n_aliases; i++) {
        printf("%s -> %s\n", vs->aliases[i]->name, cli_alias_targets(c, vs->aliases[i]));
    }
    if (vs->latest == NULL) {
        cli_say(c, "no code yet: ow vs deploy DIR");
        return CLI_OK;
    }
    printf("$LATEST %.12s, %s\n\n", vs->latest->revision_id,
           cli_ago(c, cli_seconds(vs->latest->created_at)));
    print_functions(c, vs->latest);
    return CLI_OK;
}

static cli_exit cmd_vs_describe(cli *c) {
    VirtualServer *vs;
    cli_exit code = cli_get_virtual_server(c, false, &vs);
    if (code != CLI_OK) {
        return code;
    }
    Overworld__Registry__V1__UpdateVirtualServerRequest request =
        OVERWORLD__REGISTRY__V1__UPDATE_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = vs->name;
    request.description = (char *)c->args[1];
    request.etag = vs->etag;
    code = cli_rpc(c, REGISTRY "UpdateVirtualServer", &request.base,
                   &overworld__registry__v1__virtual_server__descriptor, true, &vs);
    if (code == CLI_OK && !c->json) {
        printf("%s: %s\n", vs->name, vs->description);
    }
    return code;
}

static cli_exit cmd_vs_delete(cli *c) {
    VirtualServer *vs;
    cli_exit code = cli_get_virtual_server(c, false, &vs);
    if (code == CLI_OK) {
        code = cli_confirm(c, vs->name, NULL, "deletes the virtual server %s with all its versions",
                           vs->name);
    }
    if (code != CLI_OK) {
        return code;
    }
    Overworld__Registry__V1__DeleteVirtualServerRequest request =
        OVERWORLD__REGISTRY__V1__DELETE_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = vs->name;
    request.etag = vs->etag;
    Overworld__Registry__V1__DeleteVirtualServerResponse *done;
    code =
        cli_rpc(c, REGISTRY "DeleteVirtualServer", &request.base,
                &overworld__registry__v1__delete_virtual_server_response__descriptor, true, &done);
    if (code == CLI_OK) {
        cli_say(c, "deleted %s", vs->name);
    }
    return code;
}

static void print_diagnostics(const cli *c, Diagnostic *const *diagnostics, size_t count) {
    for (size_t i = 0; i < count && !c->json; i++) {
        const Diagnostic *d = diagnostics[i];
        if (d->line > 0) {
            fprintf(stderr, "%s:%d:%d: %s: %s\n", d->file, d->line, d->column, d->severity,
                    d->message);
        } else {
            fprintf(stderr, "%s%s%s: %s\n", d->file, d->file[0] != '\0' ? ": " : "", d->severity,
                    d->message);
        }
    }
}

// What of the manifest's triggers is not in force, and why.
static void tell_triggers(cli *c, const Overworld__Registry__V1__DeployResponse *reply) {
    for (size_t i = 0; i < reply->n_pending; i++) {
        cli_say(c, "%s cannot be reached: its triggers follow as soon as it can",
                reply->pending[i]);
    }
    for (size_t i = 0; i < reply->n_problems; i++) {
        const Overworld__Api__TriggerProblem *p = reply->problems[i];
        cli_say(c, "%s %s for %s is not in force: %s", p->kind, p->name, p->alias, p->message);
    }
}

cli_exit cli_deploy(cli *c, const char *folder, bool publish) {
    cli_bundle bundle;
    cli_exit code = cli_bundle_read(c, folder, &bundle);
    if (code != CLI_OK) {
        return code;
    }
    code = cli_say_trigger_changes(c, &bundle);
    code = code == CLI_OK ? cli_bundle_upload(c, &bundle) : code;
    Overworld__Registry__V1__DeployRequest request = OVERWORLD__REGISTRY__V1__DEPLOY_REQUEST__INIT;
    const char *description = cli_text(c, "description");
    const char *based_on = cli_text(c, "based-on");
    request.virtual_server = (char *)bundle.name;
    request.bundle_sha256 = bundle.sha256;
    request.publish = publish;
    request.create = !cli_bool(c, "no-create");
    request.description = (char *)(description != NULL ? description : "");
    request.based_on = (char *)(based_on != NULL ? based_on : "");
    Overworld__Registry__V1__DeployResponse *reply;
    if (code == CLI_OK) {
        code = cli_rpc(c, REGISTRY "Deploy", &request.base,
                       &overworld__registry__v1__deploy_response__descriptor, true, &reply);
    }
    cli_bundle_deinit(&bundle);
    if (code != CLI_OK) {
        return code;
    }
    print_diagnostics(c, reply->diagnostics, reply->n_diagnostics);
    if (!reply->built) {
        return cli_fail(c, CLI_FAILED, "%s did not build; what ran before still runs",
                        request.virtual_server);
    }
    if (!c->json) {
        printf("%s %s %.12s%s (%d ms)\n", request.virtual_server,
               version_name(c, reply->revision->version), reply->revision->revision_id,
               reply->unchanged ? ", unchanged" : "", reply->build_ms);
    }
    tell_triggers(c, reply);
    return CLI_OK;
}

static cli_exit cmd_vs_deploy(cli *c) {
    return cli_deploy(c, c->args[0], cli_bool(c, "publish"));
}

static cli_exit cmd_vs_publish(cli *c) {
    Overworld__Registry__V1__PublishRequest request =
        OVERWORLD__REGISTRY__V1__PUBLISH_REQUEST__INIT;
    const char *description = cli_text(c, "description");
    request.virtual_server = (char *)c->args[0];
    request.description = (char *)(description != NULL ? description : "");
    request.move_default = !cli_bool(c, "keep-default");
    Overworld__Registry__V1__PublishResponse *reply;
    cli_exit code = cli_rpc(c, REGISTRY "Publish", &request.base,
                            &overworld__registry__v1__publish_response__descriptor, true, &reply);
    if (code == CLI_OK && !c->json) {
        printf("%s %" PRId64 "\n", c->args[0], reply->revision->version);
    }
    return code;
}

static void add_version(cli *c, cli_table *table, const void *entry) {
    const Revision *revision = entry;
    cli_table_add(c, table, version_name(c, revision->version));
    cli_table_addf(c, table, "%.12s", revision->revision_id);
    cli_table_add(c, table, cli_ago(c, cli_seconds(revision->created_at)));
    cli_table_add(c, table, revision->created_by);
    cli_table_add(c, table, revision->description);
}

static cli_exit cmd_vs_versions(cli *c) {
    static const char *const columns[] = {"VERSION", "REVISION",    "CREATED",
                                          "BY",      "DESCRIPTION", NULL};
    Overworld__Registry__V1__ListVersionsRequest request =
        OVERWORLD__REGISTRY__V1__LIST_VERSIONS_REQUEST__INIT;
    request.virtual_server = (char *)c->args[0];
    return cli_list_print(
        c, &(cli_list){.path = REGISTRY "ListVersions",
                       .request = &request.base,
                       .reply_type = &overworld__registry__v1__list_versions_response__descriptor,
                       .columns = columns,
                       .add_row = add_version});
}

static cli_exit cmd_vs_cat(cli *c) {
    Overworld__Registry__V1__GetFileRequest request =
        OVERWORLD__REGISTRY__V1__GET_FILE_REQUEST__INIT;
    Overworld__Registry__V1__GetFileResponse *piece;
    const char *version = cli_text(c, "version");
    request.virtual_server = (char *)c->args[0];
    request.path = (char *)c->args[1];
    request.version = (char *)(version != NULL ? version : "$LATEST");
    do {
        cli_exit code =
            cli_rpc(c, REGISTRY "GetFile", &request.base,
                    &overworld__registry__v1__get_file_response__descriptor, true, &piece);
        if (code != CLI_OK) {
            return code;
        }
        if (!c->json) {
            fwrite(piece->data.data, 1, piece->data.len, stdout);
        }
        request.offset += (int64_t)piece->data.len;
    } while (piece->data.len > 0 && request.offset < piece->total_size);
    return CLI_OK;
}

// ---- The table ----

static const cli_flag create_flags[] = {
    {"runtime", CLI_FLAG_TEXT, "RUNTIME", "default: c"},
    {"description", CLI_FLAG_TEXT, "TEXT", "for people"},
    {0},
};

static const cli_flag deploy_flags[] = {
    {"publish", CLI_FLAG_BOOL, NULL, "also make it a numbered version and move $DEFAULT to it"},
    {"description", CLI_FLAG_TEXT, "TEXT", "what changed, for people"},
    {"based-on", CLI_FLAG_TEXT, "REVISION", "fail when $LATEST is no longer this revision"},
    {"no-create", CLI_FLAG_BOOL, NULL, "fail when the virtual server does not exist yet"},
    {0},
};

static const cli_flag publish_flags[] = {
    {"description", CLI_FLAG_TEXT, "TEXT", "what changed, for people"},
    {"keep-default", CLI_FLAG_BOOL, NULL, "do not move $DEFAULT"},
    {0},
};

static const cli_flag cat_flags[] = {
    {"version", CLI_FLAG_TEXT, "VERSION", "a number; default: $LATEST"},
    {0},
};

static const cli_flag vs_list_flags[] = {
    {"name", CLI_FLAG_TEXT, "TEXT", "those with this in their names"},
    {"function", CLI_FLAG_TEXT, "TEXT", "those with this in the name of a function"},
    {0},
};

const cli_command vs_commands[] = {
    {"vs create", "NAME", "make an empty virtual server", 1, 1, create_flags, cmd_vs_create,
     "ow vs create chat"},
    {"vs deploy", "DIR", "build a folder with a virtualserver.json and make it $LATEST", 1, 1,
     deploy_flags, cmd_vs_deploy, "ow vs deploy examples/chat --publish"},
    {"vs publish", "NAME", "number what is $LATEST and move $DEFAULT to it", 1, 1, publish_flags,
     cmd_vs_publish, "ow vs publish chat --description 'new word list'"},
    {"vs versions", "NAME", "list the versions, newest first", 1, 1, NULL, cmd_vs_versions,
     "ow vs versions chat"},
    {"vs cat", "NAME PATH", "print a file of $LATEST, or of a version", 2, 2, cat_flags, cmd_vs_cat,
     "ow vs cat chat chat.c --version 3"},
    {"vs list", "", "list virtual servers", 0, 0, vs_list_flags, cmd_vs_list,
     "ow vs list --name match"},
    {"vs show", "NAME", "one virtual server: functions, aliases, versions", 1, 1, NULL, cmd_vs_show,
     "ow vs show chat"},
    {"vs describe", "NAME TEXT", "say what a virtual server is for", 2, 2, NULL, cmd_vs_describe,
     "ow vs describe chat 'rooms, and their moderation'"},
    {"vs delete", "NAME", "delete a virtual server and all its versions", 1, 1, cli_delete_flags,
     cmd_vs_delete, "ow vs delete chat --yes chat"},
    {0},
};
