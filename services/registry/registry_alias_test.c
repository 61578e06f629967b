// The registry as its callers see it: aliases. Real store, real files, a fake runner. Run with "packed" the
// calls are encoded and deferred.

#include "services/registry/registry_rig.h"

#include "services/registry/registry_logic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Publishes versions 1 .. count of "chat".
static void publish_versions(fixture *f, int count) {
    for (int i = 1; i <= count; i++) {
        char source[32];
        snprintf(source, sizeof source, "int a%d;", i);
        char words[32];
        snprintf(words, sizeof words, "words %d", i);
        upload(f, MANIFEST("client"), source, words);
        assert_int_equal(deploy(f, true)->revision->version, i);
    }
}

typedef struct targets {
    alias_target_msg each[2];
    alias_target_msg *list[2];
} targets;

static void fill_targets(targets *t, const char *first, int first_weight, const char *second) {
    overworld__registry__v1__alias_target__init(&t->each[0]);
    overworld__registry__v1__alias_target__init(&t->each[1]);
    t->each[0].version = TEXT(first);
    t->each[0].weight = first_weight;
    t->each[1].version = TEXT(second != NULL ? second : "");
    t->each[1].weight = 10000 - first_weight;
    t->list[0] = &t->each[0];
    t->list[1] = &t->each[1];
}

static alias_msg *create(fixture *f, const char *name, const char *version, const char *key) {
    targets t;
    create_alias_request request = OVERWORLD__REGISTRY__V1__CREATE_ALIAS_REQUEST__INIT;
    fill_targets(&t, version, 0, NULL);
    request.virtual_server = TEXT("chat");
    request.name = TEXT(name);
    request.targets = t.list;
    request.n_targets = 1;
    request.request_key = TEXT(key);
    return call(f, "CreateAlias", &request);
}

// `second` NULL: one target.
static alias_msg *move(fixture *f, const char *name, const char *first, int first_weight,
                       const char *second) {
    targets t;
    update_alias_request request = OVERWORLD__REGISTRY__V1__UPDATE_ALIAS_REQUEST__INIT;
    fill_targets(&t, first, first_weight, second);
    request.virtual_server = TEXT("chat");
    request.name = TEXT(name);
    request.targets = t.list;
    request.n_targets = second != NULL ? 2 : 1;
    return call(f, "UpdateAlias", &request);
}

static alias_msg *rollback(fixture *f, const char *name) {
    rollback_alias_request request = OVERWORLD__REGISTRY__V1__ROLLBACK_ALIAS_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT(name);
    return call(f, "RollbackAlias", &request);
}

static void *drop(fixture *f, const char *name, const char *etag) {
    delete_alias_request request = OVERWORLD__REGISTRY__V1__DELETE_ALIAS_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT(name);
    request.etag = TEXT(etag);
    return call(f, "DeleteAlias", &request);
}

static void expect_reason(fixture *f, const void *reply, const char *reason) {
    assert_null(reply);
    assert_string_equal(f->stage.err.reason, reason);
}

static void creates_and_deletes(void **state) {
    fixture *f = *state;
    publish_versions(f, 1);
    alias_msg *made = create(f, "live", "1", "key-1");
    assert_non_null(made);
    assert_string_equal(made->targets[0]->version, "1");
    assert_int_equal(made->targets[0]->weight, 10000);
    assert_string_equal(made->split, "key");
    assert_false(made->is_public);
    assert_string_equal(create(f, "live", "1", "key-1")->etag, made->etag);
    expect_reason(f, create(f, "live", "1", ""), "name_taken");
    expect_reason(f, create(f, "test", "2", ""), "no_version");
    expect_reason(f, create(f, "$OTHER", "1", ""), "bad_name");
    expect_reason(f, create(f, "1st", "1", ""), "bad_name");
    expect_reason(f, drop(f, "$DEFAULT", ""), "default_alias");
    expect_reason(f, drop(f, "live", "99"), "stale_etag");
    assert_non_null(drop(f, "live", made->etag));
    expect_reason(f, drop(f, "live", ""), "no_alias");
    expect_reason(f, move(f, "live", "1", 0, NULL), "no_alias");
    for (int i = 1; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "a%d", i);
        assert_non_null(create(f, name, "$LATEST", ""));
    }
    expect_reason(f, create(f, "more", "1", ""), "too_many_aliases");
}

