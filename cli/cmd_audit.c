// ow audit ...: who changed what, of all services that keep an audit, and whether anybody has tampered
// with it.

#include "cli/rpc.h"

#include "core/crypto/hash.h"

#include "overworld/api/audit.pb-c.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef Overworld__Api__AuditEntry Entry;
typedef Overworld__Api__ListAuditRequest ListRequest;
typedef Overworld__Api__ListAuditResponse ListResponse;
typedef Overworld__Api__VerifyAuditRequest VerifyRequest;
typedef Overworld__Api__VerifyAuditResponse VerifyResponse;

enum { PAGE = 200, DEFAULT_LIMIT = 50, LIMIT_MAX = 100000, NOTE_MAX = 4096, TIME_ROOM = 32 };

static const struct {
    const char *name, *list, *verify;
} services[] = {
    {"identity", "/overworld.identity.v1.Identity/ListAudit",
     "/overworld.identity.v1.Identity/VerifyAudit"},
    {"registry", "/overworld.registry.v1.Registry/ListAudit",
     "/overworld.registry.v1.Registry/VerifyAudit"},
    {"events", "/overworld.events.v1.Queue/ListAudit", "/overworld.events.v1.Queue/VerifyAudit"},
    {"data", "/overworld.data.v1.Data/ListAudit", "/overworld.data.v1.Data/VerifyAudit"},
    {"telemetry", "/overworld.telemetry.v1.Telemetry/ListAudit",
     "/overworld.telemetry.v1.Telemetry/VerifyAudit"},
    {"timers", "/overworld.timers.v1.Timers/ListAudit", "/overworld.timers.v1.Timers/VerifyAudit"},
};

enum { SERVICES = sizeof services / sizeof services[0] };

// ---- Asking ----

typedef struct question {
    ListRequest request;
    Google__Protobuf__Timestamp since, until;
} question;

static cli_exit read_question(cli *c, question *q) {
    overworld__api__list_audit_request__init(&q->request);
    q->request.principal = cli_text_or(c, "who", "");
    q->request.action = cli_text_or(c, "action", "");
    q->request.object = cli_text_or(c, "object", "");
    q->request.request_id = cli_text_or(c, "request", "");
    q->request.every_title = cli_bool(c, "every-title");
    q->request.page_size = PAGE;
    cli_exit code = cli_time(c, "since", &q->since, &q->request.since);
    return code == CLI_OK ? cli_time(c, "until", &q->until, &q->request.until) : code;
}

// Calls `take` for the entries of a service, newest first, `limit` at most.
typedef void (*take_entry)(cli *c, size_t service, const Entry *entry, void *self);

static cli_exit each_entry(cli *c, size_t service, question *q, int64_t limit, take_entry take,
                           void *self) {
    ListResponse *page;
    q->request.page_token = (char *)"";
    for (int64_t count = 0; count < limit;) {
        cli_exit code = cli_rpc(c, services[service].list, &q->request.base,
                                &overworld__api__list_audit_response__descriptor, false, &page);
        if (code != CLI_OK) {
            return code;
        }
        for (size_t i = 0; i < page->n_entries && count < limit; i++, count++) {
            take(c, service, page->entries[i], self);
        }
        q->request.page_token = page->next_page_token;
        if (page->next_page_token[0] == '\0') {
            break;
        }
    }
    return CLI_OK;
}

static void print_json(cli *c, size_t service, const Entry *entry, const char *end) {
    printf("{\"service\":\"%s\",\"entry\":%s}%s", services[service].name,
           cli_request_text(c, &entry->base), end);
}

// ---- ow audit list ----

typedef struct found {
    size_t service;
    const Entry *entry;
} found;

typedef struct finds {
    found *items;
    size_t count, room;
} finds;

static void keep(cli *c, size_t service, const Entry *entry, void *self) {
    (void)c;
    finds *all = self;
    if (all->count < all->room) {
        all->items[all->count++] = (found){service, entry};
    }
}

static int newest_first(const void *a, const void *b) {
    const Entry *x = ((const found *)a)->entry;
    const Entry *y = ((const found *)b)->entry;
    int64_t s = x->at->seconds - y->at->seconds;
    int64_t n = s != 0 ? s : x->at->nanos - y->at->nanos;
    n = n != 0 ? n : x->sequence - y->sequence;
    return n < 0 ? 1 : n > 0 ? -1 : 0;
}

static const char *time_text(cli *c, const Entry *entry) {
    char text[TIME_ROOM];
    struct tm parts;
    time_t seconds = (time_t)entry->at->seconds;
    strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", localtime_r(&seconds, &parts));
    return ow_arena_strdup_in(c->arena, text);
}

static const char *or_dash(const char *text) {
    return text[0] != '\0' ? text : NULL;
}

