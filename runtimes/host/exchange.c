// Requests into the region, replies out of it. Everything read back is checked against our own
// records; a value that cannot be ends the instance.

#include "runtimes/host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runtimes/host/internal.h"
#include "runtimes/wire/sleep.h"

#define DEFAULT_TYPE "application/json"
#define CODE_MAX 60u
#define COMPLETIONS_A_TURN (4 * OW_REGION_SLOTS)
#define NOTICE_MAX 8192u // bytes of a message that are copied

static const char no_reply[] = "the function returned without a reply";
static const char double_reply[] = "the function replied twice";
static const char too_large[] = "the reply is larger than 6 MB";

static const struct {
    ow_host_outcome outcome;
    const char *message;
} outcomes[OW_REGION_OUTCOMES] = {
    [OW_REGION_OK] = {OW_HOST_OK, ""},
    [OW_REGION_REFUSED] = {OW_HOST_REFUSED, ""},
    [OW_REGION_USER_ERROR] = {OW_HOST_USER_ERROR, ""},
    [OW_REGION_REPLY_TOO_LARGE] = {OW_HOST_REPLY_TOO_LARGE, too_large},
    [OW_REGION_NO_REPLY] = {OW_HOST_PROTOCOL, no_reply},
    [OW_REGION_DOUBLE_REPLY] = {OW_HOST_PROTOCOL, double_reply},
};

// Submitting ------------------------------------------------------------------------------------

static size_t put_text(uint8_t *to, size_t at, const char *text) {
    size_t length = strlen(text) + 1;
    if (length > OW_REGION_META_MAX - at) {
        return 0;
    }
    memcpy(to + at, text, length);
    return at + length;
}

static size_t put_meta(uint8_t *to, const ow_host_request *request) {
    char attempt[12] = "0";
    if (request->attempt > 0) {
        snprintf(attempt, sizeof attempt, "%d", request->attempt);
    }
    const char *const texts[OW_META_COUNT] = {
        [OW_META_REQUEST_ID] = request->request_id,
        [OW_META_INVOCATION_ID] = request->invocation_id,
        [OW_META_TRACEPARENT] = request->traceparent,
        [OW_META_SOURCE] = request->source,
        [OW_META_PLAYER] = request->player,
        [OW_META_PRINCIPAL] = request->principal,
        [OW_META_VIRTUAL_SERVER] = request->virtual_server,
        [OW_META_FUNCTION] = request->function,
        [OW_META_VERSION] = request->version,
        [OW_META_CONTENT_TYPE] = request->content_type,
        [OW_META_EXECUTION_ID] = request->execution_id,
        [OW_META_ATTEMPT] = attempt,
    };
    size_t at = 0;
    for (int i = 0; i < OW_META_COUNT; i++) {
        at = put_text(to, at, texts[i] ? texts[i] : "");
        if (at == 0) {
            return 0;
        }
    }
    return at;
}

// Slots taken back are free once the instance has gone past them.
static void recover_slots(ow_host_instance *instance) {
    uint32_t tail = atomic_load_explicit(&instance->region->submit_tail, memory_order_acquire);
    uint32_t passed = tail - instance->submit_tail_seen;
    if (passed > instance->submit_head - instance->submit_tail_seen) {
        instance_violated(instance, "the submit ring's tail is out of range");
        return;
    }
    instance->submit_tail_seen = tail;
    for (uint32_t i = 0; i < OW_REGION_SLOTS; i++) {
        slot_record *slot = &instance->slots[i];
        if (slot->use == SLOT_TAKEN_BACK &&
            (int32_t)(instance->submit_tail_seen - slot->position) > 0) {
            slot->use = SLOT_FREE;
            instance->free_slots[instance->free_count++] = (uint8_t)i;
        }
    }
}

bool ow_host_instance_has_room(const ow_host_instance *instance) {
    if (instance->dying) {
        return false;
    }
    if (instance->free_count == 0 && instance->depth < OW_REGION_SLOTS) {
        recover_slots((ow_host_instance *)instance);
    }
    return instance->free_count > 0 && !instance->dying;
}

