#include "runtimes/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtimes/host/internal.h"

#define DEFAULT_STACK (8u << 20)
#define FRAMES_A_TURN 16
#define TARGET_MAX 255u
#define TABLE_FIRST 16u

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

void instance_destroy(ow_host_instance *instance) {
    names_stop(instance);
    close_fd(&instance->control);
    close_fd(&instance->log);
    close_fd(&instance->code);
    reap_later(instance->host, instance->pidfd); // its zygote may not have been there to do it
    ow_region_unmap(instance->region);
    free(instance->output.data);
    free(instance->exit);
    free(instance);
}

// Tables ----------------------------------------------------------------------------------------

static bool grow(ow_host_instance ***table, size_t capacity) {
    ow_host_instance **grown = realloc(*table, capacity * sizeof **table);
    if (grown) {
        *table = grown;
    }
    return grown != NULL;
}

bool instance_tables_have_room(ow_host *host) {
    if (host->instance_count < host->capacity) {
        return true;
    }
    size_t capacity = host->capacity ? 2 * host->capacity : TABLE_FIRST;
    if (!grow(&host->instances, capacity) || !grow(&host->busy, capacity) ||
        !grow(&host->unkicked, capacity)) {
        return false;
    }
    host->capacity = capacity;
    return true;
}

static void forget_in(ow_host_instance **table, size_t *count, const ow_host_instance *instance) {
    for (size_t i = 0; i < *count; i++) {
        if (table[i] == instance) {
            table[i] = table[--*count];
            return;
        }
    }
}

void instance_enter(ow_host_instance *instance) {
    ow_host *host = instance->host;
    instance->index = host->instance_count;
    host->instances[host->instance_count++] = instance;
}

void instance_leave(ow_host_instance *instance) {
    ow_host *host = instance->host;
    ow_host_instance *last = host->instances[--host->instance_count];
    host->instances[instance->index] = last;
    last->index = instance->index;
    forget_in(host->busy, &host->busy_count, instance);
    forget_in(host->unkicked, &host->unkicked_count, instance);
    instance->next_dead = host->dead;
    host->dead = instance;
}

ow_host_instance *instance_find(ow_host *host, const ow_host_zygote *zygote, uint32_t number) {
    for (size_t i = 0; i < host->instance_count; i++) {
        if (host->instances[i]->number == number && host->instances[i]->zygote == zygote) {
            return host->instances[i];
        }
    }
    return NULL;
}

// Spawning --------------------------------------------------------------------------------------

typedef struct spawn_ends {
    int region;
    int control;
    int log;
} spawn_ends;

static void close_ends(spawn_ends *ends) {
    close_fd(&ends->region);
    close_fd(&ends->control);
    close_fd(&ends->log);
}

static ow_code open_ends(ow_host_instance *instance, spawn_ends *ends, ow_err *err) {
    int sockets[2];
    int pipes[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return ow_fail_errno(err, errno, "instance socket");
    }
    instance->control = sockets[0];
    ends->control = sockets[1];
    (void)fcntl(instance->control, F_SETFL, O_NONBLOCK);
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return ow_fail_errno(err, errno, "instance log");
    }
    instance->log = pipes[0];
    ends->log = pipes[1];
    (void)fcntl(instance->log, F_SETFL, O_NONBLOCK);
    ends->region = ow_region_create();
    instance->region = ends->region >= 0 ? ow_region_map(ends->region) : NULL;
    if (!instance->region) {
        return ow_fail_errno(err, errno, "instance memory");
    }
    return OW_OK;
}

static ow_code send_frame(int fd, const ow_frame *frame, ow_err *err) {
    int failed = ow_frame_send(fd, frame);
    if (failed == EAGAIN) {
        return ow_fail(err, OW_UNAVAILABLE, "zygote_busy", "too many instances are starting");
    }
    if (failed == EPIPE || failed == ECONNRESET) {
        return ow_fail(err, OW_UNAVAILABLE, "zygote_gone", "the runtime's zygote ended");
    }
    return failed ? ow_fail_errno(err, failed, "sending to an instance") : OW_OK;
}

