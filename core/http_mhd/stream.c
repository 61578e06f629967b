// Replies in pieces: a buffer that libmicrohttpd reads from, suspended while it is empty.

#include "core/http_mhd/internal.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK (32 * 1024)
#define FIRST_ROOM 4096

void stream_free(ow_http_request *request) {
    free(request->stream);
    request->stream = NULL;
}

// Nobody is slow while there is nothing to read.
static void wait_for_pieces(ow_http_request *request) {
    request->connection->sends = false;
    request_suspend(request);
}

static ssize_t read_pieces(void *self, uint64_t position, char *to, size_t room) {
    (void)position;
    ow_http_request *request = self;
    size_t waiting = request->stream_size - request->stream_at;
    if (waiting > 0) {
        size_t size = waiting < room ? waiting : room;
        memcpy(to, request->stream + request->stream_at, size);
        request->stream_at += size;
        return (ssize_t)size;
    }
    if (request->stream_ended) {
        return MHD_CONTENT_READER_END_OF_STREAM;
    }
    wait_for_pieces(request);
    return 0;
}

static void wake(ow_http_request *request) {
    if (request->connection != NULL && request->suspended) {
        connection_expect_reader(request->connection);
        request_resume(request);
    }
}

bool ow_http_stream_begin(ow_http_request *request, const ow_http_answer *answer) {
    request->streams = true;
    if (request->connection == NULL) {
        return true;
    }
    struct MHD_Response *response = NULL;
    if (request->state == REQUEST_WAITING) {
        response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_pieces, request, NULL);
    }
    if (response == NULL) {
        return false;
    }
    request_add_headers(response, answer, request_closes(request, answer));
    request_queue(request, (unsigned)answer->status, response);
    return true;
}

// Moves what waits to the front, and makes room for `size` more.
static bool make_room(ow_http_request *request, size_t size) {
    size_t waiting = request->stream_size - request->stream_at;
    if (request->stream_at > 0) {
        memmove(request->stream, request->stream + request->stream_at, waiting);
        request->stream_at = 0;
        request->stream_size = waiting;
    }
    if (waiting + size <= request->stream_room) {
        return true;
    }
    size_t room = request->stream_room > 0 ? request->stream_room : FIRST_ROOM;
    while (room < waiting + size) {
        room *= 2;
    }
    uint8_t *larger = realloc(request->stream, room);
    if (larger == NULL) {
        return false;
    }
    request->stream = larger;
    request->stream_room = room;
    return true;
}

bool ow_http_stream_write(ow_http_request *request, const void *bytes, size_t size,
                          size_t most_behind) {
    if (request->connection == NULL) {
        return true;
    }
    size_t waiting = request->stream_size - request->stream_at;
    if (size > most_behind || waiting > most_behind - size || !make_room(request, size)) {
        return false;
    }
    memcpy(request->stream + request->stream_size, bytes, size);
    request->stream_size += size;
    wake(request);
    return true;
}

void ow_http_stream_end(ow_http_request *request, bool whole) {
    request->owned = false;
    request->stream_ended = true;
    if (request->connection == NULL) {
        request_free(request);
    } else if (!whole || request->state != REQUEST_QUEUED) {
        request_hang_up(request);
    } else {
        wake(request);
    }
}
