// What a runtime may use inside an instance (runtime.h), except output and faults.

#include "runtimes/zygote/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "runtimes/zygote/internal.h"

#define CODE_MAX 60u
#define MESSAGE_MAX 4000u

void ow_rt_set_user(ow_rt *rt, void *user) {
    rt->user = user;
}
void *ow_rt_user(const ow_rt *rt) {
    return rt->user;
}
bool ow_rt_settled(const ow_rt *rt) {
    return rt->settled;
}

const char *ow_rt_meta(const ow_rt *rt, enum ow_region_meta which) {
    return rt->slot ? rt->meta[which] : "";
}

const void *ow_rt_payload(const ow_rt *rt, size_t *ret_length) {
    *ret_length = rt->slot ? rt->payload_length : 0;
    return rt->slot ? rt->payload : NULL;
}

uint64_t ow_rt_deadline_ns(const ow_rt *rt) {
    return rt->slot ? rt->slot->deadline_ns : 0;
}

int64_t ow_rt_now_us(const ow_rt *rt) {
    struct timespec now;
    clock_gettime(rt->slot ? CLOCK_MONOTONIC : CLOCK_REALTIME, &now);
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    return rt->slot ? now_us + rt->slot->clock_us : now_us;
}

void ow_rt_set_code(ow_rt *rt, uintptr_t base, uintptr_t end) {
    rt->code_base = base;
    rt->code_end = end;
}

// Settling a second time spoils the request, whatever the first was.
static int settle(ow_rt *rt, uint32_t outcome) {
    if (!rt->slot) {
        return ENOTCONN;
    }
    if (rt->settled) {
        rt->slot->outcome = OW_REGION_DOUBLE_REPLY;
        rt->slot->reply_length = 0;
        return EALREADY;
    }
    rt->settled = true;
    rt->slot->outcome = outcome;
    return 0;
}

void *ow_rt_reply_area(ow_rt *rt, size_t *ret_capacity) {
    if (!rt->slot || rt->settled) {
        *ret_capacity = 0;
        return NULL;
    }
    *ret_capacity = OW_REGION_SMALL;
    return ow_region_reply(rt->region, rt->slot_index, 0);
}

int ow_rt_reply(ow_rt *rt, const void *data, size_t length) {
    bool fits = length <= OW_REGION_PAYLOAD_MAX;
    int failed = settle(rt, fits ? OW_REGION_OK : OW_REGION_REPLY_TOO_LARGE);
    if (failed != 0) {
        return failed;
    }
    if (!fits) {
        return EMSGSIZE;
    }
    uint8_t *to = ow_region_reply(rt->region, rt->slot_index, (uint32_t)length);
    if (length > 0 && data != to) {
        memcpy(to, data, length);
    }
    rt->slot->reply_length = (uint32_t)length;
    return 0;
}

int ow_rt_set_content_type(ow_rt *rt, const char *type) {
    size_t length = strlen(type);
    if (!rt->slot || length == 0 || length >= OW_REGION_TYPE_MAX) {
        return EINVAL;
    }
    for (size_t i = 0; i < length; i++) {
        if (type[i] < ' ' || type[i] > '~') {
            return EINVAL;
        }
    }
    memcpy(rt->slot->content_type, type, length + 1);
    return 0;
}

int ow_rt_refuse(ow_rt *rt, const char *code, const char *message, const char *details) {
    size_t room = OW_REGION_PAYLOAD_MAX - CODE_MAX - MESSAGE_MAX - 3;
    if (!code || !code[0] || strlen(code) > CODE_MAX || (details && strlen(details) > room)) {
        return EINVAL;
    }
    int failed = settle(rt, OW_REGION_REFUSED);
    if (failed != 0) {
        return failed;
    }
    message = message ? message : "";
    details = details ? details : "";
    size_t code_length = strlen(code) + 1;
    size_t message_length = strnlen(message, MESSAGE_MAX);
    size_t details_length = strlen(details) + 1;
    size_t length = code_length + message_length + 1 + details_length;
    uint8_t *to = ow_region_reply(rt->region, rt->slot_index, (uint32_t)length);
    memcpy(to, code, code_length);
    memcpy(to + code_length, message, message_length);
    to[code_length + message_length] = '\0';
    memcpy(to + code_length + message_length + 1, details, details_length);
    rt->slot->reply_length = (uint32_t)length;
    return 0;
}

int ow_rt_fail(ow_rt *rt, const char *message) {
    int failed = settle(rt, OW_REGION_USER_ERROR);
    if (failed != 0) {
        return failed;
    }
    size_t length = message ? strnlen(message, MESSAGE_MAX) : 0;
    if (length > 0) {
        memcpy(ow_region_reply(rt->region, rt->slot_index, (uint32_t)length), message, length);
    }
    rt->slot->reply_length = (uint32_t)length;
    return 0;
}

const void *ow_rt_file(const ow_rt *rt, const char *name, size_t *ret_length) {
    for (size_t i = 0; i < rt->file_count; i++) {
        if (strcmp(rt->files[i].name, name) == 0) {
            *ret_length = rt->files[i].length;
            return rt->files[i].data;
        }
    }
    return NULL;
}

void *ow_rt_call_area(ow_rt *rt) {
    return ow_region_call(rt->region);
}

int ow_rt_call(ow_rt *rt, uint32_t kind, const char *target, const char *content_type,
               const void *data, size_t length, ow_rt_answer *ret_answer) {
    if (length > OW_REGION_PAYLOAD_MAX || strlen(target) > 255) {
        return EMSGSIZE;
    }
    ow_frame_init(rt->frame, OW_FRAME_CALL, ++rt->calls);
    rt->frame->head.value = kind;
    rt->frame->head.length = (uint32_t)length;
    if (!ow_frame_put(rt->frame, target) || !ow_frame_put(rt->frame, content_type)) {
        return EINVAL;
    }
    if (length > 0 && data != ow_region_call(rt->region)) {
        memcpy(ow_region_call(rt->region), data, length);
    }
    int failed = ow_frame_send(CONTROL_FD, rt->frame);
    do {
        failed = failed ? failed : ow_frame_receive(CONTROL_FD, rt->frame, 0);
    } while (failed == 0 &&
             (rt->frame->head.type != OW_FRAME_ANSWER || rt->frame->head.number != rt->calls));
    if (failed != 0) {
        return failed;
    }
    size_t cursor = 0;
    const char *code = ow_frame_next(rt->frame, &cursor);
    *ret_answer = (ow_rt_answer){.outcome = rt->frame->head.value,
                                 .data = ow_region_answer(rt->region),
                                 .length = rt->frame->head.length,
                                 .code = code ? code : ""};
    return 0;
}
