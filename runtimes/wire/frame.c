#include "runtimes/wire/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

typedef union ancillary {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int) * OW_FRAME_FDS_MAX)];
} ancillary;

void ow_frame_init(ow_frame *frame, uint32_t type, uint32_t number) {
    memset(&frame->head, 0, sizeof frame->head);
    frame->head.type = type;
    frame->head.number = number;
    frame->text_length = 0;
    frame->fd_count = 0;
}

bool ow_frame_put(ow_frame *frame, const char *text) {
    size_t length = strlen(text) + 1;
    if (length > sizeof frame->text - frame->text_length) {
        return false;
    }
    memcpy(frame->text + frame->text_length, text, length);
    frame->text_length += length;
    return true;
}

const char *ow_frame_next(const ow_frame *frame, size_t *cursor) {
    if (*cursor >= frame->text_length) {
        return NULL;
    }
    const char *text = frame->text + *cursor;
    const char *end = memchr(text, '\0', frame->text_length - *cursor);
    if (!end) {
        return NULL;
    }
    *cursor += (size_t)(end - text) + 1;
    return text;
}

int ow_frame_send(int fd, const ow_frame *frame) {
    struct iovec parts[2] = {
        {.iov_base = (void *)&frame->head, .iov_len = sizeof frame->head},
        {.iov_base = (void *)frame->text, .iov_len = frame->text_length},
    };
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ancillary control;
    if (frame->fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.space;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * frame->fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * frame->fd_count);
        memcpy(CMSG_DATA(header), frame->fds, sizeof(int) * frame->fd_count);
    }
    for (;;) {
        if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0) {
            return 0;
        }
        if (errno != EINTR) {
            return errno;
        }
    }
}

void ow_frame_close_fds(ow_frame *frame) {
    for (size_t i = 0; i < frame->fd_count; i++) {
        if (frame->fds[i] >= 0) {
            close(frame->fds[i]);
        }
    }
    frame->fd_count = 0;
}

static void take_fds(ow_frame *frame, struct msghdr *message) {
    frame->fd_count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (count > OW_FRAME_FDS_MAX - frame->fd_count) {
            count = OW_FRAME_FDS_MAX - frame->fd_count;
        }
        memcpy(frame->fds + frame->fd_count, CMSG_DATA(header), count * sizeof(int));
        frame->fd_count += count;
    }
}

bool ow_frame_valid(const ow_frame *frame, size_t length) {
    if (length < sizeof frame->head || length > sizeof frame->head + sizeof frame->text) {
        return false;
    }
    size_t text_length = length - sizeof frame->head;
    return text_length == 0 || frame->text[text_length - 1] == '\0';
}

int ow_frame_receive(int fd, ow_frame *frame, int flags) {
    struct iovec parts[2] = {
        {.iov_base = &frame->head, .iov_len = sizeof frame->head},
        {.iov_base = frame->text, .iov_len = sizeof frame->text},
    };
    ancillary control;
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    ssize_t got;
    do {
        got = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    frame->fd_count = 0;
    frame->text_length = 0;
    if (got < 0) {
        return errno;
    }
    take_fds(frame, &message);
    if (got == 0) {
        ow_frame_close_fds(frame);
        return ECONNRESET;
    }
    if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
        !ow_frame_valid(frame, (size_t)got)) {
        ow_frame_close_fds(frame);
        return EBADMSG;
    }
    frame->text_length = (size_t)got - sizeof frame->head;
    return 0;
}
