#include "services/gateway/test_client.h"

#include "core/json/tree.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS_MAX 20000

int client_dial(platform *p, int port) {
    (void)p;
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&name, sizeof name) != 0) {
        close(fd);
        return -1;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

void client_send(int fd, const char *text, size_t size) {
    assert_int_equal(send(fd, text, size, MSG_NOSIGNAL), (ssize_t)size);
}

// The body's place and length once the head is there; false before.
static bool find_body(const char *text, char **ret_body, size_t *ret_size) {
    char *end = strstr(text, "\r\n\r\n");
    const char *length = strcasestr(text, "\r\nContent-Length:");
    if (end == NULL) {
        return false;
    }
    *ret_body = end + 4;
    *ret_size = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return true;
}

bool client_receive(platform *p, int fd, response *ret_response) {
    response r = {.text = malloc(RESPONSE_MAX)};
    size_t used = 0;
    r.text[0] = '\0';
    for (int i = 0; i < TURNS_MAX; i++) {
        platform_turn(p);
        ssize_t more = recv(fd, r.text + used, RESPONSE_MAX - used - 1, 0);
        bool ended = more == 0 || (more < 0 && errno != EAGAIN);
        used += more > 0 ? (size_t)more : 0;
        r.text[used] = '\0';
        if (find_body(r.text, &r.body, &r.body_size) && r.text + used >= r.body + r.body_size) {
            r.status = (int)strtol(r.text + strlen("HTTP/1.1 "), NULL, 10);
            *ret_response = r;
            return true;
        }
        if (ended) {
            free(r.text);
            return false;
        }
    }
    fail_msg("no whole response: %s", r.text);
    return false;
}

void response_deinit(response *r) {
    free(r->text);
    r->text = NULL;
}

bool response_header(const response *r, const char *name, char *value, size_t room) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\r\n%s: ", name);
    const char *at = strcasestr(r->text, wanted);
    if (at == NULL || at > r->body) {
        return false;
    }
    at += strlen(wanted);
    snprintf(value, room, "%.*s", (int)strcspn(at, "\r"), at);
    return true;
}

void client_ask(platform *p, int port, const char *what, const char *headers, const char *body,
                response *ret_response) {
    char head[4096];
    int fd = client_dial(p, port);
    assert_true(fd >= 0);
    int size =
        snprintf(head, sizeof head, "%s HTTP/1.1\r\nHost: test\r\n%sContent-Length: %zu\r\n\r\n",
                 what, headers, strlen(body));
    client_send(fd, head, (size_t)size);
    client_send(fd, body, strlen(body));
    if (!client_receive(p, fd, ret_response)) {
        fail_msg("%s: the server hung up", what);
    }
    close(fd);
}

const char *token_in(char token[static OW_TOKEN_SIZE], platform *p, ow_token_kind kind,
                     const char *subject) {
    platform_token(p, kind, subject, 600, token);
    return token;
}

const char *lines_in(char lines[static LINES_MAX_BYTES], const char *token, const char *more) {
    snprintf(lines, LINES_MAX_BYTES, "Authorization: Bearer %s\r\n%s", token, more);
    return lines;
}

// The member of an error body, in either form; "" when there is none.
static void error_member(const response *r, const char *name, char *text, size_t room) {
    ow_json *json;
    ow_err err;
    if (ow_json_parse(r->body, r->body_size, 64, &json, &err) != OW_OK) {
        fail_msg("%s: %s", err.message, r->body);
    }
    const char *value = ow_json_string(ow_json_get(json, name));
    snprintf(text, room, "%s", value != NULL ? value : "");
    ow_json_free(json);
}

void expect_reply(platform *p, const ask *question, int status, const char *code) {
    response r;
    char text[80];
    client_ask(p, question->port, question->what, question->headers, question->body, &r);
    if (r.status != status) {
        fail_msg("%s: %d instead of %d: %s", question->what, r.status, status, r.text);
    }
    if (code != NULL) {
        error_member(&r, "code", text, sizeof text);
        assert_string_equal(text, code);
    }
    assert_true(response_header(&r, "Overworld-Request-Id", text, sizeof text));
    assert_true(response_header(&r, "traceparent", text, sizeof text));
    bool retry = response_header(&r, "Retry-After", text, sizeof text);
    assert_int_equal(retry, status == 429 || status == 503);
    response_deinit(&r);
}
