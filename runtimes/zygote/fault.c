#include "runtimes/zygote/internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#define ALTERNATE_STACK ((size_t)64 << 10)
#define EXIT_MEMORY 86
#define NEAR_STACK ((uintptr_t)64 << 10)
#define WALK_MAX 64u // frames looked at, libraries' included

typedef struct walk {
    ow_rt *rt;
    ow_region_fault *fault;
    unsigned seen;
} walk;

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *data) {
    walk *state = data;
    int before = 0;
    uintptr_t at = _Unwind_GetIPInfo(context, &before);
    // A return address lies behind its call, which may be the last thing on its line.
    at -= before ? 0 : 1;
    if (at >= state->rt->code_base && at < state->rt->code_end) {
        state->fault->frames[state->fault->frame_count++] = at - state->rt->code_base;
    }
    bool full = state->fault->frame_count == OW_REGION_FRAMES || ++state->seen == WALK_MAX;
    return full ? _URC_END_OF_STACK : _URC_NO_REASON;
}

static void record(ow_rt *rt, uint32_t kind, int number, uintptr_t address) {
    ow_region_fault *fault = &rt->region->fault;
    if (atomic_load(&fault->kind) != OW_REGION_FAULT_NONE) {
        return; // the first one is the cause
    }
    fault->number = number;
    fault->address = address;
    fault->frame_count = 0;
    atomic_store(&fault->kind, kind);
    // Should the walk itself fault (a smashed stack), the signal is blocked and the kernel ends the
    // process; what was noted so far stays.
    walk state = {.rt = rt, .fault = fault};
    _Unwind_Backtrace(note_frame, &state);
}

static bool on_stack(uintptr_t address, const void *context) {
    const ucontext_t *state = context;
#if defined(__x86_64__)
    uintptr_t top = (uintptr_t)state->uc_mcontext.gregs[REG_RSP];
#else
    uintptr_t top = (uintptr_t)state->uc_mcontext.sp;
#endif
    return address + NEAR_STACK >= top && address <= top + NEAR_STACK;
}

static void on_fault(int number, siginfo_t *info, void *context) {
    ow_rt *rt = instance_current();
    uintptr_t address = (uintptr_t)info->si_addr;
    if (rt && number == SIGSYS) {
        record(rt, OW_REGION_FAULT_SYSCALL, info->si_syscall, 0);
    } else if (rt && number == SIGSEGV && on_stack(address, context)) {
        record(rt, OW_REGION_FAULT_STACK, number, address);
    } else if (rt) {
        record(rt, OW_REGION_FAULT_SIGNAL, number, address);
    }
    signal(number, SIG_DFL);
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

static _Unwind_Reason_Code first_frame(struct _Unwind_Context *context, void *data) {
    (void)context;
    (void)data;
    return _URC_END_OF_STACK;
}

int fault_init(void) {
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
    stack_t stack = {.ss_size = ALTERNATE_STACK};
    stack.ss_sp =
        mmap(NULL, ALTERNATE_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) != 0) {
        return errno;
    }
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (sigaction(signals[i], &action, NULL) != 0) {
            return errno;
        }
    }
    // Whatever the unwinder loads at its first use is loaded now.
    _Unwind_Backtrace(first_frame, NULL);
    return 0;
}

void ow_rt_out_of_memory(size_t length) {
    ow_rt *rt = instance_current();
    if (!rt) {
        return;
    }
    record(rt, OW_REGION_FAULT_MEMORY, 0, length);
    _exit(EXIT_MEMORY);
}
