#include "core/loop/loop.h"

#include "core/loop/internal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 256 };

typedef struct hook_list {
    ow_turn_hook *first;
    ow_turn_hook **end;
} hook_list;

struct ow_loop {
    int epoll_fd;
    int event_fd;
    bool coarse_sleep; // a kernel without epoll_pwait2: sleeps in whole milliseconds
    bool in_timers;
    int64_t now_us;
    int64_t hooks_sleep_us; // what the hooks of the last turn allow; -1: no limit

    struct epoll_event batch[BATCH];
    int batch_next;
    int batch_count;

    timer_heap timers;
    hook_list hooks[OW_TURN_PHASES];
    ow_turn_hook *next_hook;

    // Written by other threads. Each writer first publishes its work and then looks at `asleep`;
    // the loop first says that it is asleep and then looks for work (Dekker, so all of it seq_cst).
    _Atomic(ow_message *) inbox; // newest first
    atomic_bool woken;
    atomic_bool stopped;
    atomic_bool asleep;
};

static int64_t real_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

ow_code ow_loop_new(ow_loop **ret_loop, ow_err *err) {
    ow_loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for a loop");
    }
    for (int phase = 0; phase < OW_TURN_PHASES; phase++) {
        loop->hooks[phase].end = &loop->hooks[phase].first;
    }
    loop->hooks_sleep_us = -1;
    loop->now_us = real_now_us();
    loop->event_fd = -1;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd >= 0) {
        loop->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    // Edge-triggered, so that a wake-up never costs a read.
    struct epoll_event wake = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    if (loop->event_fd < 0 ||
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->event_fd, &wake) != 0) {
        ow_fail_errno(err, errno, "cannot make a loop");
        ow_loop_free(loop);
        return OW_INTERNAL;
    }
    *ret_loop = loop;
    return OW_OK;
}

ow_loop *ow_loop_free(ow_loop *loop) {
    if (loop == NULL) {
        return NULL;
    }
    if (loop->event_fd >= 0) {
        close(loop->event_fd);
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    timer_heap_deinit(&loop->timers);
    free(loop);
    return NULL;
}

static int64_t least(int64_t a, int64_t b) {
    if (a < 0) {
        return b;
    }
    return b < 0 || a < b ? a : b;
}

static int64_t sleep_us(const ow_loop *loop, int64_t max_sleep_us) {
    int64_t sleep = least(max_sleep_us, loop->hooks_sleep_us);
    const ow_timer *first = timer_heap_first(&loop->timers);
    if (first != NULL && sleep != 0) {
        int64_t left = first->due_us - real_now_us();
        sleep = least(sleep, left > 0 ? left : 0);
    }
    return sleep;
}

static int wait_events(ow_loop *loop, int64_t sleep) {
    if (!loop->coarse_sleep) {
        struct timespec timeout = {.tv_sec = sleep / 1000000,
                                   .tv_nsec = (long)(sleep % 1000000) * 1000};
        int count =
            epoll_pwait2(loop->epoll_fd, loop->batch, BATCH, sleep < 0 ? NULL : &timeout, NULL);
        if (count >= 0 || errno != ENOSYS) {
            return count;
        }
        loop->coarse_sleep = true;
    }
    int64_t ms = sleep < 0 ? -1 : (sleep + 999) / 1000;
    return epoll_wait(loop->epoll_fd, loop->batch, BATCH, ms > 3600000 ? 3600000 : (int)ms);
}

static ow_code wait_for_work(ow_loop *loop, int64_t max_sleep_us, ow_err *err) {
    int64_t sleep = sleep_us(loop, max_sleep_us);
    if (sleep != 0) {
        atomic_store(&loop->asleep, true);
        if (atomic_load(&loop->inbox) != NULL || atomic_load(&loop->woken)) {
            sleep = 0;
        }
    }
    int count = wait_events(loop, sleep);
    int failure = errno;
    atomic_store(&loop->asleep, false);
    atomic_store(&loop->woken, false);
    if (count < 0 && failure != EINTR) {
        return ow_fail_errno(err, failure, "the loop cannot wait");
    }
    loop->batch_count = count < 0 ? 0 : count;
    return OW_OK;
}

static void run_descriptors(ow_loop *loop) {
    for (loop->batch_next = 0; loop->batch_next < loop->batch_count;) {
        const struct epoll_event *event = &loop->batch[loop->batch_next++];
        ow_watch *watch = event->data.ptr;
        if (watch != NULL) {
            watch->on_ready(watch->self, event->events);
        }
    }
    loop->batch_count = 0;
}

static void run_messages(ow_loop *loop) {
    ow_message *newest = atomic_exchange(&loop->inbox, NULL);
    ow_message *oldest = NULL;
    while (newest != NULL) {
        ow_message *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        ow_message *next = oldest->next;
        oldest->on_message(oldest->self);
        oldest = next;
    }
}

static void run_timers(ow_loop *loop) {
    loop->in_timers = true;
    for (;;) {
        ow_timer *timer = timer_heap_first(&loop->timers);
        if (timer == NULL || timer->due_us > loop->now_us) {
            break;
        }
        timer_heap_remove(&loop->timers, timer);
        timer->on_due(timer->self);
    }
    loop->in_timers = false;
}

static void run_hooks(ow_loop *loop) {
    int64_t sleep = -1;
    for (int phase = 0; phase < OW_TURN_PHASES; phase++) {
        ow_turn_hook *hook = loop->hooks[phase].first;
        while (hook != NULL) {
            loop->next_hook = hook->next;
            sleep = least(sleep, hook->on_turn(hook->self));
            hook = loop->next_hook;
        }
    }
    loop->next_hook = NULL;
    loop->hooks_sleep_us = sleep;
}

ow_code ow_loop_turn(ow_loop *loop, int64_t max_sleep_us, ow_err *err) {
    ow_code code = wait_for_work(loop, max_sleep_us, err);
    if (code != OW_OK) {
        return code;
    }
    loop->now_us = real_now_us();
    run_descriptors(loop);
    run_messages(loop);
    run_timers(loop);
    run_hooks(loop);
    return OW_OK;
}

ow_code ow_loop_run(ow_loop *loop, ow_err *err) {
    while (!atomic_exchange(&loop->stopped, false)) {
        ow_code code = ow_loop_turn(loop, -1, err);
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

static void wake_if_asleep(ow_loop *loop) {
    if (!atomic_exchange(&loop->asleep, false)) {
        return;
    }
    int before = errno;
    uint64_t one = 1;
    // It fails only when the counter is full, and then the loop has been woken already.
    ssize_t written = write(loop->event_fd, &one, sizeof one);
    (void)written;
    errno = before;
}

void ow_loop_wake(ow_loop *loop) {
    atomic_store(&loop->woken, true);
    wake_if_asleep(loop);
}

void ow_loop_stop(ow_loop *loop) {
    atomic_store(&loop->stopped, true);
    ow_loop_wake(loop);
}

void ow_loop_post(ow_loop *loop, ow_message *message) {
    ow_message *head = atomic_load(&loop->inbox);
    do {
        message->next = head;
    } while (!atomic_compare_exchange_weak(&loop->inbox, &head, message));
    wake_if_asleep(loop);
}

int64_t ow_loop_now_us(const ow_loop *loop) {
    return loop->now_us;
}

ow_code ow_loop_watch(ow_loop *loop, ow_watch *watch, int fd, uint32_t events, ow_err *err) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return ow_fail_errno(err, errno, "cannot watch descriptor %d", fd);
    }
    watch->fd = fd;
    watch->watched = true;
    return OW_OK;
}

ow_code ow_loop_rewatch(ow_loop *loop, ow_watch *watch, uint32_t events, ow_err *err) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) != 0) {
        return ow_fail_errno(err, errno, "cannot watch descriptor %d", watch->fd);
    }
    return OW_OK;
}

