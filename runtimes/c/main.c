// The runtime of C functions: loads a shared object built by runtimes/build and calls its symbols.

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtimes/c/internal.h"
#include "runtimes/sandbox/sandbox.h"

typedef struct code_range {
    uintptr_t base;
    uintptr_t end;
} code_range;

static int find_end(struct dl_phdr_info *info, size_t size, void *data) {
    (void)size;
    code_range *range = data;
    if (info->dlpi_addr != range->base) {
        return 0;
    }
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        uintptr_t end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
        if (header->p_type == PT_LOAD && end > range->end) {
            range->end = end;
        }
    }
    return 1;
}

static void note_code(ow_rt *rt, void *handle) {
    struct link_map *map = NULL;
    if (dlinfo(handle, RTLD_DI_LINKMAP, &map) != 0) {
        return;
    }
    code_range range = {.base = map->l_addr};
    dl_iterate_phdr(find_end, &range);
    ow_rt_set_code(rt, range.base, range.end);
}

static int run_init(ow_ctx *ctx, void *handle, char *message) {
    function_entry *init = NULL;
    *(void **)&init = dlsym(handle, "ow_init");
    if (!init) {
        return 0;
    }
    ctx->in_init = true;
    int returned = init(ctx);
    ctx->in_init = false;
    context_reset(ctx);
    if (returned != 0) {
        snprintf(message, OW_RT_MESSAGE_MAX, "ow_init returned %d%s%s", returned,
                 ctx->init_message[0] ? ": " : "", ctx->init_message);
    }
    return returned == 0 ? 0 : ECANCELED;
}

static int load(ow_rt *rt, int code_fd, const char *symbol, char *message) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", code_fd);
    ow_ctx *ctx = calloc(1, sizeof *ctx);
    if (!ctx) {
        return ENOMEM;
    }
    ctx->rt = rt;
    ow_rt_set_user(rt, ctx);
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        snprintf(message, OW_RT_MESSAGE_MAX, "the code does not load: %s", dlerror());
        return ENOEXEC;
    }
    ow_sandbox_no_more_code();
    note_code(rt, handle);
    *(void **)&ctx->entry = dlsym(handle, symbol);
    if (!ctx->entry) {
        snprintf(message, OW_RT_MESSAGE_MAX, "there is no function `%s` in the code", symbol);
        return ENOENT;
    }
    return run_init(ctx, handle, message);
}

static void invoke(ow_rt *rt) {
    ow_ctx *ctx = ow_rt_user(rt);
    int returned = ctx->entry(ctx);
    if (returned != 0 && !ow_rt_settled(rt)) {
        char message[64];
        snprintf(message, sizeof message, "the function returned %d", returned);
        (void)ow_rt_fail(rt, message);
    }
    context_reset(ctx);
}

int main(int argc, char **argv) {
    static const ow_runtime runtime = {.name = "c", .load = load, .invoke = invoke};
    return ow_zygote_main(argc, argv, &runtime);
}
