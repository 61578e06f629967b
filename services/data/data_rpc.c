// The table of methods, and what their files share.

#include "services/data/internal.h"

#include "core/audit/audit.h"
#include "core/audit/methods.h"
#include "core/timestamp/timestamp.h"

ow_code kv_no_memory(ow_run *run) {
    return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the answer");
}

int64_t kv_now_us(const ow_run *run) {
    const data *self = run->self;
    return ow_clock_wall_us(self->env->clock);
}

ow_code kv_scope_wanted(ow_run *run, const scope_msg *wanted, kv_scope *ret_scope) {
    return kv_scope_of(run->call->principal->title, wanted, ret_scope, run->err);
}

// ---- Entries ----

entry_msg *kv_entry_message(ow_arena *arena, const kv_entry *entry) {
    entry_msg *made = ow_arena_alloc(arena, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    overworld__data__v1__entry__init(made);
    made->key = (char *)(uintptr_t)entry->key;
    made->value.data = (uint8_t *)(uintptr_t)entry->value;
    made->value.len = entry->size;
    made->version = entry->version;
    made->updated_at = ow_timestamp_in(arena, entry->updated_us);
    if (entry->expires_us > 0) {
        made->expires_at = ow_timestamp_in(arena, entry->expires_us);
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
    ow_backup_note(run, ow_clock_wall_us(self->env->clock));
    return ow_backup_started_step(self->backup, run);
}

static ow_code read_backup(ow_run *run) {
    data *self = run->self;
    return ow_backup_read_step(self->backup, run);
}

const ow_method data_methods[] = {
    {"KvGet", sizeof(getting), {{OW_LOOP, kv_get_check}, {OW_READ, kv_get_read}}},
    {"KvList", sizeof(listing), {{OW_LOOP, kv_list_check}, {OW_READ, kv_list_read}}},
    {"KvUsage", sizeof(kv_scope), {{OW_LOOP, kv_usage_check}, {OW_READ, kv_usage_read}}},
    {"KvSet",
     sizeof(changing),
     {{OW_LOOP, kv_set_check},
      {OW_LOOP, kv_players_ask},
      {OW_WRITE, kv_change_store},
      {OW_LOOP, kv_set_reply}}},
    {"KvDelete",
     sizeof(changing),
     {{OW_LOOP, kv_delete_check}, {OW_WRITE, kv_change_store}, {OW_LOOP, kv_delete_reply}}},
    {"KvIncrement",
     sizeof(changing),
     {{OW_LOOP, kv_increment_check},
      {OW_LOOP, kv_players_ask},
      {OW_WRITE, kv_change_store},
      {OW_LOOP, kv_increment_reply}}},
    {"KvBatch",
     sizeof(batching),
     {{OW_LOOP, kv_batch_check},
      {OW_LOOP, kv_players_ask},
      {OW_WRITE, kv_batch_store},
      {OW_LOOP, kv_batch_reply}}},
    {"KvDeletePrefix",
     sizeof(erasing),
     {{OW_LOOP, kv_delete_prefix_check}, {OW_WRITE, kv_delete_prefix_store}}},
    {"ErasePlayer",
     sizeof(erasing),
     {{OW_LOOP, kv_erase_player_check}, {OW_WRITE, kv_erase_player_store}}},
    {"ApplyTriggers", sizeof(erasing), {{OW_LOOP, kv_apply_check}, {OW_WRITE, kv_apply_store}}},
    {"ListAudit", 0, {{OW_READ, ow_audit_list_step}}},
    {"VerifyAudit", 0, {{OW_READ, ow_audit_verify_step}}},
    {"StartBackup",
     sizeof(ow_audit_entry),
     {{OW_READ, start_backup}, {OW_LOOP, started_backup}, {OW_WRITE, ow_backup_audit_step}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
