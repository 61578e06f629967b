// The archive reader on any bytes: what it accepts must be exactly what the writer would write.

#include "core/archive/archive.h"
#include "core/testing/scarce.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ow_arena *arena = ow_arena_new((size_t)4 << 20);
    ow_archive archive;
    if (arena != NULL && ow_archive_read(data, size, arena, &archive, NULL) == OW_OK) {
        uint8_t *again = NULL;
        size_t again_size = 0;
        ow_code code = ow_archive_write(archive.files, archive.count, &again, &again_size, NULL);
        if (code != OW_OK ? !ow_scarce_has_failed()
                          : again_size != size || memcmp(again, data, size) != 0) {
            abort();
        }
        free(again);
    }
    ow_arena_free(arena);
    return 0;
}
