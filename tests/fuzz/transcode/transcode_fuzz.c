// A text that the transcoder reads can be printed, and what was printed reads back to the same
// message: reading and printing again changes nothing.

#include "core/json/transcode.h"

#include "core/json/transcode_test.pb-c.h"
#include "core/testing/scarce.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TYPE (&overworld__json__test__everything__descriptor)

static const char *again(ow_arena *arena, const char *text, size_t size, size_t *ret_size) {
    ow_json_input input = {text, size, false};
    ProtobufCMessage *message;
    const char *printed;
    if (ow_json_to_message(&input, TYPE, arena, &message, NULL) != OW_OK) {
        return NULL;
    }
    ow_code code = ow_json_from_message(message, arena, 1 << 22, &printed, ret_size, NULL);
    if (code != OW_OK && !ow_scarce_has_failed()) {
        abort();
    }
    return code == OW_OK ? printed : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) {
        return 0;
    }
    ow_arena *arena = ow_arena_new(1 << 24);
    if (arena == NULL) {
        return 0;
    }
    size_t first_size, second_size;
    const char *first = again(arena, (const char *)data, size, &first_size);
    if (first != NULL) {
        const char *second = again(arena, first, first_size, &second_size);
        if (second == NULL ? !ow_scarce_has_failed()
                           : second_size != first_size || memcmp(first, second, first_size) != 0) {
            abort();
        }
    }
    ow_arena_free(arena);
    return 0;
}
