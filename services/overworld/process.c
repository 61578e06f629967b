#include "services/overworld/process.h"

#include "core/clock/clock.h"
#include "core/crypto/pem.h"
#include "core/http/client.h"
#include "core/id/id.h"
#include "core/log/log.h"
#include "core/loop/loop.h"
#include "core/metrics/metrics.h"
#include "core/module/env.h"
#include "core/rpc_grpc/rpc_grpc.h"
#include "core/version/version.h"
#include "services/overworld/calls.h"
#include "services/overworld/folders.h"
#include "services/overworld/gauges.h"
#include "services/overworld/status.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    POLL_WHILE_STARTING_US = 2000,
    POLL_WHILE_DRAINING_US = 5000,
    PROCESS_NAME_MAX = 120,
    TURNS_TO_SETTLE = 20,
    EXIT_FAULT = 1,
    OUTGOING_MAX = 256,
    OUTGOING_CONNECTIONS_MAX = 64,
    OUTGOING_PER_HOST_MAX = 8,
};

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const log_formats[] = {"logfmt", "json", NULL};

const ow_config_key process_config_keys[] = {
    {"log_level", OW_CONFIG_CHOICE, offsetof(process_config, log_level), "info", 0, 0, log_levels,
     "What the process's own log says, on standard error."},
    {"log_format", OW_CONFIG_CHOICE, offsetof(process_config, log_format), "logfmt", 0, 0,
     log_formats, "How it says it."},
    {"drain_time", OW_CONFIG_DURATION, offsetof(process_config, drain_us), "10s", 0, 600000000,
     NULL, "How long running calls may take to end after the first SIGINT or SIGTERM."},
    {"pool_threads", OW_CONFIG_INT, offsetof(process_config, pool_threads), "2", 1, 16, NULL,
     "Threads for passwords and compression."},
    {"binary_folder", OW_CONFIG_STRING, offsetof(process_config, binary_folder), "", 0, 0, NULL,
     "Where the runtimes' programs stand; empty: beside this one."},
    {"egress_hosts", OW_CONFIG_STRING, offsetof(process_config, egress_hosts), "", 0, 0, NULL,
     "Hosts that the server itself may send requests to, as api.example.com or *.example.com; empty: "
     "all."},
    {"egress_networks", OW_CONFIG_STRING, offsetof(process_config, egress_networks), "", 0, 0, NULL,
     "Addresses that it may send requests to though they are not public, as 10.1.0.0/16."},
    {"egress_plain", OW_CONFIG_BOOL, offsetof(process_config, egress_plain), "false", 0, 0, NULL,
     "Whether it may do so without TLS."},
    {"egress_ca_file", OW_CONFIG_STRING, offsetof(process_config, egress_ca_file), "", 0, 0, NULL,
     "Certificates (PEM) that it trusts then, instead of the system's."},
    {"grpc_listen", OW_CONFIG_STRING, offsetof(process_config, grpc_listen), "", 0, 0, NULL,
     "Where processes of other hosts call this one's services, as 10.0.0.1:7400; empty: nowhere. Needs "
     "the four keys that follow grpc_peers."},
    {"grpc_peers", OW_CONFIG_STRING, offsetof(process_config, grpc_peers), "", 0, 0, NULL,
     "Where the services of other hosts are, as identity=10.0.0.2:7400,*=10.0.0.3:7400; *: all others "
     "that do not run in this process. Needs the four keys that follow."},
    {"grpc_certificate", OW_CONFIG_STRING, offsetof(process_config, grpc_certificate), "", 0, 0,
     NULL, "PEM file of the certificate that this process shows to those of other hosts."},
    {"grpc_key", OW_CONFIG_STRING, offsetof(process_config, grpc_key), "", 0, 0, NULL,
     "PEM file of its private key, which others must not be able to read."},
    {"grpc_authority", OW_CONFIG_STRING, offsetof(process_config, grpc_authority), "", 0, 0, NULL,
     "PEM file of the authority that signed the certificates of all processes."},
    {"grpc_name", OW_CONFIG_STRING, offsetof(process_config, grpc_name), "overworld", 0, 0, NULL,
     "The DNS name that they all carry."},
    {"runners", OW_CONFIG_STRING, offsetof(process_config, runners), "", 0, 0, NULL,
     "Names of the processes that run functions, where there are several, as a,b; the same in every "
     "process. Each function belongs to one of them, and to another when that one is gone. Empty: one."},
    {"id", OW_CONFIG_STRING, offsetof(process_config, id), "", 0, 0, NULL,
     "Which of server.runners this process is."},
    {0},
};

