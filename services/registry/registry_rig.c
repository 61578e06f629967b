#include "services/registry/registry_rig.h"

#include "services/registry/registry.h"

#include "core/archive/archive.h"

#include <stdlib.h>
#include <string.h>

const stage_caller admin = {.kind = OW_OPERATOR, .role = OW_ROLE_ADMIN, .every_title = true};
const stage_caller viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER};
const stage_caller platform = {.kind = OW_PLATFORM};

int rig_set_up(void **state, ow_channel_kind channel) {
    fixture *f = calloc(1, sizeof *f);
    f->runner = (fake_runner){.toolchain = "gcc-1", .code = "machine code"};
    stage_open(&f->stage, &ow_registry_module, channel, NULL);
    fake_runner_offer(&f->runner, f->stage.directory, f->stage.api, f->stage.loop);
    stage_start(&f->stage);
    *state = f;
    return 0;
}

int rig_tear_down(void **state) {
    fixture *f = *state;
    fake_runner_withdraw(&f->runner, f->stage.directory);
    stage_close(&f->stage);
    ow_call_free(f->watch);
    free(f);
    return 0;
}

void *call(fixture *f, const char *method, const void *request) {
    return stage_call(&f->stage, SERVICE, method, request, &admin);
}

void *must_call(fixture *f, const char *method, const void *request) {
    void *reply = call(f, method, request);
    if (reply == NULL) {
        fail_msg("%s: %s: %s", method, f->stage.err.reason, f->stage.err.message);
    }
    return reply;
}

void expect_failure(fixture *f, const char *method, const void *request, ow_code code,
                    const char *reason) {
    assert_null(call(f, method, request));
    assert_string_equal(f->stage.err.reason, reason);
    assert_int_equal(f->stage.err.code, code);
}

title_msg *create_title(fixture *f, const char *name, const char *key) {
    create_title_request request = OVERWORLD__REGISTRY__V1__CREATE_TITLE_REQUEST__INIT;
    request.name = TEXT(name);
    request.request_key = TEXT(key);
    return call(f, "CreateTitle", &request);
}

server_msg *create_server(fixture *f, const char *name) {
    create_server_request request = OVERWORLD__REGISTRY__V1__CREATE_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = TEXT(name);
    request.runtime = TEXT("c");
    return call(f, "CreateVirtualServer", &request);
}

server_msg *get_server(fixture *f, const char *name) {
    get_server_request request = OVERWORLD__REGISTRY__V1__GET_VIRTUAL_SERVER_REQUEST__INIT;
    request.name = TEXT(name);
    return call(f, "GetVirtualServer", &request);
}

void *put_chunk(fixture *f, const char *sha256, const uint8_t *bytes, size_t offset, size_t size,
                size_t total) {
    put_chunk_request request = OVERWORLD__REGISTRY__V1__PUT_BUNDLE_CHUNK_REQUEST__INIT;
    request.sha256 = TEXT(sha256);
    request.offset = (int64_t)offset;
    request.total_size = (int64_t)total;
    request.data = (ProtobufCBinaryData){size, (uint8_t *)(uintptr_t)bytes + offset};
    request.last = offset + size == total;
    return stage_call(&f->stage, SERVICE, "PutBundleChunk", &request, &platform);
}

void hash_hex(const void *bytes, size_t size, char *ret_hex) {
    uint8_t digest[OW_SHA256_SIZE];
    ow_sha256(bytes, size, digest);
    ow_hex_encode(digest, sizeof digest, ret_hex);
}

void upload(fixture *f, const char *manifest, const char *source, const char *words) {
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

deploy_request deploy_of(fixture *f) {
    deploy_request request = OVERWORLD__REGISTRY__V1__DEPLOY_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.bundle_sha256 = f->sha256;
    request.create = true;
    return request;
}

deploy_response *deploy(fixture *f, bool publish) {
    deploy_request request = deploy_of(f);
    request.publish = publish;
    return must_call(f, "Deploy", &request);
}
