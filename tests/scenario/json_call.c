#include "tests/scenario/json_call.h"

#include "core/testing/ow_test.h"

#include <string.h>

enum { DEPTH_MAX = 64 };

ow_json *json_call(ow_client *client, const char *path, const char *body,
                   ow_client_error *ret_error) {
    ow_client_request request = {
        .method = "POST", .path = path, .body = body, .size = strlen(body)};
    ow_client_reply *reply = NULL;
    ow_json *json = NULL;
    if (ow_client_send(client, &request, &reply, ret_error)) {
        assert_int_equal(ow_json_parse(reply->data, reply->size, DEPTH_MAX, &json, NULL), OW_OK);
        ow_client_reply_free(reply);
    }
    return json;
}

ow_json *json_must_call(ow_client *client, const char *path, const char *body) {
    ow_client_error error;
    ow_json *json = json_call(client, path, body, &error);
    if (json == NULL) {
        fail_msg("%s %s: %d %s: %s", path, body, error.status, error.reason, error.message);
    }
    return json;
}