// Members are made from top to bottom and freed in reverse; each may be missing.
typedef struct process {
    const options *options;
    const process_config *config;
    const platform_service *services;
    int64_t started_us;
    folders folders;
    char name[PROCESS_NAME_MAX];
    uint64_t seed;
    ow_clock *clock;
    ow_loop *loop;
    ow_metrics *metrics;
    gauges gauges;
    ow_http_client *outgoing;
    calls calls;
    ow_module_env env;
    ow_modules *modules; // the caller's
    status_page status;
    ow_watch signals;
    ow_turn_hook hook;
    ow_timer drain_deadline;
    bool was_ready;
    bool draining;
    bool drained;
} process;

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The outcome of something is unknown: no line of code may run on what it believes to be true.
static void end_at_once(void *self, const ow_err *why) {
    (void)self;
    ow_log(OW_LOG_ERROR, "ending at once", "reason=%s why=%s at=%s:%d", why->reason, why->message,
           why->file, why->line);
    _exit(EXIT_FAULT);
}

// --- signals and drain ---

static void on_drain_deadline(void *self) {
    process *process = self;
    ow_log(OW_LOG_WARN, "drain time is over", "drain_ms=%" PRId64,
           process->config->drain_us / 1000);
    ow_loop_stop(process->loop);
}

static void on_ending_signal(process *process, unsigned signal) {
    if (process->draining) {
        ow_log(OW_LOG_WARN, "second signal, ending at once", "signal=%u", signal);
        _exit(EXIT_FAULT);
    }
    process->draining = true;
    ow_log(OW_LOG_INFO, "draining", "signal=%u drain_ms=%" PRId64, signal,
           process->config->drain_us / 1000);
    int64_t due_us = ow_loop_now_us(process->loop) + process->config->drain_us;
    if (ow_loop_timer_set(process->loop, &process->drain_deadline, due_us) != OW_OK) {
        ow_loop_stop(process->loop);
    }
}

static void on_signal(void *self, uint32_t events) {
    (void)events;
    process *process = self;
    struct signalfd_siginfo info;
    while (read(process->signals.fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGHUP) {
            ow_log(OW_LOG_INFO, "reloading", "signal=%u", info.ssi_signo);
            ow_modules_reload(process->modules);
        } else {
            on_ending_signal(process, info.ssi_signo);
        }
    }
}

static int64_t watch_readiness(process *process) {
    const char *name;
    const char *why_not;
    if (!ow_modules_ready(process->modules, &name, &why_not)) {
        return POLL_WHILE_STARTING_US;
    }
    process->was_ready = true;
    ow_log(OW_LOG_INFO, "ready", "targets=%s data=%s pid=%d took_ms=%.1f",
           process->options->targets, process->folders.data, (int)getpid(),
           (double)(now_us() - process->started_us) / 1000.0);
    return -1;
}

static int64_t on_turn(void *self) {
    process *process = self;
    if (!process->draining) {
        return process->was_ready ? -1 : watch_readiness(process);
    }
    bool calls_ended = calls_drain(&process->calls);
    process->drained = ow_modules_drain(process->modules) && calls_ended;
    if (process->drained) {
        ow_loop_stop(process->loop);
    }
    return POLL_WHILE_DRAINING_US;
}

static void watched_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

static ow_code watch_signals(process *process, ow_err *err) {
    sigset_t set;
    watched_signals(&set);
    // Before the first thread, so that all inherit it.
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
        return ow_fail_errno(err, errno, "cannot set up signals");
    }
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        return ow_fail_errno(err, errno, "cannot set up signals");
    }
    process->signals = (ow_watch){.on_ready = on_signal, .self = process};
    ow_code code = ow_loop_watch(process->loop, &process->signals, fd, EPOLLIN, err);
    if (code != OW_OK) {
        close(fd);
    }
    return code;
}

