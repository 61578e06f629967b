#include "services/timers/claim.h"

#include <stdio.h>
#include <string.h>

typedef struct due_timers {
    timer_row *rows; // ROUND_TIMERS_MAX
    int count;
} due_timers;

static ow_code keep_due(void *self, const timer_row *row, ow_err *err) {
    due_timers *due = self;
    (void)err;
    due->rows[due->count++] = *row;
    return OW_OK;
}

static ow_code hold(void *self, const slot_row *slot, const timer_row *timer, ow_err *err) {
    round *r = self;
    (void)err;
    r->slots[r->count++] = (held_slot){.timer = *timer, .slot = *slot};
    return OW_OK;
}

static ow_code add_missed(const reader *rd, round *r, const timer_row *timer, const plan *p,
                          const char *reason) {
    bool added = false;
    slot_row slot = {
        .timer_id = timer->timer_id,
        .title_id = timer->title_id,
        .due_us = p->missed_first_us,
        .kind = KIND_SCHEDULE,
        .state = STATE_MISSED,
        .reason = reason,
        .count = p->missed_count,
        .last_due_us = p->missed_last_us,
        .made_us = r->now_us,
        .try_us = NEVER,
    };
    r->missed += p->missed_count;
    ow_code code = p->missed_count > 0 ? slot_add(rd, &slot, &added) : OW_OK;
    return code == OW_OK && added ? announce_missed(rd, r->bus, timer, &slot) : code;
}

static ow_code add_fire(const reader *rd, round *r, const timer_row *timer,
                        const planned_slot *planned, bool overlaps) {
    bool added = false;
    slot_row slot = {
        .timer_id = timer->timer_id,
        .title_id = timer->title_id,
        .due_us = planned->due_us,
        .kind = planned->catch_up ? KIND_CATCH_UP : KIND_SCHEDULE,
        .state = overlaps ? STATE_SKIPPED : STATE_CLAIMED,
        .reason = overlaps ? "overlap" : "",
        .count = 1,
        .last_due_us = planned->due_us,
        .made_us = r->now_us,
        .try_us = overlaps ? NEVER : r->now_us + LEASE_US,
    };
    ow_code code = slot_add(rd, &slot, &added);
    return code == OW_OK && added && !overlaps ? hold(r, &slot, timer, rd->err) : code;
}

static ow_code pause(const reader *rd, const round *r, timer_row *timer, const ow_err *why) {
    timer->paused = true;
    timer->pause_reason = ow_arena_strdup_in(rd->arena, why->message);
    timer->paused_by = "";
    timer->next_due_us = NEVER;
    timer->updated_us = r->now_us;
    timer->etag++;
    timer->pause_reason = timer->pause_reason != NULL ? timer->pause_reason : why->reason;
    return timer_save(rd, timer);
}

static ow_code add_planned(const reader *rd, round *r, const timer_row *timer, const plan *p) {
    bool skips = strcmp(timer->spec->overlap, "skip") == 0;
    ow_code code = add_missed(rd, r, timer, p, p->missed_more ? "late_and_more" : "late");
    for (int i = 0; code == OW_OK && i < p->fire_count; i++) {
        code = add_fire(rd, r, timer, &p->fires[i], skips && i > 0);
    }
    return code;
}

static ow_code claim_timer(const reader *rd, round *r, timer_row *timer) {
    schedule s;
    plan p;
    ow_err why;
    bool skips = strcmp(timer->spec->overlap, "skip") == 0;
    if (schedule_of(r->zones, timer->spec, timer->anchor_us, &s, &why) != OW_OK) {
        // Its time zone is not there any more, say.
        return pause(rd, r, timer, &why);
    }
    plan_rule rule = plan_rule_of(timer->spec, r->now_us, r->missed_after_us);
    int room = ROUND_SLOTS_MAX - r->count;
    rule.max_fires = skips ? 1 : room < rule.max_fires ? room : rule.max_fires;
    plan_make(&s, &rule, timer->next_due_us, &p);
    bool moved = false;
    int64_t last_us = p.fire_count > 0 ? p.fires[p.fire_count - 1].due_us : timer->last_due_us;
    ow_code code = timer_advance(rd, timer, p.next_us, last_us, &moved);
    return code == OW_OK && moved ? add_planned(rd, r, timer, &p) : code;
}

