// What a stranger meets at our sockets: a bare gRPC client without our metadata. What our own client
// meets is tested in tests/conformance/rpc.

#include "core/rpc_grpc/rpc_grpc.h"

#include "core/testing/ow_test.h"
#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "overworld/gateway/v1/gateway.pb-c.h"
#include "proto/descriptors.h"

#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef Grpc__Health__V1__HealthCheckRequest health_request;
typedef Grpc__Health__V1__HealthCheckResponse health_response;
typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

static const char gateway_name[] = "overworld.gateway.v1.Gateway";

// The server on a thread of its own, since the bare client blocks.
typedef struct server {
    char folder[64];
    ow_loop *loop;
    ow_api *api;
    ow_grpc *grpc;
    ProtobufCService *service;
    pthread_t thread;
    bool running;
} server;

static ow_code get_status(ow_run *run) {
    (void)run;
    return OW_OK;
}

static const ow_method methods[] = {
    {"GetStatus", 0, {{OW_LOOP, get_status}}}, {"PurgeRoutes", 0, {{OW_LOOP, get_status}}}, {0}};

static void *serve(void *self) {
    server *s = self;
    ow_err err = {0};
    (void)ow_loop_run(s->loop, &err);
    return NULL;
}

static void run_server(server *s) {
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    s->running = true;
}

static void pause_server(server *s) {
    if (s->running) {
        ow_loop_stop(s->loop);
        pthread_join(s->thread, NULL);
        s->running = false;
    }
}

static int open_server(void **state) {
    server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    snprintf(s->folder, sizeof s->folder, "/tmp/ow_grpc_XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    ow_err err = {0};
    assert_int_equal(ow_loop_new(&s->loop, &err), OW_OK);
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &s->api, &err), OW_OK);
    ow_service_options service = {
        .descriptor = &overworld__gateway__v1__gateway__descriptor,
        .methods = methods,
        .api = s->api,
        .loop = s->loop,
    };
    assert_int_equal(ow_service_new(&service, &s->service, &err), OW_OK);
    ow_grpc_options options = {.loop = s->loop, .api = s->api, .folder = s->folder};
    assert_int_equal(ow_grpc_new(&options, &s->grpc, &err), OW_OK);
    assert_int_equal(ow_grpc_offer(s->grpc, s->service, NULL, &err), OW_OK);
    run_server(s);
    *state = s;
    return 0;
}

static int close_server(void **state) {
    server *s = *state;
    pause_server(s);
    ow_grpc_free(s->grpc);
    ow_service_free(s->service);
    ow_api_free(s->api);
    ow_loop_free(s->loop);
    assert_int_equal(rmdir(s->folder), 0); // the socket has gone with the server
    free(s);
    return 0;
}

// ---- A bare client ----

typedef struct client {
    grpc_channel *channel;
    grpc_completion_queue *queue;
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_status_code status;
    grpc_slice message;
} client;

static gpr_timespec in_seconds(int seconds) {
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(seconds, GPR_TIMESPAN));
}

static void begin(client *c, const server *s, const char *method) {
    *c = (client){.status = GRPC_STATUS_UNKNOWN, .message = grpc_empty_slice()};
    char target[128];
    snprintf(target, sizeof target, "unix:%s/gateway.sock", s->folder);
    grpc_init();
    grpc_channel_credentials *insecure = grpc_insecure_credentials_create();
    c->channel = grpc_channel_create(target, insecure, NULL);
    grpc_channel_credentials_release(insecure);
    c->queue = grpc_completion_queue_create_for_next(NULL);
    c->call =
        grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, c->queue,
                                 grpc_slice_from_static_string(method), NULL, in_seconds(20), NULL);
    grpc_metadata_array_init(&c->initial);
    grpc_metadata_array_init(&c->trailing);
}

static bool batch(client *c, grpc_op *ops, size_t count) {
    assert_int_equal(grpc_call_start_batch(c->call, ops, count, c, NULL), GRPC_CALL_OK);
    grpc_event event = grpc_completion_queue_next(c->queue, in_seconds(25), NULL);
    assert_int_equal(event.type, GRPC_OP_COMPLETE);
    return event.success != 0;
}

static void send_message(client *c, const ProtobufCMessage *message, bool first) {
    uint8_t bytes[256];
    grpc_slice slice =
        grpc_slice_from_copied_buffer((const char *)bytes, protobuf_c_message_pack(message, bytes));
    grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_op ops[] = {
        {.op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = buffer},
        {.op = GRPC_OP_SEND_INITIAL_METADATA},
    };
    (void)batch(c, ops, first ? 2 : 1);
    grpc_byte_buffer_destroy(buffer);
    grpc_slice_unref(slice);
}

