// Functions that behave, and functions that misbehave in every way a test needs.

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <math.h>
#include <overworld.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t words_length;
static int initialised;

int ow_init(ow_ctx *ctx) {
    const char *fail = ow_env(ctx, "FAIL_INIT");
    if (fail && strcmp(fail, "crash") == 0) {
        *(volatile int *)0 = 1;
    }
    if (fail) {
        return ow_user_error(ctx, "init says %s", fail);
    }
    if (ow_env(ctx, "LOG_INIT")) {
        printf("in init\n");
    }
    ow_file(ctx, "words.txt", &words_length);
    initialised++;
    return 0;
}

int echo(ow_ctx *ctx) {
    size_t length;
    const void *data = ow_payload(ctx, &length);
    return ow_reply(ctx, data, length);
}

int echo_json(ow_ctx *ctx) {
    cJSON *request = ow_payload_json(ctx);
    return ow_reply_json(ctx, cJSON_Duplicate(request, true));
}

int about(ow_ctx *ctx) {
    cJSON *reply = cJSON_CreateObject();
    cJSON_AddStringToObject(reply, "request_id", ow_request_id(ctx));
    cJSON_AddStringToObject(reply, "source", ow_source(ctx));
    cJSON_AddStringToObject(reply, "player", ow_player(ctx));
    cJSON_AddStringToObject(reply, "principal", ow_principal(ctx));
    cJSON_AddStringToObject(reply, "version", ow_version(ctx));
    cJSON_AddStringToObject(reply, "function", ow_function(ctx));
    cJSON_AddStringToObject(reply, "execution", ow_execution_id(ctx));
    cJSON_AddNumberToObject(reply, "attempt", ow_attempt(ctx));
    cJSON_AddStringToObject(reply, "type", ow_content_type(ctx));
    cJSON_AddStringToObject(reply, "env", ow_env(ctx, "GREETING") ? ow_env(ctx, "GREETING") : "");
    cJSON_AddNumberToObject(reply, "words", (double)words_length);
    cJSON_AddNumberToObject(reply, "init", initialised);
    cJSON_AddBoolToObject(reply, "deadline", ow_deadline_left_ms(ctx) > 0);
    ow_json_add_int64(reply, "big", INT64_MAX);
    ow_set_content_type(ctx, "application/vnd.about+json");
    return ow_reply_json(ctx, reply);
}

int file(ow_ctx *ctx) {
    size_t length;
    char name[64];
    const void *wanted = ow_payload(ctx, &length);
    snprintf(name, sizeof name, "%.*s", (int)length, (const char *)wanted);
    const void *data = ow_file(ctx, name, &length);
    return data ? ow_reply(ctx, data, length) : ow_refuse(ctx, "no_file", name, "{\"a\":1}");
}

int write_file(ow_ctx *ctx) {
    char *data = (char *)ow_file(ctx, "words.txt", NULL);
    data[0] = 'X';
    return ow_reply_text(ctx, "written");
}

int talk(ow_ctx *ctx) {
    printf("plain line\n");
    ow_log(ctx, OW_WARN, "a warning, %d\nwith two lines", 7);
    fprintf(stderr, "on stderr\n");
    write(1, "raw\n", 4);
    printf("unfinished");
    return ow_reply_text(ctx, "{}");
}

int nested(ow_ctx *ctx) {
    size_t length;
    const void *data = ow_payload(ctx, &length);
    ow_result result;
    if (ow_call(ctx, "other/echo", data, length, &result) != 0) {
        return ow_refuse(ctx, result.code, "nested", NULL);
    }
    return ow_reply(ctx, result.data, result.length);
}

int user_error(ow_ctx *ctx) {
    return ow_user_error(ctx, "number %d is wrong", 7);
}
int returns_3(ow_ctx *ctx) {
    return 3;
}
int no_reply(ow_ctx *ctx) {
    return 0;
}

int double_reply(ow_ctx *ctx) {
    ow_reply_text(ctx, "1");
    ow_reply_text(ctx, "2");
    return 0;
}

int large_reply(ow_ctx *ctx) {
    size_t length = 7 << 20;
    char *data = calloc(1, length);
    int failed = ow_reply(ctx, data, length);
    free(data);
    return failed;
}

int six_mb(ow_ctx *ctx) {
    size_t length = 6 << 20;
    char *data = malloc(length);
    memset(data, 'x', length);
    ow_reply(ctx, data, length);
    free(data);
    return 0;
}

__attribute__((noinline)) static int third(volatile int *at) {
    return *at + 1;
}
__attribute__((noinline)) static int second(volatile int *at) {
    return third(at) + 1;
}

int segv(ow_ctx *ctx) {
    return second((int *)(size_t)(ow_deadline_left_ms(ctx) < 0)) + 1;
}

int crash_on(ow_ctx *ctx) {
    size_t length;
    const char *data = ow_payload(ctx, &length);
    printf("got %.*s\n", (int)length, data);
    if (length == 5 && memcmp(data, "crash", 5) == 0) {
        second((int *)8);
    }
    return ow_reply(ctx, data, length);
}

int aborts(ow_ctx *ctx) {
    abort();
}
int exits(ow_ctx *ctx) {
    exit(0);
}

int divides(ow_ctx *ctx) {
    volatile int zero = 0;
    return 1 / zero;
}

int endless(ow_ctx *ctx) {
    for (volatile int i = 0;; i++) {
    }
}

__attribute__((noinline)) static int deeper(int n) {
    volatile char space[4096];
    space[0] = (char)n;
    return deeper(n + 1) + space[0];
}
int overflows(ow_ctx *ctx) {
    return deeper(0);
}

