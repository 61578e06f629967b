#include "services/runner/builds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/archive/archive.h"
#include "services/runner/messages.h"
#include "services/runner/records.h"

#define CHUNK ((size_t)1 << 20)
#define SYMBOLS_TEXT_MAX 4096
#define READ_ARENA ((size_t)4 << 20)

static void run_next(struct builds *builds);

static void unlink_build(struct build *build) {
    struct builds *builds = build->builds;
    struct build **at = &builds->first;
    struct build *previous = NULL;
    while (*at != build) {
        previous = *at;
        at = &(*at)->next;
    }
    *at = build->next;
    if (builds->last == build) {
        builds->last = previous;
    }
}

static void finish(struct build *build, ow_code code) {
    struct builds *builds = build->builds;
    if (build->stage == BUILD_COMPILING) {
        ow_loop_unwatch(builds->loop, &build->watch);
        builds->running--;
    } else {
        builds->waiting--;
    }
    blobs_cancel(&build->wait);
    build->tool = ow_build_free(build->tool);
    if (build->bundle != NULL) {
        blobs_release(build->bundle);
    }
    unlink_build(build);
    ow_run *run = build->run;
    run->call->on_cancel = NULL;
    ow_run_finish(run, code); // build is gone
    run_next(builds);
}

static void on_ending(void *self) {
    struct build *build = self;
    finish(build, build->code);
}

// Not from within whoever tells us: the end of the call frees the build.
static void end_later(struct build *build, ow_code code) {
    if (!build->is_ending) {
        build->is_ending = true;
        build->code = code;
        build->ending = (ow_message){.on_message = on_ending, .self = build};
        ow_loop_post(build->builds->loop, &build->ending);
    }
}

static void on_cancel(ow_call *call, void *self) {
    if (call->err.code == OW_OK) {
        ow_fail(&call->err, OW_CANCELLED, "cancelled", "the caller went away");
    }
    end_later(self, call->err.code);
}

// ---- the answer

static bool send_head(struct build *build, const ow_build_result *result, int64_t code_size) {
    static const char *const severities[] = {"note", "warning", "error"};
    ow_arena *arena = build->run->call->arena;
    build_response message = OVERWORLD__RUNNER__V1__BUILD_RESPONSE__INIT;
    size_t count = result->diagnostic_count + (result->failure[0] != '\0' && !result->ok);
    diagnostic *items = ow_arena_calloc(arena, count + 1, sizeof *items);
    diagnostic **list = ow_arena_calloc(arena, count + 1, sizeof *list);
    if (items == NULL || list == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        overworld__registry__v1__diagnostic__init(&items[i]);
        list[i] = &items[i];
        if (i == result->diagnostic_count) {
            items[i].severity = (char *)(uintptr_t)severities[OW_BUILD_ERROR];
            items[i].message = (char *)(uintptr_t)result->failure;
            break;
        }
        const ow_build_diagnostic *from = &result->diagnostics[i];
        char *text = ow_arena_alloc(arena, sizeof from->message);
        if (text == NULL) {
            return false;
        }
        items[i].file = (char *)(uintptr_t)from->file;
        items[i].line = from->line;
        items[i].column = from->column;
        items[i].severity = (char *)(uintptr_t)severities[from->severity];
        items[i].message =
            clean_text(text, sizeof from->message, from->message, strlen(from->message));
    }
    message.ok = result->ok;
    message.n_diagnostics = count;
    message.diagnostics = list;
    message.code_size = code_size;
    return ow_run_send(build->run, &message.base) == OW_OK;
}

static bool send_code(struct build *build, const uint8_t *bytes, size_t size) {
    for (size_t sent = 0; sent < size; sent += CHUNK) {
        build_response message = OVERWORLD__RUNNER__V1__BUILD_RESPONSE__INIT;
        message.ok = true;
        message.code_size = (int64_t)size;
        message.code_chunk.len = size - sent < CHUNK ? size - sent : CHUNK;
        message.code_chunk.data = (uint8_t *)(uintptr_t)bytes + sent;
        if (ow_run_send(build->run, &message.base) != OW_OK) {
            return false;
        }
    }
    return true;
}

static ow_code answer(struct build *build) {
    ow_err *err = build->run->err;
    const ow_build_result *result = ow_build_result_get(build->tool);
    struct stat about = {0};
    if (result->ok && fstat(result->code_fd, &about) != 0) {
        return ow_fail_errno(err, errno, "reading the code");
    }
    size_t size = (size_t)about.st_size;
    void *bytes = NULL;
    if (size > 0) {
        bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, result->code_fd, 0);
        if (bytes == MAP_FAILED) {
            return ow_fail_errno(err, errno, "reading the code");
        }
    }
    bool sent = send_head(build, result, (int64_t)size) && send_code(build, bytes, size);
    if (bytes != NULL) {
        munmap(bytes, size);
    }
    return sent ? OW_OK
                : ow_fail(err, OW_RESOURCE_EXHAUSTED, "slow_consumer",
                          "the build's result was not taken");
}