static void moves_and_goes_back(void **state) {
    fixture *f = *state;
    publish_versions(f, 3);
    create(f, "live", "2", "");
    alias_msg *split = move(f, "live", "3", 1000, "2");
    assert_int_equal(split->n_targets, 2);
    assert_string_equal(split->targets[0]->version, "2");
    assert_int_equal(split->targets[0]->weight, 9000);
    assert_int_equal(split->targets[1]->weight, 1000);
    assert_string_equal(split->previous, "2");
    expect_reason(f, move(f, "live", "2", 5000, "4"), "no_version");
    expect_reason(f, move(f, "live", "2", 5000, "$LATEST"), "bad_targets");
    move(f, "live", "3", 0, NULL);
    alias_msg *back = rollback(f, "live");
    assert_int_equal(back->n_targets, 1);
    assert_string_equal(back->targets[0]->version, "2");
    assert_string_equal(rollback(f, "live")->targets[0]->version, "3");
    create(f, "fresh", "1", "");
    expect_reason(f, rollback(f, "fresh"), "no_previous");

    // $DEFAULT is an alias like others, and was moved by the deploys.
    assert_string_equal(rollback(f, "$DEFAULT")->targets[0]->version, "2");

    stage_restart(&f->stage);
    server_msg *server = get_server(f, "chat");
    assert_int_equal(server->n_aliases, 3);
    assert_string_equal(server->aliases[2]->name, "live");
    assert_string_equal(server->aliases[2]->targets[0]->version, "3");
    assert_string_equal(server->aliases[2]->previous, "2");
}

static void changes_what_is_named_only(void **state) {
    fixture *f = *state;
    publish_versions(f, 1);
    alias_msg *made = create(f, "live", "1", "");
    update_alias_request request = OVERWORLD__REGISTRY__V1__UPDATE_ALIAS_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT("live");
    request.visibility = TEXT("public");
    request.split = TEXT("random");
    request.etag = made->etag;
    alias_msg *changed = must_call(f, "UpdateAlias", &request);
    assert_true(changed->is_public);
    assert_string_equal(changed->split, "random");
    assert_string_equal(changed->targets[0]->version, "1");
    expect_failure(f, "UpdateAlias", &request, OW_ABORTED, "stale_etag");
    request.etag = TEXT("");
    request.visibility = TEXT("hidden");
    expect_failure(f, "UpdateAlias", &request, OW_INVALID_ARGUMENT, "bad_visibility");
    request.visibility = TEXT("");
    request.split = TEXT("half");
    expect_failure(f, "UpdateAlias", &request, OW_INVALID_ARGUMENT, "bad_split");
    request.split = TEXT("");
    request.virtual_server = TEXT("other");
    expect_failure(f, "UpdateAlias", &request, OW_NOT_FOUND, "no_virtual_server");
}

// ---- Versions are immutable ----

static revision_msg *version_one(fixture *f) {
    list_versions_request request = OVERWORLD__REGISTRY__V1__LIST_VERSIONS_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    list_versions_response *page = must_call(f, "ListVersions", &request);
    return page->versions[page->n_versions - 1];
}

static uint8_t *packed(const revision_msg *revision, size_t *ret_size) {
    *ret_size = protobuf_c_message_get_packed_size(&revision->base);
    uint8_t *bytes = malloc(*ret_size);
    assert_non_null(bytes);
    protobuf_c_message_pack(&revision->base, bytes);
    return bytes;
}

