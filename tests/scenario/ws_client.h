#pragma once

// A WebSocket client for tests: blocking, one message at a time, no library. Fails the test on whatever
// a server must not send.

#include <stdbool.h>
#include <stddef.h>

typedef struct ws_client ws_client;

// Connects to "http://host:port" and upgrades at `path`. NULL: the server answered *ret_status instead
// (may be NULL).
ws_client *ws_connect(const char *url, const char *path, int *ret_status);
ws_client *ws_close(ws_client *ws); // without any handshake; accepts NULL

void ws_say(ws_client *ws, const char *text);
// The next text message within `timeout_ms` (pings are answered); NULL when there is none, or when the
// server closed: *ret_code is then its code (0: none came). Valid until the next call.
const char *ws_hear(ws_client *ws, int timeout_ms, int *ret_code);
