#include "core/audit/chain.h"

#include <string.h>

// A length in front of each text: no two entries give the same bytes.
static void add_text(ow_sha256_stream *stream, const char *text) {
    uint64_t size = text != NULL ? strlen(text) : 0;
    uint8_t length[8];
    for (int i = 0; i < 8; i++) {
        length[i] = (uint8_t)(size >> (56 - 8 * i));
    }
    ow_sha256_stream_add(stream, length, sizeof length);
    if (size > 0) {
        ow_sha256_stream_add(stream, text, size);
    }
}

static void add_number(ow_sha256_stream *stream, int64_t number) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
    ow_sha256_stream_add(stream, bytes, sizeof bytes);
}

bool chain_hash(const char *before, const ow_audit_entry *entry,
                char ret_hash[static OW_SHA256_HEX_SIZE]) {
    const char *const texts[] = {entry->title,  entry->principal, entry->address, entry->request_id,
                                 entry->action, entry->object,    entry->before,  entry->after};
    ow_sha256_stream *stream = ow_sha256_stream_new();
    if (stream == NULL) {
        return false;
    }
    add_text(stream, before);
    add_number(stream, entry->sequence);
    add_number(stream, entry->at_us);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        add_text(stream, texts[i]);
    }
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256_stream_finish(stream, digest);
    ow_sha256_stream_free(stream);
    ow_hex_encode(digest, sizeof digest, ret_hash);
    return true;
}
