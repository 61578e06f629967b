// The registry as its callers see it: titles, virtual servers, bundles. Real store, real files, a fake runner.
// Run with "packed" the calls are encoded and deferred.

#include "services/registry/internal.h"
#include "services/registry/registry_rig.h"

#include "core/archive/archive.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Titles ----

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

static void keeps_virtual_servers(void **state) {
    fixture *f = *state;
    server_msg *made = create_server(f, "chat");
    assert_non_null(made);
    assert_int_equal(made->n_aliases, 1);
    assert_string_equal(made->aliases[0]->name, "$DEFAULT");
    assert_string_equal(made->aliases[0]->targets[0]->version, "$LATEST");
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

static size_t count_with(fixture *f, const char *part) {
    list_servers_request request = OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_REQUEST__INIT;
    request.name_contains = TEXT(part);
    list_servers_response *reply = must_call(f, "ListVirtualServers", &request);
    return reply->n_virtual_servers;
}

static void lists_those_whose_names_have_a_part(void **state) {
    fixture *f = *state;
    static const char *const names[] = {"Match_maker", "match-2", "shop", "rematch"};
    for (int i = 0; i < 4; i++) {
        assert_non_null(create_server(f, names[i]));
    }
    assert_int_equal(count_with(f, ""), 4);
    assert_int_equal(count_with(f, "MATCH"), 3);
    assert_int_equal(count_with(f, "h_m"), 1);
    assert_int_equal(count_with(f, "%"), 0);
    assert_int_equal(count_with(f, "!"), 0);
    assert_int_equal(count_with(f, "\xE5\x95\x86"), 0);
    list_servers_request request = OVERWORLD__REGISTRY__V1__LIST_VIRTUAL_SERVERS_REQUEST__INIT;
    request.page_size = 2;
    request.name_contains = TEXT("match");
    list_servers_response *page = must_call(f, "ListVirtualServers", &request);
    assert_int_equal(page->n_virtual_servers, 2);
    request.page_token = page->next_page_token;
    page = must_call(f, "ListVirtualServers", &request);
    assert_int_equal(page->n_virtual_servers, 1);
    assert_string_equal(page->next_page_token, "");
    request.name_contains = TEXT("1234567890123456789012345678901234567890123456789012345678901");
    expect_failure(f, "ListVirtualServers", &request, OW_INVALID_ARGUMENT, "bad_filter");
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
    assert_non_null(stage_call(&f->stage, SERVICE, "CreateVirtualServer", &request, &in_second));
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
        get_blob_response *piece = stage_call(&f->stage, SERVICE, "GetBlobChunk", &get, &platform);
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

#define DIGITS "0123456789"

static bool completes(fixture *f, const char *hash, size_t at, size_t size) {
    const put_chunk_response *reply =
        put_chunk(f, hash, (const uint8_t *)DIGITS, at, size, strlen(DIGITS));
    assert_non_null(reply);
    return reply->complete;
}

// The disk is asked where an upload begins: not at each piece, or what is damaged were read again for each.
static void asks_the_disk_where_an_upload_begins(void **state) {
    fixture *f = *state;
    const blobs *b = &((registry *)f->stage.self)->blobs;
    char hash[OW_SHA256_HEX_SIZE];
    hash_hex(DIGITS, 10, hash);
    assert_false(completes(f, hash, 0, 4));
    assert_int_equal(blobs_put(b, DIGITS, 10, hash, &f->stage.err), OW_OK);
    assert_false(completes(f, hash, 4, 4));
    assert_true(completes(f, hash, 8, 2));
    assert_true(completes(f, hash, 4, 4));
    assert_true(completes(f, hash, 0, 4));
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
    // Abandoned ones do not stand in the way for long.
    ow_clock_advance(f->stage.clock, 6 * 1000000);
    assert_non_null(put_chunk(f, hash, (const uint8_t *)"0123456789", 0, 5, 10));
    assert_null(put_chunk(f, "short", (const uint8_t *)"0123456789", 0, 5, 10));
    assert_string_equal(f->stage.err.reason, "bad_hash");
}

typedef struct sender {
    fixture *f;
    ow_call *call;
    put_chunk_request request;
    int ended, complete;
    ow_err err;
} sender;

enum { SENDERS = 4, PIECES = 3, PIECE = 1 << 20 };

static void send_next(sender *s, const uint8_t *bytes);

static const uint8_t *sent_bytes(const sender *s) {
    return s->request.data.data - s->request.offset;
}

static void on_piece(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    sender *s = call->user;
    s->err = call->err;
    if (message != NULL) {
        s->complete += ((const put_chunk_response *)message)->complete;
        s->ended += PIECE;
    }
    ow_call_free(call);
    if (message != NULL && !s->request.last) {
        send_next(s, sent_bytes(s));
    } else {
        s->ended = -1;
    }
}

static void send_next(sender *s, const uint8_t *bytes) {
    s->call = stage_call_new(&s->f->stage, &platform);
    s->call->user = s;
    s->request.offset = s->ended;
    s->request.data = (ProtobufCBinaryData){PIECE, (uint8_t *)(uintptr_t)bytes + s->ended};
    s->request.last = s->ended + PIECE == s->request.total_size;
    ProtobufCService *registry = ow_directory_get(s->f->stage.directory, SERVICE);
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(SERVICE, "PutBundleChunk");
    registry->invoke(registry, (unsigned)(method - SERVICE->methods), &s->request.base, on_piece,
                     s->call);
}

static bool all_ended(void *self) {
    const sender *senders = self;
    bool ended = true;
    for (int i = 0; i < SENDERS; i++) {
        ended = ended && senders[i].ended < 0;
    }
    return ended;
}

// Two developers, or a developer and CI, deploy the same bundle at one time.
static void several_may_send_the_same_bundle(void **state) {
    fixture *f = *state;
    uint8_t *bytes = malloc(PIECES * PIECE);
    memset(bytes, 'x', PIECES * PIECE);
    char hash[OW_SHA256_HEX_SIZE];
    hash_hex(bytes, PIECES * PIECE, hash);
    static sender senders[SENDERS];
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (sender){.f = f};
        overworld__registry__v1__put_bundle_chunk_request__init(&senders[i].request);
        senders[i].request.sha256 = hash;
        senders[i].request.total_size = PIECES * PIECE;
        send_next(&senders[i], bytes);
    }
    stage_until(&f->stage, all_ended, senders);
    for (int i = 0; i < SENDERS; i++) {
        assert_ow_ok(senders[i].err.code, &senders[i].err);
        assert_true(senders[i].complete > 0);
    }
    free(bytes);
}

static ow_channel_kind channel;

static int set_up(void **state) {
    return rig_set_up(state, channel);
}

int main(int argc, char **argv) {
    channel = argc == 2 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(begins_with_one_title),
        CASE(creates_titles_once_for_a_request_key),
        CASE(renames_with_an_etag),
        CASE(keeps_virtual_servers),
        CASE(lists_in_pages),
        CASE(lists_those_whose_names_have_a_part),
        CASE(asks_for_a_title_when_there_are_several),
        CASE(refuses_viewers),
        CASE(takes_and_gives_blobs_in_pieces),
        CASE(asks_the_disk_where_an_upload_begins),
        CASE(bounds_uploads),
        CASE(several_may_send_the_same_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
