#include "runtimes/wire/sleep.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

// On the declaration itself: were it on the number of requests, one that was taken back before the sleep
// began would have woken nobody, and the sleep would begin all the same.
int ow_sleep_wait(ow_region *region, const struct timespec *limit) {
    return syscall(SYS_futex, &region->sleeping, FUTEX_WAIT, 1, limit, NULL, 0) == 0 ? 0 : errno;
}

void ow_sleep_wake(ow_region *region) {
    // The look first: an exchange on each call would take the line away from an instance that is awake.
    if (atomic_load(&region->sleeping) != 0 && atomic_exchange(&region->sleeping, 0) != 0) {
        syscall(SYS_futex, &region->sleeping, FUTEX_WAKE, 1, NULL, NULL, 0);
    }
}
