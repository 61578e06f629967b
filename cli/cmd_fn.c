// ow fn invoke: the manual driver.

#include "cli/logs.h"
#include "cli/rpc.h"
#include "sdk/c/overworld_execution.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { PAYLOAD_MAX = 6 << 20 };

static cli_exit read_payload(cli *c, const char **ret_payload, size_t *ret_size) {
    const char *file = cli_text(c, "file");
    const char *argument = c->arg_count > 2 ? c->args[2] : NULL;
    if (file != NULL && argument != NULL) {
        return cli_fail(c, CLI_USAGE, "give the payload as an argument or with --file, not both");
    }
    if (argument != NULL && strcmp(argument, "-") == 0) {
        file = "-";
    }
    if (file == NULL) {
        *ret_payload = argument != NULL ? argument : "{}";
        *ret_size = strlen(*ret_payload);
        return CLI_OK;
    }
    *ret_payload = cli_read_file(c, file, PAYLOAD_MAX, ret_size);
    return *ret_payload != NULL
               ? CLI_OK
               : cli_fail(c, CLI_USAGE, "cannot read the payload from %s: %s", file,
                          errno == EFBIG ? "it is larger than 6 MB" : strerror(errno));
}

static void print_refusal(const cli *c, const ow_client_error *error) {
    if (c->json && error->details != NULL) {
        printf("%s\n", error->details);
    } else if (error->details != NULL) {
        fprintf(stderr, "%s\n", error->details);
    }
}

static cli_exit enqueue(cli *c, const ow_client_function *function) {
    ow_client_accepted accepted;
    ow_client_error error;
    if (!ow_client_call_async(c->client, function, &accepted, &error)) {
        return cli_tell(c, &error);
    }
    if (c->json) {
        printf("{\"executionId\":\"%s\",\"duplicate\":%s}\n", accepted.execution_id,
               accepted.duplicate ? "true" : "false");
    } else {
        printf("%s\n", accepted.execution_id);
    }
    return CLI_OK;
}

cli_exit cmd_fn_invoke(cli *c) {
    const char *payload;
    size_t size;
    cli_exit code = read_payload(c, &payload, &size);
    if (code == CLI_OK) {
        code = cli_connect(c);
    }
    if (code != CLI_OK) {
        return code;
    }
    ow_client_function function = {
        .name = ow_arena_printf_in(c->arena, "%s/%s", c->args[0], c->args[1]),
        .payload = payload,
        .size = size,
        .qualifier = cli_text(c, "qualifier"),
        .content_type = cli_text(c, "content-type"),
        .deduplication_key = cli_text(c, "key"),
    };
    if (cli_bool(c, "async")) {
        return enqueue(c, &function);
    }
    ow_client_reply *reply = NULL;
    ow_client_error error;
    char request_id[48];
    if (ow_client_call(c->client, &function, &reply, &error)) {
        fwrite(reply->data, 1, reply->size, stdout);
        if (c->color && reply->size > 0) {
            putchar('\n');
        }
        fflush(stdout);
        snprintf(request_id, sizeof request_id, "%s", reply->request_id);
        cli_say(c, "request id: %s", request_id);
        ow_client_reply_free(reply);
    } else {
        snprintf(request_id, sizeof request_id, "%s", error.request_id);
        print_refusal(c, &error);
        code = cli_tell(c, &error);
    }
    if (cli_bool(c, "logs") && request_id[0] != '\0') {
        cli_logs_of_request(c, request_id, stderr);
    }
    return code;
}
