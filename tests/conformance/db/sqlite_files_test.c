// What concerns SQLite's files alone: the lock, modes, a full disk, kill -9, the log's bound.

#include "core/db_sqlite/db_sqlite.h"
#include "core/testing/ow_test.h"
#include "tests/conformance/db/harness.h"
#include "tests/conformance/db/sqlite_factory.h"
#include "tests/faults/disk/small_disk.h"

#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

typedef struct fixture {
    sqlite_place place;
    db_factory factory;
    store s;
} fixture;

static fixture *fixture_new(const char *parent) {
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    sqlite_place_init(&f->place, parent);
    f->factory = sqlite_factory(&f->place, "sqlite_files", false);
    return f;
}

static void fixture_free(fixture *f) {
    sqlite_place_deinit(&f->place);
    free(f);
}

static mode_t mode_of(const fixture *f, const char *suffix) {
    char path[320];
    snprintf(path, sizeof path, "%s%s", f->place.store, suffix);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 0777;
}

static void the_folder_is_private_and_locked(void **state) {
    (void)state;
    fixture *f = fixture_new(NULL);
    store_start(&f->s, &f->factory, NULL);
    assert_int_equal(mode_of(f, ""), 0700);
    assert_int_equal(mode_of(f, "/suite.db"), 0600);
    assert_int_equal(mode_of(f, "/suite.db-wal"), 0600);
    assert_int_equal(mode_of(f, "/suite.db-shm"), 0600);

    ow_db *second = NULL;
    ow_err err = {0};
    assert_int_equal(ow_db_sqlite_open(&f->s.options, &second, &err), OW_FAILED_PRECONDITION);
    assert_string_equal(err.reason, "store_in_use");
    char pid[32];
    snprintf(pid, sizeof pid, "pid %ld", (long)getpid());
    assert_non_null(strstr(err.message, pid));
    assert_int_equal(read_int(&f->s, "SELECT count(*) FROM counter"), 0);
    store_stop(&f->s);
    fixture_free(f);
}

static void a_file_that_is_no_database_is_data_loss(void **state) {
    (void)state;
    fixture *f = fixture_new(NULL);
    store_start(&f->s, &f->factory, NULL);
    store_close(&f->s);
    char path[320];
    snprintf(path, sizeof path, "%s/suite.db", f->place.store);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fputs("this is not what it was before; it is text now", file);
    fclose(file);
    ow_err err = {0};
    assert_int_equal(store_open(&f->s, NULL, &err), OW_DATA_LOSS);
    assert_string_equal(err.reason, "store_corrupt");
    store_stop(&f->s);
    fixture_free(f);
}

// ---- Copies ----

typedef struct blob_put {
    int64_t number, version;
    size_t size;
} blob_put;

static ow_code put_blob(ow_db_conn *conn, void *self, ow_err *err) {
    const blob_put *p = self;
    static unsigned char bytes[64 * 1024]; // what has not changed would not be written
    memset(bytes, (int)(p->version & 0xff), sizeof bytes);
    char key[24];
    snprintf(key, sizeof key, "k%lld", (long long)p->number);
    return ow_db_exec(conn, NULL, err,
                      "INSERT INTO item (k, b) VALUES ($1, $2) "
                      "ON CONFLICT (k) DO UPDATE SET b = excluded.b",
                      "tb", key, bytes, p->size);
}

static ow_code copy_to(ow_db_conn *conn, void *self, ow_err *err) {
    return ow_db_copy(conn, self, err);
}

