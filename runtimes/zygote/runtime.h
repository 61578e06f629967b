#pragma once

// What a runtime is: a table of three functions, and the services its code may use inside an
// instance. A runtime binary is `int main` calling ow_zygote_main with its table.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtimes/wire/region.h"

// One instance, seen from inside its process. Single-threaded.
typedef struct ow_rt ow_rt;

#define OW_RT_MESSAGE_MAX 1024u

typedef struct ow_runtime {
    const char *name;
    // In the zygote, once, before it is sandboxed and forks: what every instance can share.
    // 0, or an errno.
    int (*init)(void);
    // In the instance, sandboxed: loads the code and runs its own initialisation. 0, or an error
    // number with a message of at most OW_RT_MESSAGE_MAX bytes.
    int (*load)(ow_rt *rt, int code_fd, const char *symbol, char *message);
    // Serves the current request: ends with ow_rt_reply, ow_rt_refuse or ow_rt_fail.
    void (*invoke)(ow_rt *rt);
} ow_runtime;

// The body of a runtime binary's main; returns its exit status.
int ow_zygote_main(int argc, char **argv, const ow_runtime *runtime);

// Anything the runtime keeps for the life of the instance.
void ow_rt_set_user(ow_rt *rt, void *user);
void *ow_rt_user(const ow_rt *rt);

// The request being served; outside of one, "" and nothing.
const char *ow_rt_meta(const ow_rt *rt, enum ow_region_meta which);
const void *ow_rt_payload(const ow_rt *rt, size_t *ret_length);
uint64_t ow_rt_deadline_ns(const ow_rt *rt);

// The platform's time in microseconds since 1970; the system's outside of a request.
int64_t ow_rt_now_us(const ow_rt *rt);

// True when the current request has been replied to, refused or failed.
bool ow_rt_settled(const ow_rt *rt);

// The reply. 0; EALREADY for a second one (which fails the request as a double reply); EMSGSIZE
// when it is too large (which fails the request too); ENOTCONN outside of a request.
int ow_rt_reply(ow_rt *rt, const void *data, size_t length);

// Room to write a small reply in place: then ow_rt_reply with the same pointer copies nothing.
void *ow_rt_reply_area(ow_rt *rt, size_t *ret_capacity);

// The reply's content type; before or after ow_rt_reply. 0 or EINVAL.
int ow_rt_set_content_type(ow_rt *rt, const char *type);

int ow_rt_refuse(ow_rt *rt, const char *code, const char *message, const char *details);
int ow_rt_fail(ow_rt *rt, const char *message);

// levels: 0 debug, 1 info, 2 warn, 3 error
void ow_rt_log(ow_rt *rt, int level, const char *text, size_t length);

// Notes that something other than stdio wrote to fd 1 or 2.
void ow_rt_printed(void);

// A file of the bundle: a read-only mapping; NULL when there is none of that name.
const void *ow_rt_file(const ow_rt *rt, const char *name, size_t *ret_length);

// The nested call: outcome of enum ow_region_outcome order (0 = OK). `ret_data` lies in the region
// and is valid until the next call; `ret_code` likewise. -1 when the host is gone.
typedef struct ow_rt_answer {
    uint32_t outcome;
    const void *data;
    size_t length;
    const char *code;
} ow_rt_answer;

// Room for a call's payload of up to OW_REGION_PAYLOAD_MAX bytes: ow_rt_call with the same pointer
// copies nothing.
void *ow_rt_call_area(ow_rt *rt);

int ow_rt_call(ow_rt *rt, uint32_t kind, const char *target, const char *content_type,
               const void *data, size_t length, ow_rt_answer *ret_answer);

// Where the function's own code lies, so that a fault's frames can be told from the libraries'.
void ow_rt_set_code(ow_rt *rt, uintptr_t base, uintptr_t end);

// Ends the process because an allocation of `length` bytes failed: its request fails as `memory`.
// Does nothing in a zygote.
void ow_rt_out_of_memory(size_t length);
