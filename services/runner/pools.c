#include "services/runner/pools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log/log.h"
#include "services/runner/hash.h"
#include "services/runner/internal.h"

#define BUCKETS 1024u
#define ENTRY_ARENA ((size_t)1 << 20)
#define DEFAULT_TIMEOUT_MS 3000
#define DEFAULT_MEMORY_MB 128
#define BLOB_RETRY_US 1000000
#define RETIRED_KEEP_US 10000000
#define UNUSED_KEEP_US 600000000
#define REVIVE_AFTER_US 5000000

bool pools_init(struct pools *pools, struct runner *runner) {
    *pools = (struct pools){.runner = runner, .buckets = calloc(BUCKETS, sizeof *pools->buckets)};
    return pools->buckets != NULL;
}

// ---- what pools share

static struct title_share *title_share(struct pools *pools, const char *title_id) {
    for (struct title_share *at = pools->titles; at != NULL; at = at->next) {
        if (strcmp(at->title_id, title_id) == 0) {
            at->pools++;
            return at;
        }
    }
    struct title_share *share = calloc(1, sizeof *share);
    if (share != NULL) {
        snprintf(share->title_id, sizeof share->title_id, "%s", title_id);
        share->pools = 1;
        share->next = pools->titles;
        pools->titles = share;
    }
    return share;
}

static void leave_title(struct pools *pools, struct title_share *share) {
    if (share == NULL || --share->pools > 0) {
        return;
    }
    struct title_share **at = &pools->titles;
    while (*at != share) {
        at = &(*at)->next;
    }
    *at = share->next;
    free(share);
}

static struct family *family_of(struct pools *pools, const char *key) {
    for (struct family *at = pools->families; at != NULL; at = at->next) {
        if (strcmp(at->key, key) == 0) {
            at->pools++;
            return at;
        }
    }
    struct family *family = calloc(1, sizeof *family);
    char *copy = strdup(key);
    if (family == NULL || copy == NULL) {
        free(family);
        free(copy);
        return NULL;
    }
    *family = (struct family){.next = pools->families, .pools = 1, .key = copy};
    pools->families = family;
    return family;
}

static void leave_family(struct pools *pools, struct family *family) {
    if (family == NULL || --family->pools > 0) {
        return;
    }
    struct family **at = &pools->families;
    while (*at != family) {
        at = &(*at)->next;
    }
    *at = family->next;
    free(family->key);
    free(family);
}

// ---- code and files

static void ask_blobs(struct pool_entry *entry);

static void on_retry(void *self) {
    ask_blobs(self);
}

static void on_all_here(struct pool_entry *entry) {
    for (size_t i = 0; i < entry->file_count; i++) {
        entry->files[i].fd = entry->blobs[i + 1]->fd;
    }
    entry->why_not[0] = '\0';
    pool_set_startable(&entry->pool, true);
    runner_wake(entry->runner);
}

static void on_blob(void *self, struct blob_wait *wait, const struct blob *blob,
                    const ow_err *err) {
    struct pool_entry *entry = self;
    if (blob != NULL) {
        entry->blobs[wait - entry->waits] = blob;
        if (++entry->blobs_here == entry->blob_count) {
            on_all_here(entry);
        }
        return;
    }
    snprintf(entry->why_not, sizeof entry->why_not, "the code is not here: %.150s", err->message);
    entry->blobs_asked = false;
    ow_loop *loop = entry->runner->loop;
    (void)ow_loop_timer_set(loop, &entry->retry, ow_loop_now_us(loop) + BLOB_RETRY_US);
    bool away = err->code == OW_UNAVAILABLE || err->code == OW_DEADLINE_EXCEEDED ||
                err->code == OW_RESOURCE_EXHAUSTED;
    if (!away) {
        ow_log(OW_LOG_WARN, "code cannot be had", "function=%s why=\"%s\"", entry->family->key,
               err->message);
        pool_fail_waiting(&entry->pool, "init_failed", entry->why_not, 1);
    }
}