// Made while writes go on: whole transactions, and a file that opens as a store.
static void a_copy_is_one_moment(void **state) {
    (void)state;
    enum { WRITES = 200 };
    fixture *f = fixture_new(NULL);
    store_start(&f->s, &f->factory, NULL);
    static blob_put puts[WRITES];
    static job writes[WRITES];
    char path[320];
    snprintf(path, sizeof path, "%s/copy.db", f->place.folder);
    job copying;
    job_init(&copying, copy_to, path);
    for (int i = 0; i < WRITES; i++) {
        puts[i] = (blob_put){.number = i, .version = i, .size = 20000};
        job_init(&writes[i], put_blob, &puts[i]);
        job_write(&f->s, &writes[i]);
        if (i == WRITES / 2) {
            job_read(&f->s, &copying);
        }
    }
    jobs_wait(&f->s, &copying, 1);
    jobs_wait(&f->s, writes, WRITES);
    assert_int_equal(copying.code, OW_OK);
    ow_err err = {0};
    assert_int_equal(read_now(&f->s, copy_to, path, &err), OW_INTERNAL); // there is one already
    store_close(&f->s);

    char name[320];
    snprintf(name, sizeof name, "%s/suite.db", f->place.store);
    assert_int_equal(rename(path, name), 0);
    assert_int_equal(store_open(&f->s, NULL, NULL), OW_OK);
    int64_t count = read_int(&f->s, "SELECT count(*) FROM item");
    assert_true(count >= 0 && count <= WRITES);
    assert_int_equal(read_int(&f->s, "SELECT count(*) FROM item WHERE length(b) = 20000"), count);
    assert_int_equal(mode_of(f, "/suite.db"), 0600);
    store_stop(&f->s);
    fixture_free(f);
}

typedef struct copying {
    const char *path;
    int64_t before, after; // rows that the job saw
    sem_t looked, written;
} copying;

static ow_code count_items(ow_db_conn *conn, int64_t *ret_count, ow_err *err) {
    ow_rows *rows = NULL;
    bool has_row = false;
    ow_code code = ow_db_query(conn, &rows, err, "SELECT count(*) FROM item", "");
    code = code == OW_OK ? ow_rows_next(rows, &has_row, err) : code;
    *ret_count = has_row ? ow_rows_int(rows, 0) : -1;
    ow_rows_close(rows);
    return code;
}

static ow_code copy_and_look(ow_db_conn *conn, void *self, ow_err *err) {
    copying *c = self;
    ow_code code = count_items(conn, &c->before, err);
    sem_post(&c->looked);
    sem_wait(&c->written);
    code = code == OW_OK ? ow_db_copy(conn, c->path, err) : code;
    return code == OW_OK ? count_items(conn, &c->after, err) : code;
}

// As long as a copy is checked, the log must be able to begin anew: the job's snapshot is given up for it.
static void a_copy_holds_no_snapshot_when_it_is_made(void **state) {
    (void)state;
    fixture *f = fixture_new(NULL);
    store_start(&f->s, &f->factory, NULL);
    char path[320], name[320];
    snprintf(path, sizeof path, "%s/copy.db", f->place.folder);
    copying c = {.path = path};
    sem_init(&c.looked, 0, 0);
    sem_init(&c.written, 0, 0);
    job making;
    job_init(&making, copy_and_look, &c);
    job_read(&f->s, &making);
    blob_put put = {.number = 1, .version = 1, .size = 100};
    job writing;
    job_init(&writing, put_blob, &put);
    ow_loop_turn(f->s.loop, 0, NULL); // hands the job to the reader
    sem_wait(&c.looked);
    job_write(&f->s, &writing);
    jobs_wait(&f->s, &writing, 1);
    sem_post(&c.written);
    jobs_wait(&f->s, &making, 1);
    assert_int_equal(making.code, OW_OK);
    assert_int_equal(c.before, 0);
    assert_int_equal(c.after, 1);
    store_close(&f->s);

    snprintf(name, sizeof name, "%s/suite.db", f->place.store);
    assert_int_equal(rename(path, name), 0);
    assert_int_equal(store_open(&f->s, NULL, NULL), OW_OK);
    assert_int_equal(read_int(&f->s, "SELECT count(*) FROM item"), 0); // as the job saw it
    store_stop(&f->s);
    fixture_free(f);
}