static ow_code send_files(ow_host_instance *instance, const ow_host_spec *spec, ow_err *err) {
    ow_frame *frame = instance->host->frame;
    ow_frame_init(frame, OW_FRAME_FILES, 0);
    for (size_t i = 0; i < spec->file_count; i++) {
        if (frame->fd_count == OW_FRAME_FDS_MAX || !ow_frame_put(frame, spec->files[i].name)) {
            ow_code code = send_frame(instance->control, frame, err);
            if (code != OW_OK) {
                return code;
            }
            ow_frame_init(frame, OW_FRAME_FILES, 0);
            if (!ow_frame_put(frame, spec->files[i].name)) {
                return ow_fail(err, OW_INVALID_ARGUMENT, "name_too_long", "a file's name");
            }
        }
        frame->fds[frame->fd_count++] = spec->files[i].fd;
    }
    return frame->fd_count > 0 ? send_frame(instance->control, frame, err) : OW_OK;
}

static ow_code send_load(ow_host_instance *instance, const ow_host_spec *spec, ow_err *err) {
    ow_frame *frame = instance->host->frame;
    ow_frame_init(frame, OW_FRAME_LOAD, 0);
    bool fits = ow_frame_put(frame, spec->symbol);
    size_t before = frame->text_length;
    for (size_t i = 0; fits && i < spec->env_count; i++) {
        fits = ow_frame_put(frame, spec->env[i]) && frame->text_length - before <= OW_HOST_ENV_MAX;
    }
    if (!fits) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "env_too_large", "more than %u bytes of env",
                       OW_HOST_ENV_MAX);
    }
    frame->fds[frame->fd_count++] = spec->code_fd;
    return send_frame(instance->control, frame, err);
}

static ow_code send_spawn(ow_host_instance *instance, const ow_host_spec *spec,
                          const spawn_ends *ends, ow_err *err) {
    ow_host *host = instance->host;
    ow_frame *frame = host->frame;
    ow_frame_init(frame, OW_FRAME_SPAWN, instance->number);
    frame->head.first = spec->memory_bytes;
    frame->head.second = spec->stack_bytes ? spec->stack_bytes : DEFAULT_STACK;
    frame->fds[OW_SPAWN_CONTROL] = ends->control;
    frame->fds[OW_SPAWN_REGION] = ends->region;
    frame->fds[OW_SPAWN_HOST_PAGE] = host->page_fd;
    frame->fds[OW_SPAWN_WAKE] = host->wake;
    frame->fds[OW_SPAWN_LOG] = ends->log;
    frame->fd_count = OW_SPAWN_FDS;
    return send_frame(instance->zygote->control, frame, err);
}

static ow_code start(ow_host_instance *instance, const ow_host_spec *spec, ow_err *err) {
    ow_host *host = instance->host;
    spawn_ends ends = {-1, -1, -1};
    ow_code code = open_ends(instance, &ends, err);
    // Its files and code wait in its socket before it exists: no round trip to wait for.
    code = code == OW_OK ? send_files(instance, spec, err) : code;
    code = code == OW_OK ? send_load(instance, spec, err) : code;
    code = code == OW_OK ? watch(host, instance->control, &instance->control_source, err) : code;
    code = code == OW_OK ? watch(host, instance->log, &instance->log_source, err) : code;
    code = code == OW_OK ? send_spawn(instance, spec, &ends, err) : code;
    close_ends(&ends);
    return code;
}

static ow_host_instance *instance_new(ow_host_zygote *zygote, const ow_host_spec *spec) {
    ow_host_instance *instance = calloc(1, sizeof *instance);
    if (!instance) {
        return NULL;
    }
    instance->host = zygote->host;
    instance->zygote = zygote;
    instance->user = spec->user;
    instance->number = ++zygote->host->numbers;
    instance->control_source = (source){.kind = SOURCE_CONTROL, .owner = instance};
    instance->log_source = (source){.kind = SOURCE_LOG, .owner = instance};
    instance->control = instance->log = instance->pidfd = -1;
    instance->spawned_ns = now_ns();
    instance->code = fcntl(spec->code_fd, F_DUPFD_CLOEXEC, 3);
    for (unsigned i = 0; i < OW_REGION_SLOTS; i++) {
        instance->free_slots[i] = (uint8_t)(OW_REGION_SLOTS - 1 - i);
    }
    instance->free_count = OW_REGION_SLOTS;
    return instance;
}

