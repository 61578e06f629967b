#include "services/events/queue_logic.h"

#include <string.h>

static const struct {
    const char *reason;
    failure_kind kind;
} reasons[] = {
    {"invalid", FAILURE_FOR_GOOD},
    {"invalid_json", FAILURE_FOR_GOOD},
    {"no_token", FAILURE_FOR_GOOD},
    {"not_exposed", FAILURE_FOR_GOOD},
    {"function_not_found", FAILURE_FOR_GOOD},
    {"payload_too_large", FAILURE_FOR_GOOD},
    {"refused", FAILURE_FOR_GOOD},
    {"too_deep", FAILURE_FOR_GOOD},
    {"throttled", FAILURE_THROTTLED},
    {"overloaded", FAILURE_THROTTLED},
    {"stopping", FAILURE_THROTTLED},
    {"no_routes", FAILURE_THROTTLED},
    {"not_running", FAILURE_THROTTLED},
    {"lease_lost", FAILURE_LOST},
    {"unreachable", FAILURE_LOST}, // the runner went away while it ran
};

static failure_kind failure_kind_of(const char *reason) {
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (strcmp(reasons[i].reason, reason) == 0) {
            return reasons[i].kind;
        }
    }
    return FAILURE_AGAIN;
}

static bool complete(int64_t *value, int64_t usual, int64_t min, int64_t max) {
    if (*value == 0) {
        *value = usual;
    }
    return *value >= min && *value <= max;
}

bool retry_policy_complete(retry_policy *retry) {
    return complete(&retry->max_attempts, ATTEMPTS_DEFAULT, 1, ATTEMPTS_MAX) &&
           complete(&retry->base_us, BASE_DEFAULT_US, 1000, BACKOFF_MAX_US) &&
           complete(&retry->max_age_us, AGE_DEFAULT_US, SECOND_US, AGE_MAX_US);
}

// base, twice that, four times that ... at most `max_us`, and of that any part.
static int64_t jittered(int64_t base_us, int64_t doublings, int64_t max_us, uint64_t random) {
    int64_t shift = doublings < 0 ? 0 : doublings;
    shift = shift > BACKOFF_DOUBLINGS_MAX ? BACKOFF_DOUBLINGS_MAX : shift;
    int64_t full_us = base_us > max_us >> shift ? max_us : base_us << shift;
    return (int64_t)(random % ((uint64_t)full_us + 1));
}

// How long to wait before the next attempt: between nothing and the full back-off, by `random` (all 64
// bits of it).
static int64_t backoff_us(const retry_policy *retry, int64_t attempt, uint64_t random) {
    return jittered(retry->base_us, attempt - 1, BACKOFF_MAX_US, random);
}

// Whatever state it had, its lease is over.
static queue_step end(queue_item *item, execution_state state, int64_t now_us, queue_step step) {
    item->state = state;
    item->ended_us = now_us;
    item->lease_until_us = 0;
    return step;
}

static bool is_too_old(const queue_item *item, int64_t at_us) {
    return at_us - item->since_us > item->retry.max_age_us;
}

static queue_step wait_until(queue_item *item, int64_t due_us) {
    item->state = EXECUTION_WAITING;
    item->due_us = due_us;
    item->lease_until_us = 0;
    return STEP_AGAIN;
}

queue_step queue_claim(queue_item *item, int64_t now_us, int64_t lease_us) {
    if (item->state != EXECUTION_WAITING || item->due_us > now_us) {
        return STEP_NOT;
    }
    if (is_too_old(item, now_us)) {
        return end(item, EXECUTION_DEAD, now_us, STEP_DEAD);
    }
    item->state = EXECUTION_RUNNING;
    item->epoch++;
    item->attempt++;
    item->started_us = now_us;
    item->lease_until_us = now_us + lease_us;
    return STEP_RUNS;
}

// What did not run is no attempt: it is put off, ever longer, until it is too old.
static queue_step put_off(queue_item *item, int64_t now_us, const run_result *result) {
    item->attempt--;
    int64_t wait_us = jittered(THROTTLE_BASE_US, item->throttles, THROTTLE_MAX_US, result->random);
    item->throttles++;
    wait_us = wait_us < result->retry_after_us ? result->retry_after_us : wait_us;
    return is_too_old(item, now_us + wait_us) ? end(item, EXECUTION_DEAD, now_us, STEP_DEAD)
                                              : wait_until(item, now_us + wait_us);
}

