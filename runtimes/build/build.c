#include "runtimes/build/build.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtimes/build/diagnostics.h"
#include "runtimes/wire/frame.h"

#define TEXT_MAX ((size_t)256 << 10)
#define TOOL_CONTROL 3

struct ow_build {
    pid_t pid; // 0 once reaped
    int epoll;
    int control;
    int text_fd;
    char *text; // TEXT_MAX
    size_t text_length;
    bool cut; // more was printed than is kept
    bool answered;
    bool done;
    ow_build_diagnostic diagnostics[OW_BUILD_DIAGNOSTICS_MAX];
    ow_build_result result;
};

bool ow_build_name_valid(const char *name) {
    size_t length = strlen(name);
    if (length == 0 || length > OW_BUILD_NAME_MAX || name[0] == '/' || strstr(name, "//") ||
        name[length - 1] == '/') {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        bool first = i == 0 || name[i - 1] == '/';
        bool letter = isalnum((unsigned char)name[i]) || name[i] == '_';
        if (!letter && (first || !strchr(".-/", name[i]))) {
            return false; // so no part begins with a dot or a dash
        }
    }
    return true;
}

static bool symbol_valid(const char *symbol) {
    size_t length = strlen(symbol);
    if (length == 0 || length > 128 || isdigit((unsigned char)symbol[0])) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)symbol[i]) && symbol[i] != '_') {
            return false;
        }
    }
    return true;
}

static ow_code check(const ow_build_spec *spec, ow_err *err) {
    if (spec->source_count == 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "no_source", "there is nothing to compile");
    }
    if (spec->source_count > OW_BUILD_SOURCES_MAX || spec->symbol_count > OW_BUILD_SYMBOLS_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "too_many_sources",
                       "at most %u sources and %u functions", OW_BUILD_SOURCES_MAX,
                       OW_BUILD_SYMBOLS_MAX);
    }
    for (size_t i = 0; i < spec->source_count; i++) {
        if (!ow_build_name_valid(spec->sources[i].name)) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_source_name", "`%.100s` is no file name",
                           spec->sources[i].name);
        }
    }
    for (size_t i = 0; i < spec->symbol_count; i++) {
        if (!symbol_valid(spec->symbols[i])) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_symbol", "`%.100s` is no C identifier",
                           spec->symbols[i]);
        }
    }
    return OW_OK;
}

static int source_fd(const ow_build_source *source) {
    int fd = memfd_create("source", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < source->length;) {
        ssize_t wrote = write(fd, (const char *)source->data + done, source->length - done);
        if (wrote < 0) {
            int failed = errno;
            close(fd);
            errno = failed;
            return -1;
        }
        done += (size_t)wrote;
    }
    return fd;
}

static ow_code flush(int control, ow_frame *frame, ow_err *err) {
    int failed = frame->fd_count > 0 ? ow_frame_send(control, frame) : 0;
    ow_frame_close_fds(frame);
    ow_frame_init(frame, OW_FRAME_FILES, 0);
    return failed ? ow_fail_errno(err, failed, "sending sources") : OW_OK;
}

static ow_code send_sources(int control, const ow_build_spec *spec, ow_frame *frame, ow_err *err) {
    ow_frame_init(frame, OW_FRAME_FILES, 0);
    for (size_t i = 0; i < spec->source_count; i++) {
        bool full = frame->fd_count == OW_FRAME_FDS_MAX ||
                    frame->text_length + OW_BUILD_NAME_MAX + 1 > OW_FRAME_TEXT_MAX;
        ow_code code = full ? flush(control, frame, err) : OW_OK;
        if (code != OW_OK) {
            return code;
        }
        int fd = source_fd(&spec->sources[i]);
        if (fd < 0) {
            int failed = errno;
            ow_frame_close_fds(frame);
            return ow_fail_errno(err, failed, "copying %s", spec->sources[i].name);
        }
        (void)ow_frame_put(frame, spec->sources[i].name);
        frame->fds[frame->fd_count++] = fd;
    }
    return flush(control, frame, err);
}

static ow_code send_all(ow_build *build, const ow_build_spec *spec, ow_err *err) {
    ow_frame *frame = malloc(sizeof *frame);
    if (!frame) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a build");
    }
    ow_code code = send_sources(build->control, spec, frame, err);
    if (code == OW_OK) {
        ow_frame_init(frame, OW_FRAME_BUILD, 0);
        bool fits = true;
        for (size_t i = 0; i < spec->symbol_count; i++) {
            fits = fits && ow_frame_put(frame, spec->symbols[i]);
        }
        int failed = fits ? ow_frame_send(build->control, frame) : E2BIG;
        code = failed ? ow_fail_errno(err, failed, "sending the build") : OW_OK;
    }
    free(frame);
    return code;
}

static int spawn_tool(const char *binary, int control, int text, pid_t *ret_pid) {
    char verb[] = "compile";
    char *arguments[] = {(char *)binary, verb, NULL};
    char *environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, text, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, text, STDERR_FILENO);
    posix_spawn_file_actions_adddup2(&actions, control, TOOL_CONTROL);
    int failed = posix_spawn(ret_pid, binary, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

// Both far ends, at numbers above those they get in the tool.
static ow_code open_ends(ow_build *build, int *ret_control, int *ret_text, ow_err *err) {
    int sockets[2];
    int pipes[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        return ow_fail_errno(err, errno, "build socket");
    }
    build->control = sockets[0];
    *ret_control = fcntl(sockets[1], F_DUPFD_CLOEXEC, TOOL_CONTROL + 1);
    close(sockets[1]);
    if (pipe2(pipes, O_CLOEXEC) != 0) {
        return ow_fail_errno(err, errno, "build output");
    }
    build->text_fd = pipes[0];
    *ret_text = fcntl(pipes[1], F_DUPFD_CLOEXEC, TOOL_CONTROL + 1);
    close(pipes[1]);
    if (*ret_control < 0 || *ret_text < 0 || fcntl(build->text_fd, F_SETFL, O_NONBLOCK) != 0) {
        return ow_fail_errno(err, errno, "build fds");
    }
    return OW_OK;
}

static ow_code watch(ow_build *build, int fd, ow_err *err) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(build->epoll, EPOLL_CTL_ADD, fd, &event) == 0
               ? OW_OK
               : ow_fail_errno(err, errno, "watching a build");
}

