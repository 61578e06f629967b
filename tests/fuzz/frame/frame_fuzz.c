// Any bytes as a frame on a control socket, as an instance that is not ours any more could send them:
// what is received is bounded, its strings end inside of it, and what is sent again reads the same.

#include "runtimes/wire/frame.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) {
        abort();
    }
}

static size_t walk(const ow_frame *frame) {
    size_t cursor = 0, strings = 0;
    for (const char *text; (text = ow_frame_next(frame, &cursor)) != NULL; strings++) {
        must(text >= frame->text && text + strlen(text) < frame->text + frame->text_length);
    }
    must(cursor == frame->text_length);
    return strings;
}

static void send_again(const int ends[2], const ow_frame *frame) {
    ow_frame copy;
    must(ow_frame_send(ends[0], frame) == 0);
    must(ow_frame_receive(ends[1], &copy, MSG_DONTWAIT) == 0);
    must(memcmp(&copy.head, &frame->head, sizeof copy.head) == 0 &&
         copy.text_length == frame->text_length && copy.fd_count == 0 &&
         memcmp(copy.text, frame->text, copy.text_length) == 0);
    must(walk(&copy) == walk(frame));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int ends[2];
    ow_frame frame;
    if (size == 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return 0;
    }
    if (send(ends[0], data, size, MSG_NOSIGNAL) == (ssize_t)size &&
        ow_frame_receive(ends[1], &frame, MSG_DONTWAIT) == 0) {
        must(frame.fd_count == 0 && ow_frame_valid(&frame, size));
        send_again(ends, &frame);
    }
    close(ends[0]);
    close(ends[1]);
    return 0;
}
