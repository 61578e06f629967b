#include "runtimes/zygote/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtimes/sandbox/sandbox.h"
#include "runtimes/wire/sleep.h"

#define FILES_MAX 512u
#define PEAK_AFTER_NS 100000u  // a call that took longer may have taken memory
#define PEAK_EVERY_NS 1000000u // of short ones
#define TOLD_AT_ONCE 4

static ow_rt *current; // see internal.h

void instance_set_current(ow_rt *rt) {
    current = rt;
}
ow_rt *instance_current(void) {
    return current;
}

static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note_peak(ow_rt *rt) {
    struct rusage usage;
    rt->peak_ns = now_ns();
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        atomic_store_explicit(&rt->region->peak_bytes, (uint64_t)usage.ru_maxrss << 10,
                              memory_order_relaxed);
    }
}

static void wake_host(ow_rt *rt) {
    uint32_t sleep = atomic_load(&rt->host_page->sleeping);
    rt->untold = 0;
    if (sleep != 0 && sleep != rt->woke) {
        const uint64_t one = 1;
        rt->woke = sleep;
        ssize_t wrote = write(OW_SANDBOX_WAKE_FD, &one, sizeof one);
        (void)wrote; // full means that it is readable already
    }
}

// With many requests queued a wake-up for each result would cost more than the calls do, so the host
// hears of a few at once. Should the next call be a long one, the host looks by itself after the
// time in which it takes back what is queued behind it.
static void tell_host(ow_rt *rt) {
    uint32_t queued = atomic_load(&rt->region->submit_head) - rt->submit_tail;
    if (queued < TOLD_AT_ONCE || ++rt->untold >= TOLD_AT_ONCE) {
        wake_host(rt);
    }
}

// Loading ---------------------------------------------------------------------------------------

static int map_file(ow_rt *rt, const char *name, int fd) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return errno;
    }
    rt_file *file = &rt->files[rt->file_count];
    file->name = strdup(name);
    file->length = (size_t)info.st_size;
    file->data = "";
    if (file->length > 0) {
        file->data = mmap(NULL, file->length, PROT_READ, MAP_SHARED, fd, 0);
        if (file->data == MAP_FAILED) {
            return errno;
        }
    }
    rt->file_count++;
    return 0;
}

static int take_files(ow_rt *rt) {
    size_t cursor = 0;
    for (size_t i = 0; i < rt->frame->fd_count; i++) {
        const char *name = ow_frame_next(rt->frame, &cursor);
        if (!name || rt->file_count == FILES_MAX) {
            return E2BIG;
        }
        if (!rt->files) {
            rt->files = calloc(FILES_MAX, sizeof *rt->files);
        }
        int failed = rt->files ? map_file(rt, name, rt->frame->fds[i]) : ENOMEM;
        if (failed != 0) {
            return failed;
        }
    }
    ow_frame_close_fds(rt->frame);
    return 0;
}

static int take_code(ow_rt *rt, char *message) {
    size_t cursor = 0;
    const char *symbol = ow_frame_next(rt->frame, &cursor);
    if (!symbol || rt->frame->fd_count != 1) {
        return EBADMSG;
    }
    clearenv();
    for (const char *entry; (entry = ow_frame_next(rt->frame, &cursor)) != NULL;) {
        char *copy = strdup(entry); // becomes part of the environment
        if (!copy || putenv(copy) != 0) {
            return ENOMEM;
        }
    }
    char *name = strdup(symbol);
    int failed = name ? rt->runtime->load(rt, rt->frame->fds[0], name, message) : ENOMEM;
    free(name);
    ow_frame_close_fds(rt->frame);
    return failed;
}

static int load(ow_rt *rt, char *message) {
    for (;;) {
        int failed = ow_frame_receive(CONTROL_FD, rt->frame, 0);
        if (failed != 0) {
            return failed;
        }
        switch (rt->frame->head.type) {
        case OW_FRAME_FILES:
            failed = take_files(rt);
            break;
        case OW_FRAME_LOAD:
            return take_code(rt, message);
        default:
            failed = EBADMSG;
        }
        if (failed != 0) {
            return failed;
        }
    }
}

