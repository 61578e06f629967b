// A service that several processes run a copy of each: rendezvous hashing for calls that belong to one of
// them, a small gathering for those that are put to all.

#include "core/rpc/internal.h"

#include "core/split/split.h"

#include <stdlib.h>
#include <string.h>

typedef struct copy {
    char name[OW_SPREAD_NAME_MAX];
    ProtobufCService *service; // NULL: nobody has called it yet
    bool is_here;
} copy;

struct spread {
    const ProtobufCServiceDescriptor *descriptor;
    const ow_spread_rules *rules;
    const ow_connector *connector;
    copy copies[OW_SPREAD_COPIES_MAX];
    size_t count;
};

// ---- The copies ----

static ow_code bad_copies(const char *names, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_copies",
                   "\"%s\": at most %d different names of letters, digits, '-' and '_', this "
                   "process's own among them",
                   names, OW_SPREAD_COPIES_MAX);
}

static bool has_copy(const spread *s, const char *name, size_t size) {
    for (size_t i = 0; i < s->count; i++) {
        if (strlen(s->copies[i].name) == size && memcmp(s->copies[i].name, name, size) == 0) {
            return true;
        }
    }
    return false;
}

static bool add_copy(spread *s, const char *name, size_t size) {
    static const char sound[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (size == 0 || size >= OW_SPREAD_NAME_MAX || strspn(name, sound) < size ||
        s->count == OW_SPREAD_COPIES_MAX || has_copy(s, name, size)) {
        return false;
    }
    memcpy(s->copies[s->count++].name, name, size);
    return true;
}

static bool add_copies(spread *s, const ow_spread *wanted, ProtobufCService *here) {
    for (const char *at = wanted->copies; *(at += strspn(at, ", ")) != '\0';) {
        size_t size = strcspn(at, ", ");
        if (!add_copy(s, at, size)) {
            return false;
        }
        at += size;
    }
    bool found = wanted->here[0] == '\0';
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->copies[i].name, wanted->here) == 0) {
            s->copies[i].is_here = true;
            s->copies[i].service = here;
            found = true;
        }
    }
    return found && s->count > 0;
}

ow_code spread_new(const ow_spread *wanted, const ow_connector *connector, ProtobufCService *here,
                   spread **ret_spread, ow_err *err) {
    spread *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "no_memory", "no memory for a service");
    }
    s->descriptor = wanted->descriptor;
    s->rules = wanted->rules;
    s->connector = connector;
    if (connector == NULL || !add_copies(s, wanted, here)) {
        free(s);
        return bad_copies(wanted->copies, err);
    }
    *ret_spread = s;
    return OW_OK;
}

spread *spread_free(spread *s) {
    free(s);
    return NULL;
}

static ProtobufCService *service_of(const spread *s, copy *c, ow_err *err) {
    if (c->service == NULL) {
        c->service = s->connector->connect(s->connector->self, s->descriptor, c->name, err);
    }
    return c->service;
}

// ---- One of them ----

static bool is_connected(const spread *s, copy *c) {
    ow_err ignored;
    return c->is_here || (service_of(s, c, &ignored) != NULL &&
                          s->connector->is_connected(s->connector->self, c->service));
}

// The key's copy among those that are connected; when none is, the one that it would be: that one may just
// be starting, and is waited for.
static copy *copy_of(spread *s, const char *key) {
    copy *best = NULL;
    copy *best_connected = NULL;
    uint64_t hash = 0;
    uint64_t hash_connected = 0;
    for (size_t i = 0; i < s->count; i++) {
        copy *c = &s->copies[i];
        uint64_t h = ow_split_hash(c->name, key);
        if (best == NULL || h > hash) {
            best = c;
            hash = h;
        }
        if (is_connected(s, c) && (best_connected == NULL || h > hash_connected)) {
            best_connected = c;
            hash_connected = h;
        }
    }
    return best_connected != NULL ? best_connected : best;
}

// ---- All of them ----

typedef struct gathering {
    const spread *spread;
    unsigned method, waiting;
    ProtobufCClosure closure;
    ow_call *call;
    ProtobufCMessage *sum;
    ow_err err; // why the last one that failed did
} gathering;

// A reply lives only as long as its call: the copy is the gathering's.
static ProtobufCMessage *keep(const ProtobufCMessage *message, ow_arena *arena) {
    ProtobufCAllocator storage;
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = ow_arena_alloc(arena, size + 1);
    if (bytes == NULL) {
        return NULL;
    }
    protobuf_c_message_pack(message, bytes);
    return protobuf_c_message_unpack(message->descriptor, ow_arena_protobuf(arena, &storage), size,
                                     bytes);
}

static void end_one(gathering *g) {
    ow_call *call = g->call;
    if (--g->waiting > 0) {
        return;
    }
    if (call->cancelled) {
        ow_call_fail_cancelled(call);
        g->sum = NULL;
    } else if (g->sum == NULL) {
        call->err = g->err;
    }
    g->closure(g->sum, call);
}

static void on_part(const ProtobufCMessage *reply, void *closure_data) {
    ow_call *part = closure_data;
    gathering *g = part->user;
    ow_arena *arena = g->call->arena;
    ProtobufCMessage *kept = reply != NULL ? keep(reply, arena) : NULL;
    if (reply == NULL) {
        g->err = part->err;
    } else if (kept == NULL ||
               (g->sum != NULL && !g->spread->rules->add(g->method, g->sum, kept, arena))) {
        ow_fail(&g->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the answers of all");
    } else if (g->sum == NULL) {
        g->sum = kept;
    }
    ow_call_free(part);
    end_one(g);
}

static void ask(gathering *g, spread *s, copy *c, const ProtobufCMessage *request) {
    ProtobufCService *service = service_of(s, c, &g->err);
    ow_call *part = service != NULL ? ow_call_child(g->call) : NULL;
    if (part == NULL) {
        end_one(g);
        return;
    }
    part->from_outside = g->call->from_outside; // the rules of access stay its own
    part->user = g;
    service->invoke(service, g->method, request, on_part, part);
}

static void ask_all(spread *s, unsigned method, const ProtobufCMessage *request,
                    ProtobufCClosure closure, ow_call *call) {
    gathering *g = ow_arena_calloc(call->arena, 1, sizeof *g);
    if (g == NULL) {
        ow_fail(&call->err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the answers of all");
        closure(NULL, call);
        return;
    }
    *g = (gathering){.spread = s, .method = method, .closure = closure, .call = call};
    g->waiting = (unsigned)s->count + 1; // itself until all were asked
    ow_fail(&g->err, OW_UNAVAILABLE, "unreachable", "no copy of %s answers", s->descriptor->name);
    for (size_t i = 0; i < s->count; i++) {
        ask(g, s, &s->copies[i], request);
    }
    end_one(g);
}

void spread_invoke(spread *s, unsigned method, const ProtobufCMessage *request,
                   ProtobufCClosure closure, ow_call *call) {
    char key[OW_SPREAD_KEY_MAX];
    if (s->rules->knows != NULL && !s->rules->knows(method)) {
        ow_fail(&call->err, OW_UNIMPLEMENTED, "no_rule", "%s.%s: nobody says which copy it is for",
                s->descriptor->name, s->descriptor->methods[method].name);
        closure(NULL, call);
        return;
    }
    if (!s->rules->key(call, method, request, key, sizeof key)) {
        ask_all(s, method, request, closure, call);
        return;
    }
    ProtobufCService *service = service_of(s, copy_of(s, key), &call->err);
    if (service == NULL) {
        closure(NULL, call);
        return;
    }
    service->invoke(service, method, request, closure, call);
}
