#include "services/gateway/fake_platform.h"

#include "core/crypto/hash.h"
#include "core/rpc/pool.h"
#include "proto/descriptors.h"
#include "services/gateway/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY "0123456789abcdef0123456789abcdef"
#define TURNS_MAX 20000

const char platform_operator_token[] = "operator-secret-of-this-test";
const char platform_viewer_token[] = "viewer-secret-of-this-test";

static void copy(char *to, size_t room, const char *from) {
    snprintf(to, room, "%s", from);
}

// ---- identity ----

static ow_code device_login(ow_run *run) {
    const Overworld__Identity__V1__DeviceLoginRequest *request = run->request;
    Overworld__Identity__V1__LoginResponse *reply = run->reply;
    if (strcmp(request->device_id, "blocked-device") == 0) {
        return ow_fail(run->err, OW_FAILED_PRECONDITION, "device_blocked",
                       "this device is blocked");
    }
    reply->player_id = ow_arena_strdup_in(run->call->arena, request->device_id);
    reply->session_id = ow_arena_strdup_in(run->call->arena, run->call->principal->title);
    reply->is_new_player = run->call->from_outside;
    return OW_OK;
}

static ow_code who_am_i(ow_run *run) {
    Overworld__Identity__V1__WhoAmIResponse *reply = run->reply;
    static const char *const kinds[] = {"nobody", "player", "server", "operator", "platform"};
    reply->kind = (char *)(uintptr_t)kinds[run->call->principal->kind];
    reply->id = ow_arena_strdup_in(run->call->arena, run->call->principal->id);
    reply->title = ow_arena_strdup_in(run->call->arena, run->call->principal->title);
    return OW_OK;
}

static ow_code operator_logout(ow_run *run) {
    platform *p = run->self;
    copy(p->principal_id, sizeof p->principal_id, run->call->principal->id);
    copy(p->title, sizeof p->title, run->call->principal->title);
    return OW_OK;
}

void platform_send_verification(platform *p) {
    uint8_t hashes[2][OW_SHA256_SIZE];
    ow_sha256(platform_operator_token, strlen(platform_operator_token), hashes[0]);
    ow_sha256(platform_viewer_token, strlen(platform_viewer_token), hashes[1]);
    Overworld__Identity__V1__SigningKey key = OVERWORLD__IDENTITY__V1__SIGNING_KEY__INIT;
    key.kid = (char *)"k1";
    key.secret = (ProtobufCBinaryData){strlen(KEY), (uint8_t *)(uintptr_t)KEY};
    Overworld__Identity__V1__SigningKey *key_list[] = {&key};
    Overworld__Identity__V1__OperatorToken operators[2];
    Overworld__Identity__V1__OperatorToken *operator_list[2];
    for (int i = 0; i < 2; i++) {
        overworld__identity__v1__operator_token__init(&operators[i]);
        operators[i].sha256 = (ProtobufCBinaryData){OW_SHA256_SIZE, hashes[i]};
        operators[i].operator_id = (char *)(uintptr_t)(i == 0 ? "opr_1" : "opr_2");
        operators[i].role = (char *)(uintptr_t)(i == 0 ? "admin" : "viewer");
        operator_list[i] = &operators[i];
    }
    Overworld__Identity__V1__OperatorRole roles[2];
    Overworld__Identity__V1__OperatorRole *role_list[2];
    for (int i = 0; i < 2; i++) {
        overworld__identity__v1__operator_role__init(&roles[i]);
        roles[i].operator_id = operators[i].operator_id;
        roles[i].role = operators[i].role;
        role_list[i] = &roles[i];
    }
    Overworld__Identity__V1__ServerKeyLimit limit = OVERWORLD__IDENTITY__V1__SERVER_KEY_LIMIT__INIT;
    limit.key_id = (char *)"key_1";
    limit.calls = p->server_key_limit;
    Overworld__Identity__V1__ServerKeyLimit *limit_list[] = {&limit};
    char *revoked[] = {(char *)"key_1"};
    verification_state state = OVERWORLD__IDENTITY__V1__VERIFICATION_STATE__INIT;
    state.sequence = p->verification_starts;
    state.signing_keys = key_list;
    state.n_signing_keys = 1;
    state.operator_tokens = operator_list;
    state.n_operator_tokens = 2;
    state.operator_roles = role_list;
    state.n_operator_roles = 2;
    state.revoked_server_keys = revoked;
    state.n_revoked_server_keys = p->revoke_server_key;
    state.server_key_limits = limit_list;
    state.n_server_key_limits = p->server_key_limit > 0;
    assert_int_equal(ow_run_send(p->verification, &state.base), OW_OK);
}

