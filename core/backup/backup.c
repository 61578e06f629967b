#include "core/backup/backup.h"

#include "core/backup/listing.h"
#include "core/id/id.h"

#include "overworld/api/backup.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef Overworld__Api__BackupFile file_msg;
typedef Overworld__Api__StartBackupResponse start_response;
typedef Overworld__Api__ReadBackupRequest read_request;
typedef Overworld__Api__ReadBackupResponse read_response;

enum { PIECE_MAX = 1 << 20 };

static const int64_t life_us = INT64_C(3600) * 1000000;

struct ow_backup {
    ow_backup_options options;
    char store_name[LISTING_NAME_MAX]; // "identity/identity.db"
    ow_timer end;                      // loop thread
    pthread_mutex_t lock;              // guards the rest: steps run on several threads
    char id[OW_ID_MAX];                // "": there is none
    int store_fd;
    listing files;
};

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a backup");
}

// With the lock held.
static void drop(ow_backup *b) {
    if (b->store_fd >= 0) {
        close(b->store_fd);
    }
    b->store_fd = -1;
    b->id[0] = '\0';
    listing_deinit(&b->files);
}

static void on_end(void *self) {
    ow_backup *b = self;
    pthread_mutex_lock(&b->lock);
    drop(b);
    pthread_mutex_unlock(&b->lock);
}

ow_backup *ow_backup_new(const ow_backup_options *options) {
    ow_backup *b = calloc(1, sizeof *b);
    if (b == NULL || pthread_mutex_init(&b->lock, NULL) != 0) {
        free(b);
        return NULL;
    }
    b->options = *options;
    b->store_fd = -1;
    b->end = (ow_timer){.on_due = on_end, .self = b};
    snprintf(b->store_name, sizeof b->store_name, "%s/%s.db", options->store, options->store);
    return b;
}

ow_backup *ow_backup_free(ow_backup *b) {
    if (b != NULL) {
        ow_loop_timer_cancel(b->options.loop, &b->end);
        drop(b);
        pthread_mutex_destroy(&b->lock);
        free(b);
    }
    return NULL;
}

// ---- StartBackup ----

// An open file without a name.
static ow_code copy_store(const ow_backup *b, ow_db_conn *db, const char *id, int *ret_fd,
                          ow_err *err) {
    char path[LISTING_PATH_MAX];
    int length =
        snprintf(path, sizeof path, "%s/%s/%s.db", b->options.data_folder, b->options.store, id);
    if (length < 0 || (size_t)length >= sizeof path) {
        return ow_fail(err, OW_INTERNAL, "path_too_long", "the data folder's path is too long");
    }
    ow_code code = ow_db_copy(db, path, err);
    if (code != OW_OK) {
        return code;
    }
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    int failure = errno;
    unlink(path);
    return *ret_fd >= 0 ? OW_OK : ow_fail_errno(err, failure, "open %s", path);
}

static ow_code list_files(const ow_backup *b, int store_fd, listing *files, ow_err *err) {
    struct stat st;
    if (fstat(store_fd, &st) != 0) {
        return ow_fail_errno(err, errno, "look at the copy of %s", b->store_name);
    }
    ow_code code = listing_add(files, b->store_name, st.st_size, err);
    const char *const *other = b->options.others;
    for (; code == OW_OK && other != NULL && *other != NULL; other++) {
        code = listing_walk(files, b->options.data_folder, *other, err);
    }
    return code;
}

static ow_code fill_reply(ow_run *run, const char *id, const listing *files) {
    start_response *reply = run->reply;
    ow_arena *arena = run->call->arena;
    file_msg *made = ow_arena_calloc(arena, files->count, sizeof *made);
    reply->files = ow_arena_calloc(arena, files->count, sizeof *reply->files);
    reply->backup_id = ow_arena_strdup_in(arena, id);
    if (made == NULL || reply->files == NULL || reply->backup_id == NULL) {
        return no_memory(run->err);
    }
    for (size_t i = 0; i < files->count; i++) {
        overworld__api__backup_file__init(&made[i]);
        made[i].name = ow_arena_strdup_in(arena, files->entries[i].name);
        made[i].size = files->entries[i].size;
        if (made[i].name == NULL) {
            return no_memory(run->err);
        }
        reply->files[i] = &made[i];
    }
    reply->n_files = files->count;
    return OW_OK;
}

