#include "cli/pieces.h"

#include <string.h>

bool pieces_add(pieces *to, ow_arena *arena,
                const Overworld__Registry__V1__GetFileResponse *piece) {
    if (to->bytes == NULL && piece->total_size >= 0) {
        to->total = piece->total_size;
        to->bytes = ow_arena_alloc(arena, (size_t)to->total + 1);
    }
    if (to->bytes == NULL || piece->total_size != to->total ||
        (int64_t)piece->data.len > to->total - to->size) {
        return false;
    }
    if (piece->data.len > 0) {
        memcpy(to->bytes + to->size, piece->data.data, piece->data.len);
    }
    to->size += (int64_t)piece->data.len;
    return true;
}