static void nothing_changes_a_version(void **state) {
    fixture *f = *state;
    publish_versions(f, 1);
    size_t before_size = 0, after_size = 0;
    uint8_t *before = packed(version_one(f), &before_size);
    publish_request again = OVERWORLD__REGISTRY__V1__PUBLISH_REQUEST__INIT;
    again.virtual_server = TEXT("chat");
    again.description = TEXT("said later");
    must_call(f, "Publish", &again);
    upload(f, MANIFEST("server"), "int a1;", "words 1"); // another config
    assert_int_equal(deploy(f, true)->revision->version, 2);
    upload(f, MANIFEST("client"), "int a1;", "words 1"); // the first again
    deploy_request request = deploy_of(f);
    request.description = TEXT("deployed again");
    must_call(f, "Deploy", &request);
    must_call(f, "Publish", &again);
    create(f, "live", "1", "");
    move(f, "live", "2", 0, NULL);
    rollback(f, "live");
    uint8_t *after = packed(version_one(f), &after_size);
    assert_int_equal(after_size, before_size);
    assert_memory_equal(after, before, before_size);
    free(before);
    free(after);
}

static get_revision_response *get_revision(fixture *f, const char *version) {
    get_revision_request request = OVERWORLD__REGISTRY__V1__GET_REVISION_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.version = TEXT(version);
    return call(f, "GetRevision", &request);
}

static void shows_what_is_in_a_version(void **state) {
    fixture *f = *state;
    publish_versions(f, 2);
    upload(f, MANIFEST("server"), "int a9;", "words 9");
    deploy(f, false);
    get_revision_response *one = get_revision(f, "1");
    assert_int_equal(one->revision->version, 1);
    assert_int_equal(one->n_files, 3);
    assert_string_equal(one->files[0]->path, "main.c");
    assert_string_equal(one->files[2]->path, "words.txt");
    assert_int_equal(one->files[2]->size, 7);
    char hex[OW_SHA256_HEX_SIZE];
    hash_hex("words 1", 7, hex);
    assert_string_equal(one->files[2]->sha256, hex);
    assert_int_equal(get_revision(f, "$LATEST")->revision->version, 0);
    assert_string_equal(get_revision(f, "$LATEST")->revision->functions[0]->exposure, "server");
    expect_reason(f, get_revision(f, "3"), "no_version");
    expect_reason(f, get_revision(f, "0"), "no_version");
    expect_reason(f, get_revision(f, "live"), "no_version");
}

static get_file_response *get_file(fixture *f, const char *version, const char *path,
                                   int64_t offset) {
    get_file_request request = OVERWORLD__REGISTRY__V1__GET_FILE_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.version = TEXT(version);
    request.path = TEXT(path);
    request.offset = offset;
    return call(f, "GetFile", &request);
}

static void shows_a_file_of_a_version(void **state) {
    fixture *f = *state;
    publish_versions(f, 2);
    get_file_response *words = get_file(f, "1", "words.txt", 0);
    assert_non_null(words);
    assert_int_equal(words->total_size, 7);
    assert_int_equal(words->data.len, 7);
    assert_memory_equal(words->data.data, "words 1", 7);
    assert_string_equal(words->revision_id, get_revision(f, "1")->revision->revision_id);
    assert_memory_equal(get_file(f, "$LATEST", "words.txt", 6)->data.data, "2", 1);
    assert_int_equal(get_file(f, "2", "words.txt", 7)->data.len, 0);
    expect_reason(f, get_file(f, "2", "words.txt", 8), "bad_offset");
    expect_reason(f, get_file(f, "2", "words.txt", -1), "bad_offset");
    expect_reason(f, get_file(f, "2", "../words.txt", 0), "no_file");
    expect_reason(f, get_file(f, "3", "words.txt", 0), "no_version");
}

