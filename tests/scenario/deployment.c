#include "tests/scenario/deployment.h"

#include "core/json/tree.h"
#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
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
#include <time.h>
#include <unistd.h>

enum {
    PROCESSES_MAX = 12,
    FLAGS_MAX = 24,
    // Promised bounds are seconds; sanitizer builds on a busy machine get many times that.
    READY_MS = 30000,
    STOP_MS = 20000,
};

typedef struct process {
    const char *services; // NULL: unused
    const char *id;       // of one of several; NULL: it is the only one
    pid_t pid;            // 0: not running
} process;

struct deployment {
    deployment_shape shape;
    char folder[96];
    bool keep_folder;
    char public_url[64];
    char console_url[64];
    process processes[PROCESSES_MAX];
    const char *flags[FLAGS_MAX];
    size_t flag_count;
    const char *const *environment;
    char runners[64]; // "--server.runners=...", "": there is one
};

static const char *const split_services[] = {
    "identity", "registry", "telemetry", "data", "runner", "events", "push", "timers", "gateway"};

int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_a_little(void) {
    poll(NULL, 0, 5);
}

deployment_shape deployment_shape_of(int argc, char **argv) {
    static const char *const names[] = {"one", "packed", "split"};
    for (int shape = 0; argc > 1 && shape < SHAPE_COUNT; shape++) {
        if (strcmp(argv[1], names[shape]) == 0) {
            return (deployment_shape)shape;
        }
    }
    return SHAPE_ONE_PROCESS;
}

// ---- Processes ----

static pid_t spawn(const char *const *argv, int stdout_fd, const char *const *environment) {
    pid_t pid = fork();
    if (pid == 0) {
        // No test process leaves a server behind.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (stdout_fd >= 0) {
            dup2(stdout_fd, STDOUT_FILENO);
        }
        for (; environment != NULL && *environment != NULL; environment++) {
            putenv((char *)*environment);
        }
        execv(argv[0], (char *const *)argv);
        fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static void start_process(deployment *d, process *p) {
    const char *argv[FLAGS_MAX + 16];
    char data[128];
    char target[96];
    char id[64];
    size_t n = 0;
    snprintf(data, sizeof data, "--data=%s", d->folder);
    snprintf(target, sizeof target, "--target=%s", p->services);
    argv[n++] = "services/overworld/overworld";
    argv[n++] = "up";
    argv[n++] = data;
    argv[n++] = target;
    if (p->id != NULL) {
        snprintf(id, sizeof id, "--server.id=%s", p->id);
        argv[n++] = id;
    }
    if (d->runners[0] != '\0') {
        argv[n++] = d->runners;
    }
    argv[n++] = "--gateway.public_port=0";
    argv[n++] = "--gateway.console_port=0";
    // One player and one address stand for all; a test of the limits sets them.
    argv[n++] = "--gateway.player_calls=0";
    argv[n++] = "--gateway.player_function_calls=0";
    argv[n++] = "--gateway.server_key_calls=0";
    argv[n++] = "--gateway.address_requests=0";
    if (d->shape == SHAPE_PACKED) {
        argv[n++] = "--local-channel=packed";
        argv[n++] = "--rerun-writes";
    }
    for (size_t i = 0; i < d->flag_count; i++) {
        argv[n++] = d->flags[i];
    }
    argv[n] = NULL;
    p->pid = spawn(argv, -1, d->environment);
}

// "runner", and of several "runner.a".
static bool runs(const process *p, const char *service) {
    const char *dot = strchr(service, '.');
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(service, "."), service);
    return (strcmp(p->services, "all") == 0 || strstr(p->services, name) != NULL) &&
           (dot == NULL || (p->id != NULL && strcmp(p->id, dot + 1) == 0));
}

static process *process_of(const deployment *d, const char *service) {
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        const process *p = &d->processes[i];
        if (p->services != NULL && runs(p, service)) {
            return (process *)p;
        }
    }
    fail_msg("no process runs %s", service);
    return NULL;
}

