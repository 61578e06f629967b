// HTTPS from PEM files, renewed while players are on it, and the configurations that refuse to start.

#include "tests/scenario/deployment.h"
#include "tests/scenario/steady.h"

#include "core/testing/ow_test.h"
#include "sdk/c/overworld_push.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RENEWALS = 3, PATIENCE_MS = 20000, MESSAGE_MAX = 16384 };

// Ends with the command's status.
static int run(const char *const *argv, char *output) {
    int ends[2];
    size_t used = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_true(child > 0);
    close(ends[1]);
    for (;;) {
        char piece[512];
        ssize_t n = read(ends[0], piece, sizeof piece);
        if (n <= 0) {
            break;
        }
        size_t room = MESSAGE_MAX - 1 - used;
        size_t kept = (size_t)n < room ? (size_t)n : room;
        memcpy(output + used, piece, kept);
        used += kept;
    }
    output[used] = '\0';
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define RUN(output, ...) run((const char *const[]){__VA_ARGS__, NULL}, (output))

typedef struct files {
    char folder[32];
    char certificate[64], key[64], other_certificate[64], other_key[64];
} files;

static void make_pair(const char *certificate, const char *key) {
    char output[MESSAGE_MAX];
    int status = RUN(output, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                     "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                     "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate);
    if (status != 0) {
        fail_msg("openssl: %s", output);
    }
    assert_int_equal(chmod(key, 0600), 0);
}

static void make_files(files *f) {
    snprintf(f->folder, sizeof f->folder, "/tmp/overworld-tls-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->certificate, sizeof f->certificate, "%s/a.pem", f->folder);
    snprintf(f->key, sizeof f->key, "%s/a.key", f->folder);
    snprintf(f->other_certificate, sizeof f->other_certificate, "%s/b.pem", f->folder);
    snprintf(f->other_key, sizeof f->other_key, "%s/b.key", f->folder);
    make_pair(f->certificate, f->key);
}

static void remove_files(const files *f) {
    const char *const all[] = {f->certificate, f->key, f->other_certificate, f->other_key};
    for (int i = 0; i < 4; i++) {
        unlink(all[i]);
    }
    rmdir(f->folder);
}

// Whether a new client that trusts this certificate alone gets an answer.
static bool answers(const deployment *d, const char *trusted) {
    ow_client_config config = {.url = deployment_public(d), .ca_file = trusted, .timeout_ms = 5000};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_request request = {.method = "GET", .path = "/healthz", .without_token = true};
    bool good = client != NULL && ow_client_send(client, &request, NULL, NULL);
    ow_client_free(client);
    return good;
}

// Neither plain HTTP nor an old TLS is answered there, and of TLS 1.2 only what keeps a recorded connection
// secret.
static void expect_modern_tls_alone(const deployment *d) {
    char output[MESSAGE_MAX];
    char url[128];
    const char *host = deployment_public(d) + strlen("https://");
    assert_int_not_equal(RUN(output, "openssl", "s_client", "-brief", "-tls1_1", "-cipher",
                             "ALL:@SECLEVEL=0", "-connect", host),
                         0);
    assert_int_equal(RUN(output, "openssl", "s_client", "-brief", "-tls1_2", "-cipher",
                         "ECDHE-ECDSA-AES128-GCM-SHA256", "-connect", host),
                     0);
    assert_int_not_equal(RUN(output, "openssl", "s_client", "-brief", "-tls1_2", "-cipher",
                             "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "-connect", host),
                         0);
    snprintf(url, sizeof url, "http://%s", host);
    ow_client_config config = {.url = url, .timeout_ms = 5000};
    ow_client *plain = ow_client_new(&config, NULL);
    ow_client_request request = {.method = "GET", .path = "/healthz", .without_token = true};
    assert_false(ow_client_send(plain, &request, NULL, NULL));
    ow_client_free(plain);
}

// Behind TLS, too, what the library refuses by itself is answered in our form, and what it would pass is refused.
static void expect_refused(const deployment *d, const char *head) {
    char output[MESSAGE_MAX];
    char command[512];
    snprintf(command, sizeof command,
             "printf 'POST / HTTP/1.1\\r\\nHost: a\\r\\n%s\\r\\n\\r\\n' | "
             "openssl s_client -quiet -connect %s",
             head, deployment_public(d) + strlen("https://"));
    RUN(output, "sh", "-c", command);
    if (strstr(output, "HTTP/1.1 400 ") == NULL || strstr(output, "Overworld-Request-Id") == NULL) {
        fail_msg("%s gave %s", head, output);
    }
}

// Files that look as they did are read again at SIGHUP.
static void expect_reload_when_told(const deployment *d, const files *f) {
    char output[MESSAGE_MAX];
    struct stat before[2];
    assert_int_equal(stat(f->key, &before[0]), 0);
    assert_int_equal(stat(f->certificate, &before[1]), 0);
    make_pair(f->other_certificate, f->other_key);
    assert_int_equal(RUN(output, "cp", "--no-preserve=all", f->other_key, f->key), 0);
    assert_int_equal(RUN(output, "cp", "--no-preserve=all", f->other_certificate, f->certificate),
                     0);
    utimensat(AT_FDCWD, f->key, (const struct timespec[]){before[0].st_atim, before[0].st_mtim}, 0);
    utimensat(AT_FDCWD, f->certificate,
              (const struct timespec[]){before[1].st_atim, before[1].st_mtim}, 0);
    kill(deployment_pid(d, "gateway"), SIGHUP);
    for (int64_t end = now_ms() + PATIENCE_MS; !answers(d, f->certificate);) {
        assert_true(now_ms() < end);
    }
}

// ---- pushes ----

enum { PUSHES = 12, AT_ONCE = 3, PUSH_SIZE = 15000 };

typedef struct listener {
    ow_client *client;
    char id[48];
    int count;
    size_t bytes;
} listener;

static void on_push(void *user, const ow_client_push *push) {
    listener *l = user;
    l->count++;
    l->bytes += push->size;
}

static void listen_to(listener *l, const deployment *d, const char *trusted) {
    ow_client_config config = {.url = deployment_public(d), .ca_file = trusted};
    ow_client_login login;
    *l = (listener){.client = ow_client_new(&config, NULL)};
    assert_true(ow_client_login_device(l->client, "device-tls-push", &login, NULL));
    memcpy(l->id, login.player_id, sizeof l->id);
    assert_true(ow_client_listen(l->client, on_push, l, NULL));
    for (int64_t end = now_ms() + PATIENCE_MS; !ow_client_is_listening(l->client);) {
        ow_client_poll(l->client, 20);
        assert_true(now_ms() < end);
    }
}

// Together more than a record of TLS, and never more than the gateway lets wait.
static void expect_pushes(const deployment *d, listener *l) {
    static char body[PUSH_SIZE + 200];
    static char payload[PUSH_SIZE];
    ow_client *operator= deployment_operator(d);
    int before = l->count;
    memset(payload, '7', sizeof payload - 1);
    snprintf(body, sizeof body, "{\"playerIds\":[\"%s\"],\"topic\":\"t\",\"payloadJson\":\"%s\"}",
             l->id, payload);
    ow_client_request request = {.method = "POST",
                                 .path = "/overworld.push.v1.Push/Send",
                                 .body = body,
                                 .size = strlen(body)};
    for (int i = 1; i <= PUSHES; i++) {
        int64_t end = now_ms() + PATIENCE_MS;
        assert_true(ow_client_send(operator, & request, NULL, NULL));
        while (i % AT_ONCE == 0 && l->count < before + i) {
            ow_client_poll(l->client, 20);
            assert_true(now_ms() < end);
        }
    }
    assert_int_equal(l->count, before + PUSHES);
    assert_int_equal(l->bytes, (size_t)l->count * (PUSH_SIZE - 1));
    ow_client_free(operator);
}

// It is a WebSocket and no polling.
static void expect_socket(const deployment *d) {
    ow_client *operator= deployment_operator(d);
    ow_client_request request = {.method = "GET", .path = "/metrics"};
    ow_client_reply *reply = NULL;
    assert_true(ow_client_send(operator, & request, &reply, NULL));
    assert_non_null(strstr(reply->data, "\noverworld_gateway_push_connections 1\n"));
    ow_client_reply_free(reply);
    ow_client_free(operator);
}

static void renews_while_players_are_on_it(void **state) {
    (void)state;
    files f;
    make_files(&f);
    char certificate[128];
    char key[128];
    char trusted[80];
    snprintf(certificate, sizeof certificate, "--gateway.public_certificate=%s", f.certificate);
    snprintf(key, sizeof key, "--gateway.public_key=%s", f.key);
    snprintf(trusted, sizeof trusted, "%s/trusted.pem", f.folder);
    const char *const flags[] = {certificate, key, NULL};
    deployment *d = deployment_start(SHAPE_ONE_PROCESS, flags);
    deployment_deploy(d, "tests/scenario/bundle", true);
    assert_int_equal(strncmp(deployment_public(d), "https://127.0.0.1:", 18), 0);
    assert_true(answers(d, f.certificate));

    // A client that is connected trusts the first certificate for ever.
    char output[MESSAGE_MAX];
    assert_int_equal(RUN(output, "cp", f.certificate, trusted), 0);
    ow_client_config config = {.url = deployment_public(d), .ca_file = trusted};
    steady l = {.client = ow_client_new(&config, NULL),
                .function = "lab/echo",
                .payload = "{\"a\":1}",
                .in_flight = 8};
    ow_client_error error;
    if (!ow_client_login_device(l.client, "device-tls", NULL, &error)) {
        fail_msg("%s", error.message);
    }
    listener pushes;
    listen_to(&pushes, d, trusted);
    expect_socket(d);
    expect_pushes(d, &pushes);
    // Their handshakes are over before the first renewal.
    while (l.good < 64) {
        steady_play(&l, 50);
        assert_int_equal(l.bad, 0);
    }
    for (int i = 0; i < RENEWALS; i++) {
        make_pair(f.other_certificate, f.other_key);
        assert_false(answers(d, f.other_certificate));
        // One after the other, as people do it: for a moment they do not fit.
        assert_int_equal(rename(f.other_key, f.key), 0);
        assert_int_equal(rename(f.other_certificate, f.certificate), 0);
        int64_t end = now_ms() + PATIENCE_MS;
        while (!answers(d, f.certificate)) {
            steady_play(&l, 200);
            assert_true(now_ms() < end);
        }
        assert_false(answers(d, trusted));
        steady_play(&l, 200);
    }
    steady_end(&l, 50);
    print_message("%d calls of players beside the renewals\n", l.good);
    ow_client_free(l.client);
    expect_pushes(d, &pushes); // on the connection of before the renewals
    expect_socket(d);
    ow_client_free(pushes.client);

    expect_modern_tls_alone(d);
    expect_refused(d, "Content-Length: abc");
    expect_refused(d, "X: a\\000\\nContent-Length: 0");
    expect_reload_when_told(d, &f);

    // A key that others can read is not taken, the old one stays.
    make_pair(f.other_certificate, f.other_key);
    assert_int_equal(chmod(f.other_key, 0644), 0);
    assert_int_equal(rename(f.other_key, f.key), 0);
    assert_int_equal(RUN(output, "cp", f.certificate, trusted), 0);
    assert_int_equal(rename(f.other_certificate, f.certificate), 0);
    for (int64_t end = now_ms() + 4000; now_ms() < end;) {
        assert_true(answers(d, trusted));
    }
    deployment_stop(d);
    unlink(trusted);
    remove_files(&f);
}

// Starts a server that must not start; its words name what is wrong and what to do.
static void expect_no_start(const char *const *flags, const char *words) {
    char folder[32] = "/tmp/overworld-test-XXXXXX";
    char data[64];
    char output[MESSAGE_MAX];
    const char *argv[16] = {"services/overworld/overworld", "up", data, "--gateway.public_port=0",
                            "--gateway.console_port=0"};
    size_t count = 5;
    assert_non_null(mkdtemp(folder));
    snprintf(data, sizeof data, "--data=%s", folder);
    for (; *flags != NULL; flags++) {
        argv[count++] = *flags;
    }
    int status = run(argv, output);
    if (status == 0 || status == 127 || strstr(output, words) == NULL) {
        fail_msg("status %d, without \"%s\": %s", status, words, output);
    }
    RUN(output, "rm", "-rf", folder);
}

#define EXPECT_NO_START(words, ...)                                                                \
    expect_no_start((const char *const[]){__VA_ARGS__, NULL}, (words))

static void refuses_to_start_insecurely(void **state) {
    (void)state;
    files f;
    make_files(&f);
    make_pair(f.other_certificate, f.other_key);
    char certificate[128];
    char key[128];
    char other_key[128];
    snprintf(certificate, sizeof certificate, "--gateway.public_certificate=%s", f.certificate);
    snprintf(key, sizeof key, "--gateway.public_key=%s", f.key);
    snprintf(other_key, sizeof other_key, "--gateway.public_key=%s", f.other_key);
    EXPECT_NO_START("gateway.public_certificate", "--gateway.public_address=0.0.0.0");
    EXPECT_NO_START("gateway.plain_http=behind_proxy", "--gateway.console_address=::");
    EXPECT_NO_START("set both or neither", certificate);
    EXPECT_NO_START("set both or neither", key);
    EXPECT_NO_START("the certificate and its key", certificate, other_key);
    EXPECT_NO_START("cannot be read", key, "--gateway.public_certificate=/nowhere.pem");
    EXPECT_NO_START("is empty", key, "--gateway.public_certificate=/dev/null");
    assert_int_equal(chmod(f.key, 0644), 0);
    EXPECT_NO_START("chmod 600", certificate, key);
    EXPECT_NO_START("mutual TLS", "--target=gateway", "--server.grpc_peers=*=127.0.0.1:1");
    EXPECT_NO_START("mutual TLS", "--server.grpc_listen=127.0.0.1:0");
    remove_files(&f);
}

// ---- hosts ----

// An authority, and one certificate of the installation that all processes show here.
static void make_installation(const files *f) {
    char command[2048];
    char output[MESSAGE_MAX];
    snprintf(
        command, sizeof command,
        "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
        "-subj /CN=authority -keyout a.key -out a.pem && "
        "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=b "
        "-addext subjectAltName=DNS:overworld -keyout b.key -out b.csr && "
        "openssl x509 -req -in b.csr -CA a.pem -CAkey a.key -days 2 -copy_extensions copy "
        "-out b.pem && rm b.csr && chmod 600 b.key",
        f->folder);
    if (RUN(output, "sh", "-c", command) != 0) {
        fail_msg("%s", output);
    }
}

enum { PORT_FIRST = 12000, PORT_SPREAD = 10000, PORT_END = 32000 };

// The first free one from `from` on, below those that the system gives to whoever asks for any: tests that run
// beside this one ask for any.
static int free_port(int from) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int port = from; port < PORT_END; port++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        name.sin_port = htons((uint16_t)port);
        bool is_free = bind(fd, (struct sockaddr *)&name, sizeof name) == 0;
        close(fd);
        if (is_free) {
            return port;
        }
    }
    fail_msg("no port from %d on is free", from);
    return 0;
}

static pid_t start_server(const char *const *argv) {
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    assert_true(child > 0);
    return child;
}

static void stop_server(pid_t server) {
    int status;
    assert_int_equal(kill(server, SIGTERM), 0);
    assert_int_equal(waitpid(server, &status, 0), server);
    assert_int_equal(status, 0);
}

static void hosts_are_joined_by_mutual_tls(void **state) {
    (void)state;
    files f;
    char certificate[96], key[96], authority[96], data[2][64], listen[64], peers[64], port[64];
    char output[MESSAGE_MAX];
    int calls = free_port(PORT_FIRST + getpid() % PORT_SPREAD);
    int http = free_port(calls + 1);
    snprintf(f.folder, sizeof f.folder, "/tmp/overworld-tls-XXXXXX");
    assert_non_null(mkdtemp(f.folder));
    make_installation(&f);
    snprintf(certificate, sizeof certificate, "--server.grpc_certificate=%s/b.pem", f.folder);
    snprintf(key, sizeof key, "--server.grpc_key=%s/b.key", f.folder);
    snprintf(authority, sizeof authority, "--server.grpc_authority=%s/a.pem", f.folder);
    snprintf(data[0], sizeof data[0], "--data=%s/first", f.folder);
    snprintf(data[1], sizeof data[1], "--data=%s/second", f.folder);
    snprintf(listen, sizeof listen, "--server.grpc_listen=127.0.0.1:%d", calls);
    snprintf(peers, sizeof peers, "--server.grpc_peers=*=127.0.0.1:%d", calls);
    snprintf(port, sizeof port, "--gateway.public_port=%d", http);
    const char *const first[] = {
        "services/overworld/overworld",
        "up",
        data[0],
        "--target=identity,registry,runner,telemetry,events,timers,data,push",
        listen,
        certificate,
        key,
        authority,
        NULL};
    const char *const second[] = {"services/overworld/overworld",
                                  "up",
                                  data[1],
                                  "--target=gateway",
                                  "--gateway.console_port=0",
                                  port,
                                  peers,
                                  certificate,
                                  key,
                                  authority,
                                  NULL};
    pid_t servers[] = {start_server(first), start_server(second)};
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", http);
    ow_client_config config = {.url = url, .timeout_ms = 5000};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_request request = {.method = "GET", .path = "/readyz", .without_token = true};
    for (int64_t end = now_ms() + PATIENCE_MS; !ow_client_send(client, &request, NULL, NULL);) {
        assert_true(now_ms() < end);
        poll(NULL, 0, 20);
    }
    ow_client_error error;
    if (!ow_client_login_device(client, "device-far-away", NULL, &error)) {
        fail_msg("%s %s", error.reason, error.message);
    }
    ow_client_free(client);
    stop_server(servers[1]);
    stop_server(servers[0]);
    RUN(output, "rm", "-rf", f.folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(renews_while_players_are_on_it),
        cmocka_unit_test(refuses_to_start_insecurely),
        cmocka_unit_test(hosts_are_joined_by_mutual_tls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