// Changes one bit; again: changes it back.
static void flip(const char *path, long place) {
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    assert_int_equal(fseek(file, place, SEEK_SET), 0);
    int byte = fgetc(file);
    assert_int_equal(fseek(file, place, SEEK_SET), 0);
    assert_int_equal(fputc(byte ^ 1, file), byte ^ 1);
    assert_int_equal(fclose(file), 0);
}

// https://www.sqlite.org/fileformat2.html#page_size
static long page_size(const char *path) {
    unsigned char head[18];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(head, sizeof head, 1, file), 1);
    fclose(file);
    return head[16] << 8 | head[17];
}

// One bit in the head of a page: the store does not open, or no copy of it is made.
static void expect_found(fixture *f, const char *path, const char *copy, long place) {
    ow_err err = {0};
    flip(path, place);
    ow_code code = store_open(&f->s, NULL, &err);
    if (code == OW_OK) {
        code = read_now(&f->s, copy_to, (void *)(uintptr_t)copy, &err);
        store_close(&f->s);
    }
    if (code != OW_DATA_LOSS || access(copy, F_OK) == 0) {
        fail_msg("a bit at %ld was changed: code %d %s", place, code, err.message);
    }
    flip(path, place);
}

// Trees, and the chains of long values: the fourth byte counts cells, or names the next page.
static void a_damaged_page_is_not_copied(void **state) {
    (void)state;
    enum { ROWS = 40, STEP = 5 };
    fixture *f = fixture_new(NULL);
    char path[320];
    char copy[320];
    struct stat st;
    store_start(&f->s, &f->factory, NULL);
    snprintf(path, sizeof path, "%s/suite.db", f->place.store);
    snprintf(copy, sizeof copy, "%s/copy.db", f->place.folder);
    for (int i = 0; i < ROWS; i++) {
        blob_put p = {.number = i, .version = i, .size = 20000};
        assert_int_equal(write_now(&f->s, put_blob, &p, NULL), OW_OK);
    }
    store_close(&f->s);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > (off_t)ROWS * 20000);
    long page = page_size(path);
    for (long at = page; at < st.st_size; at += STEP * page) {
        expect_found(f, path, copy, at + 3);
    }
    // As it was, it can be copied.
    assert_int_equal(store_open(&f->s, NULL, NULL), OW_OK);
    assert_int_equal(read_now(&f->s, copy_to, copy, NULL), OW_OK);
    store_stop(&f->s);
    fixture_free(f);
}

// ---- Bounded log ----

static void the_log_is_bounded(void **state) {
    (void)state;
    fixture *f = fixture_new(NULL);
    f->s = (store){0};
    store_start(&f->s, &f->factory, NULL);
    store_close(&f->s);
    f->s.options.max_wal_bytes = 1024 * 1024;
    assert_int_equal(store_open(&f->s, NULL, NULL), OW_OK);
    char path[320];
    snprintf(path, sizeof path, "%s/suite.db-wal", f->place.store);
    off_t largest = 0;
    for (int i = 0; i < 400; i++) {
        blob_put p = {.number = i % 7, .version = i, .size = 60000};
        assert_int_equal(write_now(&f->s, put_blob, &p, NULL), OW_OK);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        largest = st.st_size > largest ? st.st_size : largest;
        read_int(&f->s, "SELECT count(*) FROM item");
    }
    assert_true(largest < 2 * 1024 * 1024); // 24 MB went through it
    ow_db_stats stats;
    ow_db_stats_get(f->s.db, &stats);
    assert_true(stats.checkpoints >= 10);
    assert_true(stats.wal_bytes <= largest);
    store_stop(&f->s);
    fixture_free(f);
}

// ---- Full disk ----

