// A thousand clients that are slow on purpose (headers, bodies, reading), and ten thousand that do
// nothing, beside players who play.

#include "tests/scenario/deployment.h"
#include "tests/scenario/steady.h"

#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ATTACKERS = 1000,
    IDLERS = 9900, // the pool has 10,000 places
    IN_FLIGHT = 8,
    PER_ADDRESS = 200, // below the limit for one address
    BODY = 400000,     // more than the kernel keeps of a reply
    DRIP_MS = 200,
    GONE_MS = 10000,
    SLACK = 5,
    STEP = 50, // connections opened between two looks at the players
};

static int setup(void **state) {
    static const char *const flags[] = {"--runner.quota=4", NULL};
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    *state = deployment_start(SHAPE_ONE_PROCESS, flags);
    deployment_deploy(*state, "tests/scenario/bundle", true);
    return 0;
}

static int teardown(void **state) {
    deployment_stop(*state);
    return 0;
}

static steady players_of(const deployment *d, const char *device) {
    return (steady){.client = deployment_player(d, device),
                    .function = "lab/echo",
                    .payload = "{\"a\":1}",
                    .in_flight = IN_FLIGHT};
}

// ---- raw clients, a few hundred from each address of the loopback network ----

typedef struct raw {
    int fd;
    int kind;
    int64_t since_ms, gone_ms; // 0: it is still there
} raw;

enum { SLOW_HEADERS, SLOW_BODY, SLOW_READER, KINDS };

static int dial(const deployment *d, int number, int receive_room) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)(number / PER_ADDRESS));
    to.sin_port = htons((uint16_t)strtol(strrchr(deployment_public(d), ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_room > 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_room, sizeof receive_room);
    }
    assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void send_all(int fd, const char *bytes, size_t size) {
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);
        if (n < 0) {
            assert_int_equal(errno, EAGAIN);
            assert_int_equal(poll(&one, 1, 10000), 1);
            continue;
        }
        sent += (size_t)n;
    }
}

static void log_in(const deployment *d, char token[static 1024]) {
    static const char login[] =
        "POST /overworld.identity.v1.Identity/DeviceLogin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"deviceId\":\"device-of-raws\"} ";
    char text[8192];
    size_t used = 0;
    int fd = dial(d, 0, 0);
    send_all(fd, login, sizeof login - 1);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    for (;;) {
        assert_int_equal(poll(&one, 1, 10000), 1);
        ssize_t n = recv(fd, text + used, sizeof text - used - 1, 0);
        if (n <= 0) {
            break;
        }
        used += (size_t)n;
    }
    text[used] = '\0';
    close(fd);
    const char *at = strstr(text, "\"accessToken\":\"");
    if (at == NULL) {
        fail_msg("no token in: %s", text);
    }
    snprintf(token, 1024, "%.*s", (int)strcspn(at + 15, "\""), at + 15);
}

static bool is_closed(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLRDHUP};
    return poll(&one, 1, 0) == 1 && (one.revents & (POLLRDHUP | POLLERR | POLLHUP)) != 0;
}

