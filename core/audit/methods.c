#include "core/audit/methods.h"

#include "core/audit/audit.h"
#include "core/timestamp/timestamp.h"

#include "overworld/api/audit.pb-c.h"

#include <stdlib.h>
#include <string.h>

typedef Overworld__Api__AuditEntry entry_msg;
typedef Overworld__Api__ListAuditRequest list_request;
typedef Overworld__Api__ListAuditResponse list_response;
typedef Overworld__Api__VerifyAuditRequest verify_request;
typedef Overworld__Api__VerifyAuditResponse verify_response;

enum { PAGE_DEFAULT = 50, PAGE_MAX = 200 };

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the answer");
}

// ---- ListAudit ----

typedef struct page {
    ow_arena *arena;
    list_response *reply;
    int limit;
} page;

static int64_t time_of(const Google__Protobuf__Timestamp *time, int64_t otherwise) {
    return time != NULL ? ow_timestamp_us(time) : otherwise;
}

static bool read_token(const char *token, int64_t *ret_below) {
    if (token[0] == '\0') {
        *ret_below = INT64_MAX;
        return true;
    }
    char *end;
    *ret_below = strtoll(token, &end, 10);
    return *end == '\0' && *ret_below > 0;
}

static ow_code read_filter(ow_run *run, ow_audit_filter *ret_filter) {
    const list_request *request = run->request;
    const ow_principal *who = run->call->principal;
    int64_t below = 0;
    if (request->page_size < 0 || request->page_size > PAGE_MAX) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_size",
                       "page_size must be between 0 (the default) and %d", PAGE_MAX);
    }
    if (!read_token(request->page_token, &below)) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_page_token",
                       "page_token must be a next_page_token as it was given");
    }
    if (request->every_title && !who->every_title) {
        return ow_fail(run->err, OW_PERMISSION_DENIED, "not_every_title",
                       "entries of every title are for operators whose role holds in every title");
    }
    *ret_filter = (ow_audit_filter){
        .title = who->title,
        .with_untitled = who->every_title,
        .every_title = request->every_title,
        .principal = request->principal,
        .action = request->action,
        .object = request->object,
        .request_id = request->request_id,
        .since_us = time_of(request->since, INT64_MIN),
        .until_us = time_of(request->until, INT64_MAX),
        .below = below,
    };
    return OW_OK;
}

static char *dup_in(ow_arena *arena, const char *text, bool *failed) {
    char *copy = ow_arena_strdup_in(arena, text);
    *failed = *failed || copy == NULL;
    return copy;
}

static bool fill_entry(ow_arena *arena, const ow_audit_entry *from, entry_msg *to) {
    bool failed = false;
    Google__Protobuf__Timestamp *at = ow_timestamp_in(arena, from->at_us);
    to->hash.data = ow_arena_alloc(arena, OW_SHA256_SIZE);
    if (at == NULL || to->hash.data == NULL) {
        return false;
    }
    to->at = at;
    to->sequence = from->sequence;
    to->title_id = dup_in(arena, from->title, &failed);
    to->principal = dup_in(arena, from->principal, &failed);
    to->address = dup_in(arena, from->address, &failed);
    to->request_id = dup_in(arena, from->request_id, &failed);
    to->action = dup_in(arena, from->action, &failed);
    to->object = dup_in(arena, from->object, &failed);
    to->before = dup_in(arena, from->before, &failed);
    to->after = dup_in(arena, from->after, &failed);
    bool is_hex = ow_hex_decode(from->hash, strlen(from->hash), to->hash.data, OW_SHA256_SIZE);
    to->hash.len = is_hex ? OW_SHA256_SIZE : 0;
    return !failed;
}

