#include "core/rpc/api.h"

#include "core/rpc/status.h"
#include "core/testing/ow_test.h"
#include "proto/descriptors.h"

#include <stdlib.h>
#include <string.h>

static int open_api(void **state) {
    ow_err err = {0};
    return ow_api_open(ow_descriptors, ow_descriptors_size, (ow_api **)state, &err) == OW_OK ? 0
                                                                                             : -1;
}

static int close_api(void **state) {
    ow_api_free(*state);
    return 0;
}

static void finds_methods_with_their_rules(void **state) {
    const ow_api *api = *state;
    const ow_api_method *login = ow_api_find(api, "/overworld.identity.v1.Identity/DeviceLogin");
    assert_non_null(login);
    assert_string_equal(login->service, "overworld.identity.v1.Identity");
    assert_string_equal(login->name, "DeviceLogin");
    assert_int_equal(login->allow, OW_ALLOW_PUBLIC);
    assert_false(login->server_streaming);
    assert_false(login->no_side_effects);
    const ow_api_method *who = ow_api_find_named(api, "overworld.identity.v1.Identity", "WhoAmI");
    assert_int_equal(who->allow, OW_ALLOW_PLAYER | OW_ALLOW_SERVER | OW_ALLOW_OPERATOR);
    assert_int_equal(who->min_role, OW_ROLE_VIEWER);
    assert_true(who->no_side_effects);
    const ow_api_method *routes =
        ow_api_find_named(api, "overworld.registry.v1.Registry", "WatchRoutes");
    assert_int_equal(routes->allow, OW_ALLOW_SERVICE);
    assert_true(routes->server_streaming);
    assert_null(ow_api_find(api, "/overworld.identity.v1.Identity/devicelogin"));
    assert_null(ow_api_find(api, ""));
}

static void every_method_has_a_rule_and_none_is_foreign(void **state) {
    const ow_api *api = *state;
    size_t count;
    const ow_api_method *methods = ow_api_methods(api, &count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        assert_true(methods[i].allow != 0);
        assert_memory_equal(methods[i].path, "/overworld.", 11);
        assert_ptr_equal(ow_api_find(api, methods[i].path), &methods[i]);
    }
}

static void finds_files_for_reflection(void **state) {
    const ow_api *api = *state;
    static const char *const symbols[] = {
        "overworld.identity.v1.Identity",
        "overworld.identity.v1.Identity.DeviceLogin",
        "overworld.identity.v1.DeviceLoginRequest",
        "overworld.api.Caller",
        "overworld.api.access",
        "google.protobuf.Timestamp",
        "grpc.health.v1.Health",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
    };
    const uint8_t *bytes;
    size_t size;
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        assert_true(ow_api_file_of_symbol(api, symbols[i], &bytes, &size));
    }
    assert_false(ow_api_file_of_symbol(api, "overworld.Nothing", &bytes, &size));
    assert_true(ow_api_file_by_name(api, "overworld/api/access.proto", &bytes, &size));
    assert_true(size > 100 && bytes >= ow_descriptors &&
                bytes + size <= ow_descriptors + ow_descriptors_size);
    assert_false(ow_api_file_by_name(api, "overworld/api/none.proto", &bytes, &size));
}

static void damaged_descriptors_are_refused(void **state) {
    (void)state;
    uint8_t *copy = malloc(ow_descriptors_size);
    assert_non_null(copy);
    ow_api *api = NULL;
    ow_err err = {0};
    for (size_t cut = 1; cut < 64; cut++) {
        assert_int_equal(ow_api_open(ow_descriptors, cut, &api, &err), OW_INTERNAL);
    }
    // Any single byte may be damaged: whatever comes of it, nothing is read outside.
    for (size_t i = 0; i < ow_descriptors_size; i += 7) {
        memcpy(copy, ow_descriptors, ow_descriptors_size);
        copy[i] ^= 0x55;
        if (ow_api_open(copy, ow_descriptors_size, &api, &err) == OW_OK) {
            api = ow_api_free(api);
        }
    }
    free(copy);
    assert_null(api);
}

static void errors_travel(void **state) {
    (void)state;
    ow_err sent = {0};
    ow_err received = {0};
    uint8_t bytes[OW_STATUS_BYTES_MAX];
    ow_fail(&sent, OW_NOT_FOUND, "no_player", "player %d", 7);
    size_t size = ow_status_encode(&sent, bytes);
    assert_int_equal(ow_status_decode(bytes, size, &received, NULL), OW_OK);
    assert_int_equal(received.code, OW_NOT_FOUND);
    assert_string_equal(received.reason, "no_player");
    assert_string_equal(received.message, "player 7");
    assert_string_equal(received.file, "");
    for (size_t cut = 0; cut < size; cut++) {
        (void)ow_status_decode(bytes, cut, &received, NULL);
    }
    assert_int_equal(ow_status_decode(NULL, 0, &received, NULL), OW_INVALID_ARGUMENT);
}

static void the_largest_error_fits(void **state) {
    (void)state;
    ow_err sent = {0};
    ow_err received = {0};
    uint8_t bytes[OW_STATUS_BYTES_MAX];
    char text[2 * OW_MESSAGE_MAX];
    memset(text, 'm', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ow_fail(&sent, OW_UNAUTHENTICATED, text, "%s", text);
    size_t size = ow_status_encode(&sent, bytes);
    assert_true(size <= sizeof bytes);
    assert_int_equal(ow_status_decode(bytes, size, &received, NULL), OW_OK);
    assert_string_equal(received.message, sent.message);
    assert_string_equal(received.reason, sent.reason);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_methods_with_their_rules, open_api, close_api),
        cmocka_unit_test_setup_teardown(every_method_has_a_rule_and_none_is_foreign, open_api,
                                        close_api),
        cmocka_unit_test_setup_teardown(finds_files_for_reflection, open_api, close_api),
        cmocka_unit_test(damaged_descriptors_are_refused),
        cmocka_unit_test(errors_travel),
        cmocka_unit_test(the_largest_error_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