static ow_code claim_timers(const reader *rd, round *r) {
    due_timers due = {.rows = ow_arena_calloc(rd->arena, ROUND_TIMERS_MAX, sizeof *due.rows)};
    if (due.rows == NULL) {
        return ow_fail(rd->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for timers");
    }
    ow_code code = timers_due(rd, r->now_us, ROUND_TIMERS_MAX, keep_due, &due);
    // One slot more than wanted may come of each, see plan_make.
    // Going through those that were missed takes time, of which a write has 50 ms: the rest is the next round's.
    for (int i = 0; code == OW_OK && i < due.count && r->count + 1 < ROUND_SLOTS_MAX &&
                    r->missed < ROUND_MISSED_MAX;
         i++) {
        code = claim_timer(rd, r, &due.rows[i]);
    }
    return code;
}

ow_code round_claim(ow_db_conn *db, round *r, ow_err *err) {
    const reader rd = {db, r->arena, err};
    r->count = 0;
    r->missed = 0;
    r->slots = ow_arena_calloc(r->arena, ROUND_SLOTS_MAX, sizeof *r->slots);
    if (r->slots == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for timers");
    }
    r->anew_more = false;
    ow_code code = r->begin_anew ? timers_begin_anew(&rd, r->now_us, &r->anew_more) : OW_OK;
    if (code == OW_OK && r->begin_anew) {
        code = slots_begin_anew(&rd, r->now_us, r->now_us + LEASE_US);
    }
    if (code == OW_OK) {
        code = slots_take_up(&rd, r->now_us, r->now_us + LEASE_US, ROUND_SLOTS_MAX / 2, hold, r);
    }
    // The old ones alone tell whether the queue is there again.
    if (code == OW_OK && !(r->old_only && r->count > 0)) {
        code = claim_timers(&rd, r);
    }
    return code == OW_OK ? next_wake(&rd, &r->wake_us) : code;
}

// ---- Settling ----

static ow_code settle_one(const reader *rd, round *r, held_slot *h) {
    static const char *const states[] = {[HELD_FIRED] = STATE_FIRED,
                                         [HELD_SKIPPED] = STATE_SKIPPED,
                                         [HELD_FAILED] = STATE_FAILED,
                                         [HELD_PUT_OFF] = STATE_MISSED};
    bool given_up = h->verdict == HELD_PUT_OFF && r->now_us - h->slot.due_us > GIVE_UP_US;
    if (h->verdict == HELD || (h->verdict == HELD_PUT_OFF && !given_up)) {
        return slot_put_off(rd, h->slot.timer_id, h->slot.due_us, r->now_us + PUT_OFF_US);
    }
    slot_row slot = h->slot;
    slot.state = states[h->verdict];
    slot.execution_id = h->execution_id;
    slot.reason = h->reason;
    bool settled = false;
    ow_code code = slot_settle(rd, &slot, &settled);
    if (code == OW_OK && settled && given_up) {
        slot.made_us = r->now_us;
        r->missed++;
        code = announce_missed(rd, r->bus, &h->timer, &slot);
    }
    return code;
}

ow_code round_settle(ow_db_conn *db, round *r, ow_err *err) {
    const reader rd = {db, r->arena, err};
    ow_code code = OW_OK;
    r->missed = 0;
    for (int i = 0; code == OW_OK && i < r->count; i++) {
        code = settle_one(&rd, r, &r->slots[i]);
    }
    return code == OW_OK ? next_wake(&rd, &r->wake_us) : code;
}
