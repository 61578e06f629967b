// Two processes over TCP on one host: who shows a certificate of the installation is served, everybody
// else is not.

#include "core/rpc_grpc/rpc_grpc.h"

#include "core/crypto/pem.h"
#include "core/testing/ow_test.h"
#include "overworld/gateway/v1/gateway.pb-c.h"
#include "proto/descriptors.h"

#include <arpa/inet.h>
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

#define TIMEOUT_US 10000000

typedef Overworld__Gateway__V1__GetStatusRequest status_request;
typedef Overworld__Gateway__V1__GetStatusResponse status_reply;

typedef struct fixture {
    char folder[32];
    char address[32];
    pid_t server;
} fixture;

// ---- certificates ----

static void shell(const char *folder, const char *command) {
    pid_t child = fork();
    if (child == 0) {
        if (chdir(folder) == 0) {
            execl("/bin/sh", "sh", "-c", command, NULL);
        }
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void make_authority(const fixture *f, const char *name) {
    char command[512];
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=%s -keyout %s.key -out %s.pem 2>/dev/null",
             name, name, name);
    shell(f->folder, command);
}

static void make_certificate(const fixture *f, const char *name, const char *authority,
                             const char *dns) {
    char command[1024];
    snprintf(command, sizeof command,
             "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=%s "
             "-addext subjectAltName=DNS:%s -keyout %s.key -out %s.csr 2>/dev/null && "
             "openssl x509 -req -in %s.csr -CA %s.pem -CAkey %s.key -CAcreateserial -days 2 "
             "-copy_extensions copy -out %s.pem 2>/dev/null && chmod 600 %s.key",
             name, dns, name, name, name, authority, authority, name, name);
    shell(f->folder, command);
}

typedef struct texts {
    char *certificate, *key, *authority;
} texts;

static char *load(const fixture *f, const char *name, const char *kind) {
    char path[96];
    char *text;
    ow_err err;
    snprintf(path, sizeof path, "%s/%s.%s", f->folder, name, kind);
    if (ow_pem_load(path, strcmp(kind, "key") == 0, &text, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
    return text;
}

static texts load_texts(const fixture *f, const char *name, const char *authority) {
    return (texts){load(f, name, "pem"), load(f, name, "key"), load(f, authority, "pem")};
}

static void wipe_texts(texts *t) {
    ow_pem_wipe(t->certificate);
    ow_pem_wipe(t->key);
    ow_pem_wipe(t->authority);
}

// ---- the server, a process of its own ----

static ow_code get_status(ow_run *run) {
    status_reply *reply = run->reply;
    reply->uptime_s = 42;
    return OW_OK;
}

static const ow_method methods[] = {
    {"GetStatus", 0, {{OW_LOOP, get_status}}}, {"PurgeRoutes", 0, {{OW_LOOP, get_status}}}, {0}};

static void serve(const fixture *f, int ready) {
    char folder[64];
    ow_loop *loop;
    ow_api *api;
    ow_grpc *grpc;
    ProtobufCService *service;
    texts t = load_texts(f, "server", "ours");
    const ow_grpc_tls tls = {t.certificate, t.key, t.authority, "overworld"};
    ow_err err = {0};
    snprintf(folder, sizeof folder, "%s/server", f->folder);
    ow_code code = ow_loop_new(&loop, &err);
    code = code == OW_OK ? ow_api_open(ow_descriptors, ow_descriptors_size, &api, &err) : code;
    if (code == OW_OK) {
        ow_service_options of_service = {
            .descriptor = &overworld__gateway__v1__gateway__descriptor,
            .methods = methods,
            .api = api,
            .loop = loop,
        };
        code = ow_service_new(&of_service, &service, &err);
    }
    if (code == OW_OK) {
        ow_grpc_options options = {
            .loop = loop, .api = api, .folder = folder, .listen = f->address, .tls = &tls};
        code = ow_grpc_new(&options, &grpc, &err);
    }
    code = code == OW_OK ? ow_grpc_offer(grpc, service, NULL, &err) : code;
    wipe_texts(&t);
    if (code != OW_OK) {
        fprintf(stderr, "server: %s\n", err.message);
        _exit(1);
    }
    if (write(ready, "r", 1) == 1) {
        (void)ow_loop_run(loop, &err);
    }
    _exit(1);
}

static int free_port(void) {
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    close(fd);
    return ntohs(name.sin_port);
}

static int open_server(void **state) {
    fixture *f = calloc(1, sizeof *f);
    int ends[2];
    char byte;
    snprintf(f->folder, sizeof f->folder, "/tmp/ow_grpc_tls.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    make_authority(f, "ours");
    make_authority(f, "theirs");
    make_certificate(f, "server", "ours", "overworld");
    make_certificate(f, "client", "ours", "overworld");
    make_certificate(f, "guest", "ours", "elsewhere");
    make_certificate(f, "stranger", "theirs", "overworld");
    snprintf(f->address, sizeof f->address, "127.0.0.1:%d", free_port());
    assert_int_equal(pipe(ends), 0);
    f->server = fork();
    if (f->server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(f, ends[1]);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    *state = f;
    return 0;
}

static int close_server(void **state) {
    fixture *f = *state;
    kill(f->server, SIGKILL);
    waitpid(f->server, NULL, 0);
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    shell("/", command);
    free(f);
    return 0;
}

// ---- clients, in this process ----

typedef struct outcome {
    bool done;
    ow_code code;
    char reason[48];
    int64_t uptime_s;
} outcome;

static void on_status(const status_reply *reply, void *closure_data) {
    ow_call *call = closure_data;
    outcome *o = call->user;
    o->done = true;
    o->code = reply != NULL ? OW_OK : call->err.code;
    o->uptime_s = reply != NULL ? reply->uptime_s : 0;
    snprintf(o->reason, sizeof o->reason, "%s", reply != NULL ? "" : call->err.reason);
}

static outcome ask(const fixture *f, const char *identity, const char *authority,
                   const char *name) {
    char folder[64];
    char peers[64];
    ow_loop *loop;
    ow_api *api;
    ow_grpc *grpc;
    ow_err err = {0};
    outcome o = {0};
    texts t = load_texts(f, identity, authority);
    const ow_grpc_tls tls = {t.certificate, t.key, t.authority, name};
    snprintf(folder, sizeof folder, "%s/client", f->folder);
    snprintf(peers, sizeof peers, "identity=127.0.0.1:1, *=%s", f->address);
    assert_int_equal(ow_loop_new(&loop, &err), OW_OK);
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &api, &err), OW_OK);
    ow_grpc_options options = {
        .loop = loop, .api = api, .folder = folder, .peers = peers, .tls = &tls};
    assert_int_equal(ow_grpc_new(&options, &grpc, &err), OW_OK);
    wipe_texts(&t);
    const ow_connector *connector = ow_grpc_connector(grpc);
    ProtobufCService *gateway = connector->connect(
        connector->self, &overworld__gateway__v1__gateway__descriptor, NULL, &err);
    assert_non_null(gateway);
    const ow_principal viewer = {.kind = OW_OPERATOR, .role = OW_ROLE_VIEWER};
    ow_call *call =
        ow_call_new(loop, &(ow_call_options){.principal = &viewer, .timeout_us = TIMEOUT_US});
    status_request request = OVERWORLD__GATEWAY__V1__GET_STATUS_REQUEST__INIT;
    call->user = &o;
    overworld__gateway__v1__gateway__get_status(gateway, &request, on_status, call);
    while (!o.done) {
        assert_int_equal(ow_loop_turn(loop, 10000, &err), OW_OK);
    }
    ow_call_free(call);
    ow_grpc_free(grpc);
    ow_api_free(api);
    ow_loop_free(loop);
    return o;
}

static void serves_its_own(void **state) {
    outcome o = ask(*state, "client", "ours", "overworld");
    assert_string_equal(o.reason, "");
    assert_int_equal(o.code, OW_OK);
    assert_int_equal(o.uptime_s, 42);
}

static void refuses_another_authority(void **state) {
    // It shows a certificate that the server cannot check.
    outcome o = ask(*state, "stranger", "ours", "overworld");
    assert_int_equal(o.code, OW_UNAVAILABLE);
    // It cannot check the server's.
    o = ask(*state, "client", "theirs", "overworld");
    assert_int_equal(o.code, OW_UNAVAILABLE);
}

static void refuses_another_name(void **state) {
    outcome o = ask(*state, "guest", "ours", "overworld");
    assert_int_equal(o.code, OW_UNAUTHENTICATED);
    assert_string_equal(o.reason, "wrong_peer");
    o = ask(*state, "client", "ours", "elsewhere");
    assert_int_equal(o.code, OW_UNAVAILABLE);
}

// A client without TLS gets nothing that is HTTP/2, and is hung up on.
static void refuses_plain_text(void **state) {
    static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    const fixture *f = *state;
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char bytes[256];
    size_t used = 0;
    name.sin_port = htons((uint16_t)strtol(strrchr(f->address, ':') + 1, NULL, 10));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(send(fd, preface, sizeof preface - 1, MSG_NOSIGNAL), sizeof preface - 1);
    for (;;) {
        struct pollfd one = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&one, 1, 10000), 1);
        ssize_t n = recv(fd, bytes + used, sizeof bytes - used, 0);
        if (n <= 0) {
            break;
        }
        used += (size_t)n;
    }
    close(fd);
    // A TLS alert (type 21) at most; HTTP/2 would begin with a SETTINGS frame.
    assert_true(used == 0 || bytes[0] == 21);
}

static void tcp_needs_mutual_tls(void **state) {
    (void)state;
    static const ow_grpc_tls nameless = {"c", "k", "a", ""};
    static const ow_grpc_tls whole = {"c", "k", "a", "n"};
    static const struct {
        const char *listen, *peers;
        const ow_grpc_tls *tls;
        const char *reason;
    } options[] = {
        {"127.0.0.1:0", NULL, NULL, "needs_mtls"},
        {NULL, "identity=127.0.0.1:1", NULL, "needs_mtls"},
        {"127.0.0.1:0", "", &nameless, "needs_mtls"},
        {NULL, "identity", &whole, "bad_peers"},
        {NULL, "=127.0.0.1:1", &whole, "bad_peers"},
        {NULL, "identity=127.0.0.1:1,x", &whole, "bad_peers"},
        {NULL, "identity=:1", &whole, "bad_peers"},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        ow_grpc *grpc;
        ow_err err = {0};
        ow_grpc_options wanted = {.folder = "/tmp",
                                  .listen = options[i].listen,
                                  .peers = options[i].peers,
                                  .tls = options[i].tls};
        assert_int_equal(ow_grpc_new(&wanted, &grpc, &err), OW_INVALID_ARGUMENT);
        assert_string_equal(err.reason, options[i].reason);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(serves_its_own),       OW_TEST(refuses_another_authority),
        OW_TEST(refuses_another_name), OW_TEST(refuses_plain_text),
        OW_TEST(tcp_needs_mutual_tls),
    };
    // One server, made before the library is used here: it does not survive a fork.
    return cmocka_run_group_tests(tests, open_server, close_server);
}
