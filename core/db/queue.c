#include "core/db/internal.h"

#include <stdlib.h>

void queue_init(job_queue *queue) {
    queue->first = NULL;
    queue->end = &queue->first;
}

void queue_push(job_queue *queue, ow_db_job *job) {
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

ow_db_job *queue_pop(job_queue *queue) {
    ow_db_job *job = queue->first;
    if (job != NULL) {
        queue->first = job->next;
        if (queue->first == NULL) {
            queue->end = &queue->first;
        }
        job->next = NULL;
    }
    return job;
}

void queue_append(job_queue *queue, job_queue *others) {
    if (others->first != NULL) {
        *queue->end = others->first;
        queue->end = others->end;
        queue_init(others);
    }
}

void queue_prepend(job_queue *queue, job_queue *others) {
    job_queue behind = *queue;
    if (queue->first == NULL) {
        queue_init(&behind);
    }
    queue_init(queue);
    queue_append(queue, others);
    queue_append(queue, &behind);
}

void job_settle(ow_db_job *job, ow_code code, const ow_err *err) {
    free(job->err);
    job->err = NULL;
    job->code = code;
    if (code != OW_OK) {
        job->err = malloc(sizeof *job->err);
        if (job->err != NULL) {
            *job->err = *err;
        }
    }
}
