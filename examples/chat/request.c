#include "request.h"

#include <string.h>

cJSON *request_read(ow_ctx *ctx) {
    cJSON *payload = ow_payload_json(ctx);
    if (strcmp(ow_source(ctx), "http") != 0) {
        return payload;
    }
    const char *body = ow_json_string(payload, "body", "");
    if (body[0] == '\0') {
        return ow_json_object(payload, "queryString");
    }
    cJSON *request = cJSON_Parse(body);
    cJSON_AddItemToObject(payload, "request", request); /* freed with the event around it */
    return request;
}

int request_fail(ow_ctx *ctx, const char *what) {
    return ow_user_error(ctx, "%s: %s: %s", what, ow_error_reason(ctx), ow_error_message(ctx));
}
