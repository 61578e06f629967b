#pragma once

// A mail server in a process of its own, on loopback: testdata/smtp_server.py.

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct smtp_server {
    int in, out;
    pid_t pid;
    int port;
} smtp_server;

// `mode`: "plain", "starttls" or "tls".
void smtp_open(smtp_server *s, const char *mode);
void smtp_close(smtp_server *s);

// The next message that it took, as a line of JSON. False: none has come.
bool smtp_next(smtp_server *s, char *line, size_t room);
