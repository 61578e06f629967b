// Everything an instance can do to its host: any bytes in the shared page, any message on its
// socket, any output, any end.

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/testing/scarce.h"
#include "runtimes/host/host.h"
#include "runtimes/host/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input {
    const uint8_t *data;
    size_t size;
} input;

static uint8_t take_byte(input *from) {
    if (from->size == 0) {
        return 0;
    }
    from->size--;
    return *from->data++;
}

static void on_completed(void *ctx, ow_host_instance *instance, const ow_host_completion *done) {
    (void)ctx;
    (void)instance;
    size_t cursor = 0;
    ow_host_log_record record;
    while (ow_host_log_next(&done->log, &cursor, &record)) {
    }
    // Reads the reply's ends and the strings, as a caller would.
    volatile size_t sink = strlen(done->code) + strlen(done->message) + strlen(done->details);
    if (done->length > 0) {
        sink += ((const uint8_t *)done->data)[0] + ((const uint8_t *)done->data)[done->length - 1];
    }
    (void)sink;
}

static void on_exited(void *ctx, ow_host_instance *instance, const ow_host_exit *exit) {
    (void)instance;
    ow_host_exit copy = *exit;
    names_apply(copy.message, &copy);
    size_t cursor = 0;
    ow_host_log_record record;
    while (ow_host_log_next(&exit->log, &cursor, &record)) {
    }
    *(bool *)ctx = true;
}

// Whoever is out of memory may say so.
static void must(bool holds) {
    if (!holds && !ow_scarce_has_failed()) {
        abort();
    }
}

// NULL: out of memory.
static ow_host_instance *fake_instance(ow_host *host, int *ret_far, int *ret_out) {
    int sockets[2];
    int pipes[2];
    ow_host_instance *instance = calloc(1, sizeof *instance);
    if (!instance || !instance_tables_have_room(host)) {
        must(false);
        free(instance);
        return NULL;
    }
    int region = ow_region_create();
    if (region < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0 ||
        pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0) {
        abort();
    }
    instance->host = host;
    instance->pidfd = instance->code = -1;
    instance->control = sockets[0];
    instance->log = pipes[0];
    instance->region = ow_region_map(region);
    close(region);
    for (unsigned i = 0; i < OW_REGION_SLOTS; i++) {
        instance->free_slots[i] = (uint8_t)i;
    }
    instance->free_count = OW_REGION_SLOTS;
    instance_enter(instance);
    *ret_far = sockets[1];
    *ret_out = pipes[1];
    return instance;
}

// Overwrites bytes of the page: pairs of offset and value, or a run from the input.
static void scribble(ow_host_instance *instance, input *from) {
    uint8_t *page = (uint8_t *)instance->region;
    unsigned count = take_byte(from);
    for (unsigned i = 0; i < count && from->size >= 3; i++) {
        size_t at = (size_t)take_byte(from) << 8;
        at = (at | take_byte(from)) % sizeof(ow_region);
        page[at] = take_byte(from);
    }
}

static void step(ow_host_instance *instance, int far, int out, input *from) {
    uint64_t ids[OW_REGION_SLOTS];
    const ow_host_request request = {.id = from->size, .payload = "abc", .payload_length = 3};
    size_t length = take_byte(from);
    length = length < from->size ? length : from->size;
    switch (take_byte(from) % 8) {
    case 0:
        (void)ow_host_instance_submit(instance, &request, NULL);
        break;
    case 1:
        scribble(instance, from);
        break;
    case 2:
        (void)exchange_poll(instance);
        break;
    case 3:
        (void)ow_host_instance_reclaim(instance, ids, OW_REGION_SLOTS);
        break;
    case 4:
        (void)ow_host_instance_running(instance, &ids[0], &ids[1]);
        break;
    case 5:
        (void)send(far, from->data, length < from->size ? length : from->size,
                   MSG_DONTWAIT | MSG_NOSIGNAL);
        instance_control_readable(instance);
        break;
    case 6: {
        ssize_t wrote = write(out, from->data, length < from->size ? length : from->size);
        (void)wrote;
        log_drain(&instance->output, instance->log);
        log_shorten(&instance->output);
        break;
    }
    default:
        instance->loaded = true;
        ow_host_kick(instance->host);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const ow_host_events events = {.completed = on_completed, .exited = on_exited};
    bool exited = false;
    ow_host *host = NULL;
    if (ow_host_open(NULL, &events, &exited, &host, NULL) != OW_OK) {
        must(false);
        return 0;
    }
    int far = -1;
    int out = -1;
    ow_host_instance *instance = fake_instance(host, &far, &out);
    if (!instance) {
        ow_host_free(host);
        return 0;
    }
    input from = {.data = data, .size = size};
    int status = take_byte(&from) << 8 | take_byte(&from);
    while (from.size > 0) {
        step(instance, far, out, &from);
    }
    instance_ended(instance, status, 0);
    if (!exited) {
        abort();
    }
    close(far);
    close(out);
    ow_host_free(host);
    return 0;
}