static void on_verification_cancel(ow_call *call, void *self) {
    (void)call;
    platform *p = self;
    platform_break_stream(&p->verification);
}

static ow_code watch_verification(ow_run *run) {
    platform *p = run->self;
    p->verification = run;
    p->verification_starts++;
    run->call->on_cancel = on_verification_cancel;
    run->call->on_cancel_self = p;
    if (!p->silent) {
        platform_send_verification(p);
    }
    return OW_PENDING;
}

static const ow_method identity_methods[] = {
    {"DeviceLogin", 0, {{OW_LOOP, device_login}}},
    {"OperatorLogout", 0, {{OW_LOOP, operator_logout}}},
    {"WhoAmI", 0, {{OW_LOOP, who_am_i}}},
    {"WatchVerification", 0, {{OW_LOOP, watch_verification}}},
    {0},
};

// ---- registry ----

static ow_code put_bundle_chunk(ow_run *run) {
    platform *p = run->self;
    const put_chunk_request *request = run->request;
    put_chunk_response *reply = run->reply;
    assert_int_equal(request->offset, p->uploaded);
    p->uploaded += request->data.len;
    p->chunks++;
    reply->complete = request->last || p->known_bundle;
    if (p->hold_chunks) {
        p->held_chunk = run;
        return OW_PENDING;
    }
    return OW_OK;
}

const char platform_file[] = "<p>Back soon.</p>";

// Files by their hash, which is a name here.
static ow_code get_blob_chunk(ow_run *run) {
    platform *p = run->self;
    const get_blob_request *request = run->request;
    get_blob_response *reply = run->reply;
    p->files_asked++;
    if (strcmp(request->sha256, "sorry") != 0) {
        return ow_fail(run->err, OW_NOT_FOUND, "no_blob", "there is no such file");
    }
    p->files_sent++;
    reply->total_size = (int64_t)strlen(platform_file);
    reply->data.len = strlen(platform_file);
    reply->data.data = ow_arena_memdup_in(run->call->arena, platform_file, reply->data.len);
    return OW_OK;
}

static ow_code list_titles(ow_run *run) {
    Overworld__Registry__V1__ListTitlesResponse *reply = run->reply;
    reply->next_page_token = (char *)(uintptr_t) "big";
    return OW_OK;
}

static void fill_files(Overworld__Registry__V1__BundleFile files[static 3],
                       Overworld__Registry__V1__BundleFile *list[static 3]) {
    static const char *const paths[] = {"sorry.html", "gone.html", "words.txt"};
    static const char *const hashes[] = {"sorry", "gone", "words"};
    for (int i = 0; i < 3; i++) {
        overworld__registry__v1__bundle_file__init(&files[i]);
        files[i].path = (char *)(uintptr_t)paths[i];
        files[i].sha256 = (char *)(uintptr_t)hashes[i];
        list[i] = &files[i];
    }
}

static void fill_aliases(Overworld__Registry__V1__RouteAlias aliases[static 2],
                         Overworld__Registry__V1__RouteAlias *list[static 2]) {
    for (int i = 0; i < 2; i++) {
        overworld__registry__v1__route_alias__init(&aliases[i]);
        aliases[i].name = (char *)(uintptr_t)(i == 0 ? "$DEFAULT" : "beta");
        aliases[i].revision_id = (char *)(uintptr_t) "rev_one";
        aliases[i].is_public = i == 0;
        list[i] = &aliases[i];
    }
}