// Writes until the disk is full, sees that reads go on, makes space, sees that writes do too.
static void fill_and_recover(store *s, const char *filler, size_t blob_size) {
    blob_put p = {.size = blob_size};
    ow_err err = {0};
    // More than once: what the first one gives back of the log lets some more in.
    for (int refused = 0; refused < 10;) {
        ow_code code = write_now(s, put_blob, &p, &err);
        if (code == OW_OK) {
            p.number++;
            continue;
        }
        assert_int_equal(code, OW_UNAVAILABLE);
        assert_string_equal(err.reason, "disk_full");
        assert_int_equal(read_int(s, "SELECT count(*) FROM item"), p.number);
        refused++;
    }
    assert_false(atomic_load(&s->fatal));

    unlink(filler);
    assert_int_equal(write_now(s, put_blob, &p, &err), OW_OK);
    assert_int_equal(write_sql(s, "DELETE FROM item", NULL), OW_OK);
}

// The log's index grows every 4096 pages, and must not be what finds the disk full.
static void run_full_disk_as_the_index_grows(const char *folder) {
    char filler[320];
    snprintf(filler, sizeof filler, "%s/filler", folder);
    for (int given = 0; given < 24; given += 3) {
        fixture *f = fixture_new(folder);
        store_start(&f->s, &f->factory, NULL);
        ow_db_stats stats = {0};
        blob_put p = {.size = 60000};
        while (stats.wal_bytes < 4000 * 4096) {
            p.version++;
            assert_int_equal(write_now(&f->s, put_blob, &p, NULL), OW_OK);
            ow_db_stats_get(f->s.db, &stats);
        }
        assert_true(small_disk_fill(filler, given * 8) > 0);
        for (int i = 0; i < 40; i++) {
            blob_put small = {.number = 1, .version = i, .size = 100};
            ow_code code = write_now(&f->s, put_blob, i % 2 == 0 ? &small : &p, NULL);
            assert_true(code == OW_OK || code == OW_UNAVAILABLE);
            p.version++;
        }
        unlink(filler);
        assert_int_equal(write_now(&f->s, put_blob, &p, NULL), OW_OK);
        assert_false(atomic_load(&f->s.fatal));
        store_stop(&f->s);
        fixture_free(f);
    }
}

static void run_full_disk(const char *folder) {
    char filler[320];
    snprintf(filler, sizeof filler, "%s/filler", folder);
    fixture *f = fixture_new(folder);
    store_start(&f->s, &f->factory, NULL);
    static const size_t sizes[] = {100, 3000, 20000, 60000};
    for (int round = 0; round < 12; round++) {
        // What is left differs from round to round, so that the end comes at different files.
        assert_true(small_disk_fill(filler, 16 + round * 23) >= 0);
        fill_and_recover(&f->s, filler, sizes[round % 4]);
    }
    store_stop(&f->s);
    fixture_free(f);
}

static void run_on_small_disk(const char *folder) {
    run_full_disk(folder);
    run_full_disk_as_the_index_grows(folder);
}

static void a_full_disk_is_survived(void **state) {
    (void)state;
    small_disk_run("40m", run_on_small_disk);
}

// ---- kill -9 ----

enum { OUTSTANDING = 32, KILLS = 40 };

typedef struct hammer {
    store *s;
    int fd;
    int64_t next;
    struct hammer_job {
        ow_db_job job;
        struct hammer *hammer;
        int64_t number;
    } jobs[OUTSTANDING];
} hammer;

static ow_code hammer_run(ow_db_conn *conn, void *self, ow_err *err) {
    const struct hammer_job *j = self;
    ow_code code =
        ow_db_exec(conn, NULL, err, "INSERT INTO note (id, k) VALUES ($1, 'one')", "i", j->number);
    // Its own sum beside it: a transaction is there whole or not at all.
    return code != OW_OK ? code
                         : ow_db_exec(conn, NULL, err,
                                      "INSERT INTO counter (k, n) VALUES ('sum', 1) "
                                      "ON CONFLICT (k) DO UPDATE SET n = counter.n + 1",
                                      "");
}

static void hammer_done(void *self, ow_code code, const ow_err *err) {
    (void)err;
    struct hammer_job *j = self;
    if (code != OW_OK || write(j->hammer->fd, &j->number, sizeof j->number) < 0) {
        _exit(3);
    }
    j->number = j->hammer->next++;
    ow_db_write(j->hammer->s->db, &j->job);
}

