/* Asynchronous calls and what becomes of them. */
#include "overworld_execution.h"

#include "sdk/c/internal.h"
#include "sdk/c/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GET_PATH "/overworld.events.v1.Queue/GetExecution"

/* One that was started; ends with its callback. */
typedef struct async_call {
    ow_client_on_accepted on_accepted;
    void *user;
} async_call;

static void on_reply(void *user, ow_client_reply *reply, const ow_client_error *error) {
    async_call *call = user;
    ow_client_accepted accepted;
    ow_client_error bad;
    memset(&accepted, 0, sizeof accepted);
    memset(&bad, 0, sizeof bad);
    if (reply != NULL) {
        sdk_json answer = sdk_json_parse(reply->data, reply->size);
        accepted.duplicate = sdk_json_is_true(sdk_json_member(answer, "duplicate"));
        if (!sdk_json_text(sdk_json_member(answer, "executionId"), accepted.execution_id,
                           sizeof accepted.execution_id)) {
            sdk_fail(&bad, "bad_answer", "the server's answer names no execution");
            reply = NULL;
            error = &bad;
        }
    }
    call->on_accepted(call->user, reply != NULL ? &accepted : NULL, error);
    free(call);
}

bool ow_client_call_async_start(ow_client *client, const ow_client_function *function,
                                ow_client_on_accepted on_accepted, void *user,
                                ow_client_error *error) {
    char path[SDK_FUNCTION_PATH_MAX];
    ow_client_request request;
    async_call *call;
    if (!sdk_function_request(client, function, path, &request, error)) {
        return false;
    }
    call = malloc(sizeof *call);
    if (call == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    call->on_accepted = on_accepted;
    call->user = user;
    snprintf(path + strlen(path), SDK_FUNCTION_PATH_MAX - strlen(path), "?mode=async");
    request.deduplication_key = function->deduplication_key;
    request.may_repeat = function->may_repeat || function->deduplication_key != NULL;
    if (!ow_client_send_start(client, &request, on_reply, call, error)) {
        free(call);
        return false;
    }
    return true;
}

typedef struct waited {
    bool done, ok;
    ow_client_accepted accepted;
    ow_client_error *error;
} waited;

static void on_accepted(void *user, const ow_client_accepted *accepted,
                        const ow_client_error *error) {
    waited *w = user;
    w->done = true;
    w->ok = accepted != NULL;
    if (accepted != NULL) {
        w->accepted = *accepted;
    } else if (w->error != NULL) {
        *w->error = *error;
    }
}

bool ow_client_call_async(ow_client *client, const ow_client_function *function,
                          ow_client_accepted *ret_accepted, ow_client_error *error) {
    waited w;
    memset(&w, 0, sizeof w);
    w.error = error;
    if (!sdk_may_wait(client, error) ||
        !ow_client_call_async_start(client, function, on_accepted, &w, error)) {
        return false;
    }
    while (!w.done) {
        ow_client_poll(client, 1000);
    }
    if (w.ok && ret_accepted != NULL) {
        *ret_accepted = w.accepted;
    }
    return w.ok;
}

static void take_text(sdk_json object, const char *name, char *text, size_t room) {
    text[0] = '\0';
    if (!sdk_json_text(sdk_json_member(object, name), text, room)) {
        text[0] = '\0';
    }
}

bool ow_client_execution_get(ow_client *client, const char *execution_id,
                             ow_client_execution *ret_execution, ow_client_error *error) {
    const sdk_json_field fields[] = {{"executionId", execution_id, false}};
    char *body = sdk_json_object(fields, 1);
    ow_client_request request;
    ow_client_reply *reply = NULL;
    bool ok;
    sdk_json answer;
    if (body == NULL) {
        return sdk_fail(error, "out_of_memory", "out of memory");
    }
    memset(&request, 0, sizeof request);
    request.method = "POST";
    request.path = GET_PATH;
    request.body = body;
    request.size = strlen(body);
    request.may_repeat = true;
    ok = ow_client_send(client, &request, &reply, error);
    free(body);
    if (!ok) {
        return false;
    }
    answer = sdk_json_parse(reply->data, reply->size);
    take_text(answer, "state", ret_execution->state, sizeof ret_execution->state);
    take_text(answer, "reason", ret_execution->reason, sizeof ret_execution->reason);
    take_text(answer, "message", ret_execution->message, sizeof ret_execution->message);
    ow_client_reply_free(reply);
    return ret_execution->state[0] != '\0' ||
           sdk_fail(error, "bad_answer", "the server's answer names no state");
}