static void ask_blobs(struct pool_entry *entry) {
    entry->blobs_asked = true;
    for (size_t i = 0; i < entry->blob_count; i++) {
        struct blob_wait *wait = &entry->waits[i];
        if (entry->blobs[i] != NULL || wait->entry != NULL) {
            continue;
        }
        wait->on_blob = on_blob;
        wait->self = entry;
        const char *hash = i == 0 ? entry->code_sha256 : entry->file_hashes[i - 1];
        blobs_get(entry->runner->blobs, hash, wait);
    }
}

// ---- making and freeing

static bool fill_env(struct pool_entry *entry, const route_revision *revision) {
    entry->env = ow_arena_calloc(entry->arena, revision->n_env + 1, sizeof *entry->env);
    for (size_t i = 0; entry->env != NULL && i < revision->n_env; i++) {
        const env_var *variable = revision->env[i];
        const char *text =
            ow_arena_printf_in(entry->arena, "%s=%s", variable->name, variable->value);
        if (text == NULL) {
            return false;
        }
        entry->env[entry->env_count++] = text;
    }
    return entry->env != NULL;
}

static bool fill_files(struct pool_entry *entry, const route_revision *revision) {
    ow_arena *arena = entry->arena;
    size_t count = revision->n_files;
    entry->blob_count = count + 1;
    entry->files = ow_arena_calloc(arena, count + 1, sizeof *entry->files);
    entry->file_hashes = ow_arena_calloc(arena, count + 1, sizeof *entry->file_hashes);
    entry->blobs = ow_arena_calloc(arena, count + 1, sizeof *entry->blobs);
    entry->waits = ow_arena_calloc(arena, count + 1, sizeof *entry->waits);
    entry->code_sha256 = ow_arena_strdup_in(arena, revision->code_sha256);
    if (entry->files == NULL || entry->file_hashes == NULL || entry->blobs == NULL ||
        entry->waits == NULL || entry->code_sha256 == NULL) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        entry->files[i].name = ow_arena_strdup_in(arena, revision->files[i]->path);
        entry->files[i].fd = -1;
        entry->file_hashes[i] = ow_arena_strdup_in(arena, revision->files[i]->sha256);
        if (entry->files[i].name == NULL || entry->file_hashes[i] == NULL) {
            return false;
        }
    }
    entry->file_count = count;
    return true;
}

static bool fill_names(struct pool_entry *entry, const struct route *route) {
    ow_arena *arena = entry->arena;
    const char *entry_symbol = route->function->entry;
    entry->title_id = ow_arena_strdup_in(arena, route->server->title_id);
    entry->virtual_server = ow_arena_strdup_in(arena, route->server->name);
    entry->function = ow_arena_strdup_in(arena, route->function->name);
    entry->revision_id = ow_arena_strdup_in(arena, route->revision->revision_id);
    entry->version = route->revision->version;
    entry->version_text = entry->version > 0
                              ? ow_arena_printf_in(arena, "%lld", (long long)entry->version)
                              : "$LATEST";
    entry->symbol =
        entry_symbol[0] != '\0' ? ow_arena_strdup_in(arena, entry_symbol) : entry->function;
    return entry->title_id != NULL && entry->virtual_server != NULL && entry->function != NULL &&
           entry->revision_id != NULL && entry->version_text != NULL && entry->symbol != NULL;
}

static void free_entry(struct pools *pools, struct pool_entry *entry) {
    for (size_t i = 0; entry->waits != NULL && i < entry->blob_count; i++) {
        blobs_cancel(&entry->waits[i]);
        if (entry->blobs[i] != NULL) {
            blobs_release(entry->blobs[i]);
        }
    }
    ow_loop_timer_cancel(entry->runner->loop, &entry->timer);
    ow_loop_timer_cancel(entry->runner->loop, &entry->retry);
    series_deinit(&entry->series);
    levels_release(entry);
    fetcher_deinit(&entry->fetcher);
    leave_title(pools, entry->title);
    leave_family(pools, entry->family);
    ow_arena_free(entry->arena);
    free(entry);
}

