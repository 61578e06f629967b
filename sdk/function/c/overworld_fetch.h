#ifndef OVERWORLD_FETCH_H
#define OVERWORLD_FETCH_H

/* Requests to other people's servers. Comes with overworld.h. */

#include "overworld.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ow_header {
    const char *name;
    const char *value;
} ow_header;

typedef struct ow_request {
    const char *method; /* NULL: GET; or HEAD, POST, PUT, PATCH, DELETE */
    const char *url;    /* https://... */
    const ow_header *headers;
    size_t header_count;
    const void *body; /* of POST, PUT and PATCH */
    size_t length;
    int timeout_ms;    /* 0: as long as the server allows (10 s), never longer than the call */
    int max_redirects; /* followed at most, up to 5; 0: a redirect is a response like others */
} ow_request;

/* Valid until the function returns; a NUL stands behind the body. */
typedef struct ow_response {
    int status;
    const ow_header *headers;
    size_t header_count;
    const void *body;
    size_t length;
} ow_response;

/* Sends a request to a host that the manifest allows ("fetch") and waits. OW_DONE when there is a
 * response, whatever its status. OW_DENIED: host, scheme or address are not allowed; OW_FULL: too many
 * requests, or too large a response (1 MB); OW_AWAY: no answer. */
ow_status ow_fetch(ow_ctx *ctx, const ow_request *request, ow_response *response);

/* The value of a header, its name in any case; NULL: none. */
const char *ow_response_header(const ow_response *response, const char *name);

#ifdef __cplusplus
}
#endif

#endif
