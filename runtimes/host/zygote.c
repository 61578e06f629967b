#include "runtimes/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtimes/host/internal.h"

#define ZYGOTE_CONTROL 3
#define FRAMES_A_TURN 64

static ow_code add_actions(posix_spawn_file_actions_t *actions, int control, ow_err *err) {
    int failed = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    failed =
        failed ? failed
               : posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    failed = failed ? failed : posix_spawn_file_actions_adddup2(actions, control, ZYGOTE_CONTROL);
    return failed ? ow_fail_errno(err, failed, "preparing the zygote") : OW_OK;
}

static ow_code take_started(ow_host_zygote *zygote, pid_t pid, ow_err *err) {
    zygote->started = (int)syscall(SYS_pidfd_open, pid, 0);
    if (zygote->started >= 0) {
        return OW_OK;
    }
    int failed = errno;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return ow_fail_errno(err, failed, "a handle on the zygote");
}

static ow_code spawn_binary(ow_host_zygote *zygote, const char *binary, int control, ow_err *err) {
    char level[2] = {(char)('0' + zygote->host->most), '\0'};
    char *arguments[] = {(char *)binary, level, NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    ow_code code = add_actions(&actions, control, err);
    if (code == OW_OK) {
        pid_t pid = 0;
        int failed = posix_spawn(&pid, binary, &actions, &attributes, arguments, environment);
        code = failed ? ow_fail_errno(err, failed, "starting %s", binary)
                      : take_started(zygote, pid, err);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return code;
}

// A socketpair whose far end can be dup2'ed by the child without falling on its own number.
static ow_code open_control(ow_host_zygote *zygote, int *ret_far, ow_err *err) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return ow_fail_errno(err, errno, "zygote socket");
    }
    zygote->control = ends[0];
    int far = fcntl(ends[1], F_DUPFD_CLOEXEC, ZYGOTE_CONTROL + 1);
    int failed = errno;
    close(ends[1]);
    if (far < 0) {
        return ow_fail_errno(err, failed, "zygote socket");
    }
    // The zygote's own end blocks; each end has its own file description.
    (void)fcntl(far, F_SETFL, 0);
    *ret_far = far;
    return OW_OK;
}

ow_code ow_host_zygote_start(ow_host *host, const char *binary, ow_host_zygote **ret_zygote,
                             ow_err *err) {
    ow_host_zygote *zygote = calloc(1, sizeof *zygote);
    if (!zygote) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a zygote");
    }
    zygote->host = host;
    zygote->control = zygote->pidfd = zygote->started = -1;
    zygote->source = (source){.kind = SOURCE_ZYGOTE, .owner = zygote};
    int far = -1;
    ow_code code = open_control(zygote, &far, err);
    if (code == OW_OK) {
        code = spawn_binary(zygote, binary, far, err);
        close(far);
    }
    if (code == OW_OK) {
        code = watch(host, zygote->control, &zygote->source, err);
    }
    if (code != OW_OK) {
        zygote_destroy(zygote);
        return code;
    }
    zygote->next = host->zygotes;
    host->zygotes = zygote;
    *ret_zygote = zygote;
    return OW_OK;
}

void zygote_destroy(ow_host_zygote *zygote) {
    if (zygote->control >= 0) {
        close(zygote->control);
    }
    reap_kill(zygote->host, zygote->pidfd);
    reap_kill(zygote->host, zygote->started);
    free(zygote);
}

// A copy of what is known now.
static void copy_status(const ow_host_zygote *zygote, ow_host_zygote_status *ret_status) {
    *ret_status = zygote->status;
    ret_status->instances = 0;
    for (size_t i = 0; i < zygote->host->instance_count; i++) {
        ret_status->instances += zygote->host->instances[i]->zygote == zygote;
    }
}

static void tell(ow_host_zygote *zygote) {
    ow_host *host = zygote->host;
    if (host->events.zygote) {
        ow_host_zygote_status status;
        copy_status(zygote, &status);
        host->events.zygote(host->ctx, zygote, &status);
    }
}

