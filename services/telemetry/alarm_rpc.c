// The methods of alarms.

#include "services/telemetry/internal.h"

#include "core/audit/audit.h"
#include "core/id/id.h"
#include "core/request_key/request_key.h"
#include "core/timestamp/timestamp.h"

#include <stdio.h>

static ow_code check_title(const ow_run *run) {
    return run->call->principal->title[0] != 0
               ? OW_OK
               : ow_fail(run->err, OW_FAILED_PRECONDITION, "title_needed",
                         "name a title in Overworld-Title");
}

static const char *target_in(const alarm_rule *rule, ow_arena *arena) {
    switch (alarm_target_of(rule)) {
    case ALARM_WEBHOOK:
        return rule->webhook_url;
    case ALARM_FUNCTION:
        return ow_arena_printf_in(arena, "%s/%s %s", rule->call->virtual_server,
                                  rule->call->function, rule->call->qualifier);
    case ALARM_EMAIL:
        break;
    }
    const char *list = "";
    for (size_t i = 0; i < rule->n_emails && list != NULL; i++) {
        list = ow_arena_printf_in(arena, "%s%s%s", list, i > 0 ? " " : "", rule->emails[i]);
    }
    return list;
}

static const char *rule_state(const alarm_rule *rule, ow_arena *arena) {
    const char *target = target_in(rule, arena);
    return target != NULL
               ? ow_audit_state_in(arena, "ttttis", "name", rule->name, "measure", rule->measure,
                                   "virtual_server", rule->virtual_server, "target", target,
                                   "window_s", (int64_t)rule->window_s, "secret")
               : NULL;
}

static ow_code audit(ow_run *run, const alarm_change *c, const char *action, const char *before,
                     const char *after) {
    ow_audit_entry entry = ow_audit_of_call(run->call, c->now_us);
    entry.action = action;
    entry.object = c->alarm_id;
    entry.before = before;
    entry.after = after;
    return ow_audit_append(run->db, &entry, run->err);
}

static ow_code begin(ow_run *run, const char *alarm_id) {
    const telemetry *t = run->self;
    alarm_change *c = run->state;
    c->now_us = ow_clock_wall_us(t->env->clock);
    snprintf(c->alarm_id, sizeof c->alarm_id, "%s", alarm_id);
    ow_id_make(c->notice_id, "ntc_", c->now_us);
    return check_title(run);
}

// ---- CreateAlarm ----

ow_code alarm_create_check(ow_run *run) {
    const create_alarm_request *request = run->request;
    alarm_change *c = run->state;
    ow_code code = begin(run, "");
    ow_id_make(c->alarm_id, "alm_", c->now_us);
    ow_webhook_make_secret(c->secret);
    code = code == OW_OK ? ow_request_key_check(request->request_key, run->err) : code;
    return code == OW_OK ? alarm_check(request->rule, run->err) : code;
}

static ow_code create(ow_run *run) {
    const create_alarm_request *request = run->request;
    create_alarm_response *reply = run->reply;
    alarm_change *c = run->state;
    alarm_row row = {
        .alarm_id = c->alarm_id,
        .title_id = run->call->principal->title,
        .secret = c->secret,
        .rule = request->rule,
    };
    reply->alarm_id = c->alarm_id;
    if (alarm_target_of(request->rule) == ALARM_WEBHOOK) {
        reply->webhook_secret = c->secret;
    }
    ow_code code = alarm_store_create(run->db, &row, run->err);
    return code == OW_OK
               ? audit(run, c, "alarm.create", "", rule_state(request->rule, run->call->arena))
               : code;
}