// A machine too slow for 333 large bodies at once refuses some of them. That answer is short: whoever
// got it has a connection that is idle, not slow.
static bool is_refused(const raw *a) {
    char start[13];
    return a->kind == SLOW_READER &&
           recv(a->fd, start, sizeof start, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof start &&
           (memcmp(start, "HTTP/1.1 429 ", 13) == 0 || memcmp(start, "HTTP/1.1 503 ", 13) == 0);
}

static void attack(const deployment *d, raw *a, int number, const char *token) {
    char head[2048];
    size_t length = a->kind == SLOW_READER ? BODY : 100000;
    a->fd = dial(d, number, a->kind == SLOW_READER ? 4096 : 0);
    a->since_ms = now_ms();
    if (a->kind == SLOW_HEADERS) {
        send_all(a->fd, "POST /v1/call/lab/echo HTTP/1.1\r\nHost: a\r\nX: ", 46);
        return;
    }
    int size = snprintf(head, sizeof head,
                        "POST /v1/call/lab/echo HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
                        "Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
                        token, length);
    send_all(a->fd, head, (size_t)size);
    if (a->kind == SLOW_READER) {
        char *body = malloc(BODY);
        memset(body, 'a', BODY);
        send_all(a->fd, body, BODY);
        free(body);
        a->since_ms = now_ms();
    }
}

static void thousand_slow_attackers_hurt_nobody(void **state) {
    deployment *d = *state;
    char token[1024];
    steady p = players_of(d, "device-honest");
    raw *all = calloc(ATTACKERS, sizeof *all);
    log_in(d, token);
    for (int i = 0; i < 50; i++) {
        steady_play(&p, 5);
    }
    for (int i = 0; i < ATTACKERS; i++) {
        all[i].kind = i % KINDS;
        attack(d, &all[i], i, token);
        // The queue of the function holds 16 MB.
        steady_play(&p, all[i].kind == SLOW_READER ? 5 : 0);
    }
    int left = ATTACKERS;
    int refused = 0;
    int64_t longest[KINDS] = {0};
    int64_t end = now_ms() + (SLACK + 1) * GONE_MS;
    for (int64_t next = now_ms(); left > 0 && now_ms() < end; next += DRIP_MS) {
        for (int i = 0; i < ATTACKERS; i++) {
            raw *a = &all[i];
            if (a->gone_ms == 0 && is_closed(a->fd)) {
                a->gone_ms = now_ms() - a->since_ms;
                longest[a->kind] = a->gone_ms > longest[a->kind] ? a->gone_ms : longest[a->kind];
                left--;
            } else if (a->gone_ms == 0 && is_refused(a)) {
                a->gone_ms = 1;
                refused++;
                left--;
            } else if (a->gone_ms == 0 && a->kind != SLOW_READER) {
                send(a->fd, "a", 1, MSG_NOSIGNAL);
            }
            steady_play(&p, 0);
        }
        while (now_ms() < next + DRIP_MS) {
            steady_play(&p, 5);
        }
    }
    print_message("%d calls of players; the last attackers were gone after %lld ms (headers), %lld "
                  "ms (body), %lld ms (reading)\n",
                  p.good, (long long)longest[SLOW_HEADERS], (long long)longest[SLOW_BODY],
                  (long long)longest[SLOW_READER]);
    assert_int_equal(left, 0);
    assert_true(refused < ATTACKERS / KINDS / 2);
    for (int kind = 0; kind < KINDS; kind++) {
        assert_true(longest[kind] <= SLACK * GONE_MS);
    }
    for (int i = 0; i < ATTACKERS; i++) {
        close(all[i].fd);
    }
    steady_end(&p, 1000);
    ow_client_free(p.client);
    free(all);
}

// How many calls of players are answered in that time.
static int calls_in(steady *p, int ms) {
    int before = p->good;
    int64_t start = now_ms();
    while (now_ms() < start + ms) {
        steady_play(p, 5);
    }
    return p->good - before;
}

static void ten_thousand_idle_connections_hurt_nobody(void **state) {
    static const char ask[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    deployment *d = *state;
    steady p = players_of(d, "device-beside-idlers");
    int *fds = calloc(IDLERS, sizeof *fds);
    calls_in(&p, 500);
    int alone = calls_in(&p, 1000);
    for (int i = 0; i < IDLERS; i++) {
        fds[i] = dial(d, i, 0);
        send_all(fds[i], ask, sizeof ask - 1);
        if (i % STEP == 0) {
            steady_play(&p, 1);
        }
    }
    int beside = calls_in(&p, 1000);
    print_message("calls of players in a second: %d alone, %d beside %d idle connections\n", alone,
                  beside, IDLERS);
    assert_true(alone > 0);
    assert_true(beside * SLACK >= alone);
    for (int i = 0; i < IDLERS; i++) {
        assert_false(is_closed(fds[i]));
        close(fds[i]);
    }
    steady_end(&p, 200);
    ow_client_free(p.client);
    free(fds);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(thousand_slow_attackers_hurt_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(ten_thousand_idle_connections_hurt_nobody, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