static bool share(struct pools *pools, struct pool_entry *entry) {
    char key[OW_ID_MAX + 2 * 128];
    snprintf(key, sizeof key, "%s/%s/%s", entry->title_id, entry->virtual_server, entry->function);
    entry->title = title_share(pools, entry->title_id);
    entry->family = family_of(pools, key);
    return entry->title != NULL && entry->family != NULL;
}

static void on_check(void *self) {
    struct pool_entry *entry = self;
    entry->timer_us = NEVER_US;
    pool_touch(&entry->pool);
    runner_wake(entry->runner);
}

static struct pool_settings settings_of(const struct runner *runner, const struct route *route) {
    int64_t timeout_ms = route->function->timeout_ms;
    int64_t memory_mb = route->function->memory_mb;
    struct pool_settings settings = {
        .timeout_us = (timeout_ms > 0 ? timeout_ms : DEFAULT_TIMEOUT_MS) * 1000,
        .memory_bytes = (uint64_t)(memory_mb > 0 ? memory_mb : DEFAULT_MEMORY_MB) << 20,
        .quota = (unsigned)runner->config->quota,
    };
    for (size_t i = 0; i < route->revision->n_files; i++) {
        settings.shared_bytes += (uint64_t)route->revision->files[i]->size;
    }
    return settings;
}

static struct pool_entry *make_entry(struct pools *pools, const struct route *route) {
    struct runner *runner = pools->runner;
    struct pool_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL) {
        return NULL;
    }
    entry->runner = runner;
    entry->timer = (ow_timer){.on_due = on_check, .self = entry};
    entry->retry = (ow_timer){.on_due = on_retry, .self = entry};
    entry->timer_us = NEVER_US;
    entry->arena = ow_arena_new(ENTRY_ARENA);
    if (entry->arena == NULL || !fill_names(entry, route) || !fill_env(entry, route->revision) ||
        !fill_files(entry, route->revision) ||
        !fetcher_init(&entry->fetcher, route->revision->fetch, entry->arena) ||
        !share(pools, entry)) {
        free_entry(pools, entry);
        return NULL;
    }
    struct pool_settings settings = settings_of(runner, route);
    pool_init(&entry->pool, &runner->scheduler, &entry->title->account, &settings);
    entry->pool.elder_instances = &entry->family->retired_instances;
    entry->runtime = runtimes_find(&runner->runtimes, route->server->runtime);
    entry->series = (struct series_set){.metrics = runner->env->metrics,
                                        .title_id = entry->title_id,
                                        .virtual_server = entry->virtual_server,
                                        .function = entry->function,
                                        .version = entry->version_text};
    levels_register(entry);
    return entry;
}

// ---- the table

static uint64_t hash_of(const char *title_id, const char *virtual_server, const char *function,
                        const char *revision_id) {
    uint64_t hash = hash_text(HASH_START, title_id);
    hash = hash_text(hash, virtual_server);
    hash = hash_text(hash, function);
    return hash_text(hash, revision_id);
}

static struct pool_entry **place_of(struct pools *pools, const char *title_id,
                                    const char *virtual_server, const char *function,
                                    const char *revision_id) {
    uint64_t hash = hash_of(title_id, virtual_server, function, revision_id);
    struct pool_entry **at = &pools->buckets[hash % BUCKETS];
    while (*at != NULL && (strcmp((*at)->revision_id, revision_id) != 0 ||
                           strcmp((*at)->function, function) != 0 ||
                           strcmp((*at)->virtual_server, virtual_server) != 0 ||
                           strcmp((*at)->title_id, title_id) != 0)) {
        at = &(*at)->next_hash;
    }
    return at;
}

struct pool_entry *pools_find(struct pools *pools, const char *title_id, const char *virtual_server,
                              const char *function, const char *revision_id) {
    return *place_of(pools, title_id, virtual_server, function, revision_id);
}

static void remove_entry(struct pools *pools, struct pool_entry *entry) {
    struct pool_entry **place = place_of(pools, entry->title_id, entry->virtual_server,
                                         entry->function, entry->revision_id);
    *place = entry->next_hash;
    pools->count--;
    levels_last(entry);
    pool_deinit(&entry->pool);
    free_entry(pools, entry);
}