static void print_table(cli *c, const finds *all, size_t count) {
    static const char *const columns[] = {"TIME",   "WHO",    "FROM",  "ACTION",
                                          "OBJECT", "BEFORE", "AFTER", NULL};
    cli_table table = {.columns = columns};
    for (size_t i = 0; i < count; i++) {
        const Entry *entry = all->items[i].entry;
        cli_table_add(c, &table, time_text(c, entry));
        cli_table_add(c, &table, or_dash(entry->principal));
        cli_table_add(c, &table, or_dash(entry->address));
        cli_table_add(c, &table, entry->action);
        cli_table_add(c, &table, entry->object);
        cli_table_add(c, &table, or_dash(entry->before));
        cli_table_add(c, &table, or_dash(entry->after));
    }
    cli_table_print(c, &table);
}

static void print_list(cli *c, const finds *all, size_t count) {
    if (!c->json) {
        print_table(c, all, count);
        return;
    }
    fputs("{\"entries\":[", stdout);
    for (size_t i = 0; i < count; i++) {
        print_json(c, all->items[i].service, all->items[i].entry, i + 1 < count ? ",\n" : "");
    }
    puts("]}");
}

static cli_exit cmd_audit_list(cli *c) {
    question q;
    int64_t limit = cli_int(c, "limit", DEFAULT_LIMIT);
    if (limit < 1 || limit > LIMIT_MAX) {
        return cli_fail(c, CLI_USAGE, "--limit must be between 1 and %d", LIMIT_MAX);
    }
    finds all = {.room = SERVICES * (size_t)limit};
    all.items = ow_arena_alloc(c->arena, all.room * sizeof *all.items);
    if (all.items == NULL) {
        return cli_fail(c, CLI_FAILED, "out of memory");
    }
    cli_exit code = read_question(c, &q);
    for (size_t i = 0; code == CLI_OK && i < SERVICES; i++) {
        code = each_entry(c, i, &q, limit, keep, &all);
    }
    if (code != CLI_OK) {
        return code;
    }
    qsort(all.items, all.count, sizeof *all.items, newest_first);
    print_list(c, &all, all.count < (size_t)limit ? all.count : (size_t)limit);
    return CLI_OK;
}

// ---- ow audit export ----

static void print_line(cli *c, size_t service, const Entry *entry, void *self) {
    (void)self;
    print_json(c, service, entry, "\n");
}

static cli_exit cmd_audit_export(cli *c) {
    question q;
    cli_exit code = read_question(c, &q);
    for (size_t i = 0; code == CLI_OK && i < SERVICES; i++) {
        code = each_entry(c, i, &q, INT64_MAX, print_line, NULL);
    }
    return code;
}

// ---- ow audit verify ----

typedef struct head {
    int64_t sequence;
    char hash[OW_SHA256_HEX_SIZE]; // "" for the beginning
} head;

// Lines of "service sequence hash", as write_note makes them.
static cli_exit read_note(cli *c, const char *path, head heads[SERVICES]) {
    size_t size;
    if (access(path, F_OK) != 0) {
        return CLI_OK;
    }
    char *text = cli_read_file(c, path, NOTE_MAX, &size);
    char *rest = NULL;
    char *line = text != NULL ? strtok_r(text, "\n", &rest) : NULL;
    for (; line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        char name[32];
        head read = {0};
        if (sscanf(line, "%31s %" SCNd64 " %64s", name, &read.sequence, read.hash) < 2) {
            return cli_fail(c, CLI_USAGE, "%s is not what ow audit verify has noted", path);
        }
        for (size_t i = 0; i < SERVICES; i++) {
            heads[i] = strcmp(services[i].name, name) == 0 ? read : heads[i];
        }
    }
    return text != NULL ? CLI_OK : cli_fail(c, CLI_FAILED, "cannot read %s", path);
}

static cli_exit write_note(cli *c, const char *path, const head heads[SERVICES]) {
    const char *temporary = ow_arena_printf_in(c->arena, "%s.new", path);
    FILE *file = fopen(temporary, "w");
    bool ok = file != NULL;
    for (size_t i = 0; ok && i < SERVICES; i++) {
        ok = fprintf(file, "%s %" PRId64 " %s\n", services[i].name, heads[i].sequence,
                     heads[i].hash) > 0;
    }
    ok = file != NULL && fclose(file) == 0 && ok && rename(temporary, path) == 0;
    return ok ? CLI_OK : cli_fail(c, CLI_FAILED, "cannot write %s", path);
}