static void a_deploy_may_name_what_it_is_based_on(void **state) {
    fixture *f = *state;
    publish_versions(f, 1);
    const char *first = get_revision(f, "$LATEST")->revision->revision_id;
    upload(f, MANIFEST("client"), "int a2;", "words 2");
    deploy_request request = deploy_of(f);
    request.based_on = TEXT("0123");
    expect_failure(f, "Deploy", &request, OW_ABORTED, "stale_etag");
    assert_string_equal(get_revision(f, "$LATEST")->revision->revision_id, first);
    request.based_on = TEXT(first);
    must_call(f, "Deploy", &request);
    upload(f, MANIFEST("client"), "int a3;", "words 3");
    request = deploy_of(f);
    request.based_on = TEXT(first);
    expect_failure(f, "Deploy", &request, OW_ABORTED, "stale_etag");
}

// ---- Routes ----

typedef struct watching {
    bool complete;
    char last[300]; // "name>revision's version[/newer's version:weight[r]] ..."
} watching;

static const char *version_in(const server_routes *r, const char *revision_id, char text[24]) {
    for (size_t i = 0; i < r->n_revisions; i++) {
        if (strcmp(r->revisions[i]->revision_id, revision_id) == 0) {
            snprintf(text, 24, "%lld", (long long)r->revisions[i]->version);
            return text;
        }
    }
    return "?";
}

static void note_aliases(watching *w, const server_routes *r) {
    w->last[0] = 0;
    for (size_t i = 0; i < r->n_aliases; i++) {
        const route_alias_msg *a = r->aliases[i];
        char older[24], newer[24], line[100], rest[48] = "";
        if (a->newer_revision_id[0] != 0) {
            snprintf(rest, sizeof rest, "/%s:%d%s", version_in(r, a->newer_revision_id, newer),
                     a->newer_weight, a->random ? "r" : "");
        }
        snprintf(line, sizeof line, "%s>%s%s ", a->name, version_in(r, a->revision_id, older),
                 rest);
        strncat(w->last, line, sizeof w->last - strlen(w->last) - 1);
    }
}

static void on_route(const route_change *change, void *closure_data) {
    watching *w = ((ow_call *)closure_data)->user;
    if (change == NULL) {
        w->complete = false;
        return;
    }
    w->complete = w->complete || change->complete;
    if (change->upsert != NULL) {
        note_aliases(w, change->upsert);
    }
}

static bool is_complete(void *self) {
    return ((watching *)self)->complete;
}

static bool has_ended(void *self) {
    return !((watching *)self)->complete;
}

static void tells_watchers_before_it_answers(void **state) {
    static const Overworld__Registry__V1__WatchRoutesRequest nothing =
        OVERWORLD__REGISTRY__V1__WATCH_ROUTES_REQUEST__INIT;
    fixture *f = *state;
    watching w = {0};
    publish_versions(f, 2);
    ow_call *watch = stage_call_new(&f->stage, &platform);
    watch->user = &w;
    overworld__registry__v1__registry__watch_routes(ow_directory_get(f->stage.directory, SERVICE),
                                                    &nothing, on_route, watch);
    stage_until(&f->stage, is_complete, &w);
    assert_string_equal(w.last, "$DEFAULT>2 ");
    create(f, "live", "1", "");
    assert_string_equal(w.last, "$DEFAULT>2 live>1 ");
    move(f, "live", "1", 7500, "2");
    assert_string_equal(w.last, "$DEFAULT>2 live>1/2:2500 ");
    rollback(f, "$DEFAULT");
    assert_string_equal(w.last, "$DEFAULT>1 live>1/2:2500 ");
    drop(f, "live", "");
    assert_string_equal(w.last, "$DEFAULT>1 ");
    ow_call_cancel(watch, OW_CANCELLED);
    stage_until(&f->stage, has_ended, &w);
    ow_call_free(watch);
}

static ow_channel_kind channel;

static int set_up(void **state) {
    return rig_set_up(state, channel);
}

int main(int argc, char **argv) {
    channel = argc == 2 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(creates_and_deletes),
        CASE(moves_and_goes_back),
        CASE(changes_what_is_named_only),
        CASE(nothing_changes_a_version),
        CASE(tells_watchers_before_it_answers),
        CASE(shows_what_is_in_a_version),
        CASE(shows_a_file_of_a_version),
        CASE(a_deploy_may_name_what_it_is_based_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
