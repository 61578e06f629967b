#pragma once

// The shared-memory region of one instance: a page of words, a small area for each slot's request
// and reply, and behind them sparse areas for large payloads (a page costs memory once touched).
//
// Who writes what: a slot belongs to the host while FREE, to the instance while STARTED. Between
// the two stands one compare-and-swap on QUEUED: the instance makes it STARTED, the host makes it
// RECLAIMED to take a request back. The host keeps its own copy of every index it needs and treats
// all that it reads here as input from a stranger.
//
// Sleeping and waking is Dekker's scheme, all four accesses sequentially consistent: publish, then
// look whether the other sleeps; declare sleep, then look whether something was published.

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_REGION_SLOTS 16u
#define OW_REGION_PAYLOAD_MAX (6u << 20)
#define OW_REGION_SMALL (16u << 10) // metadata + payload, or reply, up to this need no large area
#define OW_REGION_META_MAX (8u << 10)
#define OW_REGION_TYPE_MAX 96u
#define OW_REGION_FRAMES 8u

enum ow_region_state {
    OW_REGION_FREE = 0,
    OW_REGION_QUEUED,
    OW_REGION_STARTED,
    OW_REGION_DONE,
    OW_REGION_RECLAIMED,
};

enum ow_region_outcome {
    OW_REGION_OK = 0,
    OW_REGION_REFUSED,    // reply area: code NUL message NUL details NUL
    OW_REGION_USER_ERROR, // reply area: message
    OW_REGION_REPLY_TOO_LARGE,
    OW_REGION_NO_REPLY,
    OW_REGION_DOUBLE_REPLY,
    OW_REGION_OUTCOMES,
};

enum ow_region_fault_kind {
    OW_REGION_FAULT_NONE = 0,
    OW_REGION_FAULT_SIGNAL,
    OW_REGION_FAULT_STACK,   // the stack grew past its limit
    OW_REGION_FAULT_SYSCALL, // refused by seccomp; `number` is the system call
    OW_REGION_FAULT_MEMORY,  // an allocation of `address` bytes failed
    OW_REGION_FAULT_KINDS,
};

// The metadata strings of a request, in this order, each with its NUL.
enum ow_region_meta {
    OW_META_REQUEST_ID = 0,
    OW_META_INVOCATION_ID,
    OW_META_TRACEPARENT,
    OW_META_SOURCE,
    OW_META_PLAYER,
    OW_META_PRINCIPAL,
    OW_META_VIRTUAL_SERVER,
    OW_META_FUNCTION,
    OW_META_VERSION,
    OW_META_CONTENT_TYPE,
    OW_META_EXECUTION_ID,
    OW_META_ATTEMPT, // digits
    OW_META_COUNT,
};

typedef struct ow_region_slot {
    _Atomic uint32_t state;
    // by the host, before QUEUED
    uint32_t serial; // of the request within the instance, names its log marker
    uint32_t meta_length;
    uint32_t payload_length;
    uint64_t deadline_ns;
    int64_t clock_us; // the platform's time, less CLOCK_MONOTONIC
    // by the instance, before DONE
    uint64_t started_ns;
    uint64_t finished_ns;
    uint32_t outcome;
    uint32_t reply_length;
    uint32_t logged;     // a marker stands in the log pipe
    uint32_t lines_lost; // printed over the limit and not written; counted up while it runs
    char content_type[OW_REGION_TYPE_MAX];
} ow_region_slot;

typedef struct ow_region_fault {
    _Atomic uint32_t kind;
    int32_t number; // signal, or system call
    uint64_t address;
    uint32_t frame_count;
    uint64_t frames[OW_REGION_FRAMES]; // offsets in the code object, innermost first
} ow_region_fault;