static void zygote_gone(ow_host_zygote *zygote) {
    ow_host *host = zygote->host;
    zygote->status.gone = true;
    unwatch(host, zygote->control);
    if (zygote->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, zygote->pidfd, SIGKILL, NULL, 0);
    }
    for (size_t i = host->instance_count; i > 0; i--) {
        if (i <= host->instance_count && host->instances[i - 1]->zygote == zygote) {
            instance_lost(host->instances[i - 1], OW_HOST_END_ZYGOTE,
                          "the process that forks instances ended");
        }
    }
    for (ow_host_zygote **link = &host->zygotes; *link; link = &(*link)->next) {
        if (*link == zygote) {
            *link = zygote->next;
            break;
        }
    }
    tell(zygote);
    zygote->next = host->dead_zygotes;
    host->dead_zygotes = zygote;
}

static int take_fd(ow_frame *frame) {
    int fd = frame->fd_count == 1 ? frame->fds[0] : -1;
    if (fd >= 0) {
        frame->fds[0] = -1;
    }
    return fd;
}

static void on_hello(ow_host_zygote *zygote, ow_frame *frame) {
    size_t cursor = 0;
    const char *text = ow_frame_next(frame, &cursor);
    ow_host_zygote_status *status = &zygote->status;
    if (status->ready) {
        return;
    }
    zygote->pidfd = take_fd(frame);
    status->ready = true;
    status->level = frame->head.number <= OW_HOST_SANDBOX_FULL
                        ? (ow_host_sandbox_level)frame->head.number
                        : OW_HOST_SANDBOX_REFUSED;
    status->landlock_abi = (int)frame->head.value;
    snprintf(status->text, sizeof status->text, "%s", text ? text : "");
    // With namespaces it is another process than the zygote, which it leaves; else it is the zygote, and
    // counts as a parent when it is killed.
    void (*reap)(ow_host *, int) = status->level == OW_HOST_SANDBOX_FULL ? reap_parent : reap_later;
    reap(zygote->host, zygote->started);
    zygote->started = -1;
    tell(zygote);
}

static void on_frame(ow_host_zygote *zygote, ow_frame *frame) {
    if (frame->head.type == OW_FRAME_HELLO) {
        on_hello(zygote, frame);
        return;
    }
    ow_host_instance *instance = instance_find(zygote->host, zygote, frame->head.number);
    if (!instance) {
        return;
    }
    switch (frame->head.type) {
    case OW_FRAME_SPAWNED:
        instance_spawned(instance, take_fd(frame));
        break;
    case OW_FRAME_SPAWN_FAILED: {
        char message[128];
        snprintf(message, sizeof message, "no new process: %s",
                 strerrordesc_np((int)frame->head.value));
        instance_lost(instance, OW_HOST_END_INIT, message);
        break;
    }
    case OW_FRAME_EXIT:
        instance_ended(instance, (int)frame->head.value, frame->head.first);
        break;
    default:
        break;
    }
}

void zygote_readable(ow_host_zygote *zygote) {
    for (int i = 0; i < FRAMES_A_TURN && !zygote->status.gone; i++) {
        ow_frame frame;
        int failed = ow_frame_receive(zygote->control, &frame, MSG_DONTWAIT);
        if (failed == EAGAIN) {
            return;
        }
        if (failed == EBADMSG) {
            continue;
        }
        if (failed != 0) {
            zygote_gone(zygote);
            return;
        }
        on_frame(zygote, &frame);
        ow_frame_close_fds(&frame);
    }
}

void ow_host_zygote_stop(ow_host_zygote *zygote) {
    // Its end of the socket reads end-of-file, it exits, and so do its children; we then read the
    // same.
    shutdown(zygote->control, SHUT_WR);
    if (zygote->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, zygote->pidfd, SIGKILL, NULL, 0);
    }
}
