// The registry as its callers see it: real store, real files, a fake runner. Run with "packed" the
// calls are encoded and deferred.

#include "services/registry/fake_runner.h"
#include "services/registry/messages.h"
#include "services/registry/registry.h"
#include "services/testing/stage.h"

#include "core/archive/archive.h"
#include "core/crypto/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE (&overworld__registry__v1__registry__descriptor)

enum { SEEN_MAX = 200 };

typedef struct fixture {
    stage stage;
    fake_runner runner;
    char sha256[OW_SHA256_HEX_SIZE]; // of the last bundle
    // What a watcher was told.
    ow_call *watch;
    char seen[SEEN_MAX][100];
    int seen_count;
    bool watch_ended;
    int64_t last_sequence;
} fixture;

static const stage_caller admin = {.kind = OW_OPERATOR, .role = OW_ROLE_ADMIN};
static const stage_caller viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER};
static const stage_caller platform = {.kind = OW_PLATFORM};

static ow_channel_kind channel;

static int set_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    f->runner = (fake_runner){.toolchain = "gcc-1", .code = "machine code"};
    stage_open(&f->stage, &ow_registry_module, channel, NULL);
    fake_runner_offer(&f->runner, f->stage.directory, f->stage.api, f->stage.loop);
    stage_start(&f->stage);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    fake_runner_withdraw(&f->runner, f->stage.directory);
    stage_close(&f->stage);
    ow_call_free(f->watch);
    free(f);
    return 0;
}

static void *call(fixture *f, const char *method, const void *request) {
    return stage_call(&f->stage, SERVICE, method, request, &admin);
}