// Waits for the end; -1 when it does not come.
static int reap(process *p, int timeout_ms) {
    int64_t deadline = now_ms() + timeout_ms;
    int status = -1;
    while (waitpid(p->pid, &status, WNOHANG) == 0) {
        if (now_ms() > deadline) {
            return -1;
        }
        wait_a_little();
    }
    p->pid = 0;
    return status;
}

pid_t deployment_pid(const deployment *d, const char *service) {
    return process_of(d, service)->pid;
}

void deployment_kill(deployment *d, const char *service) {
    process *p = process_of(d, service);
    kill(p->pid, SIGKILL);
    reap(p, STOP_MS);
}

void deployment_restart(deployment *d, const char *service) {
    start_process(d, process_of(d, service));
}

void deployment_kill_all(deployment *d) {
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        process *p = &d->processes[i];
        if (p->services != NULL && p->pid != 0) {
            kill(p->pid, SIGKILL);
        }
    }
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        process *p = &d->processes[i];
        if (p->services != NULL && p->pid != 0) {
            reap(p, STOP_MS);
        }
    }
}

static bool is_running(process *p) {
    if (p->pid != 0 && waitpid(p->pid, NULL, WNOHANG) == p->pid) {
        p->pid = 0;
    }
    return p->pid != 0;
}

bool deployment_is_running(const deployment *d, const char *service) {
    return is_running(process_of(d, service));
}

// ---- Readiness ----

static bool read_addresses(deployment *d) {
    char path[128];
    char text[4096];
    snprintf(path, sizeof path, "%s/run/gateway.json", d->folder);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return false;
    }
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    ow_json *json = NULL;
    if (ow_json_parse(text, size, 8, &json, NULL) != OW_OK) {
        return false;
    }
    const char *public_url = ow_json_string(ow_json_get(json, "public"));
    const char *console_url = ow_json_string(ow_json_get(json, "console"));
    bool ok = public_url != NULL && console_url != NULL;
    if (ok) {
        snprintf(d->public_url, sizeof d->public_url, "%s", public_url);
        snprintf(d->console_url, sizeof d->console_url, "%s", console_url);
    }
    ow_json_free(json);
    return ok;
}

static bool is_ready(const deployment *d) {
    ow_client_config config = {.url = d->console_url, .timeout_ms = 2000, .max_retries = -1};
    ow_client *client = ow_client_new(&config, NULL);
    ow_client_request request = {.method = "GET", .path = "/readyz", .without_token = true};
    bool ready = client != NULL && ow_client_send(client, &request, NULL, NULL);
    ow_client_free(client);
    return ready;
}

static bool any_runs(const deployment *d) {
    bool any = false;
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        any = any || (d->processes[i].services != NULL &&
                      is_running((process *)(uintptr_t)&d->processes[i]));
    }
    return any;
}

bool deployment_wait_ready(const deployment *d, int timeout_ms) {
    int64_t deadline = now_ms() + timeout_ms;
    while (now_ms() < deadline && any_runs(d)) {
        // A restarted gateway has new ports.
        if (read_addresses((deployment *)d) && is_ready(d)) {
            return true;
        }
        wait_a_little();
    }
    return false;
}

// ---- Life ----

deployment *deployment_new(deployment_shape shape, const char *const *flags, const char *folder) {
    deployment *d = calloc(1, sizeof *d);
    assert_non_null(d);
    d->shape = shape;
    d->keep_folder = folder != NULL;
    // Not below the test's own folder: paths of unix sockets are short.
    snprintf(d->folder, sizeof d->folder, "%s",
             folder != NULL ? folder : "/tmp/overworld-test-XXXXXX");
    assert_true(folder != NULL || mkdtemp(d->folder) != NULL);
    for (; flags != NULL && flags[d->flag_count] != NULL; d->flag_count++) {
        assert_true(d->flag_count < FLAGS_MAX);
        d->flags[d->flag_count] = flags[d->flag_count];
    }
    size_t count = shape == SHAPE_SPLIT ? sizeof split_services / sizeof split_services[0] : 1;
    for (size_t i = 0; i < count; i++) {
        d->processes[i].services = shape == SHAPE_SPLIT ? split_services[i] : "all";
    }
    return d;
}

