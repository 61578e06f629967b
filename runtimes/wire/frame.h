#pragma once

// Frames of the control sockets (SOCK_SEQPACKET: one message, one frame), host ⇄ zygote and
// host ⇄ instance. A fixed head, then text: strings, each with its NUL. File descriptors ride along.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OW_FRAME_TEXT_MAX 8192u
#define OW_FRAME_FDS_MAX 32u

enum ow_frame_type {
    OW_FRAME_NONE = 0,
    // host → zygote
    OW_FRAME_SPAWN, // number: instance; first: memory bytes; second: stack bytes; 5 fds
    // zygote → host
    OW_FRAME_HELLO,        // number: sandbox level; value: Landlock ABI; text: description
    OW_FRAME_SPAWNED,      // number: instance; fd: pidfd
    OW_FRAME_SPAWN_FAILED, // number: instance; value: errno
    OW_FRAME_EXIT,         // number: instance; value: wait status; first: peak bytes
    // host → instance
    OW_FRAME_FILES,  // text: names; as many fds
    OW_FRAME_LOAD,   // text: symbol, then NAME=value each; fd: code
    OW_FRAME_ANSWER, // number: of the call; value: outcome; length: bytes; text: code
    // instance → host
    OW_FRAME_READY, // value: 0 loaded, else failed; length: 1 when a log marker was written;
                    // first: lines that were not written; text: what failed
    OW_FRAME_CALL,  // number; value: kind; length: bytes; text: target, content type
    // builder; sources come as OW_FRAME_FILES
    OW_FRAME_BUILD, // text: symbols that must be defined
    OW_FRAME_BUILT, // value: 0 and fd: the code; else value: exit status of the compiler
};

// fds of OW_FRAME_SPAWN, in this order
enum ow_frame_spawn_fd {
    OW_SPAWN_CONTROL = 0,
    OW_SPAWN_REGION,
    OW_SPAWN_HOST_PAGE,
    OW_SPAWN_WAKE,
    OW_SPAWN_LOG,
    OW_SPAWN_FDS,
};

typedef struct ow_frame_head {
    uint32_t type;
    uint32_t number;
    uint32_t value;
    uint32_t length;
    uint64_t first;
    uint64_t second;
} ow_frame_head;

typedef struct ow_frame {
    ow_frame_head head;
    char text[OW_FRAME_TEXT_MAX];
    size_t text_length; // not sent
    int fds[OW_FRAME_FDS_MAX];
    size_t fd_count; // not sent
} ow_frame;

// Empties a frame and sets its type.
void ow_frame_init(ow_frame *frame, uint32_t type, uint32_t number);

// Appends a string with its NUL; false when it does not fit.
bool ow_frame_put(ow_frame *frame, const char *text);

// The next string of the text, `*cursor` starts at 0; NULL at the end or when its NUL is missing.
const char *ow_frame_next(const ow_frame *frame, size_t *cursor);

// Sends a frame; the fds stay the caller's. 0, or an errno (EAGAIN when `fd` is non-blocking and
// its peer does not read). Async-signal-safe.
int ow_frame_send(int fd, const ow_frame *frame);

// Receives one frame; received fds are the caller's (close-on-exec), in `frame`. 0 = a frame;
// ECONNRESET = the peer is gone; EAGAIN; EBADMSG = a message that is no frame (what came with it
// is closed); other errnos.
int ow_frame_receive(int fd, ow_frame *frame, int flags);

// Closes the fds of a received frame that were not taken (taken = set to -1).
void ow_frame_close_fds(ow_frame *frame);

// Checks and splits a message already received: `length` bytes in head and text. For
// ow_frame_receive and its fuzz target.
bool ow_frame_valid(const ow_frame *frame, size_t length);
