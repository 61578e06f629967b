// ow backup: everything that an installation keeps, service by service, into one file. Each store is
// consistent in itself; they are copied one after the other.

#include "cli/backup.h"
#include "cli/rpc.h"
#include "cli/tar.h"

#include "core/json/writer.h"

#include "overworld/api/backup.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef Overworld__Api__StartBackupResponse start_response;
typedef Overworld__Api__ReadBackupResponse read_response;

enum { SCRATCH_MAX = 64 << 20, LIST_MAX = 32 << 20 };

static const struct {
    const char *start, *read;
    bool is_logs;
} services[] = {
    {"/overworld.identity.v1.Identity/StartBackup", "/overworld.identity.v1.Identity/ReadBackup",
     false},
    {"/overworld.registry.v1.Registry/StartBackup", "/overworld.registry.v1.Registry/ReadBackup",
     false},
    {"/overworld.data.v1.Data/StartBackup", "/overworld.data.v1.Data/ReadBackup", false},
    {"/overworld.events.v1.Queue/StartBackup", "/overworld.events.v1.Queue/ReadBackup", false},
    {"/overworld.telemetry.v1.Telemetry/StartBackup",
     "/overworld.telemetry.v1.Telemetry/ReadBackup", true},
    {"/overworld.timers.v1.Timers/StartBackup", "/overworld.timers.v1.Timers/ReadBackup", false},
};

typedef struct saving {
    cli *c;
    FILE *out;
    const char *path;   // being written
    ow_arena *scratch;  // of one piece
    const char *method; // reads
    const char *id;
    backup_list list;
} saving;

static cli_exit cannot_write(const saving *s) {
    return cli_fail(s->c, CLI_FAILED, "cannot write %s: %s", s->path, strerror(errno));
}

backup_file *backup_list_add(cli *c, backup_list *list, const char *name, int64_t size) {
    if (list->count == list->room) {
        size_t room = list->room * 2 + 64;
        backup_file *files = ow_arena_calloc(c->arena, room, sizeof *files);
        if (files == NULL) {
            return NULL;
        }
        if (list->count > 0) {
            memcpy(files, list->files, list->count * sizeof *files);
        }
        list->files = files;
        list->room = room;
    }
    backup_file *file = &list->files[list->count];
    file->name = ow_arena_strdup_in(c->arena, name);
    file->size = size;
    if (file->name == NULL) {
        return NULL;
    }
    list->count++;
    list->bytes += size;
    return file;
}

// ---- One file ----

// Writes the next piece; its size in *ret_size.
static cli_exit save_piece(saving *s, const Overworld__Api__ReadBackupRequest *request,
                           ow_sha256_stream *hash, int64_t *ret_size) {
    ow_arena *kept = s->c->arena;
    read_response *piece = NULL;
    ow_arena_reset(s->scratch);
    s->c->arena = s->scratch;
    cli_exit code = cli_rpc(s->c, s->method, &request->base,
                            &overworld__api__read_backup_response__descriptor, false, &piece);
    s->c->arena = kept;
    if (code != CLI_OK) {
        return code;
    }
    if (piece->data.len == 0) {
        return cli_fail(s->c, CLI_FAILED, "%s is shorter than it was", request->name);
    }
    ow_sha256_stream_add(hash, piece->data.data, piece->data.len);
    *ret_size = (int64_t)piece->data.len;
    return fwrite(piece->data.data, piece->data.len, 1, s->out) == 1 ? CLI_OK : cannot_write(s);
}

static cli_exit save_bytes(saving *s, backup_file *file, ow_sha256_stream *hash) {
    Overworld__Api__ReadBackupRequest request = OVERWORLD__API__READ_BACKUP_REQUEST__INIT;
    request.backup_id = (char *)s->id;
    request.name = (char *)file->name;
    cli_exit code = CLI_OK;
    while (code == CLI_OK && request.offset < file->size) {
        int64_t size = 0;
        code = save_piece(s, &request, hash, &size);
        request.offset += size;
    }
    if (code == CLI_OK && request.offset > file->size) {
        return cli_fail(s->c, CLI_FAILED, "%s has changed meanwhile", file->name);
    }
    return code;
}

// A bundle is named by its hash: what the disk has changed since is not saved as if it were whole.
static cli_exit check_blob(saving *s, const backup_file *file) {
    static const char folder[] = "blobs/";
    const char *name = strrchr(file->name, '/');
    if (strncmp(file->name, folder, sizeof folder - 1) != 0 ||
        strcmp(name + 1, file->sha256) == 0) {
        return CLI_OK;
    }
    return cli_fail(
        s->c, CLI_FAILED,
        "%s is damaged on the server's disk: deploy it again, or delete the versions that use it",
        file->name);
}

static cli_exit save_file(saving *s, const Overworld__Api__BackupFile *listed) {
    uint8_t digest[OW_SHA256_SIZE];
    backup_file *file = backup_list_add(s->c, &s->list, listed->name, listed->size);
    ow_sha256_stream *hash = ow_sha256_stream_new();
    if (file == NULL || hash == NULL) {
        ow_sha256_stream_free(hash);
        return cli_fail(s->c, CLI_FAILED, "out of memory");
    }
    cli_exit code = CLI_OK;
    if (strlen(file->name) > TAR_NAME_MAX) {
        code = cli_fail(s->c, CLI_FAILED, "the name %s is too long", file->name);
    } else if (!tar_put_head(s->out, file->name, file->size)) {
        code = cannot_write(s);
    } else {
        code = save_bytes(s, file, hash);
    }
    ow_sha256_stream_finish(hash, digest);
    ow_hex_encode(digest, sizeof digest, file->sha256);
    ow_sha256_stream_free(hash);
    code = code == CLI_OK ? check_blob(s, file) : code;
    return code != CLI_OK || tar_pad(s->out, file->size) ? code : cannot_write(s);
}