static int report_ready(ow_rt *rt, int failed, const char *message) {
    bool logged = output_finish(rt, 0);
    note_peak(rt);
    ow_frame_init(rt->frame, OW_FRAME_READY, 0);
    rt->frame->head.value = (uint32_t)failed;
    rt->frame->head.length = logged;
    rt->frame->head.first = rt->lines_lost;
    if (failed != 0) {
        ow_frame_put(rt->frame, message[0] ? message : strerror(failed));
    }
    return ow_frame_send(CONTROL_FD, rt->frame);
}

// Serving ---------------------------------------------------------------------------------------

static void open_request(ow_rt *rt, uint32_t index) {
    ow_region_slot *slot = &rt->region->slots[index];
    const char *text = (const char *)ow_region_meta(rt->region, index);
    for (int i = 0; i < OW_META_COUNT; i++) {
        rt->meta[i] = text;
        text += strlen(text) + 1;
    }
    rt->payload_length = slot->payload_length;
    rt->payload = ow_region_payload(rt->region, index, slot->meta_length, slot->payload_length);
    rt->settled = false;
    rt->lines_lost = slot->lines_lost = 0;
    rt->losing = false;
    slot->outcome = OW_REGION_NO_REPLY;
    slot->reply_length = 0;
    slot->content_type[0] = '\0';
    rt->slot_index = index;
    rt->slot = slot;
}

static void close_request(ow_rt *rt, uint64_t started_ns) {
    ow_region_slot *slot = rt->slot;
    ow_region *region = rt->region;
    slot->logged = output_finish(rt, slot->serial);
    slot->finished_ns = now_ns();
    if (slot->finished_ns - started_ns > PEAK_AFTER_NS) {
        note_peak(rt);
    }
    rt->slot = NULL;
    atomic_store_explicit(&slot->state, OW_REGION_DONE, memory_order_release);
    region->complete_ring[rt->complete_head % OW_REGION_SLOTS] = rt->slot_index;
    atomic_store(&region->complete_head, ++rt->complete_head);
    tell_host(rt);
}

static void serve_next(ow_rt *rt) {
    ow_region *region = rt->region;
    uint32_t index = region->submit_ring[rt->submit_tail % OW_REGION_SLOTS];
    ow_region_slot *slot = &region->slots[index];
    uint32_t expected = OW_REGION_QUEUED;
    slot->started_ns = now_ns();
    bool mine = atomic_compare_exchange_strong(&slot->state, &expected, OW_REGION_STARTED);
    atomic_store_explicit(&region->submit_tail, ++rt->submit_tail, memory_order_release);
    if (!mine) {
        return; // taken back
    }
    uint64_t started_ns = slot->started_ns;
    open_request(rt, index);
    rt->runtime->invoke(rt);
    close_request(rt, started_ns);
}

static void sleep_until_submitted(ow_rt *rt) {
    ow_region *region = rt->region;
    if (rt->untold > 0) {
        wake_host(rt);
    }
    if (now_ns() - rt->peak_ns > PEAK_EVERY_NS) {
        note_peak(rt);
    }
    while (ow_sleep_declare(region, rt->submit_tail)) {
        (void)ow_sleep_wait(region, NULL);
    }
    ow_sleep_end(region);
}

void instance_run(ow_rt *rt) {
    char message[OW_RT_MESSAGE_MAX] = "";
    ow_frame *frame = malloc(sizeof *frame);
    if (!frame) {
        return;
    }
    rt->frame = frame;
    int failed = load(rt, message);
    if (report_ready(rt, failed, message) != 0 || failed != 0) {
        return;
    }
    for (;;) {
        if (atomic_load_explicit(&rt->region->submit_head, memory_order_acquire) ==
            rt->submit_tail) {
            sleep_until_submitted(rt);
        }
        serve_next(rt);
    }
}
