#include "tests/stage/fixture.h"

#include <stdlib.h>
#include <string.h>

enum { CALL_TIMEOUT_S = 3600 };

int fixture_setup(void **state, const subject *about) {
    const mode *m = *state;
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->subject = about;
    stage_open(&f->stage, about->module, m->channel, m->flags);
    if (about->flag != NULL) {
        stage_set_flag(&f->stage, about->flag);
    }
    f->stage.env.rerun_writes = m->rerun_writes;
    f->stage.call_timeout_us = CALL_TIMEOUT_S * INT64_C(1000000); // tests move the clock
    if (about->before != NULL) {
        about->before(f);
    }
    stage_start(&f->stage);
    *state = f;
    return 0;
}

int fixture_teardown(void **state) {
    fixture *f = *state;
    if (f->stage.self != NULL) {
        stage_stop(&f->stage);
    }
    if (f->subject->after != NULL) {
        f->subject->after(f);
    }
    stage_close(&f->stage);
    free(f);
    return 0;
}

// ---- Calls ----

static ProtobufCMessage *copy_message(const ProtobufCMessage *message) {
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = malloc(size + 1);
    protobuf_c_message_pack(message, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    free(bytes);
    return copy;
}

static void forget_message(answer *a) {
    if (a->message != NULL) {
        protobuf_c_message_free_unpacked(a->message, NULL);
        a->message = NULL;
    }
}

static void on_answer(const ProtobufCMessage *message, void *closure_data) {
    ow_call *call = closure_data;
    answer *a = call->user;
    assert_false(a->ended);
    if (message != NULL) {
        forget_message(a);
        a->message = copy_message(message);
        a->messages++;
        const char *streamed = a->of->subject->streamed;
        if (streamed != NULL && strcmp(message->descriptor->short_name, streamed) == 0) {
            return;
        }
    }
    a->ended = true;
    a->code = call->err.code;
    a->err = call->err;
    a->call = NULL;
    ow_call_free(call);
}

static unsigned method_index(const ProtobufCServiceDescriptor *service, const char *name) {
    const ProtobufCMethodDescriptor *method =
        protobuf_c_service_descriptor_get_method_by_name(service, name);
    assert_non_null(method);
    return (unsigned)(method - service->methods);
}

void ask_begin(fixture *f, const stage_caller *as, const char *method,
               const ProtobufCMessage *request, answer *a) {
    *a = (answer){.of = f};
    ProtobufCService *service = ow_directory_get(f->stage.directory, f->subject->service);
    a->call = stage_call_new(&f->stage, as);
    a->call->user = a;
    service->invoke(service, method_index(f->subject->service, method), request, on_answer,
                    a->call);
}

static bool has_ended(void *self) {
    return ((answer *)self)->ended;
}

static bool has_messages(void *self) {
    const answer *a = self;
    return a->ended || a->messages >= a->wanted;
}

void answer_wait(fixture *f, answer *a, int messages) {
    a->wanted = messages;
    stage_until(&f->stage, has_messages, a);
}

void ask(fixture *f, const stage_caller *as, const char *method, const ProtobufCMessage *request,
         answer *a) {
    ask_begin(f, as, method, request, a);
    stage_until(&f->stage, has_ended, a);
}

void answer_deinit(answer *a) {
    forget_message(a);
}