// ---- All of them ----

static cli_exit save_service(saving *s, size_t index) {
    Overworld__Api__StartBackupRequest request = OVERWORLD__API__START_BACKUP_REQUEST__INIT;
    start_response *started = NULL;
    cli_exit code = cli_rpc(s->c, services[index].start, &request.base,
                            &overworld__api__start_backup_response__descriptor, false, &started);
    if (code != CLI_OK) {
        return code;
    }
    s->method = services[index].read;
    s->id = started->backup_id;
    for (size_t i = 0; i < started->n_files && code == CLI_OK; i++) {
        code = save_file(s, started->files[i]);
    }
    return code;
}

static const char *list_text(saving *s, size_t *ret_size) {
    ow_json_writer w;
    char made[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(made, sizeof made, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    ow_json_writer_init(&w, s->c->arena, LIST_MAX);
    ow_json_object_open(&w);
    ow_json_name(&w, "format");
    ow_json_int(&w, BACKUP_FORMAT);
    ow_json_name(&w, "made");
    ow_json_text(&w, made);
    ow_json_name(&w, "files");
    ow_json_array_open(&w);
    for (size_t i = 0; i < s->list.count; i++) {
        ow_json_object_open(&w);
        ow_json_name(&w, "name");
        ow_json_text(&w, s->list.files[i].name);
        ow_json_name(&w, "size");
        ow_json_int(&w, s->list.files[i].size);
        ow_json_name(&w, "sha256");
        ow_json_text(&w, s->list.files[i].sha256);
        ow_json_object_close(&w);
    }
    ow_json_array_close(&w);
    ow_json_object_close(&w);
    return ow_json_writer_end(&w, ret_size);
}

static cli_exit save_list(saving *s) {
    size_t size = 0;
    const char *text = list_text(s, &size);
    if (text == NULL) {
        return cli_fail(s->c, CLI_FAILED, "out of memory");
    }
    bool ok = tar_put_head(s->out, BACKUP_LIST, (int64_t)size) &&
              fwrite(text, size, 1, s->out) == 1 && tar_pad(s->out, (int64_t)size) &&
              tar_put_end(s->out) && fflush(s->out) == 0 && fsync(fileno(s->out)) == 0;
    return ok ? CLI_OK : cannot_write(s);
}

static cli_exit save_all(saving *s) {
    cli_exit code = CLI_OK;
    for (size_t i = 0; i < sizeof services / sizeof services[0] && code == CLI_OK; i++) {
        if (!services[i].is_logs || !cli_bool(s->c, "without-logs")) {
            code = save_service(s, i);
        }
    }
    return code == CLI_OK ? save_list(s) : code;
}

static cli_exit open_new(saving *s, const char *path) {
    if (access(path, F_OK) == 0) {
        return cli_fail(s->c, CLI_CONFLICT, "%s is there already", path);
    }
    s->path = ow_arena_printf_in(s->c->arena, "%s.part", path);
    // It holds every key: nobody else may ever read it.
    int fd = open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    s->out = fd >= 0 && fchmod(fd, 0600) == 0 ? fdopen(fd, "w") : NULL;
    if (s->out == NULL && fd >= 0) {
        close(fd);
    }
    return s->out != NULL ? CLI_OK : cannot_write(s);
}

static cli_exit finish(saving *s, const char *path, cli_exit code) {
    if (fclose(s->out) != 0 && code == CLI_OK) {
        code = cannot_write(s);
    }
    if (code == CLI_OK && rename(s->path, path) != 0) {
        code = cannot_write(s);
    }
    if (code != CLI_OK) {
        unlink(s->path);
        return code;
    }
    if (s->c->json) {
        printf("{\"files\":%zu,\"bytes\":\"%" PRId64 "\"}\n", s->list.count, s->list.bytes);
    }
    cli_say(s->c, "%zu files, %.1f MB, in %s. It holds keys: keep it as safe as the server.",
            s->list.count, (double)s->list.bytes / (1 << 20), path);
    return CLI_OK;
}

static cli_exit cmd_backup(cli *c) {
    saving s = {.c = c, .scratch = ow_arena_new(SCRATCH_MAX)};
    if (s.scratch == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    cli_exit code = open_new(&s, c->args[0]);
    if (code == CLI_OK) {
        code = finish(&s, c->args[0], save_all(&s));
    }
    ow_arena_free(s.scratch);
    return code;
}

// ---- The table ----

static const cli_flag backup_flags[] = {
    {"without-logs", CLI_FLAG_BOOL, NULL, "leave out what telemetry has stored"},
    {0},
};

const cli_command backup_commands[] = {
    {"backup", "FILE", "save everything, keys too, while the server runs", 1, 1, backup_flags,
     cmd_backup, "ow backup overworld.backup"},
    {0},
};
