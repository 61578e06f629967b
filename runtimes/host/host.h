#pragma once

// The host half of the function runtimes: starts a zygote for each runtime binary, forks sandboxed
// instances from it, and passes requests and replies through one shared-memory region an instance.
//
// Mechanism only. Queues, deadlines, scaling, back-off and retries are the runner's.
//
// One ow_host belongs to one loop thread: every function below is called on it and every callback
// runs on it. There are no threads in here and nothing blocks. A callback may submit, answer, kill,
// spawn; it may not free the host or call ow_host_pump and ow_host_poll.
//
// How a caller's loop drives it: one wake-up carries several requests:
//
//     epoll: ow_host_fd (level), ow_host_wake_fd (level)
//     each turn: ow_host_pump on ow_host_fd, ow_host_poll always; dispatch with
//                ow_host_instance_submit; then ow_host_kick once;
//     before epoll_wait: if (!ow_host_sleep(host)) do not wait, go round again
//     after epoll_wait:  ow_host_awake(host)

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error/error.h"

typedef struct ow_host ow_host;
typedef struct ow_host_zygote ow_host_zygote;     // owned by the host
typedef struct ow_host_instance ow_host_instance; // owned by the host; gone after `exited` returned

#define OW_HOST_PAYLOAD_MAX (6u << 20) // bytes, requests, replies and nested calls alike
#define OW_HOST_DEPTH_MAX 16u          // requests an instance can hold at once
#define OW_HOST_LOG_MAX (64u << 10)    // bytes of output kept for one invocation
#define OW_HOST_FILES_MAX 512u         // files of a bundle
#define OW_HOST_ENV_MAX 4096u          // bytes of environment, names, '=' and NULs included
#define OW_HOST_FRAMES_MAX 8u          // frames of a backtrace

// What the function did with a request. Everything but OK and REFUSED is an error of the function.
typedef enum ow_host_outcome {
    OW_HOST_OK = 0,
    OW_HOST_REFUSED,         // its own refusal: code, message, details
    OW_HOST_USER_ERROR,      // returned an error; message
    OW_HOST_REPLY_TOO_LARGE, // more than OW_HOST_PAYLOAD_MAX
    OW_HOST_PROTOCOL,        // no reply, or more than one; message says which
} ow_host_outcome;

// Why an instance ended.
typedef enum ow_host_end {
    OW_HOST_END_KILLED = 0, // by ow_host_instance_kill
    OW_HOST_END_CRASHED,    // signal, exit(), or a forbidden system call
    OW_HOST_END_MEMORY,     // an allocation failed, or the kernel's OOM killer
    OW_HOST_END_PROTOCOL,   // broke the rules of the region or of the frames
    OW_HOST_END_INIT,       // could not be loaded, or ow_init failed
    OW_HOST_END_ZYGOTE,     // its zygote went away
} ow_host_end;

typedef enum ow_host_sandbox_level {
    OW_HOST_SANDBOX_REFUSED = 0,  // no seccomp: functions must not run
    OW_HOST_SANDBOX_SECCOMP = 1,  // seccomp and rlimits only
    OW_HOST_SANDBOX_LANDLOCK = 2, // no user namespaces: Landlock, seccomp, rlimits
    OW_HOST_SANDBOX_FULL = 3,     // namespaces and an empty read-only tree as well
} ow_host_sandbox_level;

typedef struct ow_host_zygote_status {
    bool ready;                  // has said hello; spawns before that are queued in its socket
    bool gone;                   // ended; every spawn fails until a new one is started
    ow_host_sandbox_level level; // valid once ready
    int landlock_abi;            // 0 = none
    char text[160];              // for people: what is and is not in force
    unsigned instances;          // alive now
} ow_host_zygote_status;

// One invocation. Strings may be NULL (= ""); the payload is copied into the region by submit.
typedef struct ow_host_request {
    uint64_t id;          // the caller's number, unique among the instance's requests
    uint64_t deadline_ns; // CLOCK_MONOTONIC, shown to the function; enforced by the runner
    int64_t wall_us;      // the time as functions are to see it; 0: the system's
    const char *request_id;
    const char *invocation_id;
    const char *traceparent;
    const char *source;    // timer, event, client, server, manual, http, function, webhook
    const char *player;    // player id, "" when the principal is no player
    const char *principal; // JSON text describing the principal
    const char *virtual_server, *function;
    const char *version; // "$LATEST" or a number
    const char *content_type;
    const char *execution_id; // of the queue; "": it comes from somewhere else
    int attempt;              // of that execution, from 1; 0: as above
    const void *payload;
    size_t payload_length;
} ow_host_request;

// Output of one invocation: lines printed and ow_log records, in order. Walk it with
// ow_host_log_next. Valid during the callback.
typedef struct ow_host_log {
    const char *data;
    size_t length;
    uint64_t lines_lost; // over OW_HOST_LOG_MAX: not kept, or cut short; forgeable like all output
} ow_host_log;