// The next message, freed by the caller; NULL at the end.
static ProtobufCMessage *receive(client *c, const ProtobufCMessageDescriptor *type, bool first) {
    grpc_byte_buffer *buffer = NULL;
    grpc_op ops[] = {
        {.op = GRPC_OP_RECV_MESSAGE, .data.recv_message.recv_message = &buffer},
        {.op = GRPC_OP_RECV_INITIAL_METADATA,
         .data.recv_initial_metadata.recv_initial_metadata = &c->initial},
    };
    (void)batch(c, ops, first ? 2 : 1);
    if (buffer == NULL) {
        return NULL;
    }
    grpc_byte_buffer_reader reader;
    assert_true(grpc_byte_buffer_reader_init(&reader, buffer));
    grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
    ProtobufCMessage *message = protobuf_c_message_unpack(type, NULL, GRPC_SLICE_LENGTH(bytes),
                                                          GRPC_SLICE_START_PTR(bytes));
    assert_non_null(message);
    grpc_slice_unref(bytes);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(buffer);
    return message;
}

static grpc_status_code end(client *c, bool half_close) {
    grpc_op ops[] = {
        {.op = GRPC_OP_RECV_STATUS_ON_CLIENT,
         .data.recv_status_on_client = {.trailing_metadata = &c->trailing,
                                        .status = &c->status,
                                        .status_details = &c->message}},
        {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
    };
    (void)batch(c, ops, half_close ? 2 : 1);
    grpc_metadata_array_destroy(&c->initial);
    grpc_metadata_array_destroy(&c->trailing);
    grpc_slice_unref(c->message);
    grpc_call_unref(c->call);
    grpc_channel_destroy(c->channel);
    grpc_completion_queue_shutdown(c->queue);
    while (grpc_completion_queue_next(c->queue, in_seconds(5), NULL).type != GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(c->queue);
    grpc_shutdown_blocking();
    return c->status;
}

// A whole unary call with an empty request.
static grpc_status_code call_bare(const server *s, const char *method) {
    client c;
    const health_request request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    begin(&c, s, method);
    send_message(&c, &request.base, true);
    ProtobufCMessage *reply =
        receive(&c, &grpc__health__v1__health_check_response__descriptor, true);
    if (reply != NULL) {
        protobuf_c_message_free_unpacked(reply, NULL);
    }
    return end(&c, true);
}

// ---- Cases ----

static void a_socket_is_for_its_owner_alone(void **state) {
    server *s = *state;
    char path[96];
    struct stat info;
    snprintf(path, sizeof path, "%s/gateway.sock", s->folder);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISSOCK(info.st_mode));
    assert_int_equal(info.st_mode & 0777, 0600);
}

static void a_second_server_does_not_take_the_socket(void **state) {
    server *s = *state;
    ow_grpc_options options = {.loop = s->loop, .api = s->api, .folder = s->folder};
    ow_grpc *second;
    ow_err err = {0};
    pause_server(s);
    assert_int_equal(ow_grpc_new(&options, &second, &err), OW_OK);
    assert_int_equal(ow_grpc_offer(second, s->service, NULL, &err), OW_ALREADY_EXISTS);
    assert_string_equal(err.reason, "socket_in_use");
    ow_grpc_free(second);
    run_server(s);
    assert_int_equal(call_bare(s, "/grpc.health.v1.Health/Check"), GRPC_STATUS_OK);
}

static void too_long_a_path_is_refused(void **state) {
    (void)state;
    char folder[200];
    memset(folder, 'a', sizeof folder);
    folder[0] = '/';
    folder[sizeof folder - 1] = '\0';
    ow_grpc_options options = {.folder = folder};
    ow_grpc *grpc = NULL;
    ow_err err = {0};
    assert_int_equal(ow_grpc_new(&options, &grpc, &err), OW_INVALID_ARGUMENT);
    assert_string_equal(err.reason, "path_too_long");
    assert_null(grpc);
}

static void unknown_methods_are_answered_at_once(void **state) {
    static const char *const unknown[] = {
        "/overworld.gateway.v1.Gateway/Nothing",
        "/overworld.identity.v1.Identity/WhoAmI", // exists, but not here
        "/grpc.health.v1.Health/List",
        "/",
        "/nothing",
        "//",
    };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_int_equal(call_bare(*state, unknown[i]), GRPC_STATUS_UNIMPLEMENTED);
    }
}