int memory_bomb(ow_ctx *ctx) {
    for (;;) {
        char *volatile more = malloc(1 << 20);
        memset(more, 1, 1 << 20);
    }
}

int memory_huge(ow_ctx *ctx) {
    volatile size_t size = (size_t)1 << 40;
    char *volatile more = malloc(size);
    return ow_reply_text(ctx, more ? "got it" : "null");
}

int maps(ow_ctx *ctx) {
    void *at =
        mmap(NULL, (size_t)4 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return ow_reply_text(ctx, at == MAP_FAILED ? "refused" : "mapped");
}

int maps_shared(ow_ctx *ctx) {
    mmap(NULL, (size_t)1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return ow_reply_text(ctx, "mapped");
}

int maps_stack(ow_ctx *ctx) {
    mmap(NULL, (size_t)1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN,
         -1, 0);
    return ow_reply_text(ctx, "mapped");
}

int leaks_descriptors(ow_ctx *ctx) {
    for (int i = 0; i < 100000; i++) {
        dup(1);
    }
    return ow_reply_text(ctx, "{}");
}

int fork_bomb(ow_ctx *ctx) {
    for (;;) {
        fork();
    }
}

int floods(ow_ctx *ctx) {
    for (int i = 0; i < 1000000; i++) {
        printf("line %d of far too many lines of output\n", i);
    }
    return ow_reply_text(ctx, "{}");
}

int floods_and_aborts(ow_ctx *ctx) {
    for (int i = 0; i < 5000; i++) {
        ow_log(ctx, OW_INFO, "record %d\nof two lines", i);
    }
    abort();
}

int floods_raw(ow_ctx *ctx) {
    char line[4096];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 1000; i++) {
        syscall(SYS_write, 1, line, sizeof line);
    }
    printf("end\n");
    return ow_reply_text(ctx, "{}");
}

int sockets(ow_ctx *ctx) {
    return socket(AF_INET, SOCK_STREAM, 0);
}
int execs(ow_ctx *ctx) {
    return execl("/bin/sh", "sh", NULL);
}
int uring(ow_ctx *ctx) {
    return (int)syscall(SYS_io_uring_setup, 4, NULL);
}
int kills(ow_ctx *ctx) {
    return kill(1, SIGKILL);
}
int kills_other(ow_ctx *ctx) {
    return (int)syscall(SYS_tgkill, 1, 1, SIGKILL);
}
int traces(ow_ctx *ctx) {
    return (int)ptrace(PTRACE_ATTACH, 1, NULL, NULL);
}

int drains_host(ow_ctx *ctx) {
    long value;
    return (int)syscall(SYS_read, (1ul << 32) | 40, &value, sizeof value);
}

int raises_limit(ow_ctx *ctx) {
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    return setrlimit(RLIMIT_DATA, &limit) + 1;
}

int reads_files(ow_ctx *ctx) {
    static const char *const paths[] = {
        "/etc/passwd",    "/etc/hostname", "/",    "/proc/1/environ", "/proc/self/maps",
        "/proc/self/mem", "/usr/bin/env",  "/tmp", "/dev/null",       "/proc/1/root/etc/passwd"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int fd = open(paths[i], O_RDONLY);
        if (fd >= 0) {
            return ow_refuse(ctx, "opened", paths[i], NULL);
        }
    }
    int made = open("/tmp/made", O_CREAT | O_WRONLY, 0600);
    return ow_reply_text(ctx, made < 0 ? "none" : "made");
}

int new_code(ow_ctx *ctx) {
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return ow_reply_text(ctx, mprotect(at, 4096, PROT_READ | PROT_EXEC) == 0 ? "yes" : "no");
}

// Fills the shared region with noise while the host looks at it. The region is the one large
// shared mapping; its address is found by what a payload pointer is near to.
int scribbles(ow_ctx *ctx) {
    size_t length;
    const unsigned char *payload = ow_payload(ctx, &length);
    unsigned seed = 1;
    memcpy(&seed, payload, length < sizeof seed ? length : sizeof seed);
    unsigned char *page = (unsigned char *)(((size_t)payload & ~(size_t)4095) - 4096);
    for (int i = 0; i < 20000000; i++) {
        seed = seed * 1664525u + 1013904223u;
        size_t at = (seed >> 8) % 4096;
        page[at] = (unsigned char)(seed >> 24);
    }
    return 0;
}

// Renews the time at which it started, wherever in the shared page that stands.
int stays_young(ow_ctx *ctx) {
    size_t length;
    struct timespec time;
    const unsigned char *payload = ow_payload(ctx, &length);
    volatile uint64_t *page = (volatile uint64_t *)(((size_t)payload & ~(size_t)4095) - 4096);
    clock_gettime(CLOCK_MONOTONIC, &time);
    uint64_t begin = (uint64_t)time.tv_sec * 1000000000u;
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &time);
        uint64_t now = (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
        for (int i = 0; i < 512; i++) {
            if (page[i] >= begin - 1000000000u && page[i] <= now) {
                page[i] = now;
            }
        }
    }
}

int naps(ow_ctx *ctx) {
    usleep(20000);
    return ow_reply_text(ctx, "{}");
}

int math(ow_ctx *ctx) {
    char text[40];
    volatile double x = 2;
    snprintf(text, sizeof text, "%.3f", sqrt(x) + pow(x, 0.5) + lgamma(x));
    return ow_reply_text(ctx, text);
}