typedef struct ow_host_log_record {
    int level;        // 0 debug, 1 info, 2 warn, 3 error; plain output is 1
    const char *text; // not NUL-terminated, without the newline; may hold any bytes
    size_t length;
    bool printed; // plain output of stdout or stderr, no ow_log record
} ow_host_log_record;

typedef struct ow_host_completion {
    uint64_t id;
    ow_host_outcome outcome;
    // OK: the reply. These bytes are still shared with the instance: copy them once, then look at
    // the copy. Valid during the callback.
    const void *data;
    size_t length;
    const char *content_type; // checked: visible ASCII, no CR LF; "application/json" by default
    // Not OK: private copies, valid during the callback, "" when there is none.
    const char *code;    // REFUSED only
    const char *message; // UTF-8 is not checked
    const char *details; // REFUSED only: text the function gave as JSON, not validated
    uint64_t started_ns; // CLOCK_MONOTONIC, clamped to [submit, now]
    uint64_t finished_ns;
    uint64_t peak_bytes; // most resident memory of the instance so far, as last reported
    ow_host_log log;
} ow_host_completion;

typedef struct ow_host_frame {
    char function[64]; // "" when unknown
    char file[96];
    int line;         // 0 when unknown
    uint64_t address; // in the function's code object
} ow_host_frame;

typedef struct ow_host_exit {
    ow_host_end end;
    const char *reason; // "crashed", "memory", "protocol", "init_failed", "killed", "zygote_gone"
    char message[256];  // for people: "segmentation fault at address 0x0", "exit(0) was called" ...
    int signal;         // 0 when it exited
    int exit_code;
    uint64_t peak_bytes;
    uint64_t started[OW_HOST_DEPTH_MAX]; // requests that had started and were not answered
    unsigned started_count;
    uint64_t queued[OW_HOST_DEPTH_MAX]; // requests handed back, never started
    unsigned queued_count;
    ow_host_frame frames[OW_HOST_FRAMES_MAX]; // innermost first
    unsigned frame_count;
    ow_host_log log; // printed after the last answered request
} ow_host_exit;

typedef struct ow_host_ready {
    uint64_t init_ns; // loading and ow_init, measured by the host from the spawn on
    uint64_t peak_bytes;
    ow_host_log log; // printed while loading and in ow_init
} ow_host_ready;

// A call frame of an instance, made while it serves `request`. It waits for the answer.
typedef struct ow_host_call {
    uint64_t request;   // id of the request being served; 0 during ow_init
    uint32_t number;    // give it back with the answer
    uint32_t kind;      // OW_HOST_CALL_FUNCTION, ..._SECRET, ..._METHOD
    const char *target; // "function" or "virtual_server/function"; NUL-terminated, ≤ 255 bytes
    const char *content_type;
    const void *payload; // shared with the instance like a reply: copy once, then look
    size_t length;
} ow_host_call;

#define OW_HOST_CALL_FUNCTION 1u
#define OW_HOST_CALL_SECRET 2u // target: the secret's name
#define OW_HOST_CALL_METHOD 3u // target: a method of the host API; payload: its request

// All optional but `completed` and `exited`. `ctx` is the one given to ow_host_open, `user` of an
// instance is read with ow_host_instance_user.
typedef struct ow_host_events {
    void (*zygote)(void *ctx, ow_host_zygote *zygote, const ow_host_zygote_status *status);
    void (*ready)(void *ctx, ow_host_instance *instance, const ow_host_ready *ready);
    void (*completed)(void *ctx, ow_host_instance *instance, const ow_host_completion *done);
    void (*called)(void *ctx, ow_host_instance *instance, const ow_host_call *call);
    void (*exited)(void *ctx, ow_host_instance *instance, const ow_host_exit *exit);
} ow_host_events;

typedef struct ow_host_options {
    const char *build_binary;   // runtimes/build's, names the frames of a crash; NULL: numbers only
    ow_host_sandbox_level most; // use no more than this level (tests); 0 = what there is
} ow_host_options;

// Makes a host. `events` is copied, strings of `options` too. Faults only.
ow_code ow_host_open(const ow_host_options *options, const ow_host_events *events, void *ctx,
                     ow_host **ret_host, ow_err *err);

// Kills every instance and zygote at once, without callbacks, and frees. Accepts NULL.
ow_host *ow_host_free(ow_host *host);

// Readable when there is control work for ow_host_pump: zygotes, exits, calls, output.
int ow_host_fd(const ow_host *host);

// Readable when an instance finished something while the host slept: ow_host_poll.
int ow_host_wake_fd(const ow_host *host);

// Handles waiting control work, bounded: at most 64 events a turn (level-triggered, so call again
// when the fd is still readable). Callbacks run inside.
void ow_host_pump(ow_host *host);

