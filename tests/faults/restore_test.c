// A drill: `ow backup` while the server is under load, `ow restore` into a new folder, a server on it. What
// was acknowledged before the backup began is there, tokens and keys are good, functions run; a backup
// that is not whole is refused and leaves nothing behind.

#include "tests/faults/journal.h"

#include "core/testing/ow_test.h"

#include <glob.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BEFORE = 300, MEANWHILE = 4000, DRILL_MS_MAX = 60000 };

typedef struct drill {
    deployment *d;
    journal *j;
    char folder[64], file[96]; // of the backup
    char access_token[1024], operator_token[128];
    char server_key[256]; // id and secret
} drill;

static deployment_shape shape;

// ---- Saving ----

typedef struct saving {
    const drill *d;
    int code;
    char out[512];
    atomic_bool done;
} saving;

static void *save(void *self) {
    saving *s = self;
    s->code = OW(s->d->d, s->out, "backup", s->d->file, "--json");
    atomic_store(&s->done, true);
    return NULL;
}

static void save_under_load(drill *d) {
    pthread_t thread;
    saving s = {.d = d};
    int before = journal_length(d->j);
    journal_begin(d->j, d->d, MEANWHILE);
    assert_int_equal(pthread_create(&thread, NULL, save, &s), 0);
    while (!atomic_load(&s.done)) {
        journal_turn(d->j, 1);
    }
    pthread_join(thread, NULL);
    journal_end(d->j);
    if (s.code != 0) {
        fail_msg("ow backup ended with %d: %s", s.code, s.out);
    }
    print_message("saved while %d operations ran: %s", journal_length(d->j) - before, s.out);
    assert_true(journal_length(d->j) > before);
    journal_check(d->j, d->d, 0);
}

static void read_file(const char *path, char *text, size_t room) {
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, room - 1, file)] = '\0';
    fclose(file);
}

static void fill_server(drill *d) {
    char path[160];
    deployment_deploy(d->d, "tests/scenario/bundle", true);
    ow_client *player = deployment_player(d->d, "device-of-the-drill");
    snprintf(d->access_token, sizeof d->access_token, "%s", ow_client_access_token(player));
    ow_client_free(player);
    assert_int_equal(OW(d->d, d->server_key, "key", "create", "drill"), 0);
    snprintf(path, sizeof path, "%s/operator.token", deployment_folder(d->d));
    read_file(path, d->operator_token, sizeof d->operator_token);
    journal_begin(d->j, d->d, BEFORE);
    while (journal_turn(d->j, 1)) {
    }
    journal_end(d->j);
    journal_check(d->j, d->d, 0);
}

// ---- Restoring ----

static void expect_same_tokens(const drill *d) {
    char text[160], path[160];
    snprintf(path, sizeof path, "%s/operator.token", deployment_folder(d->d));
    read_file(path, text, sizeof text);
    assert_string_equal(text, d->operator_token);
    ow_client_config config = {
        .url = deployment_public(d->d), .access_token = d->access_token, .timeout_ms = 60000};
    ow_client *player = ow_client_new(&config, NULL);
    expect_reply(player, "lab/echo", "\"still here\"", "\"still here\"");
    ow_client_free(player);
    char id[256];
    snprintf(id, sizeof id, "%s", d->server_key);
    char *secret = strchr(id, ' ');
    assert_non_null(secret);
    *secret++ = '\0';
    secret[strcspn(secret, "\r\n")] = '\0';
    config = (ow_client_config){.url = deployment_public(d->d),
                                .server_key_id = id,
                                .server_key_secret = secret,
                                .timeout_ms = 60000};
    ow_client *server = ow_client_new(&config, NULL);
    expect_reply(server, "lab/for_servers", "{}", "\"server\"");
    ow_client_free(server);
}

static void expect_private(const char *path, mode_t mode) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, mode);
}

static void flip(const char *path) {
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    int byte = fgetc(file);
    rewind(file);
    fputc(byte ^ 1, file);
    fclose(file);
}