// One virtual server "lab" of title "ttl_a": client, server, internal, and what misbehaves.
void platform_send_routes(platform *p) {
    static const char *const names[] = {"echo",   "stats",     "inner", "later",
                                        "refuse", "throttled", "crash", "typed"};
    static const char *const exposures[] = {"client", "server", "internal", "client",
                                            "client", "client", "client",   "client"};
    Overworld__Registry__V1__FunctionInfo functions[8];
    Overworld__Registry__V1__FunctionInfo *function_list[8];
    for (int i = 0; i < 8; i++) {
        overworld__registry__v1__function_info__init(&functions[i]);
        functions[i].name = (char *)(uintptr_t)names[i];
        functions[i].exposure = (char *)(uintptr_t)exposures[i];
        functions[i].timeout_ms = 3000;
        functions[i].log_payload = strcmp(names[i], "typed") == 0;
        function_list[i] = &functions[i];
    }
    Overworld__Registry__V1__BundleFile files[3];
    Overworld__Registry__V1__BundleFile *file_list[3];
    fill_files(files, file_list);
    Overworld__Registry__V1__RouteRevision revisions[2];
    Overworld__Registry__V1__RouteRevision *revision_list[2];
    for (int i = 0; i < 2; i++) {
        overworld__registry__v1__route_revision__init(&revisions[i]);
        revisions[i].revision_id = (char *)(uintptr_t)(i == 0 ? "rev_one" : "rev_latest");
        revisions[i].version = i == 0 ? 1 : 0;
        revisions[i].functions = function_list;
        revisions[i].n_functions = 8;
        revisions[i].files = file_list;
        revisions[i].n_files = 3;
        revision_list[i] = &revisions[i];
    }
    Overworld__Registry__V1__RouteAlias aliases[2];
    Overworld__Registry__V1__RouteAlias *alias_list[2];
    fill_aliases(aliases, alias_list);
    virtual_server_routes lab = OVERWORLD__REGISTRY__V1__VIRTUAL_SERVER_ROUTES__INIT;
    lab.title_id = (char *)"ttl_a";
    lab.name = (char *)"lab";
    lab.runtime = (char *)"c";
    lab.latest_revision_id = (char *)"rev_latest";
    lab.aliases = alias_list;
    lab.n_aliases = 2;
    lab.revisions = revision_list;
    lab.n_revisions = 2;
    lab.routes = p->http_routes;
    lab.n_routes = p->http_route_count;
    route_change change = OVERWORLD__REGISTRY__V1__ROUTE_CHANGE__INIT;
    change.reset = true;
    change.title_id = (char *)"ttl_a";
    change.title_name = (char *)"Asteroids";
    assert_int_equal(ow_run_send(p->routes, &change.base), OW_OK);
    overworld__registry__v1__route_change__init(&change);
    change.upsert = &lab;
    assert_int_equal(ow_run_send(p->routes, &change.base), OW_OK);
    overworld__registry__v1__route_change__init(&change);
    change.complete = true;
    assert_int_equal(ow_run_send(p->routes, &change.base), OW_OK);
}

static void on_routes_cancel(ow_call *call, void *self) {
    (void)call;
    platform *p = self;
    platform_break_stream(&p->routes);
}

static ow_code watch_routes(ow_run *run) {
    platform *p = run->self;
    p->routes = run;
    p->route_starts++;
    run->call->on_cancel = on_routes_cancel;
    run->call->on_cancel_self = p;
    if (!p->silent) {
        platform_send_routes(p);
    }
    return OW_PENDING;
}

