// One function for each way in which a function can go wrong.

#define _GNU_SOURCE

#include <overworld.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <unistd.h>

static volatile int sink;

int good(ow_ctx *ctx) {
    return ow_reply_text(ctx, "\"good\"");
}

int segv(ow_ctx *ctx) {
    (void)ctx;
    return *(volatile int *)(uintptr_t)8;
}

int aborts(ow_ctx *ctx) {
    (void)ctx;
    abort();
}

int endless(ow_ctx *ctx) {
    (void)ctx;
    for (;;) {
        sink++;
    }
}

static int __attribute__((noinline)) descend(int depth) {
    volatile char frame[4096];
    frame[depth & 4095] = (char)depth;
    return descend(depth + 1) + frame[0];
}

int stack(ow_ctx *ctx) {
    (void)ctx;
    return descend(0);
}

int memory_bomb(ow_ctx *ctx) {
    for (size_t total = 0; total < (size_t)4 << 30; total += 1 << 20) {
        char *piece = malloc(1 << 20);
        if (piece == NULL) {
            break;
        }
        memset(piece, 1, 1 << 20);
        sink += piece[total & 1023];
    }
    return ow_reply_text(ctx, "\"ate it all\"");
}

int descriptors(ow_ctx *ctx) {
    int opened = 0;
    for (int i = 0; i < 100000; i++) {
        if (dup(1) < 0) {
            break;
        }
        opened++;
    }
    return ow_reply_text(ctx, opened < 100000 ? "\"limited\"" : "\"unlimited\"");
}

int fork_bomb(ow_ctx *ctx) {
    for (int i = 0; i < 1000; i++) {
        if (fork() < 0) {
            break;
        }
    }
    return ow_reply_text(ctx, "\"forked\"");
}

int flood(ow_ctx *ctx) {
    for (int i = 0; i < 200000; i++) {
        printf("line %d of a flood that nobody wants to keep\n", i);
    }
    return ow_reply_text(ctx, "\"flooded\"");
}

int no_reply(ow_ctx *ctx) {
    (void)ctx;
    return 0;
}

int double_reply(ow_ctx *ctx) {
    ow_reply_text(ctx, "\"one\"");
    ow_reply_text(ctx, "\"two\"");
    return 0;
}

int big_reply(ow_ctx *ctx) {
    size_t size = (size_t)7 << 20;
    char *text = malloc(size);
    memset(text, 'x', size);
    ow_reply(ctx, text, size);
    free(text);
    return 0;
}

int exits(ow_ctx *ctx) {
    (void)ctx;
    exit(0);
}

int opens_socket(ow_ctx *ctx) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return ow_reply_text(ctx, fd >= 0 ? "\"open\"" : "\"refused\"");
}

int executes(ow_ctx *ctx) {
    char *argv[] = {"/bin/true", NULL};
    execv(argv[0], argv);
    return ow_reply_text(ctx, "\"refused\"");
}

int traces(ow_ctx *ctx) {
    long result = ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    return ow_reply_text(ctx, result == 0 ? "\"open\"" : "\"refused\"");
}

int kills_parent(ow_ctx *ctx) {
    int result = kill(getppid(), SIGKILL);
    return ow_reply_text(ctx, result == 0 ? "\"open\"" : "\"refused\"");
}

static int reply_opened(ow_ctx *ctx, const char *path, int flags) {
    int fd = open(path, flags, 0600);
    return ow_reply_text(ctx, fd >= 0 ? "\"open\"" : "\"refused\"");
}

int reads_passwd(ow_ctx *ctx) {
    return reply_opened(ctx, "/etc/passwd", O_RDONLY);
}

int reads_others(ow_ctx *ctx) {
    int found = 0;
    static const char *const paths[] = {"/proc/1/mem", "/proc/1/environ", "/proc/self/../1/maps",
                                        "/root",       "/home",           "/tmp"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        found += open(paths[i], O_RDONLY) >= 0;
    }
    return ow_reply_text(ctx, found > 0 ? "\"open\"" : "\"refused\"");
}

