// The floor that calls are compared with: libmicrohttpd and cJSON, nothing else. It reads a JSON
// body, parses it, prints it again and replies, in an epoll loop of its own (libmicrohttpd's external
// mode). No token is looked at, nothing is recorded, no other process takes part.
//
//     floor PORT

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { BODY_MAX = 65536 };

typedef struct body {
    size_t size;
    char bytes[BODY_MAX];
} body;

static enum MHD_Result reply(struct MHD_Connection *connection, const body *b) {
    cJSON *json = cJSON_ParseWithLength(b->bytes, b->size);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    const char *out = text != NULL ? text : "null";
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(out), (void *)out, MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    cJSON_free(text);
    return result;
}

static enum MHD_Result handle(void *self, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *size, void **state) {
    (void)self;
    (void)url;
    (void)method;
    (void)version;
    body *b = *state;
    if (b == NULL) {
        *state = b = malloc(sizeof *b);
        b->size = 0;
        return MHD_YES;
    }
    if (*size > 0) {
        if (*size > BODY_MAX - b->size) {
            return MHD_NO;
        }
        memcpy(b->bytes + b->size, data, *size);
        b->size += *size;
        *size = 0;
        return MHD_YES;
    }
    return reply(connection, b);
}

static void completed(void *self, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code) {
    (void)self;
    (void)connection;
    (void)code;
    free(*state);
    *state = NULL;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port =
                                      htons((uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 0)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, handle, NULL, MHD_OPTION_SOCK_ADDR,
                         (struct sockaddr *)&address, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
                         MHD_OPTION_CONNECTION_LIMIT, 4096u, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)8192, MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u, MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "the floor cannot listen\n");
        return 1;
    }
    const union MHD_DaemonInfo *port = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    printf("%u\n", port->port);
    fflush(stdout);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
              &event);
    for (;;) {
        MHD_UNSIGNED_LONG_LONG wait;
        int timeout = MHD_get_timeout(daemon, &wait) == MHD_YES && wait < 1000 ? (int)wait : 1000;
        epoll_wait(epoll, &event, 1, timeout);
        MHD_run(daemon);
    }
}