static ow_code take_entry(void *self, const ow_audit_entry *entry, ow_err *err) {
    page *p = self;
    list_response *reply = p->reply;
    if (reply->n_entries == (size_t)p->limit) {
        // One more than the page: it is not the last one.
        int64_t last = reply->entries[p->limit - 1]->sequence;
        reply->next_page_token = ow_arena_printf_in(p->arena, "%lld", (long long)last);
        return reply->next_page_token != NULL ? OW_OK : no_memory(err);
    }
    entry_msg *made = ow_arena_alloc(p->arena, sizeof *made);
    if (made == NULL) {
        return no_memory(err);
    }
    overworld__api__audit_entry__init(made);
    if (!fill_entry(p->arena, entry, made)) {
        return no_memory(err);
    }
    reply->entries[reply->n_entries++] = made;
    return OW_OK;
}

// What was not looked at yet, for the next page.
static ow_code tell_rest(page *p, int64_t from, ow_err *err) {
    if (p->reply->next_page_token[0] != '\0' || from == 0) {
        return OW_OK;
    }
    p->reply->next_page_token = ow_arena_printf_in(p->arena, "%lld", (long long)from);
    return p->reply->next_page_token != NULL ? OW_OK : no_memory(err);
}

ow_code ow_audit_list_step(ow_run *run) {
    const list_request *request = run->request;
    ow_audit_filter filter;
    ow_code code = read_filter(run, &filter);
    code = code == OW_OK ? ow_audit_page_from(run->db, filter.below, &filter.from, run->err) : code;
    if (code != OW_OK) {
        return code;
    }
    page p = {.arena = run->call->arena,
              .reply = run->reply,
              .limit = request->page_size == 0 ? PAGE_DEFAULT : request->page_size};
    filter.limit = p.limit + 1;
    p.reply->entries = ow_arena_calloc(p.arena, (size_t)p.limit, sizeof p.reply->entries[0]);
    code = p.reply->entries != NULL ? ow_audit_list(run->db, &filter, take_entry, &p, run->err)
                                    : no_memory(run->err);
    return code == OW_OK ? tell_rest(&p, filter.from, run->err) : code;
}

// ---- VerifyAudit ----

static ow_code check_known(ow_run *run, ow_audit_proof *proof) {
    const verify_request *request = run->request;
    char hash[OW_SHA256_HEX_SIZE] = "";
    bool is = false;
    if (request->known_hash.len != OW_SHA256_SIZE && request->known_hash.len != 0) {
        return ow_fail(run->err, OW_INVALID_ARGUMENT, "bad_hash", "known_hash must have %d bytes",
                       OW_SHA256_SIZE);
    }
    if (request->known_hash.len == OW_SHA256_SIZE) {
        ow_hex_encode(request->known_hash.data, OW_SHA256_SIZE, hash);
    }
    ow_code code = ow_audit_is(run->db, request->known_sequence, hash, &is, run->err);
    if (code == OW_OK && !is) {
        proof->broken = "changed";
        proof->broken_sequence = request->known_sequence;
        proof->next_sequence = 0;
    }
    return code;
}

ow_code ow_audit_verify_step(ow_run *run) {
    const verify_request *request = run->request;
    verify_response *reply = run->reply;
    ow_audit_proof proof = {0};
    ow_code code = ow_audit_verify(run->db, request->from_sequence, &proof, run->err);
    if (code == OW_OK && proof.broken == NULL) {
        code = check_known(run, &proof);
    }
    if (code != OW_OK) {
        return code;
    }
    uint8_t *hash = ow_arena_alloc(run->call->arena, OW_SHA256_SIZE);
    if (hash == NULL) {
        return no_memory(run->err);
    }
    reply->checked = proof.checked;
    reply->next_sequence = proof.next_sequence;
    reply->head_sequence = proof.head_sequence;
    reply->broken = (char *)(uintptr_t)(proof.broken != NULL ? proof.broken : "");
    reply->broken_sequence = proof.broken_sequence;
    if (ow_hex_decode(proof.head_hash, strlen(proof.head_hash), hash, OW_SHA256_SIZE)) {
        reply->head_hash = (ProtobufCBinaryData){OW_SHA256_SIZE, hash};
    }
    return OW_OK;
}