void deployment_start_all(deployment *d) {
    for (size_t i = 0; i < PROCESSES_MAX; i++) {
        process *p = &d->processes[i];
        if (p->services != NULL && !is_running(p)) {
            start_process(d, p);
        }
    }
}

void deployment_runners(deployment *d, const char *const *names) {
    process *at = process_of(d, "runner");
    size_t used = (size_t)snprintf(d->runners, sizeof d->runners, "--server.runners=");
    for (size_t i = 0; names[i] != NULL; i++) {
        at->services = "runner";
        at->id = names[i];
        used += (size_t)snprintf(d->runners + used, sizeof d->runners - used, "%s%s",
                                 i > 0 ? "," : "", names[i]);
        assert_true(used < sizeof d->runners);
        for (at = d->processes; at->services != NULL; at++) {
            assert_true(at < &d->processes[PROCESSES_MAX - 1]);
        }
    }
}

void deployment_environment(deployment *d, const char *const *variables) {
    d->environment = variables;
}

deployment *deployment_start(deployment_shape shape, const char *const *flags) {
    deployment *d = deployment_new(shape, flags, NULL);
    deployment_start_all(d);
    if (!deployment_wait_ready(d, READY_MS)) {
        deployment_stop(d);
        fail_msg("the server was not ready in time");
    }
    return d;
}

static void remove_folder(const char *path) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (entry->d_type == DT_DIR) {
            remove_folder(inner);
        } else {
            unlink(inner);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    rmdir(path);
}

void deployment_stop(deployment *d) {
    if (d == NULL) {
        return;
    }
    char trouble[160] = "";
    // The gateway first, as an operator would.
    for (size_t i = PROCESSES_MAX; i-- > 0;) {
        process *p = &d->processes[i];
        if (p->services != NULL && p->pid != 0) {
            kill(p->pid, SIGTERM);
            int status = reap(p, STOP_MS);
            if (status != 0) {
                snprintf(trouble, sizeof trouble, "%s did not stop in order: status %d",
                         p->services, status);
            }
            if (p->pid != 0) {
                kill(p->pid, SIGKILL);
                reap(p, STOP_MS);
            }
        }
    }
    if (!d->keep_folder) {
        remove_folder(d->folder);
    }
    free(d);
    if (trouble[0] != '\0') {
        fail_msg("%s", trouble);
    }
}

const char *deployment_public(const deployment *d) {
    return d->public_url;
}

const char *deployment_folder(const deployment *d) {
    return d->folder;
}

const char *deployment_console(const deployment *d) {
    return d->console_url;
}

// ---- The command line ----

static size_t read_all(int fd, char *out, size_t out_size) {
    size_t used = 0;
    char waste[4096];
    for (;;) {
        bool room = used + 1 < out_size;
        ssize_t got =
            room ? read(fd, out + used, out_size - 1 - used) : read(fd, waste, sizeof waste);
        if (got <= 0) {
            break;
        }
        used += room ? (size_t)got : 0;
    }
    out[used] = '\0';
    return used;
}