static void on_tool(void *self, uint32_t events) {
    struct build *build = self;
    (void)events;
    if (!build->is_ending && ow_build_advance(build->tool)) {
        finish(build, answer(build));
    }
}

// ---- compiling

static bool is_source(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot != NULL && (strcmp(dot, ".c") == 0 || strcmp(dot, ".h") == 0);
}

// Cuts a comma list in place.
static size_t split_symbols(char *text, const char **ret_symbols, size_t max) {
    size_t count = 0;
    while (*text != '\0' && count < max) {
        char *comma = strchr(text, ',');
        ret_symbols[count++] = text;
        if (comma == NULL) {
            break;
        }
        *comma = '\0';
        text = comma + 1;
    }
    return count;
}

static ow_code start_tool(struct build *build, const ow_archive *archive, ow_arena *arena) {
    ow_err *err = build->run->err;
    const build_request *request = build->run->request;
    ow_build_source *sources = ow_arena_calloc(arena, archive->count + 1, sizeof *sources);
    char *symbols_text = ow_arena_strdup_in(arena, request->entry_check);
    const char *symbols[OW_BUILD_SYMBOLS_MAX];
    size_t count = 0;
    if (sources == NULL || symbols_text == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a build");
    }
    for (size_t i = 0; i < archive->count; i++) {
        const ow_archive_file *file = &archive->files[i];
        if (is_source(file->path)) {
            sources[count++] = (ow_build_source){file->path, file->bytes, file->size};
        }
    }
    ow_build_spec spec = {.binary = build->builds->binary,
                          .sources = sources,
                          .source_count = count,
                          .symbols = symbols,
                          .symbol_count =
                              split_symbols(symbols_text, symbols, OW_BUILD_SYMBOLS_MAX)};
    ow_code code = ow_build_start(&spec, &build->tool, err);
    if (code != OW_OK) {
        return code;
    }
    build->watch = (ow_watch){.on_ready = on_tool, .self = build, .fd = -1};
    return ow_loop_watch(build->builds->loop, &build->watch, ow_build_fd(build->tool), EPOLLIN,
                         err);
}

static ow_code compile(struct build *build) {
    ow_err *err = build->run->err;
    size_t size = build->bundle->size;
    void *bytes =
        size > 0 ? mmap(NULL, size, PROT_READ, MAP_SHARED, build->bundle->fd, 0) : MAP_FAILED;
    if (bytes == MAP_FAILED) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_archive", "the bundle is empty");
    }
    ow_arena *arena = ow_arena_new(READ_ARENA);
    ow_archive archive;
    ow_code code = arena != NULL ? ow_archive_read(bytes, size, arena, &archive, err)
                                 : ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory");
    if (code == OW_OK) {
        code = start_tool(build, &archive, arena);
    }
    ow_arena_free(arena);
    munmap(bytes, size);
    return code;
}

static void run_next(struct builds *builds) {
    for (struct build *at = builds->first; at != NULL; at = at->next) {
        if (builds->running >= builds->at_once) {
            return;
        }
        if (at->stage == BUILD_READY && !at->is_ending) {
            at->stage = BUILD_COMPILING;
            builds->waiting--;
            builds->running++;
            ow_code code = compile(at);
            if (code != OW_OK) {
                end_later(at, code);
            }
        }
    }
}

static void on_bundle(void *self, struct blob_wait *wait, const struct blob *blob,
                      const ow_err *err) {
    struct build *build = self;
    (void)wait;
    if (blob == NULL) {
        *build->run->err = *err;
        end_later(build, err->code);
        return;
    }
    build->bundle = blob;
    build->stage = BUILD_READY;
    run_next(build->builds);
}

ow_code builds_begin(struct builds *builds, ow_run *run) {
    const build_request *request = run->request;
    struct build *build = run->state;
    if (strcmp(request->runtime, BUILT_RUNTIME) != 0) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "no_runtime",
                       "runtime `%.60s` has nothing to build", request->runtime);
    }
    if (strlen(request->entry_check) > SYMBOLS_TEXT_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "invalid", "too many functions");
    }
    if (builds->waiting >= BUILDS_WAITING_MAX) {
        return ow_fail(run->err, OW_RESOURCE_EXHAUSTED, "overloaded",
                       "%d builds are waiting already", BUILDS_WAITING_MAX);
    }
    build->builds = builds;
    build->run = run;
    build->wait = (struct blob_wait){.on_blob = on_bundle, .self = build};
    build->watch.fd = -1;
    *(builds->last == NULL ? &builds->first : &builds->last->next) = build;
    builds->last = build;
    builds->waiting++;
    run->call->on_cancel = on_cancel;
    run->call->on_cancel_self = build;
    blobs_get(builds->blobs, request->bundle_sha256, &build->wait);
    return OW_PENDING;
}

void builds_abandon(struct builds *builds) {
    struct build *next = NULL;
    for (struct build *at = builds->first; at != NULL; at = next) {
        next = at->next;
        if (!at->is_ending) {
            end_later(at,
                      ow_fail(at->run->err, OW_UNAVAILABLE, "stopping", "the runner is stopping"));
        }
    }
}
