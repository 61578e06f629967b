#pragma once

// A running Overworld for tests: real processes, a data folder of their own, loopback only. The same
// test runs against every shape.

#include "sdk/c/overworld_client.h"

#include <stdbool.h>
#include <sys/types.h>

typedef enum deployment_shape {
    SHAPE_ONE_PROCESS,
    SHAPE_PACKED, // one process, every call encoded, decoded and deferred in random order
    SHAPE_SPLIT,  // each service a process of its own
    SHAPE_COUNT,
} deployment_shape;

typedef struct deployment deployment;

// Reads the shape from the test's first argument: "one", "packed", "split".
deployment_shape deployment_shape_of(int argc, char **argv);

// Starts and waits until it is ready; fails the test otherwise. `flags` (NULL-ended, may be NULL) go to
// every process.
deployment *deployment_start(deployment_shape shape, const char *const *flags);

// In two halves: a deployment of which nothing runs yet, with a data folder that the test chose (NULL: a
// new one) and keeps; then every process that does not run. Doesn't wait.
deployment *deployment_new(deployment_shape shape, const char *const *flags, const char *folder);
void deployment_start_all(deployment *d);
// Of a split deployment that does not run yet: several runners instead of one, by their names (NULL-ended,
// borrowed). The functions below know each as "runner.<name>".
void deployment_runners(deployment *d, const char *const *names);
// What processes started from now on have in their environment besides ours ("NAME=value", NULL-ended,
// borrowed). NULL: nothing.
void deployment_environment(deployment *d, const char *const *variables);

// Ends every process (SIGTERM, then SIGKILL), removes the data folder; fails the test when one did
// not end with status 0 (a sanitizer's complaint, for instance). NULL is accepted.
void deployment_stop(deployment *d);

// "http://127.0.0.1:port" of the public and the console listener.
const char *deployment_public(const deployment *d);
const char *deployment_console(const deployment *d);
const char *deployment_folder(const deployment *d);

// Processes by what they run: "gateway", "runner", "registry" ... (in one process: all the same).
pid_t deployment_pid(const deployment *d, const char *service);
void deployment_kill(deployment *d, const char *service);    // SIGKILL, reaped
void deployment_restart(deployment *d, const char *service); // the same command line again
void deployment_kill_all(deployment *d);                     // each that runs
bool deployment_is_running(const deployment *d, const char *service);

// Waits for /readyz; false when it does not come within `timeout_ms`, or when nothing runs any more.
bool deployment_wait_ready(const deployment *d, int timeout_ms);

// Runs `ow --data FOLDER` with the arguments (NULL-ended list). Standard output goes to `out` (NUL-
// terminated, cut), standard error to the test's log. Returns the exit code.
int deployment_ow(const deployment *d, char *out, size_t out_size, const char *const *args);
#define OW(d, out, ...)                                                                            \
    deployment_ow((d), (out), sizeof(out), (const char *const[]){__VA_ARGS__, NULL})

// Deploys a bundle that stands below the workspace's root; fails the test when that fails.
void deployment_deploy(const deployment *d, const char *bundle, bool publish);

// A client logged in as a player of this device, at the public listener.
ow_client *deployment_player(const deployment *d, const char *device);
// A client with an operator's token at the console listener.
ow_client *deployment_operator(const deployment *d);
// A client with a new server key at the public listener.
ow_client *deployment_server(const deployment *d);

// Posts JSON to the console listener with headers of its own (lines that end in CR LF), which our client
// would not send. Returns the status.
int deployment_post(const deployment *d, const char *headers, const char *path, const char *body);

// Calls "virtual_server/function" with a JSON text and compares. expect_reply: status 2xx and exactly
// this body (NULL: any).
void expect_reply(ow_client *client, const char *function, const char *payload, const char *reply);

typedef struct refusal {
    int status;
    const char *reason;
} refusal;

// Expects this status and reason; gives the request id back (may be NULL).
void expect_error(ow_client *client, const char *function, const char *payload, refusal wanted,
                  char ret_request_id[48]);

// Starts a call with the payload {} (or another text) and the defaults.
bool start_call(ow_client *client, const char *function, const char *payload,
                ow_client_on_reply on_reply, void *user);

int64_t now_ms(void); // monotonic
