#include "core/http_curl/smtp_for_test.h"

#include "core/testing/ow_test.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DATA "core/http_curl/testdata/"

static void read_line(smtp_server *s, char *line, size_t room) {
    size_t size = 0;
    while (size + 1 < room && read(s->out, line + size, 1) == 1 && line[size] != '\n') {
        size++;
    }
    line[size] = 0;
}

void smtp_open(smtp_server *s, const char *mode) {
    int in[2];
    int out[2];
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    s->pid = fork();
    assert_true(s->pid >= 0);
    if (s->pid == 0) {
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        close(in[1]);
        execlp("python3", "python3", DATA "smtp_server.py", mode, DATA "server.pem", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->in = in[1];
    s->out = out[0];
    char line[20] = "";
    read_line(s, line, sizeof line);
    s->port = (int)strtol(line, NULL, 10);
    assert_true(s->port > 0);
}

void smtp_close(smtp_server *s) {
    close(s->in);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
    close(s->out);
}

bool smtp_next(smtp_server *s, char *line, size_t room) {
    struct pollfd fd = {.fd = s->out, .events = POLLIN};
    if (poll(&fd, 1, 0) != 1) {
        return false;
    }
    read_line(s, line, room);
    return line[0] != 0;
}
