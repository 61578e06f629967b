// The manifest reader on any text; what it accepts keeps its bounds.

#include "services/registry/manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ow_arena *arena = ow_arena_new((size_t)4 << 20);
    ow_manifest m;
    ow_err err;
    if (arena != NULL && ow_manifest_read((const char *)data, size, arena, &m, &err) == OW_OK) {
        if (!ow_manifest_is_name(m.name) || m.function_count < 1 ||
            m.function_count > OW_MANIFEST_FUNCTIONS_MAX) {
            abort();
        }
        for (size_t i = 0; i < m.pattern_count; i++) {
            ow_manifest_pattern_matches(m.patterns[i], "maps/level-1.bin");
        }
    }
    ow_arena_free(arena);
    return 0;
}
