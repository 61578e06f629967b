// GetQueueStats.

#include "services/events/event_reply.h"
#include "services/events/internal.h"
#include "services/events/queue_stats_store.h"

#include "core/timestamp/timestamp.h"

static bool fill_points(const queue_look *look, ow_arena *arena, queue_stats_response *reply) {
    queue_point *points = ow_arena_calloc(arena, QUEUE_MINUTES, sizeof *points);
    reply->points = ow_arena_calloc(arena, QUEUE_MINUTES, sizeof *reply->points);
    for (int i = 0; points != NULL && reply->points != NULL && i < QUEUE_MINUTES; i++) {
        overworld__events__v1__queue_point__init(&points[i]);
        points[i].time = ow_timestamp_in(arena, queue_minute_us(look, i));
        points[i].waiting = look->each[i].waiting;
        points[i].done = look->each[i].done;
        points[i].dead = look->each[i].dead;
        if (points[i].time == NULL) {
            return false;
        }
        reply->points[reply->n_points++] = &points[i];
    }
    return reply->n_points == QUEUE_MINUTES;
}

static bool fill(const queue_look *look, ow_arena *arena, queue_stats_response *reply) {
    reply->waiting = look->waiting;
    reply->running = look->running;
    reply->dead = look->dead;
    reply->truncated = look->truncated;
    if (look->oldest_due_us > 0 && look->oldest_due_us <= look->now_us) {
        reply->oldest_due = ow_timestamp_in(arena, look->oldest_due_us);
        if (reply->oldest_due == NULL) {
            return false;
        }
    }
    return !look->minutes || fill_points(look, arena, reply);
}

ow_code queue_stats_begin(ow_run *run) {
    const events *e = run->self;
    const queue_stats_request *request = run->request;
    queue_look *look = run->state;
    look->title_id = run->call->principal->title;
    look->now_us = ow_clock_wall_us(e->env->clock);
    look->keep_us = e->config.keep_us;
    look->minutes = request->points;
    look->share = shares_of(upkeep_shares(e->upkeep), look->title_id);
    return events_check_title(run);
}

ow_code queue_stats_step(ow_run *run) {
    queue_look *look = run->state;
    ow_code code = queue_stats_read(run->db, look, run->err);
    return code == OW_OK && !fill(look, run->call->arena, run->reply)
               ? ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the numbers")
               : code;
}
