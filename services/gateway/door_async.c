// POST /v1/call/...?mode=async: the call becomes an execution of the queue, and is answered once that is
// durable.

#include "services/gateway/door_async.h"

#include "core/http/text.h"
#include "core/json/writer.h"

#include <string.h>

#define KEY_HEADER "Overworld-Deduplication-Key"

enum { KEY_MAX = 200, REPLY_MAX = 512, ASYNC_PAYLOAD_MAX = 256 << 10, MODE_ROOM = 8 };

bool async_take_mode(exchange *x) {
    char mode[MODE_ROOM];
    long size = ow_http_query_find(ow_http_query(x->http), "mode", mode, sizeof mode);
    x->state.call.is_async = size > 0 && strcmp(mode, "async") == 0;
    const char *key = ow_http_header(x->http, KEY_HEADER);
    return (size == -1 || (size > 0 && (x->state.call.is_async || strcmp(mode, "sync") == 0))) &&
           (key == NULL || (x->state.call.is_async && ow_http_is_header_value(key, KEY_MAX)));
}

size_t async_body_limit(const exchange *x) {
    size_t usual = (size_t)x->gw->config->max_payload;
    return x->state.call.is_async && usual > ASYNC_PAYLOAD_MAX ? ASYNC_PAYLOAD_MAX : usual;
}

static void answer(exchange *x, const enqueued_msg *accepted) {
    ow_json_writer writer;
    size_t size = 0;
    ow_json_writer_init(&writer, x->call->arena, REPLY_MAX);
    ow_json_object_open(&writer);
    ow_json_name(&writer, "executionId");
    ow_json_text(&writer, accepted->execution_id);
    ow_json_name(&writer, "duplicate");
    ow_json_bool(&writer, accepted->duplicate);
    ow_json_object_close(&writer);
    const char *body = ow_json_writer_end(&writer, &size);
    exchange_reply(x, &(exchange_answer){.status = 202,
                                         .content_type = "application/json",
                                         .body = body,
                                         .size = size,
                                         .reason = ""});
}

static void on_enqueued(const enqueue_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    if (reply == NULL || reply->n_executions != 1) {
        exchange_fail_err(x, &call->err);
    } else {
        answer(x, reply->executions[0]);
    }
}

// One caller's keys are not another's, nor those of the platform.
static char *key_of(const exchange *x) {
    const char *key = ow_http_header(x->http, KEY_HEADER);
    return key == NULL ? (char *)""
                       : ow_arena_printf_in(x->call->arena, "call:%s:%s", x->principal.id, key);
}

typedef struct async_request {
    enqueue_request request;
    new_execution_msg execution, *list[1];
} async_request;

void async_enqueue(exchange *x) {
    const invoke_request *call = &x->state.call.request;
    async_request *made = ow_arena_alloc(x->call->arena, sizeof *made);
    char *key = key_of(x);
    if (made == NULL || key == NULL) {
        exchange_refuse(x, 503, OW_UNAVAILABLE, "overloaded", "out of memory, try again");
        return;
    }
    overworld__events__v1__enqueue_request__init(&made->request);
    overworld__events__v1__new_execution__init(&made->execution);
    made->list[0] = &made->execution;
    made->request.executions = made->list;
    made->request.n_executions = 1;
    made->execution.virtual_server = call->virtual_server;
    made->execution.function = call->function;
    made->execution.qualifier = call->qualifier;
    made->execution.source = call->source;
    made->execution.routing_key = call->routing_key;
    made->execution.content_type = call->content_type;
    made->execution.payload = call->payload;
    made->execution.deduplication_key = key;
    overworld__events__v1__queue__enqueue(x->gw->queue, &made->request, on_enqueued, x->call);
}