static void note_work(ow_host_instance *instance) {
    ow_host *host = instance->host;
    if (!instance->busy) {
        instance->busy = true;
        host->busy[host->busy_count++] = instance;
    }
    if (!instance->unkicked) {
        instance->unkicked = true;
        host->unkicked[host->unkicked_count++] = instance;
    }
}

static int64_t clock_of(const ow_host_request *request, uint64_t now_ns) {
    int64_t wall_us = request->wall_us;
    if (wall_us == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        wall_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    }
    return wall_us - (int64_t)(now_ns / 1000);
}

static void publish(ow_host_instance *instance, uint32_t index) {
    ow_region *region = instance->region;
    region->submit_ring[instance->submit_head % OW_REGION_SLOTS] = index;
    atomic_store_explicit(&region->slots[index].state, OW_REGION_QUEUED, memory_order_release);
    instance->submit_head++;
    atomic_store(&region->submit_head, instance->submit_head);
    instance->depth++;
    note_work(instance);
}

ow_code ow_host_instance_submit(ow_host_instance *instance, const ow_host_request *request,
                                ow_err *err) {
    if (instance->dying) {
        return ow_fail(err, OW_UNAVAILABLE, "instance_gone", "the instance is ending");
    }
    if (request->payload_length > OW_HOST_PAYLOAD_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "payload_too_large", "%zu bytes of payload",
                       request->payload_length);
    }
    if (!ow_host_instance_has_room(instance)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_slot", "the instance holds %u requests",
                       instance->depth);
    }
    uint32_t index = instance->free_slots[instance->free_count - 1];
    ow_region *region = instance->region;
    size_t meta_length = put_meta(ow_region_meta(region, index), request);
    if (meta_length == 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "metadata_too_large",
                       "more than %u bytes of metadata", OW_REGION_META_MAX);
    }
    instance->free_count--;
    uint32_t length = (uint32_t)request->payload_length;
    if (length > 0) {
        memcpy(ow_region_payload(region, index, (uint32_t)meta_length, length), request->payload,
               length);
    }
    instance->slots[index] = (slot_record){.use = SLOT_SENT,
                                           .id = request->id,
                                           .submitted_ns = now_ns(),
                                           .position = instance->submit_head,
                                           .serial = ++instance->serials,
                                           .meta_length = (uint32_t)meta_length,
                                           .payload_length = length};
    ow_region_slot *slot = &region->slots[index];
    slot->serial = instance->slots[index].serial;
    slot->meta_length = (uint32_t)meta_length;
    slot->payload_length = length;
    slot->deadline_ns = request->deadline_ns;
    slot->clock_us = clock_of(request, instance->slots[index].submitted_ns);
    publish(instance, index);
    return OW_OK;
}

static void kick(ow_host_instance *instance) {
    instance->unkicked = false;
    if (!instance->dying) {
        ow_sleep_wake(instance->region);
    }
}

void ow_host_kick(ow_host *host) {
    for (size_t i = 0; i < host->unkicked_count; i++) {
        kick(host->unkicked[i]);
    }
    host->unkicked_count = 0;
}

// Taking back -----------------------------------------------------------------------------------

static bool take_back(ow_host_instance *instance, uint32_t index) {
    uint32_t expected = OW_REGION_QUEUED;
    if (!atomic_compare_exchange_strong(&instance->region->slots[index].state, &expected,
                                        OW_REGION_RECLAIMED)) {
        return false;
    }
    slot_record *slot = &instance->slots[index];
    slot->use = SLOT_TAKEN_BACK;
    ow_region_release(
        ow_region_payload(instance->region, index, slot->meta_length, slot->payload_length),
        slot->payload_length);
    instance->depth--;
    return true;
}