void pools_deinit(struct pools *pools) {
    while (pools->runner != NULL && pools->runner->scheduler.pools != NULL) {
        remove_entry(pools, entry_of(pools->runner->scheduler.pools));
    }
    free(pools->buckets);
    pools->buckets = NULL;
}

static bool evict_one(struct pools *pools) {
    struct pool *oldest = NULL;
    for (struct pool *at = pools->runner->scheduler.pools; at != NULL; at = at->next) {
        if (pool_is_unused(at) && (oldest == NULL || at->used_us < oldest->used_us)) {
            oldest = at;
        }
    }
    if (oldest != NULL) {
        remove_entry(pools, entry_of(oldest));
    }
    return oldest != NULL;
}

static struct pool_entry *add_entry(struct pools *pools, const struct route *route, ow_err *err) {
    if (pools->count >= (unsigned)pools->runner->config->pools && !evict_one(pools)) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "this runner already serves %u functions",
                pools->count);
        return NULL;
    }
    struct pool_entry *entry = make_entry(pools, route);
    if (entry == NULL) {
        ow_fail(err, OW_RESOURCE_EXHAUSTED, "overloaded", "no memory for function %s",
                route->function->name);
        return NULL;
    }
    struct pool_entry **place = place_of(pools, entry->title_id, entry->virtual_server,
                                         entry->function, entry->revision_id);
    *place = entry;
    pools->count++;
    runner_need_maintenance(pools->runner);
    ask_blobs(entry);
    return entry;
}

static ow_code not_found(const char *virtual_server, const char *function, ow_err *err) {
    return ow_fail(err, OW_NOT_FOUND, "function_not_found", "no function %s/%s", virtual_server,
                   function);
}

// A retired revision that is still being called after a while: by its number, or brought back.
static void revive(struct pool_entry *entry) {
    struct pool *pool = &entry->pool;
    entry->family->retired_instances -= pool->count;
    pool->retired = false;
    pool->elder_instances = &entry->family->retired_instances;
}

// What the request's qualifier leads to, for callers that have no routing table. NULL: nothing.
static const char *resolve(const struct runner *runner, const ow_call *call,
                           const invoke_request *request) {
    const server_routes *server =
        routes_server(&runner->routes, call->principal->title, request->virtual_server);
    struct route_caller caller = {
        .routing_key = request->routing_key,
        .player = call->principal->kind == OW_PLAYER ? call->principal->id : "",
        .request_id = call->request_id,
    };
    return server != NULL ? routes_resolve(server, request->qualifier, &caller) : NULL;
}

struct pool_entry *pools_get(struct pools *pools, const ow_call *call,
                             const invoke_request *request, ow_err *err) {
    struct runner *runner = pools->runner;
    const char *title_id = call->principal->title;
    const char *revision_id =
        request->revision_id[0] != '\0' ? request->revision_id : resolve(runner, call, request);
    if (revision_id == NULL) {
        not_found(request->virtual_server, request->function, err);
        return NULL;
    }
    struct pool_entry *entry =
        *place_of(pools, title_id, request->virtual_server, request->function, revision_id);
    struct route_key key = {title_id, request->virtual_server, request->function, revision_id};
    struct route route;
    if (entry == NULL) {
        if (!routes_find(&runner->routes, &key, runner->scheduler.now_us, &route)) {
            not_found(request->virtual_server, request->function, err);
            return NULL;
        }
        return add_entry(pools, &route, err);
    }
    bool late =
        entry->pool.retired && runner->scheduler.now_us - entry->retired_us > REVIVE_AFTER_US;
    if (late && routes_find(&runner->routes, &key, runner->scheduler.now_us, &route) &&
        route.current) {
        revive(entry);
    }
    return entry;
}

// ---- changes