static ow_code check_caller(const ow_run *run) {
    return run->call->principal->every_title
               ? OW_OK
               : ow_fail(run->err, OW_PERMISSION_DENIED, "not_every_title",
                         "a backup holds every title: it takes an admin of all of them");
}

static ow_code start(ow_backup *b, ow_run *run) {
    char id[OW_ID_MAX];
    int fd = -1;
    listing files = {0};
    ow_id_make(id, "bak_", 0);
    ow_code code = copy_store(b, run->db, id, &fd, run->err);
    if (code == OW_OK) {
        code = list_files(b, fd, &files, run->err);
    }
    if (code == OW_OK) {
        listing_sort(&files);
        code = fill_reply(run, id, &files);
    }
    if (code != OW_OK) {
        if (fd >= 0) {
            close(fd);
        }
        listing_deinit(&files);
        return code;
    }
    pthread_mutex_lock(&b->lock);
    drop(b);
    b->store_fd = fd;
    b->files = files;
    memcpy(b->id, id, sizeof b->id);
    pthread_mutex_unlock(&b->lock);
    return OW_OK;
}

ow_code ow_backup_start_step(ow_backup *b, ow_run *run) {
    ow_code code = check_caller(run);
    return code == OW_OK ? start(b, run) : code;
}

ow_code ow_backup_started_step(ow_backup *b, ow_run *run) {
    ow_loop *loop = b->options.loop;
    return ow_loop_timer_set(loop, &b->end, ow_loop_now_us(loop) + life_us) == OW_OK
               ? OW_OK
               : no_memory(run->err);
}

// ---- ReadBackup ----

// A descriptor of the caller's own; with the lock held.
static ow_code open_file(const ow_backup *b, const read_request *request, int *ret_fd,
                         ow_err *err) {
    if (b->id[0] == '\0' || strcmp(b->id, request->backup_id) != 0) {
        return ow_fail(err, OW_NOT_FOUND, "no_backup",
                       "there is no backup %.40s any more: start another", request->backup_id);
    }
    if (!listing_has(&b->files, request->name)) {
        return ow_fail(err, OW_NOT_FOUND, "no_file", "the backup has no file of that name");
    }
    if (strcmp(request->name, b->store_name) == 0) {
        *ret_fd = fcntl(b->store_fd, F_DUPFD_CLOEXEC, 0);
    } else {
        char path[LISTING_PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", b->options.data_folder, request->name);
        *ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    return *ret_fd >= 0 ? OW_OK : ow_fail_errno(err, errno, "open %.200s", request->name);
}

static ow_code read_piece(int fd, int64_t offset, uint8_t *bytes, size_t *ret_size, ow_err *err) {
    size_t size = 0;
    while (size < PIECE_MAX) {
        ssize_t got = pread(fd, bytes + size, PIECE_MAX - size, offset + (int64_t)size);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return ow_fail_errno(err, errno, "read a file of the backup");
        }
        if (got == 0) {
            break;
        }
        size += (size_t)got;
    }
    *ret_size = size;
    return OW_OK;
}

ow_code ow_backup_read_step(ow_backup *b, ow_run *run) {
    const read_request *request = run->request;
    read_response *reply = run->reply;
    ow_code code = check_caller(run);
    if (code != OW_OK) {
        return code;
    }
    if (request->offset < 0) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_offset", "an offset is not negative");
    }
    reply->data.data = ow_arena_alloc(run->call->arena, PIECE_MAX);
    if (reply->data.data == NULL) {
        return no_memory(run->err);
    }
    int fd = -1;
    pthread_mutex_lock(&b->lock);
    code = open_file(b, request, &fd, run->err);
    pthread_mutex_unlock(&b->lock);
    if (code == OW_OK) {
        code = read_piece(fd, request->offset, reply->data.data, &reply->data.len, run->err);
        close(fd);
    }
    return code;
}

// ---- The record ----

void ow_backup_note(ow_run *run, int64_t now_us) {
    const Overworld__Api__StartBackupResponse *reply = run->reply;
    ow_audit_entry *entry = run->state;
    *entry = ow_audit_of_call(run->call, now_us);
    entry->action = "backup.start";
    entry->object = reply->backup_id;
}

ow_code ow_backup_audit_step(ow_run *run) {
    return ow_audit_append(run->db, run->state, run->err);
}