static void *must_call(fixture *f, const char *method, const void *request) {
    void *reply = call(f, method, request);
    if (reply == NULL) {
        fail_msg("%s: %s: %s", method, f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

static void expect_failure(fixture *f, const char *method, const void *request, ow_code code,
                           const char *reason) {
    assert_null(call(f, method, request));
    assert_string_equal(f->stage.err.reason, reason);
    assert_int_equal(f->stage.err.code, code);
}

#define TEXT(literal) ((char *)(uintptr_t)(literal))

// ---- Titles ----

static title_msg *create_title(fixture *f, const char *name, const char *key) {
    create_title_request request = OVERWORLD__REGISTRY__V1__CREATE_TITLE_REQUEST__INIT;
    request.name = TEXT(name);
    request.request_key = TEXT(key);
    return call(f, "CreateTitle", &request);
}

static list_titles_response *list_titles(fixture *f, int page_size, const char *token) {
    list_titles_request request = OVERWORLD__REGISTRY__V1__LIST_TITLES_REQUEST__INIT;
    request.page_size = page_size;
    request.page_token = TEXT(token);
    return must_call(f, "ListTitles", &request);
}

static void begins_with_one_title(void **state) {
    fixture *f = *state;
    list_titles_response *page = list_titles(f, 0, "");
    assert_int_equal(page->n_titles, 1);
    assert_string_equal(page->titles[0]->name, "default");
    assert_memory_equal(page->titles[0]->title_id, "ttl_", 4);
    stage_restart(&f->stage);
    assert_int_equal(list_titles(f, 0, "")->n_titles, 1);
}

static void creates_titles_once_for_a_request_key(void **state) {
    fixture *f = *state;
    title_msg *first = create_title(f, "Second", "key-1");
    title_msg *again = create_title(f, "Second", "key-1");
    assert_non_null(first);
    assert_non_null(again);
    assert_string_equal(first->title_id, again->title_id);
    assert_null(create_title(f, "Other", "key-1"));
    assert_string_equal(f->stage.err.reason, "request_key_reused");
    assert_null(create_title(f, "Second", "key-2"));
    assert_string_equal(f->stage.err.reason, "name_taken");
    assert_null(create_title(f, "", ""));
    assert_string_equal(f->stage.err.reason, "bad_name");
    ow_clock_advance(f->stage.clock, (int64_t)25 * 3600 * 1000000);
    assert_non_null(create_title(f, "Other", "key-1"));

    list_titles_response *page = list_titles(f, 2, "");
    assert_int_equal(page->n_titles, 2);
    page = list_titles(f, 2, page->next_page_token);
    assert_int_equal(page->n_titles, 1);
    assert_string_equal(page->next_page_token, "");
}

static void renames_with_an_etag(void **state) {
    fixture *f = *state;
    title_msg *title = create_title(f, "Before", "");
    rename_title_request request = OVERWORLD__REGISTRY__V1__RENAME_TITLE_REQUEST__INIT;
    request.title_id = title->title_id;
    request.name = TEXT("After");
    request.etag = title->etag;
    title_msg *renamed = must_call(f, "RenameTitle", &request);
    assert_string_equal(renamed->name, "After");
    assert_string_not_equal(renamed->etag, title->etag);
    expect_failure(f, "RenameTitle", &request, OW_ABORTED, "stale_etag");
    request.title_id = TEXT("ttl_none");
    expect_failure(f, "RenameTitle", &request, OW_NOT_FOUND, "no_title");
}

// ---- Virtual servers ----

static server_msg *create_server(fixture *f, const char *name) {
    create_server_request request = OVERWORLD__REGISTRY__V1__CREATE_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = TEXT(name);
    request.runtime = TEXT("c");
    return call(f, "CreateVirtualServer", &request);
}

static server_msg *get_server(fixture *f, const char *name) {
    get_server_request request = OVERWORLD__REGISTRY__V1__GET_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = TEXT(name);
    return call(f, "GetVirtualServer", &request);
}

static void keeps_virtual_servers(void **state) {
    fixture *f = *state;
    server_msg *made = create_server(f, "chat");
    assert_non_null(made);
    assert_int_equal(made->n_aliases, 1);
    assert_string_equal(made->aliases[0]->name, "$DEFAULT");
    assert_string_equal(made->aliases[0]->target, "$LATEST");
    assert_true(made->aliases[0]->is_public);
    assert_null(create_server(f, "chat"));
    assert_string_equal(f->stage.err.reason, "name_taken");
    assert_null(create_server(f, "no blanks"));
    assert_string_equal(f->stage.err.reason, "bad_name");

    update_server_request update = OVERWORLD__REGISTRY__V1__UPDATE_VIRTUAL_SERVER_REQUEST__INIT;
    update.name = TEXT("chat");
    update.description = TEXT("talks");
    update.etag = made->etag;
    server_msg *updated = must_call(f, "UpdateVirtualServer", &update);
    assert_string_equal(updated->description, "talks");
    expect_failure(f, "UpdateVirtualServer", &update, OW_ABORTED, "stale_etag");

    delete_server_request drop = OVERWORLD__REGISTRY__V1__DELETE_VIRTUAL_SERVER_REQUEST__INIT;
    drop.name = TEXT("chat");
    drop.etag = made->etag;
    expect_failure(f, "DeleteVirtualServer", &drop, OW_ABORTED, "stale_etag");
    drop.etag = updated->etag;
    must_call(f, "DeleteVirtualServer", &drop);
    assert_null(get_server(f, "chat"));
    assert_string_equal(f->stage.err.reason, "no_virtual_server");
}

static void lists_in_pages(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"delta", "alpha", "charlie", "bravo", "echo"};
    for (int i = 0; i < 5; i++) {
        assert_non_null(create_server(f, names[i]));
    }
    list_servers_request request = OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_REQUEST__INIT;
    request.page_size = 2;
    char order[64] = "";
    for (int page = 0; page < 3; page++) {
        list_servers_response *reply = must_call(f, "ListVirtualServers", &request);
        for (size_t i = 0; i < reply->n_virtual_servers; i++) {
            strncat(order, reply->virtual_servers[i]->name, 1);
        }
        request.page_token = reply->next_page_token;
    }
    assert_string_equal(order, "abcde");
    assert_string_equal(request.page_token, "");
    request.page_size = 201;
    expect_failure(f, "ListVirtualServers", &request, OW_INVALID_ARGUMENT, "bad_page_size");
}

static void asks_for_a_title_when_there_are_several(void **state) {
    fixture *f = *state;
    title_msg *second = create_title(f, "Second", "");
    assert_null(create_server(f, "chat"));
    assert_string_equal(f->stage.err.reason, "title_needed");
    stage_caller in_second = admin;
    in_second.title = second->title_id;
    create_server_request request = OVERWORLD__REGISTRY__V1__CREATE_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = TEXT("chat");
    request.runtime = TEXT("c");
    assert_non_null(
        stage_call(&f->stage, SERVICE, "CreateVirtualServer", &request, &in_second));
    in_second.title = "ttl_none";
    assert_null(stage_call(&f->stage, SERVICE, "CreateVirtualServer", &request, &in_second));
    assert_string_equal(f->stage.err.reason, "no_title");
}

static void refuses_viewers(void **state) {
    fixture *f = *state;
    create_server_request request = OVERWORLD__REGISTRY__V1__CREATE_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = TEXT("chat");
    assert_null(stage_call(&f->stage, SERVICE, "CreateVirtualServer", &request, &viewer));
    assert_int_equal(f->stage.err.code, OW_PERMISSION_DENIED);
}

// ---- Bundles ----

static void *put_chunk(fixture *f, const char *sha256, const uint8_t *bytes, size_t offset,
                       size_t size, size_t total) {
    put_chunk_request request = OVERWORLD__REGISTRY__V1__PUT_BUNDLE_CHUNK_REQUEST__INIT;
    request.sha256 = TEXT(sha256);
    request.offset = (int64_t)offset;
    request.total_size = (int64_t)total;
    request.data = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)bytes + offset};
    request.last = offset + size == total;
    return stage_call(&f->stage, SERVICE, "PutBundleChunk", &request, &platform);
}