// From here on nobody reads signals any more: the next one ends the process.
static void unwatch_signals(process *process) {
    if (process->signals.watched) {
        int fd = process->signals.fd;
        ow_loop_unwatch(process->loop, &process->signals);
        close(fd);
        sigset_t set;
        watched_signals(&set);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
}

// --- the shared parts ---

static void name_process(process *process) {
    int used = snprintf(process->name, sizeof process->name, "%.80s-%d", process->options->targets,
                        (int)getpid());
    for (int i = 0; i < used; i++) {
        if (process->name[i] == ',') {
            process->name[i] = '+';
        }
    }
}

// Each connection is a descriptor; the soft limit of 1024 is made for select(2).
// A core file would hold keys and secrets. 1 and not 0: with 0 the kernel still hands the memory to a
// program that /proc/sys/kernel/core_pattern names, with 1 it does neither.
static void forbid_core_files(void) {
    struct rlimit none = {1, 1};
    if (setrlimit(RLIMIT_CORE, &none) != 0) {
        ow_log(OW_LOG_WARN, "core files stay possible", "why=\"%s\"", strerror(errno));
    }
}

static void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static ow_code open_outgoing(process *process, ow_err *err) {
    const process_config *config = process->config;
    ow_http_client_options options = {
        .loop = process->loop,
        .egress = {.hosts = config->egress_hosts,
                   .networks = config->egress_networks,
                   .plain = config->egress_plain},
        .user_agent = "overworld/" OVERWORLD_VERSION,
        .ca_file = config->egress_ca_file,
        .max_fetches = OUTGOING_MAX,
        .max_connections = OUTGOING_CONNECTIONS_MAX,
        .max_per_host = OUTGOING_PER_HOST_MAX,
    };
    return ow_http_client_open(&options, &process->outgoing, err);
}

// Without a path there is no text.
static ow_code load_pem(const char *path, bool is_key, char **ret_text, ow_err *err) {
    return path[0] == '\0' ? OW_OK : ow_pem_load(path, is_key, ret_text, err);
}

static ow_code open_calls(process *process, ow_err *err) {
    const process_config *config = process->config;
    char *certificate = NULL;
    char *key = NULL;
    char *authority = NULL;
    ow_code code = load_pem(config->grpc_certificate, false, &certificate, err);
    code = code == OW_OK ? load_pem(config->grpc_key, true, &key, err) : code;
    code = code == OW_OK ? load_pem(config->grpc_authority, false, &authority, err) : code;
    const ow_grpc_tls tls = {certificate, key, authority, config->grpc_name};
    if (code == OW_OK) {
        calls_options calls = {
            .loop = process->loop,
            .modules = process->modules,
            .services = process->services,
            .socket_folder = process->folders.run,
            .listen = config->grpc_listen,
            .peers = config->grpc_peers,
            .tls = &tls,
            .copies = config->runners,
            .id = config->id,
            .pool_threads = (int)config->pool_threads,
            .packed = process->options->packed,
            .seed = process->seed,
        };
        code = calls_open(&process->calls, &calls, err);
    }
    ow_pem_wipe(certificate);
    ow_pem_wipe(key);
    ow_pem_wipe(authority);
    return code;
}

static ow_code open_parts(process *process, ow_err *err) {
    ow_code code = folders_open(process->options->data, process->config->binary_folder,
                                &process->folders, err);
    if (code == OW_OK) {
        code = ow_clock_open(process->options->test_clock, &process->clock, err);
    }
    if (code == OW_OK) {
        code = ow_loop_new(&process->loop, err);
    }
    if (code == OW_OK) {
        code = watch_signals(process, err);
    }
    if (code != OW_OK) {
        return code;
    }
    process->metrics = ow_metrics_new();
    if (process->metrics == NULL) {
        return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for metrics");
    }
    gauges_add(&process->gauges, process->metrics);
    code = open_outgoing(process, err);
    if (code != OW_OK) {
        return code;
    }
    return open_calls(process, err);
}

static void fill_env(process *process) {
    process->env = (ow_module_env){
        .loop = process->loop,
        .clock = process->clock,
        .directory = process->calls.directory,
        .api = process->calls.api,
        .pool = process->calls.pool,
        .metrics = process->metrics,
        .outgoing = process->outgoing,
        .modules = process->modules,
        .data_folder = process->folders.data,
        .binary_folder = process->folders.binaries,
        .process = process->name,
        .id = process->config->id,
        .version = OVERWORLD_VERSION,
        .rerun_writes = process->options->rerun_writes,
        .on_fatal = end_at_once,
        .on_fatal_self = process,
    };
}

// The gateway shows it all on its console listener; a process without one has a socket.
static ow_code open_status(process *process, ow_err *err) {
    if (ow_modules_chosen(process->modules, "gateway")) {
        return OW_OK;
    }
    const char *targets = process->options->targets;
    char path[PATH_MAX + 64];
    const char *id = process->config->id;
    snprintf(path, sizeof path, "%s/%.*s%s%.40s.http.sock", process->folders.run,
             (int)strcspn(targets, ","), targets, id[0] != '\0' ? "." : "", id);
    return status_open(&process->status, process->loop, process->modules, process->metrics, path,
                       err);
}

static ow_code start(process *process, const ow_config *config, ow_err *err) {
    ow_code code = open_parts(process, err);
    if (code != OW_OK) {
        return code;
    }
    fill_env(process);
    code = ow_modules_start(process->modules, &process->env, config, err);
    if (code == OW_OK) {
        code = calls_offer(&process->calls, err);
    }
    if (code == OW_OK) {
        code = open_status(process, err);
    }
    if (code == OW_OK) {
        process->hook = (ow_turn_hook){.on_turn = on_turn, .self = process};
        ow_loop_hook_add(process->loop, OW_TURN_FLUSH, &process->hook);
    }
    return code;
}

// What the stop has ended is told by messages and deferred calls.
static void settle(process *process) {
    for (int i = 0; process->loop != NULL && i < TURNS_TO_SETTLE; i++) {
        if (ow_loop_turn(process->loop, 0, NULL) != OW_OK) {
            return;
        }
    }
}

static void stop(process *process) {
    if (process->loop != NULL) {
        ow_loop_hook_remove(process->loop, OW_TURN_FLUSH, &process->hook);
        ow_loop_timer_cancel(process->loop, &process->drain_deadline);
        unwatch_signals(process);
    }
    status_close(&process->status);
    calls_cut(&process->calls);
    ow_modules_stop(process->modules);
    calls_stop(&process->calls);
    settle(process);
    ow_modules_deinit(process->modules);
    calls_close(&process->calls);
    process->outgoing = ow_http_client_close(process->outgoing);
    gauges_remove(&process->gauges);
    process->metrics = ow_metrics_free(process->metrics);
    process->loop = ow_loop_free(process->loop);
    process->clock = ow_clock_close(process->clock);
}

static void warn_of_test_mode(process *process) {
    const options *options = process->options;
    process->seed = options->seed;
    if (options->seed == 0) {
        ow_random_bytes(&process->seed, sizeof process->seed);
    }
    if (options->test_clock != NULL || options->rerun_writes || options->packed) {
        ow_log(OW_LOG_WARN, "test mode", "test_clock=%s rerun_writes=%d packed=%d seed=%" PRIu64,
               options->test_clock, options->rerun_writes, options->packed, process->seed);
    }
}

int process_run(const options *options, const ow_config *config, ow_modules *modules,
                const platform_service *services) {
    process process = {
        .options = options,
        .services = services,
        .config = ow_config_of(config, "server"),
        .started_us = now_us(),
        .modules = modules,
        .drain_deadline = {.on_due = on_drain_deadline, .self = &process},
    };
    ow_log_open(STDERR_FILENO, (ow_log_level)process.config->log_level,
                (ow_log_format)process.config->log_format);
    umask(077);
    forbid_core_files();
    raise_descriptor_limit();
    name_process(&process);
    warn_of_test_mode(&process);

    ow_err err;
    ow_code code = start(&process, config, &err);
    if (code == OW_OK) {
        code = ow_loop_run(process.loop, &err);
    }
    if (code != OW_OK) {
        ow_log(OW_LOG_ERROR, process.was_ready ? "ending" : "cannot start",
               "code=%s reason=%s why=%s at=%s:%d", ow_code_name(code), err.reason, err.message,
               err.file, err.line);
    }
    stop(&process);
    if (code == OW_OK) {
        ow_log(OW_LOG_INFO, "stopped", "drained=%s", process.drained ? "true" : "false");
    }
    return code == OW_OK ? 0 : EXIT_FAULT;
}