int writes_file(ow_ctx *ctx) {
    return reply_opened(ctx, "/tmp/overworld-was-here", O_WRONLY | O_CREAT);
}

int ignores_timeout(ow_ctx *ctx) {
    (void)ctx;
    signal(SIGTERM, SIG_IGN);
    signal(SIGALRM, SIG_IGN);
    for (;;) {
        sink++;
    }
}

// ---- against the platform's side of the process ----

int closes_all(ow_ctx *ctx) {
    for (int fd = 0; fd <= 100; fd++) {
        close(fd);
    }
    return ow_reply_text(ctx, "\"closed\"");
}

int writes_everywhere(ow_ctx *ctx) {
    char junk[4096];
    memset(junk, 'A', sizeof junk);
    for (int fd = 0; fd <= 100; fd++) {
        for (size_t size = 1; size < sizeof junk; size *= 3) {
            sink += write(fd, junk, size) > 0;
        }
    }
    return endless(ctx);
}

int ignores_sigsys(ow_ctx *ctx) {
    signal(SIGSYS, SIG_IGN);
    return opens_socket(ctx);
}

int replies_with_nothing_there(ow_ctx *ctx) {
    return ow_reply(ctx, (const void *)(uintptr_t)8, 100);
}

int log_flood(ow_ctx *ctx) {
    for (int i = 0; i < 100000; i++) {
        ow_log(ctx, i % 7 - 2, "line %d \x01\xff\n of a flood", i);
    }
    return ow_reply_text(ctx, "\"logged\"");
}

int ignores_its_request(ow_ctx *ctx) {
    return ow_reply_text(ctx, "\"ignored\"");
}

int passes_on_6_mb(ow_ctx *ctx) {
    size_t size = 6000000;
    char *text = malloc(size);
    memset(text, '1', size);
    ow_result result;
    int failed = ow_call(ctx, "ignores_its_request", text, size, &result);
    free(text);
    return ow_reply_text(ctx, failed ? "\"failed\"" : "\"passed\"");
}

int calls_what_is_not_there(ow_ctx *ctx) {
    static const char *const names[] = {"", "/", "a/b/c", "nothing", "faulty/", "../x", "\xff"};
    int failed = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ow_result result;
        failed += ow_call(ctx, names[i], "{}", 2, &result) != 0;
    }
    return ow_reply_text(ctx, failed == 7 ? "\"none\"" : "\"some\"");
}

// The request lies in the memory shared with the server, between its words below and other requests.
static unsigned char *shared_page(ow_ctx *ctx) {
    size_t length;
    return (unsigned char *)((uintptr_t)ow_payload(ctx, &length) & ~(uintptr_t)4095);
}

static sigjmp_buf out_of_bounds;

static void on_fault(int number) {
    (void)number;
    siglongjmp(out_of_bounds, 1);
}

static void overwrite(volatile unsigned char *at, int step, unsigned seed) {
    signal(SIGSEGV, on_fault);
    signal(SIGBUS, on_fault);
    if (sigsetjmp(out_of_bounds, 1) == 0) {
        for (;; at += step) {
            seed = seed * 1664525u + 1013904223u;
            *at = (unsigned char)(seed >> 24);
        }
    }
}

int overwrites_shared_memory(ow_ctx *ctx) {
    unsigned seed = (unsigned)ow_json_number(ow_payload_json(ctx), "seed", 1);
    unsigned char *page = shared_page(ctx);
    if (seed % 2 == 0) {
        ow_reply_text(ctx, "\"replied\"");
    }
    overwrite(page, 1, seed);
    overwrite(page, -1, seed);
    return 0;
}

// Writes that it has not begun, and goes on.
int denies_its_start(ow_ctx *ctx) {
    if (ow_json_number(ow_payload_json(ctx), "deny", 0) == 0) {
        return ow_reply_text(ctx, "\"honest\"");
    }
    volatile unsigned *words = (volatile unsigned *)(shared_page(ctx) - 4096);
    for (int i = 64; i < 1024; i++) {
        if (words[i] == 2) { // started
            words[i] = 1;    // queued
        }
    }
    return endless(ctx);
}