static void hash_hex(const void *bytes, size_t size, char *ret_hex) {
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256(bytes, size, digest);
    ow_hex_encode(digest, sizeof digest, ret_hex);
}

static void takes_and_gives_blobs_in_pieces(void **state) {
    fixture *f = *state;
    size_t total = (5 << 19) + 3;
    uint8_t *bytes = malloc(total);
    for (size_t i = 0; i < total; i++) {
        bytes[i] = (uint8_t)(i * 31 + i / 255);
    }
    char hash[OW_SHA256_HEX_SIZE];
    hash_hex(bytes, total, hash);
    assert_null(put_chunk(f, hash, bytes, 1 << 20, 1 << 20, total));
    assert_string_equal(f->stage.err.reason, "no_upload");
    put_chunk_response *reply = NULL;
    for (size_t at = 0; at < total; at += 1 << 20) {
        size_t size = total - at < 1 << 20 ? total - at : 1 << 20;
        reply = put_chunk(f, hash, bytes, at, size, total);
        assert_non_null(reply);
        assert_int_equal(reply->complete, at + size == total);
    }
    reply = put_chunk(f, hash, bytes, 0, 10, total);
    assert_true(reply->complete);

    get_blob_request get = OVERWORLD__REGISTRY__V1__GET_BLOB_CHUNK_REQUEST__INIT;
    get.sha256 = hash;
    size_t got = 0;
    while (got < total) {
        get.offset = (int64_t)got;
        get_blob_response *piece =
            stage_call(&f->stage, SERVICE, "GetBlobChunk", &get, &platform);
        assert_non_null(piece);
        assert_int_equal(piece->total_size, total);
        assert_true(piece->data.len > 0);
        assert_memory_equal(piece->data.data, bytes + got, piece->data.len);
        got += piece->data.len;
    }
    hash[0] = hash[0] == 'a' ? 'b' : 'a';
    assert_null(stage_call(&f->stage, SERVICE, "GetBlobChunk", &get, &platform));
    assert_string_equal(f->stage.err.reason, "no_blob");
    assert_null(put_chunk(f, hash, bytes, 0, 100, 100));
    assert_string_equal(f->stage.err.reason, "hash_mismatch");
    free(bytes);
}