unsigned ow_host_instance_reclaim(ow_host_instance *instance, uint64_t *ret_ids, unsigned max) {
    unsigned count = 0;
    uint32_t oldest = instance->submit_head - OW_REGION_SLOTS;
    for (uint32_t at = instance->submit_head; at != oldest && count < max;) {
        at--;
        for (uint32_t i = 0; i < OW_REGION_SLOTS; i++) {
            slot_record *slot = &instance->slots[i];
            if (slot->use == SLOT_SENT && slot->position == at && take_back(instance, i)) {
                ret_ids[count++] = slot->id;
                break;
            }
        }
    }
    return count;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high) {
    return value < low ? low : value > high ? high : value;
}

bool ow_host_instance_running(const ow_host_instance *instance, uint64_t *ret_id,
                              uint64_t *ret_started_ns) {
    for (uint32_t i = 0; i < OW_REGION_SLOTS; i++) {
        slot_record *slot = (slot_record *)&instance->slots[i];
        ow_region_slot *shared = &instance->region->slots[i];
        if (slot->use == SLOT_SENT && atomic_load(&shared->state) == OW_REGION_STARTED) {
            if (slot->started_ns == 0) {
                // Read once: an instance that renews it would never have run for long.
                uint64_t started = *(volatile uint64_t *)&shared->started_ns;
                slot->started_ns = clamp(started, slot->submitted_ns, now_ns());
            }
            *ret_id = slot->id;
            *ret_started_ns = slot->started_ns;
            return true;
        }
    }
    return false;
}

// Completing ------------------------------------------------------------------------------------

// A reply's fixed-size words, copied out of the region once.
typedef struct reply_words {
    uint32_t outcome;
    uint32_t length;
    bool logged;
    uint32_t lines_lost;
    uint64_t started_ns;
    uint64_t finished_ns;
    char content_type[OW_REGION_TYPE_MAX];
} reply_words;

static const char *checked_type(char *type) {
    type[OW_REGION_TYPE_MAX - 1] = '\0';
    for (const char *at = type; *at; at++) {
        if (*at < ' ' || *at > '~') {
            return DEFAULT_TYPE;
        }
    }
    return type[0] ? type : DEFAULT_TYPE;
}

static void copy_words(const ow_region_slot *slot, reply_words *ret_words) {
    const volatile ow_region_slot *shared = slot;
    ret_words->outcome = shared->outcome;
    ret_words->length = shared->reply_length;
    ret_words->logged = shared->logged != 0;
    ret_words->lines_lost = shared->lines_lost;
    ret_words->started_ns = shared->started_ns;
    ret_words->finished_ns = shared->finished_ns;
    memcpy(ret_words->content_type, (const void *)slot->content_type, OW_REGION_TYPE_MAX);
}

// The text of a refusal or an error, copied and NUL-terminated; NULL without memory.
static char *copy_notice(const uint8_t *at, uint32_t length) {
    char *notice = malloc((size_t)length + 3);
    if (notice) {
        memcpy(notice, at, length);
        memset(notice + length, 0, 3); // three strings, even when the instance left NULs out
    }
    return notice;
}

static void split_refusal(char *notice, ow_host_completion *done) {
    done->code = notice;
    done->message = done->code + strlen(done->code) + 1;
    done->details = done->message + strlen(done->message) + 1;
    if (strlen(done->code) > CODE_MAX || done->code[0] == '\0') {
        done->code = "refused";
    }
}

static char *fill_notice(const uint8_t *reply, const reply_words *words, ow_host_completion *done) {
    uint32_t length = words->length;
    if (words->outcome == OW_REGION_USER_ERROR && length > NOTICE_MAX) {
        length = NOTICE_MAX;
    }
    char *notice = copy_notice(reply, length);
    if (notice && words->outcome == OW_REGION_REFUSED) {
        split_refusal(notice, done);
    } else if (notice && words->outcome == OW_REGION_USER_ERROR) {
        done->message = notice;
    }
    return notice;
}