static void services_need_our_metadata(void **state) {
    assert_int_equal(call_bare(*state, "/overworld.gateway.v1.Gateway/GetStatus"),
                     GRPC_STATUS_UNAUTHENTICATED);
}

static void health_is_open(void **state) {
    server *s = *state;
    const struct {
        const char *service;
        grpc_status_code status;
    } cases[] = {{"", GRPC_STATUS_OK},
                 {gateway_name, GRPC_STATUS_OK},
                 {"no.such.Service", GRPC_STATUS_NOT_FOUND}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client c;
        health_request request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
        request.service = (char *)cases[i].service;
        begin(&c, s, "/grpc.health.v1.Health/Check");
        send_message(&c, &request.base, true);
        ProtobufCMessage *reply =
            receive(&c, &grpc__health__v1__health_check_response__descriptor, true);
        assert_int_equal(reply != NULL, cases[i].status == GRPC_STATUS_OK);
        if (reply != NULL) {
            assert_int_equal(((health_response *)reply)->status,
                             GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
            protobuf_c_message_free_unpacked(reply, NULL);
        }
        assert_int_equal(end(&c, true), cases[i].status);
    }
}

static int next_health(client *c, bool first) {
    ProtobufCMessage *reply =
        receive(c, &grpc__health__v1__health_check_response__descriptor, first);
    assert_non_null(reply);
    int status = (int)((health_response *)reply)->status;
    protobuf_c_message_free_unpacked(reply, NULL);
    return status;
}

static void health_is_watched_until_the_end(void **state) {
    server *s = *state;
    client c;
    health_request request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
    request.service = (char *)gateway_name;
    begin(&c, s, "/grpc.health.v1.Health/Watch");
    send_message(&c, &request.base, true);
    assert_int_equal(next_health(&c, true),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    pause_server(s);
    ow_grpc_set_serving(s->grpc, gateway_name, false);
    run_server(s);
    assert_int_equal(next_health(&c, false),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING);
    pause_server(s);
    ow_grpc_set_serving(s->grpc, NULL, true);
    run_server(s);
    assert_int_equal(next_health(&c, false),
                     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING);
    pause_server(s);
    ow_grpc_stop(s->grpc);
    // It may or may not have been told of "not serving" before that.
    ProtobufCMessage *last;
    while ((last = receive(&c, &grpc__health__v1__health_check_response__descriptor, false)) !=
           NULL) {
        protobuf_c_message_free_unpacked(last, NULL);
    }
    assert_int_equal(end(&c, true), GRPC_STATUS_UNAVAILABLE);
}

static reflection_response *ask(client *c, const reflection_request *request, bool first) {
    send_message(c, &request->base, first);
    return (reflection_response *)receive(
        c, &grpc__reflection__v1__server_reflection_response__descriptor, first);
}

static void reflection_is_open_in_both_versions(void **state) {
    static const char *const paths[] = {
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    };
    for (size_t i = 0; i < 2; i++) {
        client c;
        begin(&c, *state, paths[i]);
        reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
        request.list_services = (char *)"*";
        reflection_response *response = ask(&c, &request, true);
        assert_int_equal(response->list_services_response->n_service, 4);
        protobuf_c_message_free_unpacked(&response->base, NULL);
        request.message_request_case =
            GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
        request.file_containing_symbol = (char *)gateway_name;
        response = ask(&c, &request, false);
        assert_int_equal(response->file_descriptor_response->n_file_descriptor_proto, 1);
        protobuf_c_message_free_unpacked(&response->base, NULL);
        request.file_containing_symbol = (char *)"no.such.Thing";
        response = ask(&c, &request, false);
        assert_int_equal(response->error_response->error_code, GRPC_STATUS_NOT_FOUND);
        protobuf_c_message_free_unpacked(&response->base, NULL);
        assert_int_equal(end(&c, true), GRPC_STATUS_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_socket_is_for_its_owner_alone, open_server, close_server),
        cmocka_unit_test_setup_teardown(a_second_server_does_not_take_the_socket, open_server,
                                        close_server),
        cmocka_unit_test(too_long_a_path_is_refused),
        cmocka_unit_test_setup_teardown(unknown_methods_are_answered_at_once, open_server,
                                        close_server),
        cmocka_unit_test_setup_teardown(services_need_our_metadata, open_server, close_server),
        cmocka_unit_test_setup_teardown(health_is_open, open_server, close_server),
        cmocka_unit_test_setup_teardown(health_is_watched_until_the_end, open_server, close_server),
        cmocka_unit_test_setup_teardown(reflection_is_open_in_both_versions, open_server,
                                        close_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