static void bounds_uploads(void **state) {
    fixture *f = *state;
    char hash[OW_SHA256_HEX_SIZE];
    for (int i = 0; i < 17; i++) {
        char name[8];
        snprintf(name, sizeof name, "%d", i);
        hash_hex(name, strlen(name), hash);
        void *reply = put_chunk(f, hash, (const uint8_t *)"0123456789", 0, 5, 10);
        assert_int_equal(reply != NULL, i < 16);
    }
    assert_string_equal(f->stage.err.reason, "too_many_uploads");
    ow_clock_advance(f->stage.clock, 61 * 1000000);
    assert_non_null(put_chunk(f, hash, (const uint8_t *)"0123456789", 0, 5, 10));
    assert_null(put_chunk(f, "short", (const uint8_t *)"0123456789", 0, 5, 10));
    assert_string_equal(f->stage.err.reason, "bad_hash");
}

#define MANIFEST(exposure)                                                                         \
    "{\"name\":\"chat\",\"runtime\":\"c\",\"functions\":{\"moderate\":{\"exposure\":\"" exposure      \
    "\"},\"self-test\":{}},\"files\":[\"words.txt\"],\"env\":{\"MODE\":\"x\"}}"

static void upload(fixture *f, const char *manifest, const char *source, const char *words) {
    ow_archive_file files[] = {
        {"main.c", (const uint8_t *)source, strlen(source)},
        {"virtualserver.json", (const uint8_t *)manifest, strlen(manifest)},
        {"words.txt", (const uint8_t *)words, strlen(words)},
    };
    uint8_t *bytes = NULL;
    size_t size = 0;
    assert_int_equal(ow_archive_write(files, 3, &bytes, &size, &f->stage.err), OW_OK);
    hash_hex(bytes, size, f->sha256);
    put_chunk_response *reply = put_chunk(f, f->sha256, bytes, 0, size, size);
    assert_non_null(reply);
    assert_true(reply->complete);
    free(bytes);
}

// ---- Deploys ----

static deploy_request deploy_of(fixture *f) {
    deploy_request request = OVERWORLD__REGISTRY__V1__DEPLOY_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.bundle_sha256 = f->sha256;
    request.create = true;
    return request;
}

static deploy_response *deploy(fixture *f, bool publish) {
    deploy_request request = deploy_of(f);
    request.publish = publish;
    return must_call(f, "Deploy", &request);
}

static void deploys_a_new_virtual_server(void **state) {
    fixture *f = *state;
    upload(f, MANIFEST("client"), "int a;", "bad words");
    deploy_response *reply = deploy(f, false);
    assert_true(reply->built);
    assert_false(reply->unchanged);
    assert_int_equal(strlen(reply->revision->revision_id), 64);
    assert_int_equal(reply->revision->version, 0);
    assert_string_equal(reply->revision->created_by, "opr_test");
    assert_int_equal(reply->revision->n_functions, 2);
    assert_string_equal(reply->revision->functions[1]->name, "self-test");
    assert_string_equal(reply->revision->functions[1]->entry, "self_test");
    assert_string_equal(f->runner.last_entries, "moderate,self_test");
    assert_string_equal(f->runner.last_bundle, f->sha256);

    server_msg *server = get_server(f, "chat");
    assert_string_equal(server->latest->revision_id, reply->revision->revision_id);
    assert_int_equal(server->latest_version, 0);
    assert_string_equal(server->aliases[0]->target, "$LATEST");

    deploy_response *again = deploy(f, false);
    assert_true(again->unchanged);
    assert_string_equal(again->revision->revision_id, reply->revision->revision_id);
}

