// The methods that change timers: validate, call the store, fill the reply.

#include "services/timers/internal.h"

#include "core/audit/audit.h"
#include "core/audit/methods.h"
#include "core/id/id.h"
#include "core/request_key/request_key.h"
#include "core/timestamp/timestamp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

reader reader_of(ow_run *run) {
    return (reader){run->db, run->call->arena, run->err};
}

ow_code no_room(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "the answer is too large");
}

ow_code timer_change_begin(ow_run *run) {
    const timers *t = run->self;
    timer_change *c = run->state;
    c->now_us = ow_clock_wall_us(t->env->clock);
    return run->call->principal->title[0] != 0
               ? OW_OK
               : ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                         "name a title in Overworld-Title");
}

// ---- Replies ----

Google__Protobuf__Timestamp *time_in(ow_arena *arena, int64_t at_us) {
    return at_us > 0 ? ow_timestamp_in(arena, at_us) : NULL;
}

static char *own(const char *text) {
    return (char *)(uintptr_t)text;
}

bool fill_timer(timer_msg *m, const timer_row *row, ow_arena *arena) {
    bool active = row->next_due_us != NEVER;
    overworld__timers__v1__timer__init(m);
    m->timer_id = own(row->timer_id);
    m->virtual_server = own(row->virtual_server);
    m->spec = row->spec;
    m->declared = row->declared;
    m->state = own(row->paused ? "paused" : active ? "active" : "ended");
    m->pause_reason = own(row->pause_reason);
    m->paused_by = own(row->paused_by);
    m->next_due = active ? time_in(arena, row->next_due_us) : NULL;
    m->last_due = time_in(arena, row->last_due_us);
    m->last_execution_id = own(row->last_execution_id);
    m->created_at = time_in(arena, row->created_us);
    m->updated_at = time_in(arena, row->updated_us);
    m->etag = ow_arena_printf_in(arena, "%lld", (long long)row->etag);
    return m->etag != NULL && m->created_at != NULL;
}

static ow_code reply_with(ow_run *run, const timer_row *row) {
    return fill_timer(run->reply, row, run->call->arena) ? OW_OK : no_room(run->err);
}

// ---- Audit ----

const char *timer_state(const timer_row *row, ow_arena *arena) {
    const timer_spec *s = row->spec;
    return ow_audit_state_in(arena, "ttttititttb", "virtual_server", row->virtual_server, "name",
                             s->name, "function", s->function, "alias", spec_alias(s), "every_us",
                             us_of_duration(s->every), "cron", s->cron, "at_us", us_of_time(s->at),
                             "time_zone", s->time_zone, "catch_up", s->catch_up, "overlap",
                             s->overlap, "paused", (int)row->paused);
}

ow_code audit_timer(ow_run *run, int64_t now_us, const char *action, const timer_row *row,
                    const char *before, const char *after) {
    ow_audit_entry entry = ow_audit_of_call(run->call, now_us);
    entry.action = action;
    entry.object = row->timer_id;
    entry.before = before;
    entry.after = after;
    return ow_audit_append(run->db, &entry, run->err);
}

ow_code timer_tell(ow_run *run) {
    const timers *t = run->self;
    if (!t->stopping) {
        firing_kick(t->firing);
    }
    return OW_OK;
}

// ---- CreateTimer ----

static ow_code check_server(const char *name, ow_err *err) {
    size_t length = strlen(name);
    return length >= 1 && length <= NAME_MAX_BYTES
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_timer", "\"virtual_server\" is missing");
}

static ow_code check_spec(const ow_run *run, const timer_spec *spec) {
    const timers *t = run->self;
    return spec != NULL
               ? spec_check(t->zones, spec, run->err)
               : ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_timer", "\"spec\" is missing");
}

static ow_code create_check(ow_run *run) {
    const create_timer_request *request = run->request;
    timer_change *c = run->state;
    ow_code code = timer_change_begin(run);
    ow_id_make(c->timer_id, "tmr_", c->now_us);
    code = code == OW_OK ? check_server(request->virtual_server, run->err) : code;
    code = code == OW_OK ? ow_request_key_check(request->request_key, run->err) : code;
    return code == OW_OK ? check_spec(run, request->spec) : code;
}

// When the schedule begins, or goes on after a pause; `paused` keeps it still. Codes: invalid_argument
// "in_the_past" (a single instant that has passed).
static ow_code begin_schedule(const ow_run *run, timer_row *row, int64_t now_us) {
    const timers *t = run->self;
    schedule s;
    row->anchor_us = now_us;
    ow_code code = schedule_of(t->zones, row->spec, row->anchor_us, &s, run->err);
    if (code != OW_OK) {
        return code;
    }
    row->next_due_us = schedule_next(&s, now_us);
    if (s.kind == SCHEDULE_AT && s.at_us <= now_us && row->last_due_us != s.at_us) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "in_the_past", "\"at\" has passed");
    }
    row->next_due_us = row->paused ? NEVER : row->next_due_us;
    return OW_OK;
}