ow_code ow_host_instance_spawn(ow_host_zygote *zygote, const ow_host_spec *spec,
                               ow_host_instance **ret_instance, ow_err *err) {
    ow_host *host = zygote->host;
    if (zygote->status.gone) {
        return ow_fail(err, OW_UNAVAILABLE, "zygote_gone", "the runtime's zygote ended");
    }
    if (zygote->status.ready && zygote->status.level == OW_HOST_SANDBOX_REFUSED) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "no_sandbox", "%s", zygote->status.text);
    }
    if (spec->file_count > OW_HOST_FILES_MAX || !spec->symbol) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_spec", "no symbol, or more than %u files",
                       OW_HOST_FILES_MAX);
    }
    ow_host_instance *instance =
        instance_tables_have_room(host) ? instance_new(zygote, spec) : NULL;
    if (!instance) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for an instance");
    }
    ow_code code = start(instance, spec, err);
    if (code != OW_OK) {
        instance_destroy(instance);
        return code;
    }
    instance_enter(instance);
    *ret_instance = instance;
    return OW_OK;
}

// The pid in our namespace, which the zygote, living in another, cannot know.
static pid_t pid_of(int pidfd) {
    char path[40];
    char text[512] = "";
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    close_fd(&fd);
    int pid = 0;
    const char *line = got > 0 ? strstr(text, "\nPid:") : NULL;
    return line && sscanf(line, "\nPid: %d", &pid) == 1 && pid > 0 ? pid : 0;
}

static void send_kill(ow_host_instance *instance) {
    if (instance->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, instance->pidfd, SIGKILL, NULL, 0);
    }
}

void instance_spawned(ow_host_instance *instance, int pidfd) {
    instance->pidfd = pidfd;
    instance->pid = pidfd >= 0 ? pid_of(pidfd) : 0;
    if (instance->dying) {
        send_kill(instance);
    }
}

// Frames of an instance ---------------------------------------------------------------------------

static void on_ready(ow_host_instance *instance, const ow_frame *frame) {
    ow_host *host = instance->host;
    if (instance->loaded) {
        instance_violated(instance, "ready twice");
        return;
    }
    if (frame->head.value != 0) {
        size_t cursor = 0;
        const char *text = ow_frame_next(frame, &cursor);
        instance->dying = true;
        instance->end = OW_HOST_END_INIT;
        snprintf(instance->end_message, sizeof instance->end_message, "%s", text ? text : "");
        return; // it ends by itself
    }
    instance->loaded = true;
    ow_host_ready ready = {.init_ns = now_ns() - instance->spawned_ns,
                           .peak_bytes = atomic_load(&instance->region->peak_bytes),
                           .log = {.data = ""}};
    size_t span = 0;
    if (frame->head.length != 0) {
        log_drain(&instance->output, instance->log);
        span = log_until(&instance->output, 0, &ready.log);
        ready.log.lines_lost += (uint32_t)frame->head.first;
    }
    if (host->events.ready) {
        host->events.ready(host->ctx, instance, &ready);
    }
    log_drop(&instance->output, span);
}

static void on_call(ow_host_instance *instance, const ow_frame *frame) {
    ow_host *host = instance->host;
    size_t cursor = 0;
    const char *target = ow_frame_next(frame, &cursor);
    const char *type = target ? ow_frame_next(frame, &cursor) : NULL;
    if (!type || strlen(target) > TARGET_MAX || frame->head.number == 0 ||
        instance->call_waiting != 0 || frame->head.length > OW_REGION_PAYLOAD_MAX) {
        instance_violated(instance, "a call that cannot be");
        return;
    }
    uint64_t request = 0;
    uint64_t started = 0;
    (void)ow_host_instance_running(instance, &request, &started);
    instance->call_waiting = frame->head.number;
    ow_host_call call = {.request = request,
                         .number = frame->head.number,
                         .kind = frame->head.value,
                         .target = target,
                         .content_type = type,
                         .payload = ow_region_call(instance->region),
                         .length = frame->head.length};
    if (host->events.called) {
        host->events.called(host->ctx, instance, &call);
    } else {
        static const char none[] = "no calls here";
        ow_host_instance_answer(instance, call.number, OW_HOST_USER_ERROR, "unimplemented", none,
                                sizeof none - 1);
    }
    ow_region_release(ow_region_call(instance->region), call.length);
}