static void builds_the_same_sources_once(void **state) {
    fixture *f = *state;
    upload(f, MANIFEST("client"), "int a;", "one");
    deploy(f, false);
    upload(f, MANIFEST("server"), "int a;", "two");
    deploy_response *second = deploy(f, false);
    assert_false(second->unchanged);
    assert_int_equal(f->runner.builds, 1);
    f->runner.toolchain = "gcc-2";
    deploy(f, false);
    assert_int_equal(f->runner.builds, 2);
    f->runner.toolchain = "";
    deploy(f, false);
    deploy(f, false);
    assert_int_equal(f->runner.builds, 4);
}

static void keeps_the_old_code_when_the_new_does_not_compile(void **state) {
    fixture *f = *state;
    upload(f, MANIFEST("client"), "int a;", "words");
    deploy_response *good = deploy(f, true);
    f->runner.code = NULL;
    upload(f, MANIFEST("client"), "int a", "words");
    deploy_response *bad = deploy(f, true);
    assert_false(bad->built);
    assert_null(bad->revision);
    assert_int_equal(bad->n_diagnostics, 1);
    assert_string_equal(bad->diagnostics[0]->file, "main.c");
    assert_int_equal(bad->diagnostics[0]->line, 7);
    server_msg *server = get_server(f, "chat");
    assert_string_equal(server->latest->revision_id, good->revision->revision_id);
    assert_int_equal(server->latest_version, 1);
}

static void says_why_a_bundle_cannot_be_deployed(void **state) {
    fixture *f = *state;
    upload(f, MANIFEST("client"), "int a;", "words");
    deploy_request request = deploy_of(f);
    request.virtual_server = TEXT("other");
    expect_failure(f, "Deploy", &request, OW_INVALID_ARGUMENT, "bad_manifest");
    request = deploy_of(f);
    request.create = false;
    expect_failure(f, "Deploy", &request, OW_NOT_FOUND, "no_virtual_server");
    request.bundle_sha256 = TEXT("x");
    expect_failure(f, "Deploy", &request, OW_INVALID_ARGUMENT, "bad_hash");
    char unknown[OW_SHA256_HEX_SIZE];
    memset(unknown, 'a', sizeof unknown - 1);
    unknown[sizeof unknown - 1] = 0;
    request.bundle_sha256 = unknown;
    expect_failure(f, "Deploy", &request, OW_NOT_FOUND, "no_bundle");
    upload(f, "{\"name\":\"chat\",\"runtime\":\"c\",\"functons\":{}}", "int a;", "");
    request = deploy_of(f);
    expect_failure(f, "Deploy", &request, OW_INVALID_ARGUMENT, "bad_manifest");
    assert_non_null(strstr(f->stage.err.message, "did you mean \"functions\""));
    const char *text = "this is no archive at all";
    hash_hex(text, strlen(text), f->sha256);
    put_chunk(f, f->sha256, (const uint8_t *)text, 0, strlen(text), strlen(text));
    request = deploy_of(f);
    expect_failure(f, "Deploy", &request, OW_INVALID_ARGUMENT, "bad_archive");
    assert_int_equal(f->runner.builds, 0);
    fake_runner_withdraw(&f->runner, f->stage.directory);
    upload(f, MANIFEST("client"), "int a;", "words");
    request = deploy_of(f);
    expect_failure(f, "Deploy", &request, OW_UNAVAILABLE, "not_running");
    fake_runner_offer(&f->runner, f->stage.directory, f->stage.api, f->stage.loop);
}

static publish_response *publish(fixture *f, bool move_default, const char *key) {
    publish_request request = OVERWORLD__REGISTRY__V1__PUBLISH_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.move_default = move_default;
    request.request_key = TEXT(key);
    return call(f, "Publish", &request);
}

static const char *default_target(fixture *f) {
    return get_server(f, "chat")->aliases[0]->target;
}