static const ow_method registry_methods[] = {
    {"GetBlobChunk", 0, {{OW_LOOP, get_blob_chunk}}},
    {"ListTitles", 0, {{OW_LOOP, list_titles}}},
    {"PutBundleChunk", 0, {{OW_LOOP, put_bundle_chunk}}},
    {"WatchRoutes", 0, {{OW_LOOP, watch_routes}}},
    {0},
};

// ---- runner ----

static void note_invocation(platform *p, ow_run *run) {
    const invoke_request *request = run->request;
    p->invocations++;
    copy(p->function, sizeof p->function, request->function);
    copy(p->qualifier, sizeof p->qualifier, request->qualifier);
    copy(p->source, sizeof p->source, request->source);
    copy(p->content_type, sizeof p->content_type, request->content_type);
    copy(p->revision, sizeof p->revision, request->revision_id);
    copy(p->principal_id, sizeof p->principal_id, run->call->principal->id);
    copy(p->title, sizeof p->title, run->call->principal->title);
    copy(p->request_id, sizeof p->request_id, run->call->request_id);
    p->had_from_outside = run->call->from_outside;
    p->left_us = ow_call_left_us(run->call);
    snprintf(p->payload, sizeof p->payload, "%.*s", (int)request->payload.len,
             (const char *)request->payload.data);
}

static void on_invoke_cancel(ow_call *call, void *self) {
    (void)call;
    ow_run *run = self;
    platform *p = run->self;
    p->cancelled++;
    for (int i = 0; i < p->held_count; i++) {
        if (p->held[i] == run) {
            p->held[i] = NULL;
        }
    }
    ow_fail(run->err, OW_CANCELLED, "cancelled", "cancelled");
    ow_run_resume(run, OW_CANCELLED);
}

static void fail_as(invoke_response *reply, const char *reason) {
    reply->reason = (char *)(uintptr_t)reason;
    reply->message = (char *)(uintptr_t) "as the test wants it";
}

static ow_code invoke(ow_run *run) {
    platform *p = run->self;
    const invoke_request *request = run->request;
    invoke_response *reply = run->reply;
    note_invocation(p, run);
    reply->version = strcmp(request->revision_id, "rev_one") == 0;
    reply->instance_us = 7;
    reply->payload.len = request->payload.len;
    reply->payload.data =
        ow_arena_memdup_in(run->call->arena, request->payload.data, request->payload.len);
    if (p->canned != NULL) {
        reply->payload.len = strlen(p->canned);
        reply->payload.data =
            ow_arena_memdup_in(run->call->arena, p->canned, reply->payload.len + 1);
    }
    if (p->fail_reason != NULL) {
        fail_as(reply, p->fail_reason);
        return OW_OK;
    }
    if (strcmp(request->function, "later") == 0) {
        p->held[p->held_count++] = run;
        run->call->on_cancel = on_invoke_cancel;
        run->call->on_cancel_self = run;
        return OW_PENDING;
    }
    if (strcmp(request->function, "refuse") == 0) {
        fail_as(reply, "refused");
        reply->refusal_code = (char *)(uintptr_t) "too_poor";
        reply->details_json = (char *)(uintptr_t) "{\"gold\":3}";
    } else if (strcmp(request->function, "throttled") == 0) {
        fail_as(reply, "throttled");
        reply->retry_after_s = 4;
    } else if (strcmp(request->function, "crash") == 0) {
        fail_as(reply, "crashed");
        reply->stack = (char *)(uintptr_t) "crash at lab.c:12";
    } else if (strcmp(request->function, "typed") == 0) {
        reply->content_type = (char *)(uintptr_t) "text/csv";
    }
    return OW_OK;
}

static ow_code get_runner_status(ow_run *run) {
    runner_status *reply = run->reply;
    reply->sandbox_level = (char *)(uintptr_t) "full";
    return OW_OK;
}

static const ow_method runner_methods[] = {
    {"Invoke", 0, {{OW_LOOP, invoke}}},
    {"GetRunnerStatus", 0, {{OW_LOOP, get_runner_status}}},
    {0},
};

// ---- events ----