// The secret is kept with the answer: the alarm beside it has it too, to sign with.
ow_code alarm_create_store(ow_run *run) {
    const create_alarm_request *request = run->request;
    const ow_principal *who = run->call->principal;
    create_alarm_response *reply = run->reply;
    const alarm_change *c = run->state;
    ow_request_key key = {.title = who->title,
                          .principal = who->id,
                          .method = "CreateAlarm",
                          .key = request->request_key,
                          .request = run->request,
                          .arena = run->call->arena,
                          .now_us = c->now_us};
    bool is_repeat = false;
    ow_code code = ow_request_key_find(run->db, &key, &reply->base, &is_repeat, run->err);
    if (code != OW_OK || is_repeat) {
        return code;
    }
    code = create(run);
    return code == OW_OK ? ow_request_key_keep(run->db, &key, &reply->base, run->err) : code;
}

// ---- ListAlarms ----

static bool fill_alarm(alarm_msg *m, const alarm_row *row, ow_arena *arena) {
    Google__Protobuf__Timestamp *since = ow_timestamp_in(arena, row->state.since_us);
    if (since == NULL) {
        return false;
    }
    overworld__telemetry__v1__alarm__init(m);
    m->alarm_id = (char *)(uintptr_t)row->alarm_id;
    m->rule = row->rule;
    m->firing = row->state.firing;
    m->since = row->state.since_us > 0 ? since : NULL;
    m->value = row->value;
    m->waiting_notices = row->waiting;
    m->last_error = (char *)(uintptr_t)row->last_error;
    return true;
}

ow_code alarm_list_read(ow_run *run) {
    list_alarms_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    alarm_list list = {0};
    ow_code code = check_title(run);
    if (code == OW_OK) {
        code = alarm_store_list(run->db, run->call->principal->title, arena, &list, run->err);
    }
    if (code != OW_OK) {
        return code;
    }
    reply->alarms = ow_arena_calloc(arena, (size_t)list.count + 1, sizeof *reply->alarms);
    for (int i = 0; reply->alarms != NULL && i < list.count; i++) {
        alarm_msg *m = ow_arena_alloc(arena, sizeof *m);
        if (m == NULL || !fill_alarm(m, &list.rows[i], arena)) {
            return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for alarms");
        }
        reply->alarms[reply->n_alarms++] = m;
    }
    return OW_OK;
}

// ---- DeleteAlarm, TestAlarm ----

ow_code alarm_delete_begin(ow_run *run) {
    return begin(run, ((const delete_alarm_request *)run->request)->alarm_id);
}

ow_code alarm_delete_store(ow_run *run) {
    alarm_change *c = run->state;
    const char *title = run->call->principal->title;
    alarm_row row;
    ow_code code = alarm_store_get(run->db, title, c->alarm_id, run->call->arena, &row, run->err);
    if (code == OW_OK) {
        code = alarm_store_delete(run->db, title, c->alarm_id, run->err);
    }
    return code == OW_OK ? audit(run, c, "alarm.delete", rule_state(row.rule, run->call->arena), "")
                         : code;
}

ow_code alarm_test_begin(ow_run *run) {
    return begin(run, ((const test_alarm_request *)run->request)->alarm_id);
}

ow_code alarm_test_store(ow_run *run) {
    test_alarm_response *reply = run->reply;
    alarm_change *c = run->state;
    ow_arena *arena = run->call->arena;
    int64_t lost;
    alarm_row row;
    ow_code code =
        alarm_store_get(run->db, run->call->principal->title, c->alarm_id, arena, &row, run->err);
    if (code != OW_OK) {
        return code;
    }
    notice_row notice = {
        .notice_id = c->notice_id,
        .alarm_id = c->alarm_id,
        .body = alarm_body(&row, ALARM_TEST, c->notice_id, c->now_us, arena),
        .created_us = c->now_us,
        .due_us = c->now_us,
    };
    if (notice.body == NULL) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a notice");
    }
    reply->notice_id = c->notice_id;
    code = notice_store_add(run->db, &notice, &lost, run->err);
    return code == OW_OK ? audit(run, c, "alarm.test", "", "") : code;
}

ow_code alarm_test_tell(ow_run *run) {
    alarms_kick(((telemetry *)run->self)->alarms);
    return OW_OK;
}