static void numbers_versions(void **state) {
    fixture *f = *state;
    assert_non_null(create_server(f, "chat"));
    assert_null(publish(f, true, ""));
    assert_string_equal(f->stage.err.reason, "nothing_deployed");
    upload(f, MANIFEST("client"), "int a;", "one");
    deploy(f, false);
    assert_int_equal(publish(f, false, "k")->revision->version, 1);
    assert_string_equal(default_target(f), "$LATEST");
    assert_int_equal(publish(f, true, "")->revision->version, 1);
    assert_string_equal(default_target(f), "1");
    assert_int_equal(publish(f, false, "k")->revision->version, 1);

    upload(f, MANIFEST("client"), "int a;", "two");
    deploy(f, false);
    assert_string_equal(default_target(f), "1");
    upload(f, MANIFEST("client"), "int a;", "three");
    assert_int_equal(deploy(f, true)->revision->version, 2);
    assert_string_equal(default_target(f), "2");

    // Back to what was version 1: it keeps its number.
    upload(f, MANIFEST("client"), "int a;", "one");
    assert_int_equal(deploy(f, true)->revision->version, 1);
    assert_string_equal(default_target(f), "1");

    stage_restart(&f->stage);
    list_versions_request request = OVERWORLD__REGISTRY__V1__LIST_VERSIONS_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.page_size = 1;
    list_versions_response *page = must_call(f, "ListVersions", &request);
    assert_int_equal(page->versions[0]->version, 2);
    request.page_token = page->next_page_token;
    page = must_call(f, "ListVersions", &request);
    assert_int_equal(page->n_versions, 1);
    assert_int_equal(page->versions[0]->version, 1);
    assert_string_equal(page->next_page_token, "");
}

static void deploys_once_for_a_request_key(void **state) {
    fixture *f = *state;
    upload(f, MANIFEST("client"), "int a;", "one");
    deploy_request request = deploy_of(f);
    request.request_key = TEXT("deploy-1");
    deploy_response *first = must_call(f, "Deploy", &request);
    deploy_response *again = must_call(f, "Deploy", &request);
    assert_false(again->unchanged);
    assert_string_equal(again->revision->revision_id, first->revision->revision_id);
    assert_int_equal(f->runner.builds, 1);
}

// ---- Routes ----

static void note(fixture *f, const char *format, const char *a, const char *b, int c) {
    assert_true(f->seen_count < SEEN_MAX);
    char *line = f->seen[f->seen_count++];
    snprintf(line, sizeof f->seen[0], "%s %.40s %.20s %d", format, a, b, c);
}

static void on_route(const route_change *change, void *closure_data) {
    ow_call *c = closure_data;
    fixture *f = c->user;
    if (change == NULL) {
        f->watch_ended = true;
        return;
    }
    assert_true(change->reset || change->sequence >= f->last_sequence);
    f->last_sequence = change->sequence;
    if (change->reset) {
        note(f, "reset", "", "", 0);
    } else if (change->complete) {
        note(f, "complete", "", "", 0);
    } else if (change->upsert != NULL) {
        const server_routes *r = change->upsert;
        const char *target = r->n_aliases > 0 ? r->aliases[0]->revision_id : "-";
        bool latest = strcmp(target, r->latest_revision_id) == 0;
        note(f, "upsert", r->name, latest ? "latest" : "other", (int)r->n_revisions);
    } else if (change->removed_name[0] != 0) {
        note(f, "remove", change->removed_name, "", 0);
    } else {
        note(f, "title", change->title_name, "", 0);
    }
}

static bool is_complete(void *self) {
    fixture *f = self;
    return f->seen_count > 0 && memcmp(f->seen[f->seen_count - 1], "complete", 8) == 0;
}

static void watch(fixture *f) {
    static const Overworld__Registry__V1__WatchRoutesRequest nothing =
        OVERWORLD__REGISTRY__V1__WATCH_ROUTES_REQUEST__INIT;
    f->seen_count = 0;
    f->watch_ended = false;
    f->last_sequence = 0;
    f->watch = stage_call_new(&f->stage, &platform);
    f->watch->user = f;
    overworld__registry__v1__registry__watch_routes(
        ow_directory_get(f->stage.directory, SERVICE), &nothing, on_route, f->watch);
    stage_until(&f->stage, is_complete, f);
}

static bool has_ended(void *self) {
    return ((fixture *)self)->watch_ended;
}