// A revision is published while it is already being called as $LATEST: from here on its calls are
// of that version.
static void renumber(struct pool_entry *entry, const server_routes *server) {
    for (size_t i = 0; i < server->n_revisions; i++) {
        const route_revision *revision = server->revisions[i];
        if (revision->version == entry->version || revision->version == 0 ||
            strcmp(revision->revision_id, entry->revision_id) != 0) {
            continue;
        }
        const char *text = ow_arena_printf_in(entry->arena, "%lld", (long long)revision->version);
        if (text != NULL) {
            levels_release(entry);
            entry->version = revision->version;
            entry->version_text = text;
            series_rename(&entry->series, text);
            levels_register(entry);
        }
    }
}

void pools_on_routes(struct pools *pools, const char *title_id, const char *virtual_server) {
    struct runner *runner = pools->runner;
    const server_routes *server = routes_server(&runner->routes, title_id, virtual_server);
    for (struct pool *at = runner->scheduler.pools; at != NULL; at = at->next) {
        struct pool_entry *entry = entry_of(at);
        if (strcmp(entry->virtual_server, virtual_server) != 0 ||
            strcmp(entry->title_id, title_id) != 0) {
            continue;
        }
        if (server != NULL) {
            renumber(entry, server);
        }
        bool named = server != NULL && routes_is_named(server, entry->revision_id);
        if (named && at->retired) {
            revive(entry);
        } else if (!named && !at->retired) {
            entry->family->retired_instances += at->count;
            entry->retired_us = runner->scheduler.now_us;
            at->elder_instances = NULL;
            pool_retire(at);
        }
    }
}

void pools_on_runtime(struct pools *pools, const struct runtime *runtime) {
    for (struct pool *at = pools->runner->scheduler.pools; at != NULL; at = at->next) {
        if (entry_of(at)->runtime == runtime && at->waiting > 0) {
            pool_touch(at);
        }
    }
}

void pools_on_gone(struct pool_entry *entry) {
    if (entry->pool.retired) {
        entry->family->retired_instances--;
    }
}

void pools_maintain(struct pools *pools) {
    struct scheduler *scheduler = &pools->runner->scheduler;
    struct pool *next = NULL;
    scheduler_begin_round(scheduler);
    for (struct pool *at = scheduler->pools; at != NULL; at = next) {
        next = at->next;
        struct pool_entry *entry = entry_of(at);
        if (at->count > 0) {
            pool_maintain(at);
            continue;
        }
        bool left = at->retired && scheduler->now_us - entry->retired_us > RETIRED_KEEP_US;
        if (pool_is_unused(at) && (left || scheduler->clock_us - at->used_us > UNUSED_KEEP_US)) {
            remove_entry(pools, entry);
        }
    }
}

void pools_checked(struct pool *pool) {
    struct pool_entry *entry = entry_of(pool);
    if (pool->check_us < entry->timer_us &&
        ow_loop_timer_set(entry->runner->loop, &entry->timer, pool->check_us) == OW_OK) {
        entry->timer_us = pool->check_us;
    }
}

// ---- the port

static ow_code port_spawn(void *self, struct instance *instance, ow_host_instance **ret_handle,
                          ow_err *err) {
    struct runner *runner = self;
    struct pool_entry *entry = entry_of(instance->pool);
    ow_code code = runtime_check(entry->runtime, err);
    if (code != OW_OK) {
        return code;
    }
    ow_host_spec spec = {
        .code_fd = entry->blobs[0]->fd,
        .symbol = entry->symbol,
        .files = entry->files,
        .file_count = entry->file_count,
        .env = entry->env,
        .env_count = entry->env_count,
        .memory_bytes = entry->pool.settings.memory_bytes,
        .user = instance,
    };
    code = ow_host_instance_spawn(entry->runtime->zygote, &spec, ret_handle, err);
    if (code == OW_OK && entry->pool.retired) {
        entry->family->retired_instances++;
    }
    runner_need_maintenance(runner);
    return code;
}

const struct instance_port pools_port = {
    .spawn = port_spawn,
    .submit = ow_host_instance_submit,
    .running = ow_host_instance_running,
    .reclaim = ow_host_instance_reclaim,
    .kill = ow_host_instance_kill,
    .resident = ow_host_instance_resident,
};
