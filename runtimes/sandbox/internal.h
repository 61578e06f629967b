#pragma once

#include "runtimes/sandbox/sandbox.h"

// Stands for "own pid" in the compiled filter; replaced in each instance.
#define OWN_PID_PLACEHOLDER 0x5ca1ab1eU

// Compiles the allow-list of instances. The filter is the caller's (free).
ow_code instance_filter_new(struct sock_filter **ret_filter, unsigned short *ret_length,
                            ow_err *err);

// Installs a filter whose placeholder becomes `pid`. Needs no_new_privs.
ow_code filter_install(const struct sock_filter *filter, unsigned short length, int pid,
                       ow_err *err);

// A ruleset that handles everything this ABI knows and allows nothing; -1 with errno.
int landlock_deny_all(int abi);

// Restricts the calling thread; 0 or an errno.
int landlock_enter(int ruleset);
