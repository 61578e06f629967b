#include "runtimes/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "runtimes/host/internal.h"

#define EVENTS_A_TURN 64

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

ow_code watch(ow_host *host, int fd, source *source, ow_err *err) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    if (epoll_ctl(host->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        return ow_fail_errno(err, errno, "watching fd %d", fd);
    }
    return OW_OK;
}

void unwatch(ow_host *host, int fd) {
    if (fd >= 0) {
        (void)epoll_ctl(host->epoll, EPOLL_CTL_DEL, fd, NULL);
    }
}

static ow_code open_fds(ow_host *host, ow_err *err) {
    host->epoll = epoll_create1(EPOLL_CLOEXEC);
    host->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    host->page_fd = ow_region_host_page_create(&host->page);
    if (host->epoll < 0 || host->wake < 0 || host->page_fd < 0) {
        return ow_fail_errno(err, errno, "opening the function host");
    }
    return OW_OK;
}

ow_code ow_host_open(const ow_host_options *options, const ow_host_events *events, void *ctx,
                     ow_host **ret_host, ow_err *err) {
    ow_host *host = calloc(1, sizeof *host);
    if (!host) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a function host");
    }
    host->epoll = host->wake = host->page_fd = -1;
    host->events = *events;
    host->ctx = ctx;
    host->most = options && options->most ? options->most : OW_HOST_SANDBOX_FULL;
    host->frame = malloc(sizeof *host->frame);
    if (options && options->build_binary) {
        host->build_binary = strdup(options->build_binary);
    }
    ow_code code = host->frame ? open_fds(host, err)
                               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory");
    if (code != OW_OK) {
        ow_host_free(host);
        return code;
    }
    *ret_host = host;
    return OW_OK;
}

static void bury(ow_host *host) {
    while (host->dead) {
        ow_host_instance *instance = host->dead;
        host->dead = instance->next_dead;
        instance_destroy(instance);
    }
    while (host->dead_zygotes) {
        ow_host_zygote *zygote = host->dead_zygotes;
        host->dead_zygotes = zygote->next;
        zygote_destroy(zygote);
    }
}

static void close_fd(int fd) {
    if (fd >= 0) {
        close(fd);
    }
}

ow_host *ow_host_free(ow_host *host) {
    if (!host) {
        return NULL;
    }
    while (host->instance_count > 0) {
        ow_host_instance *instance = host->instances[--host->instance_count];
        ow_host_instance_kill(instance);
        instance_destroy(instance);
    }
    bury(host);
    while (host->zygotes) {
        ow_host_zygote *zygote = host->zygotes;
        host->zygotes = zygote->next;
        zygote_destroy(zygote);
    }
    reap_all(host);
    close_fd(host->epoll);
    close_fd(host->wake);
    close_fd(host->page_fd);
    ow_region_host_page_unmap(host->page);
    free(host->instances);
    free(host->busy);
    free(host->unkicked);
    free(host->build_binary);
    free(host->frame);
    free(host->named);
    free(host);
    return NULL;
}

int ow_host_fd(const ow_host *host) {
    return host->epoll;
}
int ow_host_wake_fd(const ow_host *host) {
    return host->wake;
}

static void on_output(ow_host_instance *instance) {
    // What is already answered takes its lines first.
    exchange_poll(instance);
    log_drain(&instance->output, instance->log);
    log_shorten(&instance->output);
}

static void dispatch(source *from, uint32_t events) {
    switch (from->kind) {
    case SOURCE_ZYGOTE:
        zygote_readable(from->owner);
        break;
    case SOURCE_CONTROL:
        instance_control_readable(from->owner);
        break;
    case SOURCE_LOG: {
        ow_host_instance *instance = from->owner;
        if ((events & EPOLLIN) != 0) {
            on_output(instance);
        } else {
            unwatch(instance->host, instance->log); // its writers are gone
        }
        break;
    }
    case SOURCE_NAMES:
        names_readable(from->owner);
        break;
    case SOURCE_REAPING:
        reap_readable(from->owner);
        break;
    }
}

void ow_host_pump(ow_host *host) {
    struct epoll_event events[EVENTS_A_TURN];
    int count = epoll_wait(host->epoll, events, EVENTS_A_TURN, 0);
    // Objects that end in here stay allocated until the end of the turn: later events of the same
    // batch may point at them.
    for (int i = 0; i < count; i++) {
        dispatch(events[i].data.ptr, events[i].events);
    }
    bury(host);
}

unsigned ow_host_poll(ow_host *host) {
    unsigned count = 0;
    for (size_t i = 0; i < host->busy_count;) {
        ow_host_instance *instance = host->busy[i];
        count += exchange_poll(instance);
        if (instance->depth == 0 || instance->dying) {
            instance->busy = false;
            host->busy[i] = host->busy[--host->busy_count];
        } else {
            i++;
        }
    }
    return count;
}

static bool anything_done(const ow_host *host) {
    for (size_t i = 0; i < host->busy_count; i++) {
        const ow_host_instance *instance = host->busy[i];
        if (!instance->dying &&
            atomic_load(&instance->region->complete_head) != instance->complete_tail) {
            return true;
        }
    }
    return false;
}

bool ow_host_sleep(ow_host *host) {
    ow_host_kick(host);
    // Never 0, and another number than the last one's.
    host->sleeps += 2;
    atomic_store(&host->page->sleeping, host->sleeps | 1);
    if (anything_done(host)) {
        atomic_store(&host->page->sleeping, 0);
        return false;
    }
    return true;
}

void ow_host_awake(ow_host *host) {
    atomic_store(&host->page->sleeping, 0);
    uint64_t count = 0;
    // Drained here, always: an eventfd at its maximum would refuse the next wake-up.
    ssize_t got = read(host->wake, &count, sizeof count);
    (void)got;
}

ow_code ow_host_memfd(const char *name, const void *data, size_t length, int *ret_fd, ow_err *err) {
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "memfd %s", name);
    }
    for (size_t done = 0; done < length;) {
        ssize_t wrote = write(fd, (const char *)data + done, length - done);
        if (wrote < 0 && errno != EINTR) {
            int failed = errno;
            close(fd);
            return ow_fail_errno(err, failed, "filling %s", name);
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int failed = errno;
        close(fd);
        return ow_fail_errno(err, failed, "sealing %s", name);
    }
    *ret_fd = fd;
    return OW_OK;
}