static ow_code launch(ow_build *build, const ow_build_spec *spec, ow_err *err) {
    int control = -1;
    int text = -1;
    ow_code code = open_ends(build, &control, &text, err);
    if (code == OW_OK) {
        int failed = spawn_tool(spec->binary, control, text, &build->pid);
        code = failed ? ow_fail_errno(err, failed, "starting %s", spec->binary) : OW_OK;
    }
    if (control >= 0) {
        close(control);
    }
    if (text >= 0) {
        close(text);
    }
    code = code == OW_OK ? watch(build, build->control, err) : code;
    code = code == OW_OK ? watch(build, build->text_fd, err) : code;
    return code == OW_OK ? send_all(build, spec, err) : code;
}

ow_code ow_build_start(const ow_build_spec *spec, ow_build **ret_build, ow_err *err) {
    ow_code code = check(spec, err);
    if (code != OW_OK) {
        return code;
    }
    ow_build *build = calloc(1, sizeof *build);
    if (!build) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a build");
    }
    build->control = build->text_fd = build->result.code_fd = -1;
    build->text = malloc(TEXT_MAX);
    build->epoll = epoll_create1(EPOLL_CLOEXEC);
    code = build->text && build->epoll >= 0
               ? launch(build, spec, err)
               : ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a build");
    if (code != OW_OK) {
        ow_build_free(build);
        return code;
    }
    *ret_build = build;
    return OW_OK;
}

int ow_build_fd(const ow_build *build) {
    return build->epoll;
}

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

static void read_text(ow_build *build) {
    char spill[4096];
    for (;;) {
        size_t room = TEXT_MAX - build->text_length;
        build->cut = build->cut || room == 0;
        ssize_t got = room > 0 ? read(build->text_fd, build->text + build->text_length, room)
                               : read(build->text_fd, spill, sizeof spill);
        if (got > 0 && room > 0) {
            build->text_length += (size_t)got;
        }
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            close_fd(&build->text_fd);
            return;
        }
        if (got < 0 || room == 0) {
            return;
        }
    }
}

static void read_control(ow_build *build) {
    ow_frame frame;
    int failed = ow_frame_receive(build->control, &frame, MSG_DONTWAIT);
    if (failed == EAGAIN) {
        return;
    }
    if (failed != 0) {
        close_fd(&build->control);
        return;
    }
    if (frame.head.type == OW_FRAME_BUILT && !build->answered) {
        build->answered = true;
        if (frame.head.value == 0 && frame.fd_count == 1) {
            build->result.code_fd = frame.fds[0];
            frame.fds[0] = -1;
        }
    }
    ow_frame_close_fds(&frame);
}

// A compiler that was told to print code from outside may not pass off an unsealed or foreign fd.
static bool code_sound(int fd) {
    const int wanted = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    int seals = fd >= 0 ? fcntl(fd, F_GET_SEALS) : -1;
    return seals >= 0 && (seals & wanted) == wanted;
}

static void conclude(ow_build *build) {
    ow_build_result *result = &build->result;
    int status = 0;
    waitpid(build->pid, &status, 0);
    build->pid = 0;
    result->diagnostics = build->diagnostics;
    result->diagnostic_count =
        diagnostics_parse(build->text, build->text_length, build->diagnostics,
                          OW_BUILD_DIAGNOSTICS_MAX, &result->truncated);
    result->truncated = result->truncated || build->cut;
    size_t errors = 0;
    for (size_t i = 0; i < result->diagnostic_count; i++) {
        errors += build->diagnostics[i].severity == OW_BUILD_ERROR;
    }
    if (errors > 0 || !code_sound(result->code_fd)) {
        close_fd(&result->code_fd);
    }
    result->ok = result->code_fd >= 0;
    if (!result->ok && errors == 0) {
        const char *end = memchr(build->text, '\n', build->text_length);
        size_t length = end ? (size_t)(end - build->text) : build->text_length;
        bool told = length > 0 && length < sizeof result->failure;
        snprintf(
            result->failure, sizeof result->failure, "%.*s", told ? (int)length : 160,
            told ? build->text
                 : "the compiler was stopped: 30 s of CPU, 60 s in all and 1 GB are the limits");
    }
    build->done = true;
}

bool ow_build_advance(ow_build *build) {
    if (build->done) {
        return true;
    }
    if (build->text_fd >= 0) {
        read_text(build);
    }
    if (build->control >= 0) {
        read_control(build);
    }
    if (build->control < 0 && build->text_fd < 0) {
        conclude(build);
    }
    return build->done;
}

const ow_build_result *ow_build_result_get(const ow_build *build) {
    return &build->result;
}

int ow_build_take_code(ow_build *build) {
    int fd = build->result.code_fd;
    build->result.code_fd = -1;
    return fd;
}

ow_build *ow_build_free(ow_build *build) {
    if (!build) {
        return NULL;
    }
    if (build->pid > 0) {
        kill(build->pid, SIGKILL);
        waitpid(build->pid, NULL, 0);
    }
    close_fd(&build->control);
    close_fd(&build->text_fd);
    close_fd(&build->result.code_fd);
    close_fd(&build->epoll);
    free(build->text);
    free(build);
    return NULL;
}