// Goes through the whole chain of a service. *known is the head noted earlier; then the head of now.
static cli_exit verify_service(cli *c, size_t service, head *known, bool *ret_sound) {
    uint8_t hash[OW_SHA256_SIZE];
    VerifyRequest request = OVERWORLD__API__VERIFY_AUDIT_REQUEST__INIT;
    VerifyResponse *reply;
    int64_t checked = 0;
    if (ow_hex_decode(known->hash, strlen(known->hash), hash, sizeof hash)) {
        request.known_sequence = known->sequence;
        request.known_hash = (ProtobufCBinaryData){sizeof hash, hash};
    }
    do {
        cli_exit code = cli_rpc(c, services[service].verify, &request.base,
                                &overworld__api__verify_audit_response__descriptor, false, &reply);
        if (code != CLI_OK) {
            return code;
        }
        checked += reply->checked;
        request.from_sequence = reply->next_sequence;
    } while (reply->next_sequence != 0);
    known->sequence = reply->head_sequence;
    known->hash[0] = '\0';
    if (reply->head_hash.len == OW_SHA256_SIZE) {
        ow_hex_encode(reply->head_hash.data, OW_SHA256_SIZE, known->hash);
    }
    *ret_sound = reply->broken[0] == '\0';
    if (c->json) {
        printf("{\"service\":\"%s\",\"sound\":%s,\"checked\":\"%" PRId64 "\",\"head\":\"%" PRId64
               "\",\"hash\":\"%s\",\"broken\":\"%s\",\"broken_sequence\":\"%" PRId64 "\"}",
               services[service].name, *ret_sound ? "true" : "false", checked, known->sequence,
               known->hash, reply->broken, reply->broken_sequence);
    } else if (*ret_sound) {
        printf("%s: sound, %" PRId64 " entries, head %s\n", services[service].name, checked,
               known->hash[0] != '\0' ? known->hash : "-");
    } else {
        printf("%s: BROKEN at entry %" PRId64 " (%s), %" PRId64 " entries before it are sound\n",
               services[service].name, reply->broken_sequence, reply->broken, checked);
    }
    return CLI_OK;
}

static cli_exit verify_all(cli *c, head heads[SERVICES], bool *ret_sound) {
    *ret_sound = true;
    for (size_t i = 0; i < SERVICES; i++) {
        bool sound = false;
        fputs(c->json && i > 0 ? "," : "", stdout);
        cli_exit code = verify_service(c, i, &heads[i], &sound);
        if (code != CLI_OK) {
            return code;
        }
        *ret_sound = *ret_sound && sound;
    }
    return CLI_OK;
}

static cli_exit cmd_audit_verify(cli *c) {
    const char *note = cli_text(c, "note");
    head heads[SERVICES] = {0};
    bool sound = false;
    cli_exit code = note != NULL ? read_note(c, note, heads) : CLI_OK;
    if (code != CLI_OK) {
        return code;
    }
    fputs(c->json ? "{\"services\":[" : "", stdout);
    code = verify_all(c, heads, &sound);
    fputs(c->json ? "]}\n" : "", stdout);
    if (code != CLI_OK) {
        return code;
    }
    if (!sound) {
        return cli_fail(c, CLI_FAILED, "the audit was tampered with");
    }
    return note != NULL ? write_note(c, note, heads) : CLI_OK;
}

// ---- The table ----

static const cli_flag audit_flags[] = {
    {"who", CLI_FLAG_TEXT, "ID", "by this operator"},
    {"action", CLI_FLAG_TEXT, "ACTION", "of this kind: title.rename, server_key.create ..."},
    {"object", CLI_FLAG_TEXT, "OBJECT", "about this id or name"},
    {"request", CLI_FLAG_TEXT, "ID", "of this request"},
    {"since", CLI_FLAG_TEXT, "TIME", "30s, 5m, 2h, 7d ago, or an RFC 3339 time"},
    {"until", CLI_FLAG_TEXT, "TIME", "likewise"},
    {"every-title", CLI_FLAG_BOOL, NULL, "of every title, for operators of every title"},
    {"limit", CLI_FLAG_INT, "N", "the newest N entries (default 50)"},
    {0},
};

static const cli_flag verify_flags[] = {
    {"note", CLI_FLAG_TEXT, "FILE", "hold it to the heads noted in FILE, then note those of now"},
    {0},
};

const cli_command audit_commands[] = {
    {"audit list", "", "who changed what, newest first", 0, 0, audit_flags, cmd_audit_list,
     "ow audit list --since 7d --action server_key.create"},
    {"audit verify", "", "check that nobody has tampered with the audit", 0, 0, verify_flags,
     cmd_audit_verify, "ow audit verify --note /mnt/elsewhere/overworld.audit"},
    {"audit export", "", "all of it as JSON lines, newest first", 0, 0, audit_flags,
     cmd_audit_export, "ow audit export --every-title > audit.jsonl"},
    {0},
};