static void unwatch(fixture *f) {
    ow_call_cancel(f->watch, OW_CANCELLED);
    stage_until(&f->stage, has_ended, f);
    f->watch = ow_call_free(f->watch);
}

static void expect_seen(fixture *f, const char *const *lines) {
    int count = 0;
    for (; lines[count] != NULL; count++) {
        if (count >= f->seen_count) {
            fail_msg("\"%s\" was not seen", lines[count]);
        }
        assert_string_equal(f->seen[count], lines[count]);
    }
    assert_int_equal(f->seen_count, count);
}

typedef struct expected_count {
    fixture *f;
    int count;
} expected_count;

static bool has_seen(void *self) {
    const expected_count *e = self;
    return e->f->seen_count >= e->count;
}

static void tells_every_change_in_order(void **state) {
    fixture *f = *state;
    watch(f);
    create_server(f, "empty");
    upload(f, MANIFEST("client"), "int a;", "one");
    deploy(f, false);
    deploy(f, true);
    upload(f, MANIFEST("client"), "int a;", "two");
    deploy(f, false);
    create_title(f, "Second", "");
    stage_until(&f->stage, has_seen, &(expected_count){f, 8});
    static const char *const lines[] = {
        "reset   0",           "title default  0",      "complete   0",
        "upsert empty other 0", "upsert chat latest 1", "upsert chat latest 1",
        "upsert chat other 2", "title Second  0",       NULL,
    };
    expect_seen(f, lines);
    unwatch(f);
    assert_int_equal(f->watch == NULL, true);
}

static void tells_the_whole_table_again_after_a_restart(void **state) {
    fixture *f = *state;
    upload(f, MANIFEST("client"), "int a;", "one");
    deploy(f, true);
    create_server(f, "gone");
    delete_server_request drop = OVERWORLD__REGISTRY__V1__DELETE_VIRTUAL_SERVER_REQUEST__INIT;
    drop.name = TEXT("gone");
    watch(f);
    must_call(f, "DeleteVirtualServer", &drop);
    stage_until(&f->stage, has_seen, &(expected_count){f, 6});
    static const char *const before[] = {
        "reset   0",           "title default  0", "upsert chat latest 1",
        "upsert gone other 0", "complete   0",     "remove gone  0", NULL,
    };
    expect_seen(f, before);
    int64_t sequence = f->last_sequence;
    stage_restart(&f->stage);
    assert_true(f->watch_ended);
    f->watch = ow_call_free(f->watch);
    watch(f);
    static const char *const after[] = {
        "reset   0", "title default  0", "upsert chat latest 1", "complete   0", NULL,
    };
    expect_seen(f, after);
    assert_true(f->last_sequence >= sequence);
    unwatch(f);
}

static void tells_many_virtual_servers(void **state) {
    fixture *f = *state;
    for (int i = 0; i < 150; i++) {
        char name[16];
        snprintf(name, sizeof name, "vs%d", i);
        assert_non_null(create_server(f, name));
    }
    stage_restart(&f->stage);
    watch(f);
    assert_int_equal(f->seen_count, 153);
    unwatch(f);
}

int main(int argc, char **argv) {
    channel = argc == 2 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(begins_with_one_title),
        CASE(creates_titles_once_for_a_request_key),
        CASE(renames_with_an_etag),
        CASE(keeps_virtual_servers),
        CASE(lists_in_pages),
        CASE(asks_for_a_title_when_there_are_several),
        CASE(refuses_viewers),
        CASE(takes_and_gives_blobs_in_pieces),
        CASE(bounds_uploads),
        CASE(deploys_a_new_virtual_server),
        CASE(builds_the_same_sources_once),
        CASE(keeps_the_old_code_when_the_new_does_not_compile),
        CASE(says_why_a_bundle_cannot_be_deployed),
        CASE(numbers_versions),
        CASE(deploys_once_for_a_request_key),
        CASE(tells_every_change_in_order),
        CASE(tells_the_whole_table_again_after_a_restart),
        CASE(tells_many_virtual_servers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
