#include "services/telemetry/changes.h"

#include <string.h>

static bool same(slice a, slice b) {
    return a.length == b.length && memcmp(a.text, b.text, a.length) == 0;
}

static bool is_same(const change *a, const change *b) {
    return a->kind == b->kind && same(a->name, b->name) && same(a->title, b->title);
}

// False: it changes nothing.
static bool change_of(const record_view *v, change *ret_change) {
    bool by_method = v->kind == RECORD_REQUEST && v->changes && v->status < 400;
    bool by_run = v->kind == RECORD_INVOCATION && !v->init_only;
    if (v->title_id.length == 0 || (!by_method && !by_run)) {
        return false;
    }
    *ret_change = (change){
        .title = v->title_id,
        .name = by_method ? v->method : v->virtual_server,
        .kind = by_method ? CHANGE_METHOD : CHANGE_RUN,
    };
    return true;
}

void changes_take(block_changes *changes, const record_view *v) {
    change found;
    if (!change_of(v, &found)) {
        return;
    }
    // The newest first: neighbours are often alike.
    for (int i = changes->count - 1; i >= 0; i--) {
        if (is_same(&changes->list[i], &found)) {
            return;
        }
    }
    if (changes->count == CHANGES_MAX || found.name.length >= CHANGE_NAME_MAX) {
        changes->more = true;
        return;
    }
    changes->list[changes->count++] = found;
}
