/*
 * How an ow_client's requests travel: for games that bring their own HTTP (an engine's, a console's).
 * The default transport is libcurl's (transport_curl.c, also the example of one).
 *
 * A transport is a table of functions and a state that its open() makes, one for each client. The
 * client calls it from its own thread alone; the transport reports from inside poll() alone, with the
 * three ow_client_exchange_ functions below. It never blocks but in poll(), for as long as it may.
 *
 * It sends each request once: trying again is the client's part. It follows no redirects.
 */
#ifndef OVERWORLD_TRANSPORT_H
#define OVERWORLD_TRANSPORT_H

#include "overworld_client.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ow_client_header {
    const char *name, *value; /* neither has a line break */
} ow_client_header;

/* What to send. All of it stays in place until the exchange has ended or close() returned. */
typedef struct ow_client_http {
    const char *method; /* "POST", "PUT", "GET" */
    const char *url;    /* http:// or https:// */
    const ow_client_header *headers;
    size_t header_count;
    const void *body;
    size_t size;
    long timeout_ms;     /* for all of it; over: OW_CLIENT_TIMED_OUT */
    const char *ca_file; /* PEM file of the authority to trust; NULL: the system's */
} ow_client_http;

/* One request and its answer, the client's side. Ends with ow_client_exchange_end. */
typedef struct ow_client_exchange ow_client_exchange;

typedef enum ow_client_outcome {
    OW_CLIENT_ANSWERED,  /* there is a status */
    OW_CLIENT_NOT_SENT,  /* certainly: no name, no connection, no TLS */
    OW_CLIENT_NO_ANSWER, /* it may have been sent, and there is no whole answer */
    OW_CLIENT_TIMED_OUT, /* likewise, since time was over */
} ow_client_outcome;

typedef struct ow_client_transport {
    /* The state of one client, for at most `max_exchanges` at a time. NULL: out of memory. */
    void *(*open)(void *user, int max_exchanges);
    /* Frees it. What is under way is dropped without a report. */
    void (*close)(void *state);
    /* Begins to send. False: it cannot be begun, and nothing is reported. */
    bool (*start)(void *state, const ow_client_http *request, ow_client_exchange *exchange);
    /* Does what can be done and reports it. With nothing to do it waits for at most `wait_ms`, also
     * when nothing is under way; 0 never blocks. */
    void (*poll)(void *state, int wait_ms);

    /* ---- Optional, all four or none: byte streams, over which pushes come. Without them the client
     * polls. At most one at a time; poll() also ends its wait when the stream can be read. ---- */

    /* Begins to connect to the host of `url`, with TLS for https://. NULL: it cannot be begun. */
    void *(*connect)(void *state, const char *url, const char *ca_file);
    /* How many bytes were taken or given; 0: none now (not connected yet, too); -1: the stream has
     * ended, or could not be made. Neither waits. */
    long (*send)(void *stream, const void *bytes, size_t size);
    long (*receive)(void *stream, void *bytes, size_t room);
    /* Frees it, at the latest before close(). */
    void (*disconnect)(void *stream);
} ow_client_transport;

/* A header of the answer; its name in any case. */
OW_CLIENT_API void ow_client_exchange_header(ow_client_exchange *exchange, const char *name,
                                             const char *value);

/* The next bytes of the answer's body. False: more than the client takes; end the exchange. */
OW_CLIENT_API bool ow_client_exchange_body(ow_client_exchange *exchange, const void *bytes,
                                           size_t size);

/* The end of an exchange, once for each that was started. `status` is the HTTP status of an answer;
 * `detail` says for people what went wrong otherwise (may be NULL; copied). */
OW_CLIENT_API void ow_client_exchange_end(ow_client_exchange *exchange, ow_client_outcome outcome,
                                          int status, const char *detail);

#ifdef __cplusplus
}
#endif

#endif
