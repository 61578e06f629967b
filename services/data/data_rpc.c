// The table of methods, and what their files share.

#include "services/data/internal.h"

enum { SECOND_US = 1000000 };

ow_code no_memory(ow_run *run) {
    return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the answer");
}

int64_t now_us(const ow_run *run) {
    const data *self = run->self;
    return ow_clock_wall_us(self->env->clock);
}

ow_code scope_of(ow_run *run, const scope_msg *wanted, kv_scope *ret_scope) {
    return kv_scope_of(run->call->principal->title, wanted, ret_scope, run->err);
}

// ---- Entries ----

static Google__Protobuf__Timestamp *timestamp(ow_arena *arena, int64_t us) {
    Google__Protobuf__Timestamp *made = ow_arena_alloc(arena, sizeof *made);
    if (made != NULL) {
        google__protobuf__timestamp__init(made);
        made->seconds = us / SECOND_US;
        made->nanos = (int32_t)(us % SECOND_US) * 1000;
    }
    return made;
}

entry_msg *entry_message(ow_arena *arena, const kv_entry *entry) {
    entry_msg *made = ow_arena_alloc(arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__data__v1__entry__init(made);
    made->key = (char *)(uintptr_t)entry->key;
    made->value.data = (uint8_t *)(uintptr_t)entry->value;
    made->value.len = entry->size;
    made->version = entry->version;
    made->updated_at = timestamp(arena, entry->updated_us);
    if (entry->expires_us > 0) {
        made->expires_at = timestamp(arena, entry->expires_us);
    }
    bool whole = made->updated_at != NULL && (entry->expires_us == 0 || made->expires_at != NULL);
    return whole ? made : NULL;
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    data *self = run->self;
    return ow_backup_start_step(self->backup, run);
}

static ow_code started_backup(ow_run *run) {
    data *self = run->self;
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    data *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method data_methods[] = {
    {"KvGet", sizeof(getting), {{OW_LOOP, get_check}, {OW_READ, get_read}}},
    {"KvList", sizeof(listing), {{OW_LOOP, list_check}, {OW_READ, list_read}}},
    {"KvUsage", sizeof(kv_scope), {{OW_LOOP, usage_check}, {OW_READ, usage_read}}},
    {"KvSet",
     sizeof(changing),
     {{OW_LOOP, set_check}, {OW_WRITE, change_store}, {OW_LOOP, set_reply}}},
    {"KvDelete",
     sizeof(changing),
     {{OW_LOOP, delete_check}, {OW_WRITE, change_store}, {OW_LOOP, delete_reply}}},
    {"KvIncrement",
     sizeof(changing),
     {{OW_LOOP, increment_check}, {OW_WRITE, change_store}, {OW_LOOP, increment_reply}}},
    {"KvBatch",
     sizeof(batching),
     {{OW_LOOP, batch_check}, {OW_WRITE, batch_store}, {OW_LOOP, batch_reply}}},
    {"KvDeletePrefix",
     sizeof(erasing),
     {{OW_LOOP, delete_prefix_check}, {OW_WRITE, delete_prefix_store}}},
    {"ErasePlayer",
     sizeof(erasing),
     {{OW_LOOP, erase_player_check}, {OW_WRITE, erase_player_store}}},
    {"StartBackup", 0, {{OW_READ, start_backup}, {OW_LOOP, started_backup}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