// Delivers every finished request of every busy instance; returns how many. Cheap when there is
// none: one cache line an instance in use.
unsigned ow_host_poll(ow_host *host);

// Wakes those sleeping instances that were given requests since the last kick; at most one system
// call each.
void ow_host_kick(ow_host *host);

// Declares that the caller is about to wait in epoll_wait. False: something finished meanwhile, do
// not wait. Kicks first, so nothing submitted is left lying. An instance with four or more requests
// queued ends the wait only with every fourth result: a caller that submits so many must look again
// after a bounded time, in case one of them takes long.
bool ow_host_sleep(ow_host *host);

// Ends the state of ow_host_sleep.
void ow_host_awake(ow_host *host);

// Starts the zygote of a runtime: `binary` is a program built from runtimes/zygote. Returns as soon
// as it was exec'ed; the `zygote` event says when it is ready and which sandbox it reached, or that
// it went away. Spawning may begin at once.
ow_code ow_host_zygote_start(ow_host *host, const char *binary, ow_host_zygote **ret_zygote,
                             ow_err *err);

// Ends a zygote and all its instances; their `exited` and its `zygote` event follow from
// ow_host_pump, after which the pointer is gone.
void ow_host_zygote_stop(ow_host_zygote *zygote);

typedef struct ow_host_file {
    const char *name; // as ow_file names it, e.g. "words.txt"
    int fd;           // sealed memfd (ow_host_memfd); stays the caller's
} ow_host_file;

typedef struct ow_host_spec {
    int code_fd;        // sealed memfd of the code; stays the caller's
    const char *symbol; // the function's C symbol
    const ow_host_file *files;
    size_t file_count;
    const char *const *env; // "NAME=value"
    size_t env_count;
    uint64_t memory_bytes; // what the function may allocate on top of the runtime
    uint64_t stack_bytes;  // 0 = 8 MB
    void *user;
} ow_host_spec;

// Starts an instance: forked, sandboxed, loaded and initialised without further calls. Requests may
// be submitted at once; they run after loading. Ends in exactly one `exited`, with a `ready` before
// it if loading succeeded. The init limit is the caller's: kill it when `ready` is late.
// OW_UNAVAILABLE zygote_gone, OW_INVALID_ARGUMENT for a spec out of bounds, faults.
ow_code ow_host_instance_spawn(ow_host_zygote *zygote, const ow_host_spec *spec,
                               ow_host_instance **ret_instance, ow_err *err);

void *ow_host_instance_user(const ow_host_instance *instance);

// Requests not yet completed, started or not.
unsigned ow_host_instance_depth(const ow_host_instance *instance);

// True while submit would find a free slot.
bool ow_host_instance_has_room(const ow_host_instance *instance);

// Puts a request into the region; nothing is woken before ow_host_kick.
// OW_RESOURCE_EXHAUSTED no_slot; OW_INVALID_ARGUMENT payload_too_large or metadata_too_large;
// OW_UNAVAILABLE instance_gone.
ow_code ow_host_instance_submit(ow_host_instance *instance, const ow_host_request *request,
                                ow_err *err);

// The request that the instance is in, and since when (CLOCK_MONOTONIC, clamped to [submit, now]).
// False: none has started.
bool ow_host_instance_running(const ow_host_instance *instance, uint64_t *ret_id,
                              uint64_t *ret_started_ns);

// Takes back up to `max` requests that have not started, latest first; they will not be run. Their
// ids go to `ret_ids`. Returns how many.
unsigned ow_host_instance_reclaim(ow_host_instance *instance, uint64_t *ret_ids, unsigned max);

// Answers a call. `outcome` as in a completion; `data` is the reply or, when not OK, the message.
// `code` only with REFUSED, else NULL. Ignored (false) when the instance is not waiting for
// `number` any more.
bool ow_host_instance_answer(ow_host_instance *instance, uint32_t number, ow_host_outcome outcome,
                             const char *code, const void *data, size_t length);

// SIGKILL. Nothing of it is delivered any more but `exited` (with what had started and what had
// not). Reclaim first when queued requests are to move on at once.
void ow_host_instance_kill(ow_host_instance *instance);

// Resident memory now, read from /proc (1-3 us), about 4 MB of shared libraries included; 0 when it
// is not known.
uint64_t ow_host_instance_resident(const ow_host_instance *instance);

// Process id in the host's pid namespace; 0 before it is known.
pid_t ow_host_instance_pid(const ow_host_instance *instance);

// Walks a log: `*cursor` starts at 0. False at the end.
bool ow_host_log_next(const ow_host_log *log, size_t *cursor, ow_host_log_record *ret_record);

// Makes a sealed memfd with these bytes, for code and bundle files. `name` shows in /proc only.
ow_code ow_host_memfd(const char *name, const void *data, size_t length, int *ret_fd, ow_err *err);