static ow_code enqueue(ow_run *run) {
    platform *p = run->self;
    const enqueue_request *request = run->request;
    enqueue_response *reply = run->reply;
    const new_execution_msg *wanted = request->executions[0];
    if (p->queue_is_full) {
        return ow_fail(run->err, OW_UNAVAILABLE, "disk_full", "no space");
    }
    p->queued++;
    snprintf(p->queued_function, sizeof p->queued_function, "%s", wanted->function);
    snprintf(p->queued_key, sizeof p->queued_key, "%s", wanted->deduplication_key);
    snprintf(p->queued_payload, sizeof p->queued_payload, "%.*s", (int)wanted->payload.len,
             (const char *)wanted->payload.data);
    snprintf(p->source, sizeof p->source, "%s", wanted->source);
    snprintf(p->principal_id, sizeof p->principal_id, "%s", run->call->principal->id);
    p->had_from_outside = run->call->from_outside;
    enqueued_msg *told = ow_arena_alloc(run->call->arena, sizeof *told);
    overworld__events__v1__enqueued__init(told);
    told->execution_id = (char *)"exe_1";
    told->duplicate = p->queued > 1;
    reply->executions = ow_arena_calloc(run->call->arena, 1, sizeof *reply->executions);
    reply->executions[0] = told;
    reply->n_executions = 1;
    return OW_OK;
}

static const ow_method queue_methods[] = {
    {"Enqueue", 0, {{OW_LOOP, enqueue}}},
    {0},
};

// ---- telemetry ----

static void note_record(platform *p, const telemetry_record *record) {
    assert_true(p->record_count < RECORDS_MAX);
    seen_record *to = &p->records[p->record_count++];
    const request_record *request = record->request;
    copy(to->request_id, sizeof to->request_id, record->request_id);
    copy(to->title, sizeof to->title, record->title_id);
    copy(to->principal, sizeof to->principal, request->principal);
    copy(to->method, sizeof to->method, request->method);
    copy(to->function, sizeof to->function, request->function);
    copy(to->reason, sizeof to->reason, request->reason);
    to->status = request->status;
    to->payload_size = request->payload.len;
    to->result_size = request->result.len;
}

static ow_code append(ow_run *run) {
    platform *p = run->self;
    const append_request *request = run->request;
    const uint8_t *at = request->records.data;
    const uint8_t *end = at + request->records.len;
    while (at < end) {
        size_t size = 0;
        int shift = 0;
        do {
            size |= (size_t)(*at & 0x7f) << shift;
            shift += 7;
        } while (*at++ & 0x80);
        telemetry_record *record = overworld__telemetry__v1__record__unpack(NULL, size, at);
        assert_non_null(record);
        note_record(p, record);
        overworld__telemetry__v1__record__free_unpacked(record, NULL);
        at += size;
    }
    return OW_OK;
}

static void on_tail_cancelled(ow_call *call, void *self) {
    platform *p = self;
    ow_run *run = p->tail;
    p->tail = NULL;
    p->tails_cancelled++;
    *run->err = call->err;
    ow_run_finish(run, call->err.code);
}

// As many entries as the text says; "7 fail" ends with an error behind them, "7 hold" not at all.
static ow_code tail_logs(ow_run *run) {
    platform *p = run->self;
    const Overworld__Telemetry__V1__QueryLogsRequest *request = run->request;
    for (long i = strtol(request->text, NULL, 10); i > 0; i--) {
        Overworld__Telemetry__V1__LogEntry entry = OVERWORLD__TELEMETRY__V1__LOG_ENTRY__INIT;
        Overworld__Telemetry__V1__LogEntry *entries[] = {&entry};
        Overworld__Telemetry__V1__TailLogsResponse message =
            OVERWORLD__TELEMETRY__V1__TAIL_LOGS_RESPONSE__INIT;
        entry.version = i;
        message.entries = entries;
        message.n_entries = 1;
        if (ow_run_send(run, &message.base) != OW_OK) {
            break;
        }
    }
    if (strstr(request->text, "fail") != NULL) {
        return ow_fail(run->err, OW_DATA_LOSS, "torn", "the log is torn");
    }
    if (strstr(request->text, "hold") != NULL) {
        p->tail = run;
        run->call->on_cancel = on_tail_cancelled;
        run->call->on_cancel_self = p;
        return OW_PENDING;
    }
    ow_run_finish(run, OW_OK);
    return OW_PENDING;
}

