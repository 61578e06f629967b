// Ends of processes, taken in so that none stays behind as a zombie. Zygotes leave their parent and
// fall to the nearest reaper, which may be us: the first process of a container.

#include "runtimes/host/host.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtimes/host/internal.h"

struct reaping {
    source source;
    reaping *next;
    ow_host *host;
    int pidfd;
    bool parent;   // what it leaves falls to us, too
    bool orphaned; // ended while it was still that one's
};

// False: it is somebody else's child, now at least.
static bool take_end(const reaping *entry, int options) {
    siginfo_t info;
    int failed = 0;
    do {
        failed = waitid(P_PIDFD, (id_t)entry->pidfd, &info, WEXITED | options) != 0 ? errno : 0;
    } while (failed == EINTR);
    return failed == 0;
}

static void forget(reaping *entry) {
    close(entry->pidfd);
    free(entry);
}

static reaping *add(ow_host *host, int pidfd) {
    reaping *entry = calloc(1, sizeof *entry);
    if (!entry) {
        close(pidfd);
        return NULL;
    }
    *entry = (reaping){.source = {.kind = SOURCE_REAPING, .owner = entry},
                       .next = host->reaping,
                       .host = host,
                       .pidfd = pidfd};
    host->reaping = entry;
    // What is not watched is reaped with the host.
    (void)watch(host, pidfd, &entry->source, NULL);
    return entry;
}

void reap_later(ow_host *host, int pidfd) {
    if (pidfd >= 0) {
        (void)add(host, pidfd);
    }
}

void reap_parent(ow_host *host, int pidfd) {
    reaping *entry = pidfd >= 0 ? add(host, pidfd) : NULL;
    if (entry) {
        entry->parent = true;
    }
}

void reap_kill(ow_host *host, int pidfd) {
    if (pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
        reap_parent(host, pidfd);
    }
}

static unsigned parents_awaited(const ow_host *host) {
    unsigned count = 0;
    for (const reaping *at = host->reaping; at; at = at->next) {
        count += at->parent && !at->orphaned;
    }
    return count;
}

static void take_orphans(ow_host *host) {
    for (reaping **link = &host->reaping; *link;) {
        reaping *entry = *link;
        if (entry->orphaned) {
            *link = entry->next;
            (void)take_end(entry, WNOHANG);
            forget(entry);
        } else {
            link = &entry->next;
        }
    }
}

void reap_readable(reaping *entry) {
    ow_host *host = entry->host;
    unwatch(host, entry->pidfd);
    if (!take_end(entry, WNOHANG) && parents_awaited(host) > (unsigned)entry->parent) {
        entry->orphaned = true;
        return;
    }
    reaping **link = &host->reaping;
    while (*link != entry) {
        link = &(*link)->next;
    }
    *link = entry->next;
    bool parent = entry->parent;
    forget(entry);
    if (parent && parents_awaited(host) == 0) {
        take_orphans(host);
    }
}

// What is another's child at the first look is nobody's at the second: by then that one was waited for.
void reap_all(ow_host *host) {
    reaping *others = NULL;
    while (host->reaping) {
        reaping *entry = host->reaping;
        host->reaping = entry->next;
        if (take_end(entry, 0)) {
            forget(entry);
        } else {
            entry->next = others;
            others = entry;
        }
    }
    while (others) {
        reaping *entry = others;
        others = entry->next;
        (void)take_end(entry, 0);
        forget(entry);
    }
}
