#pragma once

#include <stdint.h>
#include <stdio.h>

#include "runtimes/wire/frame.h"
#include "runtimes/zygote/runtime.h"

// File descriptors of an instance; 0 is /dev/null, 1 and 2 are the log pipe.
#define CONTROL_FD 3

typedef struct rt_file {
    const char *name;
    const void *data;
    size_t length;
} rt_file;

struct ow_rt {
    const ow_runtime *runtime;
    ow_region *region;
    const ow_region_host_page *host_page;
    void *user;
    // the request being served
    ow_region_slot *slot; // NULL outside of one
    uint32_t slot_index;
    const char *meta[OW_META_COUNT];
    const uint8_t *payload;
    uint32_t payload_length;
    bool settled;
    // what was printed
    bool printed;
    size_t log_bytes;
    uint32_t lines_lost; // over the limit
    bool losing;         // in the middle of a printed one
    // of the instance
    uint32_t submit_tail;
    uint32_t complete_head;
    uint32_t woke;   // the host's sleep that it ended last
    uint32_t untold; // results that the host was not woken for
    uint32_t calls;
    uint64_t peak_ns; // when the peak of its memory was noted
    rt_file *files;
    size_t file_count;
    ow_frame *frame; // the last one received; answers and names point into it
    uintptr_t code_base;
    uintptr_t code_end;
};

// Runs an instance until it is killed: maps the region, receives the code, serves. The process must
// be sandboxed already. Returns only when loading failed or the host went away.
void instance_run(ow_rt *rt);

// Replaces stdout and stderr by streams that count and mark; in the zygote, before any fork.
// 0 or an errno.
int output_init(void);

// Ends the output of a request or of loading: flushes and, when anything was printed, writes the
// marker with this serial. True when a marker was written.
bool output_finish(ow_rt *rt, uint32_t serial);

// Sets up the handlers and their stack; in the zygote, before any fork. 0 or an errno.
int fault_init(void);

// The instance this process is; NULL in a zygote. One word of mutable state for the whole process,
// since signal handlers, streams and allocators are given nothing else to find it by.
void instance_set_current(ow_rt *rt);
ow_rt *instance_current(void);