static const ow_method telemetry_methods[] = {
    {"Append", 0, {{OW_LOOP, append}}},
    {"TailLogs", 0, {{OW_LOOP, tail_logs}}},
    {0},
};

// ---- the process around it ----

static ProtobufCService *offer(platform *p, const ProtobufCServiceDescriptor *descriptor,
                               const ow_method *methods) {
    ow_service_options options = {.descriptor = descriptor,
                                  .methods = methods,
                                  .api = p->api,
                                  .self = p,
                                  .loop = p->loop,
                                  .is_stand_in = true};
    ProtobufCService *service = NULL;
    ow_err err;
    if (ow_service_new(&options, &service, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
    ow_directory_expect_here(p->directory, descriptor);
    assert_int_equal(ow_directory_offer(p->directory, service, NULL), OW_OK);
    return service;
}

static ow_code stub_init(ow_module_env *env, const void *config, void **ret_self, ow_err *err) {
    (void)config;
    (void)err;
    *ret_self = env;
    return OW_OK;
}

static void stub_free(void *self) {
    (void)self;
}

static void start_modules(platform *p, const char *const *more_flags) {
    static const char *const names[] = {"events", "identity",  "registry",
                                        "runner", "telemetry", "timers"};
    enum { STUBS = sizeof names / sizeof names[0] };
    static const ow_config_key none[] = {{0}};
    const char *flags[24] = {"--gateway.public_port=0", "--gateway.console_port=0",
                             "--gateway.header_timeout=1s"};
    size_t flag_count = 3;
    ow_module *table = p->table;
    ow_config_table *tables = p->tables;
    for (; more_flags != NULL && *more_flags != NULL; more_flags++) {
        flags[flag_count++] = *more_flags;
    }
    for (int i = 0; i < STUBS; i++) {
        table[i] = (ow_module){.name = names[i], .doc = "", .init = stub_init, .free = stub_free};
        tables[i] = (ow_config_table){names[i], none, 0};
    }
    table[STUBS] = ow_gateway_module;
    tables[STUBS] =
        (ow_config_table){"gateway", ow_gateway_module.config, ow_gateway_module.config_size};
    char *environment[] = {NULL};
    ow_err err;
    if (ow_config_load(tables, NULL, flags, flag_count, environment, &p->config, &err) != OW_OK ||
        ow_modules_new(table, STUBS + 1, "all", &p->modules, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
    p->env.modules = p->modules;
    if (ow_modules_start(p->modules, &p->env, p->config, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
}

static int port_in(const char *text, const char *name) {
    const char *at = strstr(text, name);
    assert_non_null(at);
    return (int)strtol(strstr(at, "127.0.0.1:") + strlen("127.0.0.1:"), NULL, 10);
}

static void read_ports(platform *p) {
    char path[96];
    char text[256];
    snprintf(path, sizeof path, "%s/run/gateway.json", p->folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    p->public_port = port_in(text, "\"public\"");
    p->console_port = port_in(text, "\"console\"");
}

platform *platform_start(ow_channel_kind channel, const char *const *more_flags) {
    platform *p = calloc(1, sizeof *p);
    p->channel = channel;
    snprintf(p->folder, sizeof p->folder, "/tmp/ow_gateway_test.XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    assert_int_equal(ow_loop_new(&p->loop, NULL), OW_OK);
    char steering[96];
    snprintf(steering, sizeof steering, "%s/clock", p->folder);
    assert_int_equal(ow_clock_open(steering, &p->clock, NULL), OW_OK);
    assert_int_equal(unlink(steering), 0);
    assert_int_equal(ow_api_open(ow_descriptors, ow_descriptors_size, &p->api, NULL), OW_OK);
    p->metrics = ow_metrics_new();
    assert_int_equal(ow_pool_new(1, 16, &p->pool, NULL), OW_OK);
    ow_directory_options options = {
        .loop = p->loop, .local_kind = channel, .seed = 7, .api = p->api};
    assert_int_equal(ow_directory_new(&options, &p->directory, NULL), OW_OK);
    p->env = (ow_module_env){.loop = p->loop,
                             .clock = p->clock,
                             .directory = p->directory,
                             .api = p->api,
                             .pool = p->pool,
                             .metrics = p->metrics,
                             .data_folder = p->folder,
                             .process = "test",
                             .version = "test"};
    p->identity = offer(p, &overworld__identity__v1__identity__descriptor, identity_methods);
    p->registry = offer(p, &overworld__registry__v1__registry__descriptor, registry_methods);
    p->runner = offer(p, &overworld__runner__v1__runner__descriptor, runner_methods);
    p->telemetry = offer(p, &overworld__telemetry__v1__telemetry__descriptor, telemetry_methods);
    p->queue = offer(p, &overworld__events__v1__queue__descriptor, queue_methods);
    p->ring = ow_key_ring_new();
    assert_int_equal(ow_key_ring_add(p->ring, "k1", KEY, strlen(KEY), NULL), OW_OK);
    start_modules(p, more_flags);
    read_ports(p);
    const char *name, *why;
    WAIT_FOR(p, ow_modules_ready(p->modules, &name, &why));
    return p;
}

void platform_stop(platform *p) {
    for (int i = 0; !ow_modules_drain(p->modules) && i < TURNS_MAX; i++) {
        platform_turn(p);
    }
    ow_modules_stop(p->modules);
    for (int i = 0; i < 20; i++) {
        platform_turn(p);
    }
    ow_modules_deinit(p->modules);
    ProtobufCService *services[] = {p->identity, p->registry, p->runner, p->telemetry, p->queue};
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        ow_directory_withdraw(p->directory, services[i]);
        assert_int_equal(ow_service_running(services[i]), 0);
        ow_service_free(services[i]);
    }
    ow_modules_free(p->modules);
    p->pool = ow_pool_free(p->pool);
    ow_config_free(p->config);
    ow_directory_free(p->directory);
    ow_key_ring_free(p->ring);
    ow_metrics_free(p->metrics);
    ow_api_free(p->api);
    ow_clock_close(p->clock);
    ow_loop_free(p->loop);
    char path[96];
    snprintf(path, sizeof path, "%s/run", p->folder);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(p->folder), 0);
    free(p);
}

void platform_turn(platform *p) {
    assert_int_equal(ow_loop_turn(p->loop, 1000, NULL), OW_OK);
}

void platform_break_stream(ow_run **stream) {
    ow_run *run = *stream;
    *stream = NULL;
    if (run != NULL) {
        ow_run_finish(run, ow_fail(run->err, OW_UNAVAILABLE, "gone", "the test ended the stream"));
    }
}

void platform_token(platform *p, ow_token_kind kind, const char *subject, int64_t lifetime_s,
                    char token[static OW_TOKEN_SIZE]) {
    int64_t now_s = ow_clock_wall_us(p->clock) / 1000000;
    ow_token_claims claims = {
        .kind = kind, .issued_s = now_s - 3600, .expires_s = now_s + lifetime_s};
    copy(claims.title, sizeof claims.title, "ttl_a");
    copy(claims.subject, sizeof claims.subject, subject);
    copy(claims.token_id, sizeof claims.token_id, "tok_1");
    ow_err err;
    if (ow_token_sign(p->ring, "k1", &claims, token, &err) != OW_OK) {
        fail_msg("%s", err.message);
    }
}
