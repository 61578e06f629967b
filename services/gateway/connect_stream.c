// Server streams of the Connect protocol: each message in an envelope, as it comes, the end in one of
// its own. Source: https://connectrpc.com/docs/protocol#streaming-rpcs

#include "services/gateway/connect_stream.h"
#include "services/gateway/connect_input.h"

#include "core/json/writer.h"

#include <string.h>

#define JSON_STREAM "application/connect+json"
#define PROTO_STREAM "application/connect+proto"
#define END_MAX (64 * 1024)

static bool write_piece(exchange *x, const char *bytes, size_t size, bool last) {
    uint8_t envelope[CONNECT_ENVELOPE];
    connect_seal_envelope(size, last, envelope);
    return exchange_stream_write(x, envelope, sizeof envelope) &&
           exchange_stream_write(x, bytes, size);
}

// "{}", or "{"error": ...}".
static const char *end_text(exchange *x, const ow_err *err, size_t *ret_size) {
    ow_json_writer writer;
    size_t size = 0;
    ow_json_writer_init(&writer, x->gw->scratch, END_MAX);
    ow_json_object_open(&writer);
    if (err != NULL) {
        failure why = failure_from(err);
        const char *error = failure_connect_json(&why, x->request_id, x->gw->scratch, &size);
        if (error != NULL) {
            ow_json_name(&writer, "error");
            ow_json_raw(&writer, error, size);
        }
    }
    ow_json_object_close(&writer);
    return ow_json_writer_end(&writer, ret_size);
}

// A stream that reaches its time ends well: who wants more asks again, and must still be allowed to.
static void end(exchange *x, const ow_err *err) {
    size_t size = 0;
    bool is_over = err != NULL && err->code == OW_DEADLINE_EXCEEDED;
    const ow_err *told = is_over || err == NULL ? NULL : err;
    const char *text = end_text(x, told, &size);
    bool whole = text != NULL && write_piece(x, text, size, true);
    exchange_stream_end(x, told != NULL ? told->reason : "", whole);
}

static bool begin(exchange *x) {
    return x->streams ||
           exchange_stream_begin(x, x->state.connect.is_json ? JSON_STREAM : PROTO_STREAM);
}

void connect_on_piece(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    exchange *x = call->user;
    ow_arena *scratch = x->gw->scratch;
    const char *bytes;
    size_t size;
    ow_err err;
    if (message == NULL) {
        ow_err copy = call->err;
        bool failed = call->err.code != OW_OK;
        if (begin(x)) {
            end(x, failed ? &copy : NULL);
        } else {
            exchange_stream_end(x, "overloaded", false);
        }
        ow_arena_reset(scratch);
        return;
    }
    bool sent = begin(x) && connect_encode(x, message, scratch, &bytes, &size, &err) == OW_OK &&
                write_piece(x, bytes, size, false);
    ow_arena_reset(scratch);
    if (!sent) {
        ow_call_cancel_for(call, OW_RESOURCE_EXHAUSTED, "slow_consumer");
    }
}