static ow_code create(ow_run *run, const timer_change *c) {
    const create_timer_request *request = run->request;
    const reader r = reader_of(run);
    bool paused = request->spec->disabled;
    timer_row row = {
        .timer_id = c->timer_id,
        .title_id = run->call->principal->title,
        .virtual_server = request->virtual_server,
        .spec = request->spec,
        .paused = paused,
        .pause_reason = paused ? "created so" : "",
        .paused_by = paused ? run->call->principal->id : "",
        .last_execution_id = "",
        .created_us = c->now_us,
        .updated_us = c->now_us,
        .etag = 1,
    };
    ow_code code = begin_schedule(run, &row, c->now_us);
    code = code == OW_OK ? timer_insert(&r, &row) : code;
    if (code == OW_OK) {
        code = audit_timer(run, c->now_us, "timer.create", &row, "",
                           timer_state(&row, run->call->arena));
    }
    code = code == OW_OK ? reply_with(run, &row) : code;
    if (code == OW_OK && c->warning != NULL) {
        timer_msg *reply = run->reply;
        reply->warning = own(c->warning);
    }
    return code;
}

static ow_code create_store(ow_run *run) {
    const create_timer_request *request = run->request;
    const ow_principal *who = run->call->principal;
    const timer_change *c = run->state;
    ProtobufCMessage *reply = run->reply;
    ow_request_key key = {.title = who->title,
                          .principal = who->id,
                          .method = "CreateTimer",
                          .key = request->request_key,
                          .request = run->request,
                          .arena = run->call->arena,
                          .now_us = c->now_us};
    bool is_repeat = false;
    ow_code code = ow_request_key_find(run->db, &key, reply, &is_repeat, run->err);
    if (code != OW_OK || is_repeat) {
        return code;
    }
    code = create(run, c);
    return code == OW_OK ? ow_request_key_keep(run->db, &key, reply, run->err) : code;
}

// ---- Changes of one ----

static ow_code find_to_change(ow_run *run, const char *timer_id, const char *etag,
                              timer_row *ret_row) {
    const reader r = reader_of(run);
    ow_code code = timer_find(&r, run->call->principal->title, timer_id, ret_row);
    if (code == OW_OK && etag[0] != 0 && strtoll(etag, NULL, 10) != ret_row->etag) {
        return ow_fail(run->err, OW_ABORTED, "stale_etag",
                       "somebody else changed the timer \"%s\": read it again",
                       ret_row->spec->name);
    }
    return code;
}

static ow_code refuse_declared(const ow_run *run, const timer_row *row) {
    return row->declared
               ? ow_fail(run->err, OW_FAILED_PRECONDITION, "declared",
                         "the manifest of \"%s\" declares this timer: change it there and "
                         "deploy, or pause it",
                         row->virtual_server)
               : OW_OK;
}

// Saves, audits, answers.
static ow_code save(ow_run *run, const char *action, const char *before, timer_row *row) {
    const timer_change *c = run->state;
    const reader r = reader_of(run);
    row->updated_us = c->now_us;
    row->etag++;
    ow_code code = timer_save(&r, row);
    if (code == OW_OK) {
        code = audit_timer(run, c->now_us, action, row, before, timer_state(row, run->call->arena));
    }
    return code == OW_OK ? reply_with(run, row) : code;
}

static ow_code update_check(ow_run *run) {
    const update_timer_request *request = run->request;
    ow_code code = timer_change_begin(run);
    return code == OW_OK ? check_spec(run, request->spec) : code;
}

static ow_code update_store(ow_run *run) {
    const update_timer_request *request = run->request;
    const timer_change *c = run->state;
    timer_row row;
    ow_code code = find_to_change(run, request->timer_id, request->etag, &row);
    code = code == OW_OK ? refuse_declared(run, &row) : code;
    if (code == OW_OK && (strcmp(request->spec->name, row.spec->name) != 0 ||
                          strcmp(spec_alias(request->spec), spec_alias(row.spec)) != 0)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_timer",
                       "name and alias of a timer stay as they are");
    }
    if (code != OW_OK) {
        return code;
    }
    const char *before = timer_state(&row, run->call->arena);
    request->spec->disabled = row.spec->disabled;
    row.spec = request->spec;
    code = begin_schedule(run, &row, c->now_us);
    return code == OW_OK ? save(run, "timer.update", before, &row) : code;
}