// Hands a slot's result out and frees the slot.
static void deliver(ow_host_instance *instance, uint32_t index, reply_words *words, uint64_t now) {
    ow_host *host = instance->host;
    slot_record *slot = &instance->slots[index];
    uint8_t *reply = ow_region_reply(instance->region, index, words->length);
    ow_host_completion done = {
        .id = slot->id,
        .outcome = outcomes[words->outcome].outcome,
        .content_type = checked_type(words->content_type),
        .code = "",
        .message = outcomes[words->outcome].message,
        .details = "",
        .started_ns = clamp(words->started_ns, slot->submitted_ns, now),
        .finished_ns = clamp(words->finished_ns, slot->submitted_ns, now),
        .peak_bytes = atomic_load_explicit(&instance->region->peak_bytes, memory_order_relaxed),
        .log = {.data = ""},
    };
    char *notice = NULL;
    if (done.outcome == OW_HOST_OK) {
        done.data = reply;
        done.length = words->length;
    } else {
        notice = fill_notice(reply, words, &done);
    }
    size_t span = 0;
    if (words->logged) {
        log_drain(&instance->output, instance->log);
        span = log_until(&instance->output, slot->serial, &done.log);
        done.log.lines_lost += words->lines_lost;
    }
    ow_region_release(
        ow_region_payload(instance->region, index, slot->meta_length, slot->payload_length),
        slot->payload_length);
    slot->use = SLOT_FREE;
    instance->depth--;
    host->events.completed(host->ctx, instance, &done);
    // Only now may the slot, and with it the reply's bytes, be used again.
    instance->free_slots[instance->free_count++] = (uint8_t)index;
    ow_region_release(reply, words->length);
    log_drop(&instance->output, span);
    free(notice);
}

static bool take_one(ow_host_instance *instance, uint64_t now) {
    ow_region *region = instance->region;
    uint32_t index =
        *(volatile uint32_t *)&region->complete_ring[instance->complete_tail % OW_REGION_SLOTS];
    if (index >= OW_REGION_SLOTS || instance->slots[index].use != SLOT_SENT ||
        atomic_load_explicit(&region->slots[index].state, memory_order_acquire) != OW_REGION_DONE) {
        instance_violated(instance, "the completion ring names a slot that is not done");
        return false;
    }
    reply_words words;
    copy_words(&region->slots[index], &words);
    if (words.outcome >= OW_REGION_OUTCOMES || words.length > OW_REGION_PAYLOAD_MAX) {
        instance_violated(instance, "a reply has an impossible outcome or length");
        return false;
    }
    instance->complete_tail++;
    atomic_store_explicit(&region->slots[index].state, OW_REGION_FREE, memory_order_relaxed);
    deliver(instance, index, &words, now);
    return true;
}

unsigned exchange_poll(ow_host_instance *instance) {
    unsigned count = 0;
    uint32_t seen = instance->complete_tail;
    uint64_t now = 0; // not before what was seen to be done
    // Bounded: the caller's callback may feed it as fast as it answers.
    while (!instance->dying && count < COMPLETIONS_A_TURN) {
        uint32_t head = atomic_load(&instance->region->complete_head);
        if (head == instance->complete_tail) {
            break;
        }
        if (head - instance->complete_tail > OW_REGION_SLOTS) {
            instance_violated(instance, "the completion ring's head is out of range");
            break;
        }
        if (head != seen) {
            seen = head;
            now = now_ns();
        }
        if (!instance->loaded) {
            // Its READY frame was sent before; it must be told before.
            instance_control_readable(instance);
            if (!instance->loaded) {
                instance_violated(instance, "a reply before it was ready");
                break;
            }
        }
        if (!take_one(instance, now)) {
            break;
        }
        count++;
    }
    return count;
}

void exchange_collect(ow_host_instance *instance, ow_host_exit *exit) {
    for (uint32_t i = 0; i < OW_REGION_SLOTS; i++) {
        slot_record *slot = &instance->slots[i];
        if (slot->use != SLOT_SENT) {
            continue;
        }
        if (atomic_load(&instance->region->slots[i].state) == OW_REGION_QUEUED) {
            exit->queued[exit->queued_count++] = slot->id;
        } else {
            const volatile ow_region_slot *shared = &instance->region->slots[i];
            exit->started[exit->started_count++] = slot->id;
            instance->output.lines_lost += shared->lines_lost;
        }
        slot->use = SLOT_FREE;
    }
    instance->depth = 0;
}
