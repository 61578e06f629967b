// ow webhook ...: doors for other people's webhooks.

#include "cli/list.h"

#include "overworld/events/v1/events.pb-c.h"

#include <stdio.h>
#include <string.h>

#define EVENTS_PATH "/overworld.events.v1.Events/"

enum { SECRET_MAX = 4096 };

typedef Overworld__Api__Webhook Webhook;
typedef Overworld__Events__V1__WebhookState WebhookState;

// The sender's own secret, without the line's end.
static cli_exit read_secret(cli *c, char **ret_secret) {
    size_t size;
    cli_exit code = cli_flag_file(c, "secret-file", SECRET_MAX, ret_secret, &size);
    if (code == CLI_OK && size > 0) {
        (*ret_secret)[strcspn(*ret_secret, "\r\n")] = '\0';
    }
    return code;
}

static cli_exit webhook_create(cli *c) {
    Overworld__Events__V1__CreateWebhookRequest request =
        OVERWORLD__EVENTS__V1__CREATE_WEBHOOK_REQUEST__INIT;
    Overworld__Events__V1__CreateWebhookResponse *reply;
    Webhook webhook = OVERWORLD__API__WEBHOOK__INIT;
    webhook.name = (char *)(uintptr_t)c->args[0];
    webhook.event_type = (char *)(uintptr_t)c->args[1];
    webhook.header = cli_text_or(c, "header", "");
    webhook.prefix = cli_text_or(c, "prefix", "");
    webhook.verification =
        cli_text_or(c, "verification", webhook.header[0] != '\0' ? "hmac-sha256" : "standard");
    request.webhook = &webhook;
    cli_exit code = read_secret(c, &request.secret);
    if (code == CLI_OK) {
        code = cli_rpc(c, EVENTS_PATH "CreateWebhook", &request.base,
                       &overworld__events__v1__create_webhook_response__descriptor, true, &reply);
    }
    if (code == CLI_OK && !c->json) {
        printf("%s\n", reply->webhook->path);
        if (reply->secret[0] != '\0') {
            printf("secret, shown this once: %s\n", reply->secret);
        }
    }
    return code;
}

static void add_row(cli *c, cli_table *table, const void *entry) {
    const WebhookState *w = entry;
    cli_table_add(c, table, w->declared->name);
    cli_table_add(c, table, w->declared->event_type);
    cli_table_add(c, table, w->declared->verification);
    cli_table_add(c, table, w->path);
    cli_table_add(c, table, w->disabled ? "off" : "on");
    cli_table_add(c, table, w->from_manifest ? w->virtual_server : "hand");
}

static cli_exit webhook_list(cli *c) {
    static const char *const columns[] = {"NAME",    "TYPE", "VERIFICATION", "PATH", "STATE",
                                          "MADE BY", NULL};
    Overworld__Events__V1__ListWebhooksRequest request =
        OVERWORLD__EVENTS__V1__LIST_WEBHOOKS_REQUEST__INIT;
    return cli_list_print(
        c, &(cli_list){.path = EVENTS_PATH "ListWebhooks",
                       .request = &request.base,
                       .reply_type = &overworld__events__v1__list_webhooks_response__descriptor,
                       .columns = columns,
                       .add_row = add_row,
                       .if_empty = "no webhooks yet: ow webhook create NAME TYPE makes one"});
}

static cli_exit webhook_show(cli *c) {
    Overworld__Events__V1__GetWebhookRequest request =
        OVERWORLD__EVENTS__V1__GET_WEBHOOK_REQUEST__INIT;
    WebhookState *w;
    request.name = (char *)(uintptr_t)c->args[0];
    cli_exit code = cli_rpc(c, EVENTS_PATH "GetWebhook", &request.base,
                            &overworld__events__v1__webhook_state__descriptor, true, &w);
    if (code != CLI_OK || c->json) {
        return code;
    }
    const Webhook *declared = w->declared;
    printf("%s: a request to %s becomes %s\n", declared->name, w->path, declared->event_type);
    printf("verified as %s%s%s%s\n", declared->verification,
           declared->header[0] != '\0' ? ", header " : "", declared->header,
           w->disabled ? "; switched off" : "");
    printf("made by %s, %s\n", w->from_manifest ? w->virtual_server : "hand",
           cli_ago(c, cli_seconds(w->created)));
    return CLI_OK;
}

static cli_exit switch_to(cli *c, bool disabled) {
    Overworld__Events__V1__SetWebhookDisabledRequest request =
        OVERWORLD__EVENTS__V1__SET_WEBHOOK_DISABLED_REQUEST__INIT;
    WebhookState *reply;
    request.name = (char *)(uintptr_t)c->args[0];
    request.disabled = disabled;
    return cli_rpc(c, EVENTS_PATH "SetWebhookDisabled", &request.base,
                   &overworld__events__v1__webhook_state__descriptor, true, &reply);
}

static cli_exit webhook_disable(cli *c) {
    return switch_to(c, true);
}

static cli_exit webhook_enable(cli *c) {
    return switch_to(c, false);
}

static cli_exit webhook_delete(cli *c) {
    Overworld__Events__V1__DeleteWebhookRequest request =
        OVERWORLD__EVENTS__V1__DELETE_WEBHOOK_REQUEST__INIT;
    Overworld__Events__V1__DeleteWebhookResponse *reply;
    request.name = (char *)(uintptr_t)c->args[0];
    cli_exit code =
        cli_confirm(c, c->args[0], NULL,
                    "deletes the webhook %s: its sender is refused from then on", c->args[0]);
    return code == CLI_OK
               ? cli_rpc(c, EVENTS_PATH "DeleteWebhook", &request.base,
                         &overworld__events__v1__delete_webhook_response__descriptor, true, &reply)
               : code;
}

static const cli_flag create_flags[] = {
    {"verification", CLI_FLAG_TEXT, "HOW", "standard (the default) or hmac-sha256"},
    {"header", CLI_FLAG_TEXT, "NAME", "of hmac-sha256: where the signature is"},
    {"prefix", CLI_FLAG_TEXT, "TEXT", "of the header's value, as sha256="},
    {"secret-file", CLI_FLAG_TEXT, "FILE", "the sender's own secret; - is standard input"},
    {0},
};

const cli_command webhook_commands[] = {
    {"webhook create", "NAME TYPE", "let requests to /hooks/TITLE/NAME become events", 2, 2,
     create_flags, webhook_create,
     "ow webhook create github push --header X-Hub-Signature-256 --prefix sha256="},
    {"webhook list", "", "doors for other people's webhooks", 0, 0, NULL, webhook_list,
     "ow webhook list"},
    {"webhook show", "NAME", "one of them", 1, 1, NULL, webhook_show, "ow webhook show github"},
    {"webhook disable", "NAME", "refuse its requests", 1, 1, NULL, webhook_disable,
     "ow webhook disable github"},
    {"webhook enable", "NAME", "take them again", 1, 1, NULL, webhook_enable,
     "ow webhook enable github"},
    {"webhook delete", "NAME", "delete one", 1, 1, cli_delete_flags, webhook_delete,
     "ow webhook delete github --yes github"},
    {0},
};
