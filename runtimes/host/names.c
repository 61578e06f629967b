// Function, file and line of a crash's frames. Debug information comes from code that strangers
// wrote, so the tool that reads it runs in the build binary's sandbox. At most two at a time; a
// crash beyond that keeps its bare addresses rather than wait.

#include "runtimes/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtimes/host/internal.h"

#define NAMES_AT_ONCE 2u
#define CODE_FD 3

static int spawn_tool(ow_host_instance *instance, const ow_host_exit *exit, int out,
                      pid_t *ret_pid) {
    char addresses[OW_HOST_FRAMES_MAX][24];
    char verb[] = "symbolise";
    char *arguments[OW_HOST_FRAMES_MAX + 3] = {instance->host->build_binary, verb};
    char *environment[] = {NULL};
    for (unsigned i = 0; i < exit->frame_count; i++) {
        snprintf(addresses[i], sizeof addresses[i], "0x%llx",
                 (unsigned long long)exit->frames[i].address);
        arguments[i + 2] = addresses[i];
    }
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, instance->code, CODE_FD);
    int failed = posix_spawn(ret_pid, instance->host->build_binary, &actions, &attributes,
                             arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

static names_run *run_new(ow_host_instance *instance, const ow_host_exit *exit) {
    names_run *run = calloc(1, sizeof *run);
    int ends[2];
    if (!run || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(run);
        return NULL;
    }
    // Above the number that the child's code will have.
    int out = fcntl(ends[1], F_DUPFD_CLOEXEC, CODE_FD + 1);
    close(ends[1]);
    run->out = ends[0];
    run->source = (source){.kind = SOURCE_NAMES, .owner = instance};
    int failed = out >= 0 ? spawn_tool(instance, exit, out, &run->pid) : errno;
    if (out >= 0) {
        close(out);
    }
    if (failed != 0 || watch(instance->host, run->out, &run->source, NULL) != OW_OK) {
        close(run->out);
        free(run);
        return NULL;
    }
    return run;
}

static uint64_t code_of(const ow_host_instance *instance) {
    struct stat info;
    return fstat(instance->code, &info) == 0 ? (uint64_t)info.st_ino : 0;
}

static bool same_crash(const named_crash *named, uint64_t code, const ow_host_exit *exit) {
    if (code == 0 || named->code != code || named->count != exit->frame_count) {
        return false;
    }
    for (unsigned i = 0; i < named->count; i++) {
        if (named->frames[i].address != exit->frames[i].address) {
            return false;
        }
    }
    return true;
}

static bool recall(const ow_host_instance *instance, ow_host_exit *exit) {
    const ow_host *host = instance->host;
    uint64_t code = host->named ? code_of(instance) : 0;
    for (unsigned i = 0; code != 0 && i < NAMES_KEPT; i++) {
        if (same_crash(&host->named[i], code, exit)) {
            memcpy(exit->frames, host->named[i].frames, sizeof exit->frames);
            return true;
        }
    }
    return false;
}

static void remember(const ow_host_instance *instance, const ow_host_exit *exit) {
    ow_host *host = instance->host;
    if (!host->named) {
        host->named = calloc(NAMES_KEPT, sizeof *host->named);
    }
    if (host->named) {
        named_crash *to = &host->named[host->named_next++ % NAMES_KEPT];
        to->code = code_of(instance);
        to->count = exit->frame_count;
        memcpy(to->frames, exit->frames, sizeof to->frames);
    }
}

bool names_start(ow_host_instance *instance, ow_host_exit *exit) {
    ow_host *host = instance->host;
    if (!host->build_binary || instance->code < 0 || recall(instance, exit) ||
        host->naming >= NAMES_AT_ONCE) {
        return false;
    }
    instance->exit = malloc(sizeof *instance->exit);
    instance->names = instance->exit ? run_new(instance, exit) : NULL;
    if (!instance->names) {
        return false;
    }
    *instance->exit = *exit;
    host->naming++;
    return true;
}

void names_stop(ow_host_instance *instance) {
    names_run *run = instance->names;
    if (!run) {
        return;
    }
    unwatch(instance->host, run->out);
    close(run->out);
    kill(run->pid, SIGKILL);
    waitpid(run->pid, NULL, 0);
    instance->host->naming--;
    free(run);
    instance->names = NULL;
}

// addr2line's output: a line with the function and one with file:line for each address, "??" for
// what it does not know.
static const char *next_line(const char **at, size_t *ret_length) {
    const char *line = *at;
    const char *end = strchr(line, '\n');
    *ret_length = end ? (size_t)(end - line) : strlen(line);
    *at = end ? end + 1 : line + *ret_length;
    return line;
}

static void copy_text(char *to, size_t size, const char *from, size_t length) {
    bool unknown = length >= 2 && from[0] == '?' && from[1] == '?';
    snprintf(to, size, "%.*s", unknown ? 0 : (int)length, from);
    for (char *at = to; *at; at++) {
        if (*at < ' ' || *at > '~') {
            *at = '?';
        }
    }
}

static void apply_place(ow_host_frame *frame, const char *place, size_t length) {
    const char *colon = memrchr(place, ':', length);
    if (!colon) {
        return;
    }
    while (strncmp(place, "./", 2) == 0) {
        place += 2; // the builder maps its own folder to "."
    }
    copy_text(frame->file, sizeof frame->file, place, (size_t)(colon - place));
    long line = strtol(colon + 1, NULL, 10);
    frame->line = frame->file[0] && line > 0 && line < INT32_MAX ? (int)line : 0;
}

void names_apply(const char *text, ow_host_exit *exit) {
    for (unsigned i = 0; i < exit->frame_count && *text; i++) {
        size_t length = 0;
        const char *function = next_line(&text, &length);
        copy_text(exit->frames[i].function, sizeof exit->frames[i].function, function, length);
        const char *place = next_line(&text, &length);
        apply_place(&exit->frames[i], place, length);
    }
}

void names_readable(ow_host_instance *instance) {
    names_run *run = instance->names;
    if (!run) {
        return;
    }
    size_t room = sizeof run->text - 1 - run->length;
    ssize_t got = room > 0 ? read(run->out, run->text + run->length, room) : 0;
    if (got > 0) {
        run->length += (size_t)got;
        return;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    run->text[run->length] = '\0';
    names_apply(run->text, instance->exit);
    remember(instance, instance->exit);
    names_stop(instance);
    exit_tell(instance, instance->exit);
    instance_leave(instance);
}
