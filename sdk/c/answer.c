/* Reading error answers: those of /v1/call and those of Connect methods. */
#include "sdk/c/internal.h"

#include <cjson/cJSON.h>

#include <stdio.h>
#include <string.h>

static const char *text_of(const cJSON *object, const char *name) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
    return text != NULL ? text : "";
}

/* Connect carries our reason as `debug.reason` of a google.rpc.ErrorInfo detail. */
static const char *connect_reason(const cJSON *json) {
    const cJSON *detail;
    cJSON_ArrayForEach(detail, cJSON_GetObjectItemCaseSensitive(json, "details")) {
        const char *reason = text_of(cJSON_GetObjectItemCaseSensitive(detail, "debug"), "reason");
        if (reason[0] != '\0') {
            return reason;
        }
    }
    return "";
}

void sdk_read_error(const ow_client_reply *reply, int retry_after_s, ow_client_error *error,
                    char **ret_details) {
    cJSON *json = cJSON_ParseWithLength(reply->data, reply->size);
    const char *reason = connect_reason(json);
    if (reason[0] == '\0') {
        reason = text_of(json, "code");
    }
    memset(error, 0, sizeof *error);
    error->status = reply->status;
    error->retry_after_s = retry_after_s;
    snprintf(error->reason, sizeof error->reason, "%s", reason[0] != '\0' ? reason : "http");
    snprintf(error->request_id, sizeof error->request_id, "%s", reply->request_id);
    if (text_of(json, "message")[0] != '\0') {
        snprintf(error->message, sizeof error->message, "%s", text_of(json, "message"));
    } else {
        snprintf(error->message, sizeof error->message, "the server answered with HTTP status %d",
                 reply->status);
    }
    const cJSON *details = cJSON_GetObjectItemCaseSensitive(json, "details");
    *ret_details = NULL;
    if (details != NULL) {
        char *text = cJSON_PrintUnformatted(details);
        *ret_details = sdk_strdup(text);
        cJSON_free(text);
    }
    cJSON_Delete(json);
}
