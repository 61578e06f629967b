/*
 * Asynchronous calls: functions that run later, in any case and until they succeed.
 */
#ifndef OVERWORLD_EXECUTION_H
#define OVERWORLD_EXECUTION_H

#include "overworld_client.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What became of an asynchronous call. */
typedef struct ow_client_accepted {
    char execution_id[48];
    bool duplicate; /* its deduplication key was known: the id is that of the first call */
} ow_client_accepted;

/* `accepted` is NULL when it failed; it and `error` end with the callback. */
typedef void (*ow_client_on_accepted)(void *user, const ow_client_accepted *accepted,
                                      const ow_client_error *error);

/*
 * Puts a call of a function into the server's queue: true once it is stored there. `timeout_ms` is that
 * of the storing; the payload has at most 256 KB. With a deduplication_key (1 to 200 visible ASCII
 * characters) the same key of the same caller is the same execution, and the request is tried again when
 * its answer was lost. Reasons: as ow_client_call before the function runs, payload_too_large, throttled,
 * disk_full.
 */
OW_CLIENT_API bool ow_client_call_async(ow_client *client, const ow_client_function *function,
                                        ow_client_accepted *ret_accepted, ow_client_error *error);
OW_CLIENT_API bool ow_client_call_async_start(ow_client *client, const ow_client_function *function,
                                              ow_client_on_accepted on_accepted, void *user,
                                              ow_client_error *error);

/* How an execution stands. */
typedef struct ow_client_execution {
    char state[16];    /* "waiting", "running", "done", "dead", "discarded" */
    char reason[48];   /* why it failed, "" when it did not */
    char message[256]; /* for people */
} ow_client_execution;

/* Asks for an execution of one's own. Reasons: no_execution, no_connection, timeout. */
OW_CLIENT_API bool ow_client_execution_get(ow_client *client, const char *execution_id,
                                           ow_client_execution *ret_execution,
                                           ow_client_error *error);

#ifdef __cplusplus
}
#endif

#endif
