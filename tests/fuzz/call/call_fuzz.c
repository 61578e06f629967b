// What travels beside a call, from any bytes. The first byte chooses: the metadata record (what is
// accepted must be exactly what would be written), an error, a traceparent.

#include "core/rpc/call.h"
#include "core/rpc/status.h"
#include "core/testing/scarce.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_metadata(const uint8_t *data, size_t size) {
    ow_call_metadata metadata;
    if (ow_call_metadata_decode(data, size, &metadata, NULL) != OW_OK) {
        return;
    }
    ow_call call = {
        .principal = &metadata.principal,
        .client_address = metadata.client_address,
        .tracestate = metadata.tracestate,
        .trace = metadata.trace,
        .hops = metadata.hops,
        .from_outside = metadata.from_outside,
    };
    memcpy(call.request_id, metadata.request_id, sizeof call.request_id);
    uint8_t again[OW_CALL_METADATA_MAX];
    if (ow_call_metadata_encode(&call, again) != size || memcmp(again, data, size) != 0) {
        abort();
    }
}

static void try_status(const uint8_t *data, size_t size) {
    ow_err read = {0};
    ow_err again = {0};
    uint8_t bytes[OW_STATUS_BYTES_MAX];
    if (ow_status_decode(data, size, &read, NULL) != OW_OK) {
        return;
    }
    size_t written = ow_status_encode(&read, bytes);
    ow_code code = ow_status_decode(bytes, written, &again, NULL);
    if (code != OW_OK && ow_scarce_has_failed()) {
        return;
    }
    if (code != OW_OK || again.code != read.code || strcmp(again.reason, read.reason) != 0 ||
        strcmp(again.message, read.message) != 0) {
        abort();
    }
}

// What is kept of a header is kept whole the next time.
static void try_tracestate(const char *header) {
    char kept[OW_TRACESTATE_MAX] = "";
    char again[OW_TRACESTATE_MAX] = "";
    ow_tracestate_add(kept, header);
    ow_tracestate_add(again, kept);
    if (strcmp(kept, again) != 0) {
        abort();
    }
}

static void try_trace(const uint8_t *data, size_t size) {
    char text[256];
    char again[OW_TRACEPARENT_MAX];
    ow_trace trace;
    size_t length = size < sizeof text ? size : sizeof text - 1;
    memcpy(text, data, length);
    text[length] = '\0';
    try_tracestate(text);
    text[length] = '\0';
    if (ow_trace_parse(text, &trace)) {
        ow_trace_format(again, &trace);
        // All but the version is kept.
        if (memcmp(again + 2, text + 2, strlen(again) - 2) != 0) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static void (*const tries[])(const uint8_t *, size_t) = {try_metadata, try_status, try_trace};
    if (size > 0) {
        tries[data[0] % 3](data + 1, size - 1);
    }
    return 0;
}
