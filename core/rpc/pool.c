#include "core/rpc/pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

enum { THREADS_MAX = 16 };

struct ow_pool {
    pthread_mutex_t lock; // guards everything below but the threads
    pthread_cond_t arrived;
    ow_pool_job *first, **end;
    int waiting;
    int max_waiting;
    bool stopping;
    int started;
    pthread_t threads[THREADS_MAX];
};

static ow_pool_job *take_job(ow_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    while (pool->first == NULL && !pool->stopping) {
        pthread_cond_wait(&pool->arrived, &pool->lock);
    }
    ow_pool_job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        if (pool->first == NULL) {
            pool->end = &pool->first;
        }
        pool->waiting--;
    }
    pthread_mutex_unlock(&pool->lock);
    return job;
}

static void *pool_main(void *self) {
    ow_pool *pool = self;
    for (ow_pool_job *job = take_job(pool); job != NULL; job = take_job(pool)) {
        job->work(job->self);
        ow_loop_post(job->loop, &job->message);
    }
    return NULL;
}

ow_code ow_pool_new(int threads, int max_waiting, ow_pool **ret_pool, ow_err *err) {
    if (threads < 1 || threads > THREADS_MAX) {
        return ow_fail(err, OW_INTERNAL, "bad_pool", "a pool has 1 to %d threads, not %d",
                       THREADS_MAX, threads);
    }
    ow_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for a pool of threads");
    }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->arrived, NULL);
    pool->end = &pool->first;
    pool->max_waiting = max_waiting;
    for (; pool->started < threads; pool->started++) {
        int failure = pthread_create(&pool->threads[pool->started], NULL, pool_main, pool);
        if (failure != 0) {
            ow_fail_errno(err, failure, "cannot start a thread of the pool");
            ow_pool_free(pool);
            return OW_INTERNAL;
        }
    }
    *ret_pool = pool;
    return OW_OK;
}

ow_pool *ow_pool_free(ow_pool *pool) {
    if (pool == NULL) {
        return NULL;
    }
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->arrived);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pthread_cond_destroy(&pool->arrived);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    return NULL;
}

static void on_message(void *self) {
    ow_pool_job *job = self;
    job->done(job->self);
}

ow_code ow_pool_submit(ow_pool *pool, ow_pool_job *job, ow_err *err) {
    pthread_mutex_lock(&pool->lock);
    bool taken = pool->waiting < pool->max_waiting && !pool->stopping;
    if (taken) {
        job->message = (ow_message){.on_message = on_message, .self = job};
        job->next = NULL;
        *pool->end = job;
        pool->end = &job->next;
        pool->waiting++;
        pthread_cond_signal(&pool->arrived);
    }
    pthread_mutex_unlock(&pool->lock);
    return taken ? OW_OK
                 : ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded",
                           "%d jobs wait for a processor already", pool->max_waiting);
}