void instance_control_readable(ow_host_instance *instance) {
    for (int i = 0; i < FRAMES_A_TURN && !instance->dying; i++) {
        ow_frame frame;
        int failed = ow_frame_receive(instance->control, &frame, MSG_DONTWAIT);
        if (failed == EAGAIN) {
            return;
        }
        if (failed != 0) {
            if (failed == EBADMSG) {
                instance_violated(instance, "a frame that is none");
            }
            unwatch(instance->host, instance->control); // its exit is coming from the zygote
            return;
        }
        bool empty_handed = frame.fd_count == 0;
        ow_frame_close_fds(&frame);
        if (frame.head.type == OW_FRAME_READY && empty_handed) {
            on_ready(instance, &frame);
        } else if (frame.head.type == OW_FRAME_CALL && empty_handed && instance->control >= 0) {
            on_call(instance, &frame);
        } else {
            instance_violated(instance, "a frame of a wrong type");
        }
    }
    if (instance->dying) {
        unwatch(instance->host, instance->control);
    }
}

bool ow_host_instance_answer(ow_host_instance *instance, uint32_t number, ow_host_outcome outcome,
                             const char *code, const void *data, size_t length) {
    if (instance->dying || number == 0 || instance->call_waiting != number) {
        return false;
    }
    if (length > OW_REGION_PAYLOAD_MAX) {
        outcome = OW_HOST_REPLY_TOO_LARGE;
        code = "reply_too_large";
        length = 0;
    }
    ow_frame *frame = instance->host->frame;
    ow_frame_init(frame, OW_FRAME_ANSWER, number);
    frame->head.value = (uint32_t)outcome;
    frame->head.length = (uint32_t)length;
    (void)ow_frame_put(frame, code ? code : "");
    if (length > 0) {
        memcpy(ow_region_answer(instance->region), data, length);
    }
    instance->call_waiting = 0;
    return ow_frame_send(instance->control, frame) == 0;
}

// Ending ----------------------------------------------------------------------------------------

static void stop_using(ow_host_instance *instance, ow_host_end end, const char *message) {
    if (!instance->dying) {
        instance->dying = true;
        instance->end = end;
        snprintf(instance->end_message, sizeof instance->end_message, "%s", message);
    }
}

void instance_violated(ow_host_instance *instance, const char *what) {
    stop_using(instance, OW_HOST_END_PROTOCOL, what);
    send_kill(instance);
}

void ow_host_instance_kill(ow_host_instance *instance) {
    stop_using(instance, OW_HOST_END_KILLED, "killed");
    send_kill(instance);
}

static void finish(ow_host_instance *instance, ow_host_exit *exit) {
    instance->ended = true;
    if (exit->frame_count > 0 && names_start(instance, exit)) {
        return; // told when the frames have names
    }
    exit_tell(instance, exit);
    instance_leave(instance);
}

void instance_ended(ow_host_instance *instance, int status, uint64_t peak_bytes) {
    if (instance->ended) {
        return;
    }
    if (!instance->dying) {
        instance_control_readable(instance);
        exchange_poll(instance);
    }
    ow_host_exit exit = {.peak_bytes = peak_bytes};
    exchange_collect(instance, &exit);
    exit_describe(instance, status, &exit);
    instance->dying = true;
    unwatch(instance->host, instance->control);
    unwatch(instance->host, instance->log);
    finish(instance, &exit);
}

void instance_lost(ow_host_instance *instance, ow_host_end end, const char *message) {
    if (instance->ended) {
        // Told without names rather than after its zygote is gone.
        names_stop(instance);
        exit_tell(instance, instance->exit);
        instance_leave(instance);
        return;
    }
    stop_using(instance, end, message);
    send_kill(instance);
    ow_host_exit exit = {0};
    exchange_collect(instance, &exit);
    exit_describe(instance, SIGKILL, &exit);
    unwatch(instance->host, instance->control);
    unwatch(instance->host, instance->log);
    finish(instance, &exit);
}

// Asking ----------------------------------------------------------------------------------------

void *ow_host_instance_user(const ow_host_instance *instance) {
    return instance->user;
}
pid_t ow_host_instance_pid(const ow_host_instance *instance) {
    return instance->pid;
}
unsigned ow_host_instance_depth(const ow_host_instance *instance) {
    return instance->depth;
}

uint64_t ow_host_instance_resident(const ow_host_instance *instance) {
    char path[40];
    char text[96] = "";
    if (instance->pid == 0) {
        return 0;
    }
    snprintf(path, sizeof path, "/proc/%d/statm", instance->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    close_fd(&fd);
    unsigned long pages = 0;
    bool parsed = got > 0 && sscanf(text, "%*u %lu", &pages) == 1;
    return parsed ? (uint64_t)pages * 4096 : 0;
}