// A bit of a bundle that the disk has changed: it is not saved as if it were whole, nor deployed.
static void a_damaged_bundle_is_found(const drill *d) {
    char out[2048], path[160];
    glob_t found;
    snprintf(path, sizeof path, "%s/blobs/[0-9a-f]*/*", deployment_folder(d->d));
    assert_int_equal(glob(path, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        flip(found.gl_pathv[i]);
    }
    snprintf(path, sizeof path, "%s.damaged", d->file);
    assert_int_equal(OW(d->d, out, "backup", path), 1);
    assert_int_not_equal(access(path, F_OK), 0);
    // What is deployed comes anew, and is built anew.
    deployment_deploy(d->d, "tests/scenario/bundle", true);
    // What was only uploaded is well again by the same bit; what is deployed is damaged once more, and mended.
    for (size_t i = 0; i < found.gl_pathc; i++) {
        flip(found.gl_pathv[i]);
    }
    globfree(&found);
    deployment_deploy(d->d, "tests/scenario/bundle", true);
    assert_int_equal(OW(d->d, out, "backup", path), 0);
    unlink(path);
}

static void a_saved_server_comes_back(void **state) {
    drill *d = *state;
    char out[512], path[160];
    d->d = deployment_start(shape, journal_flags);
    fill_server(d);
    int before = journal_length(d->j);
    save_under_load(d);
    expect_private(d->file, 0600);
    assert_int_equal(OW(d->d, out, "restore", d->file, "--check"), 0);
    assert_int_equal(OW(d->d, out, "backup", d->file), 5);  // never over another one
    assert_int_equal(OW(d->d, out, "restore", d->file), 5); // never into a folder that is in use
    a_damaged_bundle_is_found(d);
    deployment_stop(d->d);

    int64_t start = now_ms();
    d->d = deployment_new(shape, journal_flags, NULL);
    assert_int_equal(OW(d->d, out, "restore", d->file), 0);
    expect_private(deployment_folder(d->d), 0700);
    snprintf(path, sizeof path, "%s/identity/identity.db", deployment_folder(d->d));
    expect_private(path, 0600);
    deployment_start_all(d->d);
    assert_true(deployment_wait_ready(d->d, 30000));
    expect_same_tokens(d);
    journal_go_back(d->j, before);
    journal_check(d->j, d->d, 0);
    print_message("restored, started and held against the journal in %d ms\n",
                  (int)(now_ms() - start));
    assert_true(now_ms() - start < DRILL_MS_MAX);
    // And it goes on.
    journal_begin(d->j, d->d, BEFORE);
    while (journal_turn(d->j, 1)) {
    }
    journal_end(d->j);
    journal_check(d->j, d->d, 0);
    deployment_stop(d->d);
}

// ---- What is not whole ----

static void expect_not_restored(const char *file) {
    char out[512], folder[160];
    deployment *nowhere = deployment_new(SHAPE_ONE_PROCESS, NULL, NULL);
    snprintf(folder, sizeof folder, "%s.restoring", deployment_folder(nowhere));
    assert_int_equal(OW(nowhere, out, "restore", file), 1);
    assert_int_equal(OW(nowhere, out, "restore", file, "--check"), 1);
    assert_int_not_equal(access(folder, F_OK), 0);
    snprintf(folder, sizeof folder, "%s/keys", deployment_folder(nowhere));
    assert_int_not_equal(access(folder, F_OK), 0);
    deployment_stop(nowhere);
}

static void damage(const char *from, const char *to, long at, long cut_at) {
    FILE *in = fopen(from, "r"), *out = fopen(to, "w");
    assert_true(in != NULL && out != NULL);
    long place = 0;
    for (int byte; (byte = fgetc(in)) != EOF && (cut_at < 0 || place < cut_at); place++) {
        fputc(place == at ? byte ^ 1 : byte, out);
    }
    fclose(in);
    fclose(out);
}

static void what_is_not_whole_is_refused(void **state) {
    drill *d = *state;
    char damaged[128];
    struct stat st;
    snprintf(damaged, sizeof damaged, "%s/damaged", d->folder);
    assert_int_equal(stat(d->file, &st), 0);
    for (int i = 0; i < 8; i++) {
        // Within the first store: 512 bytes of head, then pages without any padding.
        damage(d->file, damaged, 512 + 4096 * i + 100, -1);
        expect_not_restored(damaged);
        damage(d->file, damaged, -1, (long)st.st_size / 9 * (i + 1));
        expect_not_restored(damaged);
    }
    unlink(damaged);
}

static int set_up(void **state) {
    drill *d = calloc(1, sizeof *d);
    assert_non_null(d);
    d->j = journal_new("drill");
    snprintf(d->folder, sizeof d->folder, "/tmp/overworld-drill-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->file, sizeof d->file, "%s/overworld.backup", d->folder);
    *state = d;
    return 0;
}

static int tear_down(void **state) {
    drill *d = *state;
    journal_free(d->j);
    unlink(d->file);
    rmdir(d->folder);
    free(d);
    return 0;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_server_comes_back),
        cmocka_unit_test(what_is_not_whole_is_refused),
    };
    shape = deployment_shape_of(argc, argv);
    return cmocka_run_group_tests_name("restore", tests, set_up, tear_down);
}
