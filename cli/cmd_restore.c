// ow restore: a new data folder of a backup. Nothing is there under the folder's name until all of it is,
// checked against the list and synced. With --check it only reads.

#include "cli/backup.h"
#include "cli/rpc.h"
#include "cli/tar.h"

#include "core/archive/archive.h"
#include "core/folder/folder.h"
#include "core/json/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 1 << 16, LIST_MAX = 32 << 20, OPEN_FOLDERS_MAX = 16 };

typedef struct restoring {
    cli *c;
    FILE *in;
    const char *archive;
    const char
        *folder;      // being filled, beside the one that is wanted; NULL: nothing is to be written
    backup_list list; // what was found
    char *manifest;
    size_t manifest_size;
} restoring;

static cli_exit is_broken(const restoring *r, const char *why) {
    return cli_fail(r->c, CLI_FAILED, "%s is no whole backup: %s", r->archive, why);
}

static cli_exit cannot(const restoring *r, const char *what, const char *path) {
    return cli_fail(r->c, CLI_FAILED, "cannot %s %s: %s", what, path, strerror(errno));
}

// ---- One file ----

enum { NOWHERE = -1 };

static bool may_be_restored(const char *name) {
    static const char *const places[] = {"identity/",      "registry/", "events/", "telemetry/",
                                         "timers/",        "data/",     "keys/",   "blobs/",
                                         "operator.token", NULL};
    if (ow_archive_check_path(name, NULL) != OW_OK) {
        return false;
    }
    for (size_t i = 0; places[i] != NULL; i++) {
        size_t length = strlen(places[i]);
        bool is_folder = places[i][length - 1] == '/';
        if (strncmp(name, places[i], length) == 0 && (is_folder || name[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static cli_exit make_parents(restoring *r, char *path) {
    ow_err err;
    for (char *slash = path + strlen(r->folder) + 1; (slash = strchr(slash, '/')) != NULL;
         slash++) {
        *slash = '\0';
        ow_code code = ow_folder_make(path, &err);
        *slash = '/';
        if (code != OW_OK) {
            return cli_fail(r->c, CLI_FAILED, "%s", err.message);
        }
    }
    return CLI_OK;
}

static bool write_piece(int fd, const char *piece, size_t size) {
    return fd == NOWHERE || write(fd, piece, size) == (ssize_t)size;
}

static cli_exit copy_bytes(restoring *r, int fd, backup_file *file, const char *path) {
    char piece[PIECE];
    ow_sha256_stream *hash = ow_sha256_stream_new();
    uint8_t digest[OW_SHA256_SIZE];
    cli_exit code = hash != NULL ? CLI_OK : cli_fail(r->c, CLI_FAILED, "out of memory");
    for (int64_t left = file->size; left > 0 && code == CLI_OK;) {
        size_t size = left < PIECE ? (size_t)left : PIECE;
        if (fread(piece, size, 1, r->in) != 1) {
            code = is_broken(r, "it is cut off");
            break;
        }
        ow_sha256_stream_add(hash, piece, size);
        if (!write_piece(fd, piece, size)) {
            code = cannot(r, "write", path);
        }
        left -= (int64_t)size;
    }
    if (hash != NULL) {
        ow_sha256_stream_finish(hash, digest);
        ow_hex_encode(digest, sizeof digest, file->sha256);
    }
    ow_sha256_stream_free(hash);
    return code;
}

static cli_exit write_file(restoring *r, backup_file *file) {
    char *path = ow_arena_printf_in(r->c->arena, "%s/%s", r->folder, file->name);
    if (path == NULL) {
        return cli_fail(r->c, CLI_FAILED, "out of memory");
    }
    cli_exit code = make_parents(r, path);
    if (code != CLI_OK) {
        return code;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return cannot(r, "make", path);
    }
    code = copy_bytes(r, fd, file, path);
    if (code == CLI_OK && fsync(fd) != 0) {
        code = cannot(r, "sync", path);
    }
    close(fd);
    ow_err err;
    if (code == CLI_OK && ow_folder_sync_parent(path, &err) != OW_OK) {
        return cli_fail(r->c, CLI_FAILED, "%s", err.message);
    }
    return code;
}

static cli_exit restore_file(restoring *r, const char *name, int64_t size) {
    if (!may_be_restored(name)) {
        return is_broken(r, "a file in it does not belong in a data folder");
    }
    backup_file *file = backup_list_add(r->c, &r->list, name, size);
    if (file == NULL) {
        return cli_fail(r->c, CLI_FAILED, "out of memory");
    }
    return r->folder != NULL ? write_file(r, file) : copy_bytes(r, NOWHERE, file, name);
}

// ---- The list ----

static cli_exit take_manifest(restoring *r, int64_t size) {
    if (r->manifest != NULL || size <= 0 || size > LIST_MAX) {
        return is_broken(r, "its list cannot be read");
    }
    r->manifest = ow_arena_alloc(r->c->arena, (size_t)size);
    r->manifest_size = (size_t)size;
    if (r->manifest == NULL) {
        return cli_fail(r->c, CLI_FAILED, "out of memory");
    }
    return fread(r->manifest, r->manifest_size, 1, r->in) == 1 ? CLI_OK
                                                               : is_broken(r, "it is cut off");
}

static bool is_as_listed(const backup_file *file, const ow_json *listed) {
    const char *name = ow_json_string(ow_json_get(listed, "name"));
    const char *sha256 = ow_json_string(ow_json_get(listed, "sha256"));
    return name != NULL && sha256 != NULL && strcmp(name, file->name) == 0 &&
           strcmp(sha256, file->sha256) == 0;
}

// The files stand in the archive in the list's order.
static bool are_as_listed(const backup_list *found, const ow_json *files) {
    size_t count = 0;
    for (const ow_json *listed = ow_json_first(files); listed != NULL;
         listed = ow_json_next(listed), count++) {
        if (count >= found->count || !is_as_listed(&found->files[count], listed)) {
            return false;
        }
    }
    return count == found->count;
}

static cli_exit check_list(restoring *r) {
    ow_json *json = NULL;
    int64_t format = 0;
    if (r->manifest == NULL ||
        ow_json_parse(r->manifest, r->manifest_size, 8, &json, NULL) != OW_OK) {
        return is_broken(r, "its list is missing");
    }
    cli_exit code = CLI_OK;
    if (!ow_json_as_int(ow_json_get(json, "format"), &format) || format != BACKUP_FORMAT) {
        code = cli_fail(r->c, CLI_FAILED, "%s was made by another version of ow", r->archive);
    } else if (!are_as_listed(&r->list, ow_json_get(json, "files"))) {
        code = is_broken(r, "a file is missing or damaged");
    }
    ow_json_free(json);
    return code;
}

static cli_exit restore_all(restoring *r) {
    char name[TAR_NAME_MAX + 1];
    int64_t size = 0;
    tar_found found;
    while ((found = tar_next(r->in, name, &size)) == TAR_FILE) {
        cli_exit code =
            strcmp(name, BACKUP_LIST) == 0 ? take_manifest(r, size) : restore_file(r, name, size);
        if (code != CLI_OK) {
            return code;
        }
        if (!tar_skip_pad(r->in, size)) {
            return is_broken(r, "it is cut off");
        }
    }
    return found == TAR_END ? check_list(r) : is_broken(r, "it is cut off or damaged");
}

// ---- The folder ----

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where) {
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

static void print_count(const restoring *r) {
    if (r->c->json) {
        printf("{\"files\":%zu,\"bytes\":\"%" PRId64 "\"}\n", r->list.count, r->list.bytes);
    }
}

static cli_exit move_into_place(restoring *r, const char *target) {
    ow_err err;
    // Over an empty folder, and no other.
    if (rename(r->folder, target) != 0) {
        return errno == ENOTEMPTY || errno == EEXIST
                   ? cli_fail(r->c, CLI_CONFLICT, "%s is not empty", target)
                   : cannot(r, "make", target);
    }
    if (ow_folder_sync_parent(target, &err) != OW_OK) {
        return cli_fail(r->c, CLI_FAILED, "%s", err.message);
    }
    print_count(r);
    cli_say(
        r->c,
        "%zu files restored to %s. What was revoked or banned since the backup is not any more.",
        r->list.count, target);
    return CLI_OK;
}

static bool is_free(const char *target) {
    return rmdir(target) == 0 || errno == ENOENT;
}

static cli_exit restore_to(restoring *r, const char *target) {
    if (mkdir(r->folder, 0700) != 0) {
        return cannot(r, "make", r->folder);
    }
    cli_exit code = restore_all(r);
    if (code == CLI_OK) {
        code = move_into_place(r, target);
    }
    if (code != CLI_OK) {
        nftw(r->folder, remove_one, OPEN_FOLDERS_MAX, FTW_DEPTH | FTW_PHYS);
    }
    return code;
}

static cli_exit restore_into(restoring *r, const char *target) {
    char *place = ow_arena_strdup_in(r->c->arena, target);
    for (size_t length = strlen(place); length > 1 && place[length - 1] == '/'; length--) {
        place[length - 1] = '\0';
    }
    r->folder = ow_arena_printf_in(r->c->arena, "%s.restoring", place);
    return is_free(place) ? restore_to(r, place)
                          : cli_fail(r->c, CLI_CONFLICT, "%s is not empty", place);
}

static cli_exit check_only(restoring *r) {
    cli_exit code = restore_all(r);
    if (code == CLI_OK) {
        print_count(r);
        cli_say(r->c, "%s is whole: %zu files.", r->archive, r->list.count);
    }
    return code;
}

static cli_exit cmd_restore(cli *c) {
    const char *target = cli_text(c, "data");
    bool is_check = cli_bool(c, "check");
    if (target == NULL && !is_check) {
        return cli_fail(c, CLI_USAGE,
                        "where to? Give --data DIR, a folder that does not exist yet");
    }
    restoring r = {.c = c, .archive = c->args[0]};
    r.in = fopen(r.archive, "re");
    if (r.in == NULL) {
        return cli_fail(c, CLI_NOT_FOUND, "cannot read %s: %s", r.archive, strerror(errno));
    }
    cli_exit code = is_check ? check_only(&r) : restore_into(&r, target);
    fclose(r.in);
    return code;
}

// ---- The table ----

static const cli_flag restore_flags[] = {
    {"check", CLI_FLAG_BOOL, NULL, "only read it, and say whether it is whole"},
    {0},
};

const cli_command restore_commands[] = {
    {"restore", "FILE", "make a new data folder of a backup; no server may run in it", 1, 1,
     restore_flags, cmd_restore, "ow restore overworld.backup --data /var/lib/overworld"},
    {0},
};