static ow_code delete_store(ow_run *run) {
    const delete_timer_request *request = run->request;
    const timer_change *c = run->state;
    const reader r = reader_of(run);
    timer_row row;
    ow_code code = find_to_change(run, request->timer_id, request->etag, &row);
    code = code == OW_OK ? refuse_declared(run, &row) : code;
    code = code == OW_OK ? timer_delete(&r, row.timer_id) : code;
    return code == OW_OK ? audit_timer(run, c->now_us, "timer.delete", &row,
                                       timer_state(&row, run->call->arena), "")
                         : code;
}

static ow_code pause_check(ow_run *run) {
    const pause_timer_request *request = run->request;
    if (strlen(request->reason) > REASON_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_reason", "a reason has at most %d bytes",
                       REASON_MAX);
    }
    return timer_change_begin(run);
}

static ow_code pause_store(ow_run *run) {
    const pause_timer_request *request = run->request;
    timer_row row;
    ow_code code = find_to_change(run, request->timer_id, request->etag, &row);
    if (code != OW_OK) {
        return code;
    }
    const char *before = timer_state(&row, run->call->arena);
    row.paused = true;
    row.pause_reason = request->reason;
    row.paused_by = run->call->principal->id;
    row.next_due_us = NEVER;
    return save(run, "timer.pause", before, &row);
}

static ow_code resume_store(ow_run *run) {
    const resume_timer_request *request = run->request;
    const timer_change *c = run->state;
    timer_row row;
    ow_code code = find_to_change(run, request->timer_id, request->etag, &row);
    if (code != OW_OK) {
        return code;
    }
    const char *before = timer_state(&row, run->call->arena);
    row.paused = false;
    row.pause_reason = "";
    row.paused_by = "";
    code = begin_schedule(run, &row, c->now_us);
    return code == OW_OK ? save(run, "timer.resume", before, &row) : code;
}

// ---- Backup ----

static ow_code start_backup(ow_run *run) {
    const timers *t = run->self;
    return ow_backup_start_step(t->backup, run);
}

static ow_code started_backup(ow_run *run) {
    const timers *t = run->self;
    ow_backup_note(run, ow_clock_wall_us(t->env->clock));
    return ow_backup_started_step(t->backup, run);
}

static ow_code read_backup(ow_run *run) {
    const timers *t = run->self;
    return ow_backup_read_step(t->backup, run);
}

const ow_method timers_methods[] = {
    {"CreateTimer",
     sizeof(timer_change),
     {{OW_POOL, create_check},
      {OW_LOOP, target_ask},
      {OW_WRITE, create_store},
      {OW_LOOP, timer_tell}}},
    {"GetTimer", 0, {{OW_READ, timer_get}}},
    {"ListTimers", 0, {{OW_READ, timer_list}}},
    {"UpdateTimer",
     sizeof(timer_change),
     {{OW_POOL, update_check}, {OW_WRITE, update_store}, {OW_LOOP, timer_tell}}},
    {"DeleteTimer",
     sizeof(timer_change),
     {{OW_LOOP, timer_change_begin}, {OW_WRITE, delete_store}}},
    {"PauseTimer", sizeof(timer_change), {{OW_LOOP, pause_check}, {OW_WRITE, pause_store}}},
    {"ResumeTimer",
     sizeof(timer_change),
     {{OW_LOOP, timer_change_begin}, {OW_WRITE, resume_store}, {OW_LOOP, timer_tell}}},
    {"RunTimer",
     sizeof(run_state),
     {{OW_LOOP, by_hand_begin},
      {OW_WRITE, by_hand_claim},
      {OW_LOOP, by_hand_enqueue},
      {OW_WRITE, by_hand_settle},
      {OW_LOOP, timer_tell}}},
    {"PreviewTimer", sizeof(preview_state), {{OW_LOOP, preview_begin}, {OW_READ, preview_read}}},
    {"ListSlots", 0, {{OW_READ, slot_list}}},
    {"ApplyTriggers",
     sizeof(timer_change),
     {{OW_POOL, apply_begin}, {OW_WRITE, apply_store}, {OW_LOOP, apply_tell}}},
    {"ListAudit", 0, {{OW_READ, ow_audit_list_step}}},
    {"VerifyAudit", 0, {{OW_READ, ow_audit_verify_step}}},
    {"StartBackup",
     sizeof(ow_audit_entry),
     {{OW_READ, start_backup}, {OW_LOOP, started_backup}, {OW_WRITE, ow_backup_audit_step}}},
    {"ReadBackup", 0, {{OW_POOL, read_backup}}},
    {0},
};
