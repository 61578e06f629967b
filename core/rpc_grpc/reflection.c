// grpc.reflection.v1 and v1alpha, which are the same on the wire:
// https://github.com/grpc/grpc/blob/master/doc/server-reflection.md

#include "core/rpc_grpc/internal.h"

#include "grpc/reflection/v1/reflection.pb-c.h"

#include <string.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;
typedef Grpc__Reflection__V1__FileDescriptorResponse file_response;
typedef Grpc__Reflection__V1__ListServiceResponse list_response;
typedef Grpc__Reflection__V1__ServiceResponse service_response;
typedef Grpc__Reflection__V1__ErrorResponse error_response;

enum { ARENA_MAX = 1 << 20 };

static const char *const own_services[] = {
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
};

enum { OWN_SERVICES = sizeof own_services / sizeof own_services[0] };

bool reflection_is(const char *path) {
    return strcmp(path, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo") == 0 ||
           strcmp(path, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo") == 0;
}

static bool answer_list(const ow_grpc *g, reflection_response *response, ow_arena *arena) {
    size_t count = OWN_SERVICES;
    for (const offer *o = g->offers; o != NULL; o = o->next) {
        count++;
    }
    list_response *list = ow_arena_alloc(arena, sizeof *list);
    service_response *services = ow_arena_alloc(arena, count * sizeof *services);
    service_response **pointers = ow_arena_alloc(arena, count * sizeof(void *));
    if (list == NULL || services == NULL || pointers == NULL) {
        return false;
    }
    grpc__reflection__v1__list_service_response__init(list);
    const offer *o = g->offers;
    for (size_t i = 0; i < count; i++) {
        grpc__reflection__v1__service_response__init(&services[i]);
        services[i].name =
            (char *)(i < OWN_SERVICES ? own_services[i] : o->service->descriptor->name);
        o = i < OWN_SERVICES ? o : o->next;
        pointers[i] = &services[i];
    }
    list->n_service = count;
    list->service = pointers;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response->list_services_response = list;
    return true;
}

static bool answer_file(const uint8_t *bytes, size_t size, reflection_response *response,
                        ow_arena *arena) {
    file_response *file = ow_arena_alloc(arena, sizeof *file);
    ProtobufCBinaryData *data = ow_arena_alloc(arena, sizeof *data);
    if (file == NULL || data == NULL) {
        return false;
    }
    grpc__reflection__v1__file_descriptor_response__init(file);
    *data = (ProtobufCBinaryData){.data = (uint8_t *)bytes, .len = size};
    file->n_file_descriptor_proto = 1;
    file->file_descriptor_proto = data;
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response->file_descriptor_response = file;
    return true;
}

static bool answer_unknown(reflection_response *response, ow_arena *arena) {
    error_response *error = ow_arena_alloc(arena, sizeof *error);
    if (error == NULL) {
        return false;
    }
    grpc__reflection__v1__error_response__init(error);
    error->error_code = OW_NOT_FOUND;
    error->error_message = (char *)"there is no such definition here";
    response->message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response->error_response = error;
    return true;
}

static bool answer(const ow_grpc *g, const reflection_request *request,
                   reflection_response *response, ow_arena *arena) {
    const uint8_t *bytes;
    size_t size;
    switch (request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        return answer_list(g, response, arena);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        return ow_api_file_by_name(g->api, request->file_by_filename, &bytes, &size)
                   ? answer_file(bytes, size, response, arena)
                   : answer_unknown(response, arena);
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        return ow_api_file_of_symbol(g->api, request->file_containing_symbol, &bytes, &size)
                   ? answer_file(bytes, size, response, arena)
                   : answer_unknown(response, arena);
    default:
        return answer_unknown(response, arena); // extensions are not offered
    }
}

grpc_byte_buffer *reflection_answer(const ow_grpc *g, grpc_byte_buffer *request, ow_err *err) {
    ow_arena *arena = ow_arena_new(ARENA_MAX);
    reflection_request *question =
        arena == NULL
            ? NULL
            : (reflection_request *)wire_unpack(
                  &grpc__reflection__v1__server_reflection_request__descriptor, request, arena);
    reflection_response response = GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__INIT;
    grpc_byte_buffer *packed = NULL;
    if (question == NULL || !answer(g, question, &response, arena)) {
        ow_fail(err, OW_INVALID_ARGUMENT, "bad_message", "the question cannot be read");
    } else {
        response.valid_host = question->host;
        response.original_request = question;
        packed = wire_pack(&response.base, err);
    }
    ow_arena_free(arena);
    return packed;
}
