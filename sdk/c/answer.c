/* Reading error answers: those of /v1/call and those of Connect methods. */
#include "sdk/c/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Connect carries our reason as `debug.reason` of a google.rpc.ErrorInfo detail. */
static bool connect_reason(sdk_json details, char *ret_reason, size_t room) {
    sdk_json detail = sdk_json_element(details, (sdk_json){NULL, 0});
    while (detail.at != NULL) {
        sdk_json debug = sdk_json_member(detail, "debug");
        if (sdk_json_text(sdk_json_member(debug, "reason"), ret_reason, room) &&
            ret_reason[0] != '\0') {
            return true;
        }
        detail = sdk_json_element(details, detail);
    }
    return false;
}

static char *copy_of(sdk_json value) {
    char *text = value.at != NULL ? malloc(value.size + 1) : NULL;
    if (text != NULL) {
        memcpy(text, value.at, value.size);
        text[value.size] = '\0';
    }
    return text;
}

void sdk_read_error(const ow_client_reply *reply, int retry_after_s, ow_client_error *error,
                    char **ret_details) {
    sdk_json json = sdk_json_parse(reply->data, reply->size);
    sdk_json details = sdk_json_member(json, "details");
    memset(error, 0, sizeof *error);
    error->status = reply->status;
    error->retry_after_s = retry_after_s;
    snprintf(error->request_id, sizeof error->request_id, "%s", reply->request_id);
    if (!connect_reason(details, error->reason, sizeof error->reason)) {
        sdk_json_text(sdk_json_member(json, "code"), error->reason, sizeof error->reason);
    }
    if (error->reason[0] == '\0') {
        snprintf(error->reason, sizeof error->reason, "http");
    }
    sdk_json_text(sdk_json_member(json, "message"), error->message, sizeof error->message);
    if (error->message[0] == '\0') {
        snprintf(error->message, sizeof error->message, "the server answered with HTTP status %d",
                 reply->status);
    }
    *ret_details = copy_of(details);
}
