// The registry as its callers see it: secrets. Real store, real files, a fake runner. Run with "packed" the
// calls are encoded and deferred.

#include "services/registry/registry_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static secret_msg *set(fixture *f, const char *name, const char *value, const char *etag) {
    set_secret_request request = OVERWORLD__REGISTRY__V1__SET_SECRET_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT(name);
    request.value = (ProtobufCBinaryData){strlen(value), (uint8_t *)(uintptr_t)value};
    request.etag = TEXT(etag);
    return call(f, "SetSecret", &request);
}

static secret_msg *use(fixture *f, const char *name, int64_t version) {
    use_secret_request request = OVERWORLD__REGISTRY__V1__USE_SECRET_VERSION_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT(name);
    request.version = version;
    return call(f, "UseSecretVersion", &request);
}

// "name=value " of all that functions get now.
static const char *values(fixture *f, char text[static 300]) {
    get_secret_values_request request = OVERWORLD__REGISTRY__V1__GET_SECRET_VALUES_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    get_secret_values_response *reply =
        stage_call(&f->stage, SERVICE, "GetSecretValues", &request, &platform);
    assert_non_null(reply);
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < reply->n_values; i++) {
        used += (size_t)snprintf(text + used, 300 - used, "%s=%.*s ", reply->values[i]->name,
                                 (int)reply->values[i]->value.len, reply->values[i]->value.data);
    }
    return text;
}

static void expect_reason(fixture *f, const void *reply, const char *reason) {
    assert_null(reply);
    assert_string_equal(f->stage.err.reason, reason);
}

static void keeps_versions(void **state) {
    fixture *f = *state;
    char text[300];
    create_server(f, "chat");
    assert_string_equal(values(f, text), "");
    secret_msg *first = set(f, "api-key", "one", "");
    assert_int_equal(first->version, 1);
    assert_string_equal(first->updated_by, "opr_test");
    assert_int_equal(set(f, "api-key", "two", first->etag)->version, 2);
    expect_reason(f, set(f, "api-key", "three", first->etag), "stale_etag");
    set(f, "other", "o", "");
    assert_string_equal(values(f, text), "api-key=two other=o ");
    secret_msg *back = use(f, "api-key", 1);
    assert_int_equal(back->version, 1);
    assert_int_equal(back->latest_version, 2);
    stage_restart(&f->stage);
    assert_string_equal(values(f, text), "api-key=one other=o ");
    expect_reason(f, use(f, "api-key", 3), "no_version");
    expect_reason(f, use(f, "nothing", 1), "no_secret");
    for (int i = 3; i <= 12; i++) {
        assert_int_equal(set(f, "api-key", "more", "")->version, i);
    }
    expect_reason(f, use(f, "api-key", 2), "no_version"); // ten are kept
    assert_non_null(use(f, "api-key", 3));

    list_secrets_request list = OVERWORLD__REGISTRY__V1__LIST_SECRETS_REQUEST__INIT;
    list.virtual_server = TEXT("chat");
    list_secrets_response *listed = must_call(f, "ListSecrets", &list);
    assert_int_equal(listed->n_secrets, 2);
    assert_string_equal(listed->secrets[0]->name, "api-key");
    assert_int_equal(listed->secrets[0]->version, 3);
    assert_int_equal(listed->secrets[0]->latest_version, 12);

    delete_secret_request drop = OVERWORLD__REGISTRY__V1__DELETE_SECRET_REQUEST__INIT;
    drop.virtual_server = TEXT("chat");
    drop.name = TEXT("api-key");
    must_call(f, "DeleteSecret", &drop);
    expect_failure(f, "DeleteSecret", &drop, OW_NOT_FOUND, "no_secret");
    assert_string_equal(values(f, text), "other=o ");
}

// The value that was refused or set is told from another by a keyed hash alone.
static void a_repeated_request_sets_nothing(void **state) {
    fixture *f = *state;
    char text[300];
    create_server(f, "chat");
    set_secret_request request = OVERWORLD__REGISTRY__V1__SET_SECRET_REQUEST__INIT;
    request.virtual_server = TEXT("chat");
    request.name = TEXT("pin");
    request.value = (ProtobufCBinaryData){4, (uint8_t *)(uintptr_t) "1234"};
    request.request_key = TEXT("try-1");
    assert_int_equal(((secret_msg *)must_call(f, "SetSecret", &request))->version, 1);
    const secret_msg *again = must_call(f, "SetSecret", &request);
    assert_int_equal(again->version, 1);
    assert_int_equal(again->latest_version, 1);
    request.value.data = (uint8_t *)(uintptr_t) "1235";
    expect_failure(f, "SetSecret", &request, OW_INVALID_ARGUMENT, "request_key_reused");
    assert_string_equal(values(f, text), "pin=1234 ");
    request.request_key = TEXT("try-2");
    assert_int_equal(((secret_msg *)must_call(f, "SetSecret", &request))->version, 2);
    request.request_key = TEXT("two\nlines");
    expect_failure(f, "SetSecret", &request, OW_INVALID_ARGUMENT, "bad_request_key");
}

static void refuses_what_is_no_secret(void **state) {
    fixture *f = *state;
    expect_reason(f, set(f, "x", "v", ""), "no_virtual_server");
    create_server(f, "chat");
    expect_reason(f, set(f, "1x", "v", ""), "bad_name");
    expect_reason(f, set(f, "x", "", ""), "bad_value");
    char *large = calloc(1, 4098);
    memset(large, 'x', 4097);
    expect_reason(f, set(f, "x", large, ""), "bad_value");
    large[4096] = 0;
    assert_non_null(set(f, "x", large, ""));
    free(large);
    set_secret_request nul = OVERWORLD__REGISTRY__V1__SET_SECRET_REQUEST__INIT;
    nul.virtual_server = TEXT("chat");
    nul.name = TEXT("x");
    nul.value = (ProtobufCBinaryData){3, (uint8_t *)(uintptr_t) "a\0b"};
    expect_failure(f, "SetSecret", &nul, OW_INVALID_ARGUMENT, "bad_value");
    for (int i = 1; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        assert_non_null(set(f, name, "v", ""));
    }
    expect_reason(f, set(f, "more", "v", ""), "too_many_secrets");
}

static ow_channel_kind channel;

static int set_up(void **state) {
    return rig_set_up(state, channel);
}

int main(int argc, char **argv) {
    channel = argc == 2 && strcmp(argv[1], "packed") == 0 ? OW_CHANNEL_PACKED : OW_CHANNEL_LOCAL;
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, rig_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(keeps_versions),
        CASE(a_repeated_request_sets_nothing),
        CASE(refuses_what_is_no_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