typedef struct ow_region {
    // by the host
    _Atomic uint32_t submit_head; // requests ever queued
    uint32_t submit_ring[OW_REGION_SLOTS];
    // by the instance
    _Alignas(64) _Atomic uint32_t sleeping; // 1: waits on this futex, until the host makes it 0
    _Alignas(64) _Atomic uint32_t complete_head; // slots ever completed
    uint32_t complete_ring[OW_REGION_SLOTS];
    _Atomic uint32_t submit_tail; // entries of the submit ring passed
    _Atomic uint64_t peak_bytes;
    _Alignas(64) ow_region_fault fault;
    _Alignas(64) ow_region_slot slots[OW_REGION_SLOTS];
} ow_region;

// One page for all instances of a host, theirs to read only.
typedef struct ow_region_host_page {
    _Atomic uint32_t sleeping; // 0: awake; else the number of this sleep, one wake-up ends it
} ow_region_host_page;

#define OW_REGION_SMALL_AT ((size_t)4096)
#define OW_REGION_LARGE_AT ((size_t)1 << 20)
// each slot's request and reply, then the nested call's request and reply
#define OW_REGION_LENGTH                                                                           \
    (OW_REGION_LARGE_AT + (2 * (size_t)OW_REGION_SLOTS + 2) * OW_REGION_PAYLOAD_MAX)

_Static_assert(sizeof(ow_region) <= OW_REGION_SMALL_AT, "the words fit one page");
_Static_assert(OW_REGION_SMALL_AT + 2 * (size_t)OW_REGION_SLOTS * OW_REGION_SMALL <=
                   OW_REGION_LARGE_AT,
               "the small areas end before the large ones");

static inline uint8_t *ow_region_at(ow_region *region, size_t offset) {
    return (uint8_t *)region + offset;
}

// Requests lie together and replies lie together, so that one request in flight touches one page
// of each.
static inline uint8_t *ow_region_meta(ow_region *region, uint32_t slot) {
    return ow_region_at(region, OW_REGION_SMALL_AT + (size_t)slot * OW_REGION_SMALL);
}

// Where a request's payload lies: behind its metadata when both fit the small area.
static inline uint8_t *ow_region_payload(ow_region *region, uint32_t slot, uint32_t meta_length,
                                         uint32_t length) {
    if ((size_t)meta_length + length <= OW_REGION_SMALL) {
        return ow_region_meta(region, slot) + meta_length;
    }
    return ow_region_at(region, OW_REGION_LARGE_AT + 2 * (size_t)slot * OW_REGION_PAYLOAD_MAX);
}

static inline uint8_t *ow_region_reply(ow_region *region, uint32_t slot, uint32_t length) {
    if (length <= OW_REGION_SMALL) {
        return ow_region_at(region, OW_REGION_SMALL_AT +
                                        ((size_t)OW_REGION_SLOTS + slot) * OW_REGION_SMALL);
    }
    return ow_region_at(region,
                        OW_REGION_LARGE_AT + (2 * (size_t)slot + 1) * OW_REGION_PAYLOAD_MAX);
}

static inline uint8_t *ow_region_call(ow_region *region) {
    return ow_region_at(region,
                        OW_REGION_LARGE_AT + 2 * (size_t)OW_REGION_SLOTS * OW_REGION_PAYLOAD_MAX);
}

static inline uint8_t *ow_region_answer(ow_region *region) {
    return ow_region_call(region) + OW_REGION_PAYLOAD_MAX;
}

// Makes a region's memfd, sealed against resizing (a mapping of it can never fault on access).
// Returns the fd, or -1 with errno.
int ow_region_create(void);

// Makes the host page: mapped writable into `*ret_page`, the fd then sealed so that nobody else can
// map it writable. Returns the fd, or -1 with errno.
int ow_region_host_page_create(ow_region_host_page **ret_page);

// Maps a region. NULL with errno.
ow_region *ow_region_map(int fd);

// Maps a host page for reading. NULL with errno.
const ow_region_host_page *ow_region_host_page_map(int fd);

// Unmaps; accepts NULL, returns NULL.
ow_region *ow_region_unmap(ow_region *region);
ow_region_host_page *ow_region_host_page_unmap(const ow_region_host_page *page);

// Gives the memory of a large payload back to the system; nothing for a small one.
void ow_region_release(uint8_t *at, size_t length);
