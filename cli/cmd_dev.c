// ow dev: deploy a folder at every change and follow its log.

#include "cli/bundle.h"
#include "cli/logs.h"
#include "cli/rpc.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    // Editors save in several steps: wait until nothing has changed for so long.
    QUIET_MS = 60,
    FOLLOW_STEP_MS = 20,
    FOLDERS_MAX = 200,
    PATH_ROOM = 1024,
};

// Watches a folder and those in it; one that is watched already stays so. Returns how many are.
static int watch_folders(int inotify, const char *folder, int count) {
    const uint32_t events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_CREATE | IN_MOVED_FROM;
    if (count >= FOLDERS_MAX || inotify_add_watch(inotify, folder, events) < 0) {
        return count;
    }
    count++;
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
            char inner[PATH_ROOM];
            int length = snprintf(inner, sizeof inner, "%s/%s", folder, entry->d_name);
            count = length < PATH_ROOM ? watch_folders(inotify, inner, count) : count;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return count;
}

// Reads what waits; true when something changed.
static bool changed(int inotify, int wait_ms) {
    struct pollfd ready = {.fd = inotify, .events = POLLIN};
    char events[4096];
    bool any = false;
    while (poll(&ready, 1, any ? 0 : wait_ms) > 0) {
        if (read(inotify, events, sizeof events) <= 0) {
            break;
        }
        any = true;
    }
    return any;
}

static void wait_until_quiet(int inotify) {
    while (changed(inotify, QUIET_MS)) {
    }
}

static void deploy(cli *c, const char *folder) {
    ow_arena *own = c->arena;
    c->arena = ow_arena_new(256 << 20);
    if (c->arena != NULL) {
        cli_deploy(c, folder, false);
        fflush(stdout);
        ow_arena_free(c->arena);
    }
    c->arena = own;
}

static cli_exit cmd_dev(cli *c) {
    const char *folder = c->args[0];
    int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inotify < 0) {
        return cli_fail(c, CLI_FAILED, "cannot watch folders: %s", strerror(errno));
    }
    if (watch_folders(inotify, folder, 0) == 0) {
        cli_exit code = cli_fail(c, CLI_USAGE, "cannot watch %s: %s", folder, strerror(errno));
        close(inotify);
        return code;
    }
    cli_bundle bundle;
    cli_follow follow;
    cli_exit code = cli_bundle_read(c, folder, &bundle);
    if (code == CLI_OK) {
        cli_log_query query = OVERWORLD__TELEMETRY__V1__QUERY_LOGS_REQUEST__INIT;
        query.virtual_server = (char *)(uintptr_t)bundle.name;
        code = cli_follow_start(c, &follow, &query);
        code = code == CLI_OK ? cli_follow_from_now(&follow) : code;
        cli_bundle_deinit(&bundle);
    }
    if (code != CLI_OK) {
        close(inotify);
        return code;
    }
    cli_catch_interrupt();
    cli_say(c, "watching %s; $LATEST follows it, Ctrl-C ends", folder);
    deploy(c, folder);
    while (!cli_interrupted() && !follow.failed) {
        if (changed(inotify, 0)) {
            wait_until_quiet(inotify);
            // New folders first: what is written into them while the rest is read is a change again.
            watch_folders(inotify, folder, 0);
            deploy(c, folder);
        }
        cli_follow_poll(&follow, FOLLOW_STEP_MS);
    }
    cli_follow_stop(&follow);
    close(inotify);
    return follow.failed ? CLI_UNAVAILABLE : CLI_OK;
}

// ---- The table ----

const cli_command dev_commands[] = {
    {"dev", "DIR", "deploy at every change of the folder and follow the log", 1, 1, NULL, cmd_dev,
     "ow dev examples/chat"},
    {0},
};