static queue_step fail(queue_item *item, int64_t now_us, const run_result *result) {
    failure_kind kind = failure_kind_of(result->reason);
    if (kind == FAILURE_THROTTLED) {
        return put_off(item, now_us, result);
    }
    int64_t wait_us =
        kind == FAILURE_LOST
            ? jittered(THROTTLE_BASE_US, item->attempt - 1, THROTTLE_MAX_US, result->random)
            : backoff_us(&item->retry, item->attempt, result->random);
    if (kind == FAILURE_FOR_GOOD || item->attempt >= item->retry.max_attempts ||
        is_too_old(item, now_us + wait_us)) {
        return end(item, EXECUTION_DEAD, now_us, STEP_DEAD);
    }
    item->throttles = 0;
    return wait_until(item, now_us + wait_us);
}

queue_step queue_settle(queue_item *item, int64_t epoch, int64_t now_us, const run_result *result) {
    if (item->state != EXECUTION_RUNNING || item->epoch != epoch) {
        return STEP_NOT;
    }
    return result->reason[0] == '\0' ? end(item, EXECUTION_DONE, now_us, STEP_DONE)
                                     : fail(item, now_us, result);
}

queue_step queue_lapse(queue_item *item, int64_t now_us, bool orphan, uint64_t random) {
    if (item->state != EXECUTION_RUNNING || (!orphan && item->lease_until_us > now_us)) {
        return STEP_NOT;
    }
    run_result result = {.reason = "lease_lost", .random = random};
    return fail(item, now_us, &result);
}

queue_step queue_cancel(queue_item *item, int64_t now_us) {
    if (state_is_settled(item->state)) {
        return STEP_NOT;
    }
    return end(item, EXECUTION_DISCARDED, now_us, STEP_DISCARDED);
}

queue_step queue_discard(queue_item *item, int64_t now_us) {
    if (item->state != EXECUTION_DEAD) {
        return STEP_NOT;
    }
    return end(item, EXECUTION_DISCARDED, now_us, STEP_DISCARDED);
}

queue_step queue_redrive(queue_item *item, int64_t due_us) {
    if (item->state != EXECUTION_DEAD) {
        return STEP_NOT;
    }
    item->since_us = due_us;
    item->ended_us = 0;
    item->attempt = 0;
    item->throttles = 0;
    return wait_until(item, due_us);
}

queue_step queue_put_aside(queue_item *item, execution_state aside) {
    if (item->state != EXECUTION_WAITING ||
        (aside != EXECUTION_HELD && aside != EXECUTION_PARKED)) {
        return STEP_NOT;
    }
    item->state = aside;
    return STEP_AGAIN;
}

queue_step queue_release(queue_item *item) {
    if (item->state != EXECUTION_HELD && item->state != EXECUTION_PARKED) {
        return STEP_NOT;
    }
    item->state = EXECUTION_WAITING;
    return STEP_AGAIN;
}

const char *execution_state_name(execution_state state) {
    static const char *const names[] = {
        [EXECUTION_WAITING] = "waiting",     [EXECUTION_HELD] = "waiting",
        [EXECUTION_PARKED] = "waiting",      [EXECUTION_RUNNING] = "running",
        [EXECUTION_DONE] = "done",           [EXECUTION_DEAD] = "dead",
        [EXECUTION_DISCARDED] = "discarded",
    };
    return state >= EXECUTION_WAITING && state <= EXECUTION_DISCARDED ? names[state] : "";
}

void execution_id_after(char id[static OW_ID_MAX], const char *last, const char *fresh) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    size_t size = strlen(fresh);
    memcpy(id, fresh, size + 1);
    if (strcmp(fresh, last) > 0) {
        return;
    }
    memcpy(id, last, size + 1);
    for (size_t i = size; i-- > size - OW_ULID_LENGTH;) {
        const char *digit = strchr(digits, id[i]);
        if (digit[1] != '\0') {
            id[i] = digit[1];
            return;
        }
        id[i] = digits[0];
    }
}