static void hammer_forever(fixture *f, int64_t first, int fd) {
    static hammer h;
    ow_loop_new(&f->s.loop, NULL);
    if (store_open(&f->s, NULL, NULL) != OW_OK) {
        _exit(4);
    }
    h = (hammer){.s = &f->s, .fd = fd, .next = first};
    for (int i = 0; i < OUTSTANDING; i++) {
        h.jobs[i] = (struct hammer_job){.hammer = &h, .number = h.next++};
        h.jobs[i].job = (ow_db_job){.run = hammer_run, .done = hammer_done, .self = &h.jobs[i]};
        ow_db_write(f->s.db, &h.jobs[i].job);
    }
    ow_loop_run(f->s.loop, NULL);
    _exit(5);
}

static ow_code find_note(ow_db_conn *conn, void *self, ow_err *err) {
    ow_rows *rows = NULL;
    bool row = false;
    ow_code code =
        ow_db_query(conn, &rows, err, "SELECT 1 FROM note WHERE id = $1", "i", *(int64_t *)self);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &row, err);
    }
    return code == OW_OK && !row ? OW_NOT_FOUND : code;
}

// The child's acknowledgements up to its end; each must be in the store.
static int64_t check_acknowledged(fixture *f, int fd) {
    int64_t number = 0, count = 0;
    while (read(fd, &number, sizeof number) == (ssize_t)sizeof number) {
        assert_int_equal(read_now(&f->s, find_note, &number, NULL), OW_OK);
        count++;
    }
    assert_int_equal(read_int(&f->s, "SELECT count(*) FROM note"),
                     read_int(&f->s, "SELECT n FROM counter WHERE k = 'sum'"));
    return count;
}

static void pause_us(long us) {
    struct timespec pause = {.tv_nsec = us * 1000};
    nanosleep(&pause, NULL);
}

static void acknowledged_writes_survive_kill_9(void **state) {
    (void)state;
    fixture *f = fixture_new(NULL);
    store_start(&f->s, &f->factory, NULL);
    assert_int_equal(write_sql(&f->s, "INSERT INTO item (k) VALUES ('one')", NULL), OW_OK);
    assert_int_equal(write_sql(&f->s, "INSERT INTO counter (k, n) VALUES ('sum', 0)", NULL), OW_OK);
    f->s.options.max_wal_bytes = 256 * 1024; // so that checkpoints are hit as well
    int64_t acknowledged = 0;
    srand(7);
    for (int i = 0; i < KILLS; i++) {
        store_stop(&f->s);
        int fds[2];
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_true(fcntl(fds[1], F_SETPIPE_SZ, 1 << 20) > 0);
        pid_t child = fork();
        if (child == 0) {
            hammer_forever(f, (int64_t)(i + 1) * 10000000, fds[1]);
        }
        close(fds[1]);
        pause_us(3000 + rand() % 40000);
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        assert_int_equal(ow_loop_new(&f->s.loop, NULL), OW_OK);
        assert_int_equal(store_open(&f->s, NULL, NULL), OW_OK);
        acknowledged += check_acknowledged(f, fds[0]);
        close(fds[0]);
    }
    print_message("%d kills, %lld acknowledged writes, all there\n", KILLS,
                  (long long)acknowledged);
    assert_true(acknowledged > 100);
    store_stop(&f->s);
    fixture_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_folder_is_private_and_locked),
        cmocka_unit_test(a_file_that_is_no_database_is_data_loss),
        cmocka_unit_test(a_copy_is_one_moment),
        cmocka_unit_test(a_copy_holds_no_snapshot_when_it_is_made),
        cmocka_unit_test(a_damaged_page_is_not_copied),
        cmocka_unit_test(the_log_is_bounded),
        cmocka_unit_test(a_full_disk_is_survived),
        cmocka_unit_test(acknowledged_writes_survive_kill_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
