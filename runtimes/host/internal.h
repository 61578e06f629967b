#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtimes/host/host.h"
#include "runtimes/wire/frame.h"
#include "runtimes/wire/region.h"

#define LOG_SPARE 64u // bytes behind the limit in which a marker may still be coming in

enum source_kind {
    SOURCE_ZYGOTE,
    SOURCE_CONTROL,
    SOURCE_LOG,
    SOURCE_NAMES,
    SOURCE_REAPING,
};

// What an epoll event points at.
typedef struct source {
    enum source_kind kind;
    void *owner;
} source;

// Output of an instance that has not been handed out yet: what was printed since the last marker.
typedef struct log_buffer {
    char *data; // NULL until something is printed
    size_t length;
    uint64_t lines_lost;
} log_buffer;

// A run of the symboliser for one crash.
typedef struct names_run {
    source source;
    pid_t pid;
    int out; // its standard output
    char text[4096];
    size_t length;
} names_run;

#define NAMES_KEPT 16u

// Crashes whose frames have been named: the same one tends to come again, and often.
typedef struct named_crash {
    uint64_t code; // inode of the code's memfd; 0 = empty
    unsigned count;
    ow_host_frame frames[OW_HOST_FRAMES_MAX];
} named_crash;

enum slot_use { SLOT_FREE = 0, SLOT_SENT, SLOT_TAKEN_BACK };

typedef struct slot_record {
    enum slot_use use;
    uint64_t id;
    uint64_t submitted_ns;
    uint64_t started_ns; // when it was first seen STARTED, at the latest; 0: not seen yet
    uint32_t position;   // in the submit ring
    uint32_t serial;
    uint32_t meta_length;
    uint32_t payload_length;
} slot_record;

struct ow_host_instance {
    ow_host *host;
    ow_host_zygote *zygote;
    void *user;
    uint32_t number;
    ow_host_instance *next_dead; // in the host's graveyard
    size_t index;                // in the host's table
    source control_source;
    source log_source;
    int control;
    int log;
    int code; // for the symboliser
    int pidfd;
    pid_t pid;
    uint64_t spawned_ns;
    ow_region *region;
    // our truth about the rings; what the region says is only compared with it
    uint32_t submit_head;
    uint32_t submit_tail_seen;
    uint32_t complete_tail;
    uint32_t serials;
    slot_record slots[OW_REGION_SLOTS];
    uint8_t free_slots[OW_REGION_SLOTS]; // a stack, so that one request in flight reuses one slot
    unsigned free_count;
    unsigned depth; // slots sent and neither answered nor taken back
    bool loaded;
    bool unkicked;
    bool busy; // in the host's busy table
    bool dying;
    bool ended; // its exit is being or was told
    ow_host_end end;
    char end_message[256];
    uint32_t call_waiting; // number of the call that awaits its answer; 0 = none
    log_buffer output;
    names_run *names;
    ow_host_exit *exit; // while the symboliser runs
};

struct ow_host_zygote {
    ow_host *host;
    ow_host_zygote *next;
    source source;
    int control;
    int pidfd;
    int started; // pidfd of the process we exec'ed; its child may be the real one
    ow_host_zygote_status status;
};

typedef struct reaping reaping; // a process that has ended, or was told to

struct ow_host {
    ow_host_events events;
    void *ctx;
    char *build_binary;
    ow_host_sandbox_level most;
    int epoll;
    int wake;
    int page_fd;
    ow_region_host_page *page;
    ow_host_zygote *zygotes;
    ow_host_zygote *dead_zygotes;
    ow_host_instance *dead;
    reaping *reaping;
    ow_host_instance **instances;
    ow_host_instance **busy;
    ow_host_instance **unkicked;
    size_t instance_count;
    size_t busy_count;
    size_t unkicked_count;
    size_t capacity; // of the three tables
    uint32_t numbers;
    uint32_t sleeps;    // twice how often it went to sleep
    unsigned naming;    // symbolisers running
    named_crash *named; // NAMES_KEPT, made at the first crash
    unsigned named_next;
    ow_frame *frame; // scratch
};

uint64_t now_ns(void);

// epoll
ow_code watch(ow_host *host, int fd, source *source, ow_err *err);
void unwatch(ow_host *host, int fd);

// zygote.c
void zygote_readable(ow_host_zygote *zygote);
void zygote_destroy(ow_host_zygote *zygote);

// reap.c: each takes the pidfd; -1 is nothing
void reap_later(ow_host *host, int pidfd);  // when it has ended
void reap_parent(ow_host *host, int pidfd); // the same; what it leaves is reaped behind it
void reap_kill(ow_host *host, int pidfd);   // kills a parent first
void reap_readable(reaping *entry);
void reap_all(ow_host *host); // waits

// instance.c
bool instance_tables_have_room(ow_host *host);
void instance_enter(ow_host_instance *instance); // into the table of all; room must be there
void instance_spawned(ow_host_instance *instance, int pidfd);
void instance_ended(ow_host_instance *instance, int status, uint64_t peak_bytes);
void instance_lost(ow_host_instance *instance, ow_host_end end, const char *message);
void instance_destroy(ow_host_instance *instance);
void instance_leave(ow_host_instance *instance); // out of every table, freed at the end of the turn
void instance_control_readable(ow_host_instance *instance);
void instance_violated(ow_host_instance *instance, const char *what);
ow_host_instance *instance_find(ow_host *host, const ow_host_zygote *zygote, uint32_t number);

// exchange.c: requests and replies
unsigned exchange_poll(ow_host_instance *instance);
void exchange_collect(ow_host_instance *instance, ow_host_exit *exit);

// exit.c
void exit_describe(ow_host_instance *instance, int status, ow_host_exit *exit);
void exit_tell(ow_host_instance *instance, const ow_host_exit *exit);

// names.c: function, file and line of a crash's frames
// True: they are being looked up. False: `exit` has what there is to have.
bool names_start(ow_host_instance *instance, ow_host_exit *exit);
void names_readable(ow_host_instance *instance);
void names_stop(ow_host_instance *instance);
void names_apply(const char *text, ow_host_exit *exit);

// log.c
void log_drain(log_buffer *log, int fd);
void log_shorten(log_buffer *log);
// Cuts off what stands before the marker with this serial into `ret_log` (the caller reads it, then
// calls log_drop with its whole span). Without such a marker: everything there is.
size_t log_until(log_buffer *log, uint32_t serial, ow_host_log *ret_log);
void log_drop(log_buffer *log, size_t span);
void log_all(const log_buffer *log, ow_host_log *ret_log);
