// ow queue: how full the queue of executions is.

#include "cli/rpc.h"

#include "overworld/events/v1/queue.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

typedef Overworld__Events__V1__GetQueueStatsResponse QueueStats;

static void print_points(cli *c, const QueueStats *stats) {
    static const char *const columns[] = {"MINUTE", "ON THE WAY", "DONE", "DEAD", NULL};
    cli_table table = {.columns = columns};
    for (size_t i = 0; i < stats->n_points; i++) {
        const Overworld__Events__V1__QueuePoint *p = stats->points[i];
        cli_table_add(c, &table, cli_ago(c, p->time->seconds));
        cli_table_addf(c, &table, "%" PRId64, p->waiting);
        cli_table_addf(c, &table, "%" PRId64, p->done);
        cli_table_addf(c, &table, "%" PRId64, p->dead);
    }
    cli_table_print(c, &table);
}

static cli_exit cmd_queue(cli *c) {
    Overworld__Events__V1__GetQueueStatsRequest request =
        OVERWORLD__EVENTS__V1__GET_QUEUE_STATS_REQUEST__INIT;
    QueueStats *stats;
    request.points = cli_bool(c, "hour");
    cli_exit code =
        cli_rpc(c, "/overworld.events.v1.Queue/GetQueueStats", &request.base,
                &overworld__events__v1__get_queue_stats_response__descriptor, true, &stats);
    if (code != CLI_OK || c->json) {
        return code;
    }
    const char *at_least = stats->truncated ? "at least " : "";
    printf("waiting %s%" PRId64 ", running %" PRId64 ", dead letters %s%" PRId64 "\n", at_least,
           stats->waiting, stats->running, at_least, stats->dead);
    if (stats->oldest_due != NULL) {
        printf("the oldest is due since %s\n", cli_ago(c, stats->oldest_due->seconds));
    }
    if (stats->n_points > 0) {
        putchar('\n');
        print_points(c, stats);
    }
    return CLI_OK;
}

static const cli_flag queue_flags[] = {
    {"hour", CLI_FLAG_BOOL, NULL, "and how it was, minute by minute"},
    {0},
};

const cli_command queue_commands[] = {
    {"queue", "", "how much waits, runs and was given up", 0, 0, queue_flags, cmd_queue,
     "ow queue --hour"},
    {0},
};
