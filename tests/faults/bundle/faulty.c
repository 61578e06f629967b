// One function for each way in which a function can go wrong.

#define _GNU_SOURCE

#include <overworld.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
