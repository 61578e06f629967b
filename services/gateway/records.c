// One record of each request, in blocks on their way to telemetry. Losing some is counted; waiting
// for telemetry never happens.

#include "services/gateway/internal.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (256 * 1024)
#define MAX_AGE_US 200000
#define BLOCKS_IN_FLIGHT 16
#define APPEND_TIMEOUT_US 10000000
#define PRINCIPAL_TEXT_MAX (OW_ID_MAX + 16)

// A block on its way.
typedef struct sent_block {
    gateway *gw;
    const ow_batch_block *block;
    append_request request;
} sent_block;

static void on_appended(const append_response *reply, void *closure_data) {
    ow_call *call = closure_data;
    sent_block *sent = call->user;
    ow_batch_block_done(sent->gw->records, sent->block, reply != NULL);
    ow_call_free(call);
}

static void on_block(void *self, const ow_batch_block *block) {
    static const ow_principal platform = {.kind = OW_PLATFORM};
    gateway *gw = self;
    ow_call_options options = {.principal = &platform, .timeout_us = APPEND_TIMEOUT_US};
    ow_call *call = ow_call_new(gw->loop, &options);
    sent_block *sent = call != NULL ? ow_arena_alloc(call->arena, sizeof *sent) : NULL;
    if (sent == NULL) {
        ow_call_free(call);
        ow_batch_block_done(gw->records, block, false);
        return;
    }
    call->user = sent;
    sent->gw = gw;
    sent->block = block;
    overworld__telemetry__v1__append_request__init(&sent->request);
    sent->request.process = (char *)(uintptr_t)gw->env->process;
    sent->request.records = (ProtobufCBinaryData){block->size, (uint8_t *)(uintptr_t)block->bytes};
    sent->request.count = (int32_t)block->count;
    sent->request.first_us = block->first_us;
    sent->request.last_us = block->last_us;
    sent->request.dropped = (int64_t)block->dropped;
    overworld__telemetry__v1__telemetry__append(gw->telemetry, &sent->request, on_appended, call);
}

ow_code records_open(gateway *gw, ow_err *err) {
    ow_batch_options options = {.loop = gw->loop,
                                .block_bytes = BLOCK_BYTES,
                                .max_age_us = MAX_AGE_US,
                                .max_blocks_in_flight = BLOCKS_IN_FLIGHT,
                                .on_block = on_block,
                                .self = gw};
    return ow_batch_new(&options, &gw->records, err);
}

static void describe_principal(const ow_principal *principal,
                               char text[static PRINCIPAL_TEXT_MAX]) {
    static const char *const kinds[] = {[OW_NOBODY] = "",
                                        [OW_PLAYER] = "player:",
                                        [OW_SERVER] = "server:",
                                        [OW_OPERATOR] = "operator:",
                                        [OW_PLATFORM] = "platform:"};
    // On the path of every call: printf would cost more than the rest of the record.
    char *id = memccpy(text, kinds[principal->kind], '\0', PRINCIPAL_TEXT_MAX);
    memcpy(id - 1, principal->id, strnlen(principal->id, OW_ID_MAX - 1) + 1);
}

static ProtobufCBinaryData first_part(const void *bytes, size_t size) {
    size = size < PAYLOAD_RECORD_MAX ? size : PAYLOAD_RECORD_MAX;
    return (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)bytes};
}

static bool may_change(const exchange *x) {
    return x->door == &connect_door && x->state.connect.method != NULL &&
           !x->state.connect.method->rule->no_side_effects;
}

// Probes and scrapes would drown what people look for; so would the pages on which they look. Of a
// request that went well.
static bool is_noise(const exchange *x) {
    return x->door == &plain_door || (x->door == &connect_door && x->by_portal &&
                                      x->state.connect.method->rule->no_side_effects);
}

// What an operator has changed is recorded in any case: it is little, and whoever watches for changes learns it from there.
static bool is_wanted(const exchange *x, const exchange_answer *answer) {
    if (!x->gw->config->records) {
        return answer->status < 400 && x->principal.kind == OW_OPERATOR && may_change(x);
    }
    return answer->status >= 400 || !is_noise(x);
}

void records_add(exchange *x, const exchange_answer *answer) {
    gateway *gw = x->gw;
    char principal[PRINCIPAL_TEXT_MAX];
    size_t bytes_in = 0;
    if (!is_wanted(x, answer)) {
        return;
    }
    const void *body = x->http != NULL ? ow_http_body(x->http, &bytes_in) : NULL;
    bytes_in = body != NULL ? bytes_in : 0;
    describe_principal(&x->principal, principal);
    request_record request = OVERWORLD__TELEMETRY__V1__REQUEST_RECORD__INIT;
    request.principal = principal;
    request.client_address = x->client_address;
    request.method = (char *)(uintptr_t)x->method_text;
    request.virtual_server = x->virtual_server;
    request.function = x->function;
    request.revision_id = x->revision_id;
    request.qualifier = x->qualifier;
    request.status = answer->status;
    request.reason = (char *)(uintptr_t)answer->reason;
    request.bytes_in = (int64_t)bytes_in;
    request.bytes_out = (int64_t)answer->size;
    request.total_us = ow_loop_now_us(gw->loop) - x->started_us;
    request.instance_us = x->instance_us;
    request.changes = may_change(x);
    if (x->log_payload) {
        request.payload = first_part(body, bytes_in);
        request.result = first_part(answer->body, answer->size);
    }
    telemetry_record record = OVERWORLD__TELEMETRY__V1__RECORD__INIT;
    record.time_us = x->started_wall_us + request.total_us;
    record.request_id = x->request_id;
    record.title_id = x->principal.title;
    record.request = &request;
    record.trace_id =
        (ProtobufCBinaryData){sizeof x->trace.trace_id, (uint8_t *)(uintptr_t)x->trace.trace_id};
    memcpy(&record.span_id, x->trace.span_id, sizeof record.span_id);
    memcpy(&record.parent_span_id, x->parent_span, sizeof record.parent_span_id);
    record.sampled = (x->trace.flags & 1) != 0;
    record.trace_state = x->tracestate;
    ow_batch_add(gw->records, record.time_us, &record.base);
}