void ow_loop_unwatch(ow_loop *loop, ow_watch *watch) {
    if (!watch->watched) {
        return;
    }
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->watched = false;
    watch->fd = -1;
    // The same batch may hold an event for it that has not been handled yet.
    for (int i = loop->batch_next; i < loop->batch_count; i++) {
        if (loop->batch[i].data.ptr == watch) {
            loop->batch[i].data.ptr = NULL;
        }
    }
}

ow_code ow_loop_timer_set(ow_loop *loop, ow_timer *timer, int64_t due_us) {
    // Otherwise a timer that always sets itself to "now" would never let the turn end.
    if (loop->in_timers && due_us <= loop->now_us) {
        due_us = loop->now_us + 1;
    }
    return timer_heap_set(&loop->timers, timer, due_us) ? OW_OK : OW_RESOURCE_EXHAUSTED;
}

void ow_loop_timer_cancel(ow_loop *loop, ow_timer *timer) {
    if (timer->index != 0) {
        timer_heap_remove(&loop->timers, timer);
    }
}

void ow_loop_hook_add(ow_loop *loop, ow_turn_phase phase, ow_turn_hook *hook) {
    hook->next = NULL;
    *loop->hooks[phase].end = hook;
    loop->hooks[phase].end = &hook->next;
    // It has not said yet how long the loop may sleep.
    ow_loop_wake(loop);
}

void ow_loop_hook_remove(ow_loop *loop, ow_turn_phase phase, ow_turn_hook *hook) {
    hook_list *list = &loop->hooks[phase];
    ow_turn_hook **link = &list->first;
    while (*link != NULL && *link != hook) {
        link = &(*link)->next;
    }
    if (*link == NULL) {
        return;
    }
    *link = hook->next;
    if (list->end == &hook->next) {
        list->end = link;
    }
    if (loop->next_hook == hook) {
        loop->next_hook = hook->next;
    }
}
