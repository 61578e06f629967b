// The registry as its callers see it: deploys, versions, routes. Real store, real files, a fake runner.
// Run with "packed" the calls are encoded and deferred.

#include "services/registry/internal.h"
#include "services/registry/registry_rig.h"

#include "core/archive/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Deploys ----

static size_t count_with_function(fixture *f, const char *part) {
    list_servers_request request = OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_REQUEST__INIT;
    request.function_contains = TEXT(part);
    list_servers_response *reply = must_call(f, "ListVirtualServers", &request);
    return reply->n_virtual_servers;
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
    assert_int_equal(count_with_function(f, "F-TE"), 1);
    assert_int_equal(count_with_function(f, "%"), 0);
    assert_string_equal(f->runner.last_entries, "moderate,self_test");
    assert_string_equal(f->runner.last_bundle, f->sha256);

    server_msg *server = get_server(f, "chat");
    assert_string_equal(server->latest->revision_id, reply->revision->revision_id);
    assert_int_equal(server->latest_version, 0);
    assert_string_equal(server->aliases[0]->targets[0]->version, "$LATEST");

    deploy_response *again = deploy(f, false);
    assert_true(again->unchanged);
    assert_string_equal(again->revision->revision_id, reply->revision->revision_id);
}

static void spoil(const blobs *b, const char *sha256) {
    char *path = blobs_path(b, sha256);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fputc('!', file);
    fclose(file);
    free(path);
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

// What the disk has changed is not deployed: code is built again, a bundle has to come again.
static void deploys_nothing_that_is_damaged(void **state) {
    fixture *f = *state;
    const blobs *b = &((registry *)f->stage.self)->blobs;
    char code_sha256[OW_SHA256_HEX_SIZE];
    upload(f, MANIFEST("client"), "int a;", "words");
    deploy(f, false);
    hash_hex(f->runner.code, strlen(f->runner.code), code_sha256);
    spoil(b, code_sha256);
    assert_true(deploy(f, false)->built);
    assert_int_equal(f->runner.builds, 2);
    assert_int_equal(blobs_check(b, code_sha256, NULL), OW_OK);
    spoil(b, f->sha256);
    deploy_request request = deploy_of(f);
    expect_failure(f, "Deploy", &request, OW_NOT_FOUND, "no_bundle");
    upload(f, MANIFEST("client"), "int a;", "words");
    deploy(f, false);
    assert_int_equal(blobs_check(b, f->sha256, NULL), OW_OK);
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
    return get_server(f, "chat")->aliases[0]->targets[0]->version;
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
    overworld__registry__v1__registry__watch_routes(ow_directory_get(f->stage.directory, SERVICE),
                                                    &nothing, on_route, f->watch);
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
        "reset   0",
        "title default  0",
        "complete   0",
        "upsert empty other 0",
        "upsert chat latest 1",
        "upsert chat latest 1",
        "upsert chat other 2",
        "title Second  0",
        NULL,
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
        "reset   0",
        "title default  0",
        "upsert chat latest 1",
        "upsert gone other 0",
        "complete   0",
        "remove gone  0",
        NULL,
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

static ow_channel_kind channel;

static int set_up(void **state) {
    return rig_set_up(state, channel);
}

int main(int argc, char **argv) {
    channel = argc == 2 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(deploys_a_new_virtual_server),
        CASE(builds_the_same_sources_once),
        CASE(deploys_nothing_that_is_damaged),
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