int deployment_ow(const deployment *d, char *out, size_t out_size, const char *const *args) {
    const char *argv[32] = {"cli/ow"};
    size_t n = 1;
    for (; args[n - 1] != NULL; n++) {
        assert_true(n < 28);
        argv[n] = args[n - 1];
    }
    argv[n++] = "--data";
    argv[n++] = d->folder;
    argv[n] = NULL;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    process ow = {.services = "ow", .pid = spawn(argv, ends[1], NULL)};
    close(ends[1]);
    read_all(ends[0], out, out_size);
    close(ends[0]);
    int status = reap(&ow, 60000);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void deployment_deploy(const deployment *d, const char *bundle, bool publish) {
    char out[4096];
    const char *args[] = {"vs", "deploy", bundle, publish ? "--publish" : NULL, NULL};
    if (deployment_ow(d, out, sizeof out, args) != 0) {
        fail_msg("deploying %s failed: %s", bundle, out);
    }
}

// ---- Clients ----

// Without retries: tests look at each answer of the platform.
static ow_client *client_at(const ow_client_config *wanted) {
    ow_client_error error;
    ow_client_config config = *wanted;
    config.max_retries = -1;
    ow_client *client = ow_client_new(&config, &error);
    if (client == NULL) {
        fail_msg("%s", error.message);
    }
    return client;
}

ow_client *deployment_player(const deployment *d, const char *device) {
    ow_client_config config = {.url = d->public_url, .timeout_ms = 60000};
    ow_client *client = client_at(&config);
    ow_client_login login;
    ow_client_error error;
    if (!ow_client_login_device(client, device, &login, &error)) {
        fail_msg("login: %s (%s)", error.message, error.reason);
    }
    assert_int_equal(strncmp(login.player_id, "plr_", 4), 0);
    return client;
}

ow_client *deployment_operator(const deployment *d) {
    char path[128];
    char token[128] = "";
    snprintf(path, sizeof path, "%s/operator.token", d->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(token, sizeof token, file));
    fclose(file);
    token[strcspn(token, "\r\n")] = '\0';
    ow_client_config config = {.url = d->console_url, .access_token = token, .timeout_ms = 60000};
    return client_at(&config);
}

ow_client *deployment_server(const deployment *d) {
    char out[256];
    assert_int_equal(OW(d, out, "key", "create", "test-server"), 0);
    char *secret = strchr(out, ' ');
    assert_non_null(secret);
    *secret++ = '\0';
    secret[strcspn(secret, "\r\n")] = '\0';
    ow_client_config config = {.url = d->public_url,
                               .server_key_id = out,
                               .server_key_secret = secret,
                               .timeout_ms = 60000};
    return client_at(&config);
}

int deployment_post(const deployment *d, const char *headers, const char *path, const char *body) {
    char text[2048];
    char reply[64] = "";
    const char *port = strrchr(d->console_url, ':') + 1;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtol(port, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    int size = snprintf(text, sizeof text,
                        "POST %s HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                        "Content-Length: %zu\r\n%s\r\n%s",
                        path, strlen(body), headers, body);
    assert_true(size > 0 && (size_t)size < sizeof text);
    assert_int_equal(write(fd, text, (size_t)size), size);
    assert_true(read(fd, reply, sizeof reply - 1) > 12);
    close(fd);
    return (int)strtol(reply + strlen("HTTP/1.1 "), NULL, 10);
}

void expect_reply(ow_client *client, const char *function, const char *payload,
                  const char *wanted) {
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (!ow_client_call_json(client, function, payload, &reply, &error)) {
        fail_msg("%s: %d %s: %s", function, error.status, error.reason, error.message);
    }
    if (wanted != NULL) {
        assert_string_equal((const char *)reply->data, wanted);
    }
    ow_client_reply_free(reply);
}

void expect_error(ow_client *client, const char *function, const char *payload, refusal wanted,
                  char ret_request_id[48]) {
    ow_client_reply *reply = NULL;
    ow_client_error error;
    if (ow_client_call_json(client, function, payload, &reply, &error)) {
        fail_msg("%s replied %s instead of %d %s", function, (const char *)reply->data,
                 wanted.status, wanted.reason);
    }
    if (error.status != wanted.status || strcmp(error.reason, wanted.reason) != 0) {
        fail_msg("%s: %d %s (%s) instead of %d %s", function, error.status, error.reason,
                 error.message, wanted.status, wanted.reason);
    }
    if (ret_request_id != NULL) {
        memcpy(ret_request_id, error.request_id, sizeof error.request_id);
    }
}

bool start_call(ow_client *client, const char *function, const char *payload,
                ow_client_on_reply on_reply, void *user) {
    ow_client_function call = {.name = function, .payload = payload, .size = strlen(payload)};
    return ow_client_call_start(client, &call, on_reply, user, NULL);
}
