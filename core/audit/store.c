#include "core/audit/audit.h"
#include "core/audit/chain.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS                                                                                    \
    "sequence, at_us, title_id, principal, address, request_id, action, object, state_before, "    \
    "state_after, hash"

static const char *text_of(ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    return text != NULL ? text : "";
}

static void read_entry(ow_rows *rows, ow_audit_entry *ret_entry) {
    *ret_entry = (ow_audit_entry){
        .sequence = ow_rows_int(rows, 0),
        .at_us = ow_rows_int(rows, 1),
        .title = text_of(rows, 2),
        .principal = text_of(rows, 3),
        .address = text_of(rows, 4),
        .request_id = text_of(rows, 5),
        .action = text_of(rows, 6),
        .object = text_of(rows, 7),
        .before = text_of(rows, 8),
        .after = text_of(rows, 9),
    };
    snprintf(ret_entry->hash, sizeof ret_entry->hash, "%s", text_of(rows, 10));
}

typedef struct chain_end {
    int64_t sequence;
    char hash[OW_SHA256_HEX_SIZE];
} chain_end;

static ow_code read_end(ow_rows *rows, chain_end *ret_end, bool *ret_found, ow_err *err) {
    ow_code code = ow_rows_next(rows, ret_found, err);
    if (code == OW_OK && *ret_found) {
        ret_end->sequence = ow_rows_int(rows, 0);
        snprintf(ret_end->hash, sizeof ret_end->hash, "%s", text_of(rows, 1));
    }
    ow_rows_close(rows);
    return code;
}

static ow_code find_head(ow_db_conn *db, chain_end *ret_head, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT sequence, hash FROM audit_head WHERE name = 'head'", "");
    if (code == OW_OK) {
        code = read_end(rows, ret_head, &found, err);
    }
    if (code == OW_OK && !found) {
        return ow_fail(err, OW_DATA_LOSS, "no_audit_head", "the end of the audit chain is missing");
    }
    return code;
}

static const char *or_empty(const char *text) {
    return text != NULL ? text : "";
}

static ow_code insert(ow_db_conn *db, const ow_audit_entry *e, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO audit_chain (" COLUMNS ")"
                      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                      "iittttttttt", e->sequence, e->at_us, e->title, e->principal, e->address,
                      e->request_id, e->action, e->object, e->before, e->after, e->hash);
}

ow_code ow_audit_append(ow_db_conn *db, const ow_audit_entry *entry, ow_err *err) {
    chain_end head = {0};
    ow_code code = find_head(db, &head, err);
    if (code != OW_OK) {
        return code;
    }
    ow_audit_entry made = *entry;
    made.before = or_empty(entry->before);
    made.after = or_empty(entry->after);
    made.sequence = head.sequence + 1;
    if (!chain_hash(head.hash, &made, made.hash)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for an audit entry");
    }
    code = insert(db, &made, err);
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(db, NULL, err,
                      "UPDATE audit_head SET sequence = $1, hash = $2 WHERE name = 'head'", "it",
                      made.sequence, made.hash);
}

// ---- Reading ----

ow_code ow_audit_list(ow_db_conn *db, const ow_audit_filter *f, ow_audit_take take, void *self,
                      ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM audit_chain"
                               " WHERE sequence < $1 AND at_us >= $2 AND at_us < $3"
                               " AND ($4 = 1 OR title_id = $5 OR ($6 = 1 AND title_id = ''))"
                               " AND ($7 = '' OR principal = $8) AND ($9 = '' OR action = $10)"
                               " AND ($11 = '' OR object = $12) AND ($13 = '' OR request_id = $14)"
                               " AND sequence >= $15 ORDER BY sequence DESC LIMIT $16",
                               "iiiitittttttttii", f->below, f->since_us, f->until_us,
                               (int64_t)f->every_title, f->title, (int64_t)f->with_untitled,
                               f->principal, f->principal, f->action, f->action, f->object,
                               f->object, f->request_id, f->request_id, f->from, (int64_t)f->limit);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        ow_audit_entry entry;
        read_entry(rows, &entry);
        code = take(self, &entry, err);
    }
    return code;
}

ow_code ow_audit_page_from(ow_db_conn *db, int64_t below, int64_t *ret_from, ow_err *err) {
    chain_end head = {.sequence = 0};
    ow_code code = find_head(db, &head, err);
    int64_t top = below - 1 < head.sequence ? below - 1 : head.sequence;
    if (code == OW_OK) {
        *ret_from = top > OW_AUDIT_WALK_MAX ? top - OW_AUDIT_WALK_MAX + 1 : 0;
    }
    return code;
}

// ---- Checking ----

static ow_code find_end(ow_db_conn *db, int64_t sequence, chain_end *ret_end, bool *ret_found,
                        ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code =
        ow_db_query(db, &rows, err, "SELECT sequence, hash FROM audit_chain WHERE sequence = $1",
                    "i", sequence);
    return code == OW_OK ? read_end(rows, ret_end, ret_found, err) : code;
}

static void break_at(ow_audit_proof *proof, const char *how, int64_t sequence) {
    proof->broken = how;
    proof->broken_sequence = sequence;
    proof->next_sequence = 0;
}

// Is the entry the one behind `last`? Then it is the last.
static ow_code check_entry(const ow_audit_entry *entry, chain_end *last, ow_audit_proof *proof,
                           ow_err *err) {
    char hash[OW_SHA256_HEX_SIZE];
    if (entry->sequence != last->sequence + 1) {
        // Numbers ascend, and none is below 1 but one that was put there.
        bool is_extra = entry->sequence <= last->sequence;
        break_at(proof, is_extra ? "inserted" : "missing",
                 is_extra ? entry->sequence : last->sequence + 1);
        return OW_OK;
    }
    if (!chain_hash(last->hash, entry, hash)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a hash");
    }
    if (strcmp(hash, entry->hash) != 0) {
        break_at(proof, "changed", entry->sequence);
        return OW_OK;
    }
    last->sequence = entry->sequence;
    memcpy(last->hash, hash, sizeof last->hash);
    proof->checked++;
    return OW_OK;
}

// The head is written with each entry: what is gone from the end shows there.
static void check_head(const chain_end *head, const chain_end *last, ow_audit_proof *proof) {
    proof->next_sequence = 0;
    if (last->sequence < head->sequence) {
        break_at(proof, "missing", last->sequence + 1);
    } else if (last->sequence > head->sequence) {
        break_at(proof, "inserted", head->sequence + 1);
    } else if (strcmp(last->hash, head->hash) != 0) {
        break_at(proof, "head", head->sequence);
    }
}

static ow_code check_entries(ow_db_conn *db, int64_t from, chain_end *last, ow_audit_proof *proof,
                             ow_err *err) {
    ow_rows *rows = NULL;
    // What was put in front of the first is found from there.
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " COLUMNS " FROM audit_chain WHERE sequence >= $1"
                               " ORDER BY sequence LIMIT $2",
                               "ii", from <= 1 ? INT64_MIN : from, (int64_t)OW_AUDIT_VERIFY_MAX);
    int count = 0;
    bool more = true;
    while (code == OW_OK && proof->broken == NULL &&
           (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        ow_audit_entry entry;
        read_entry(rows, &entry);
        code = check_entry(&entry, last, proof, err);
        count++;
    }
    if (code == OW_OK && proof->broken != NULL) {
        ow_rows_close(rows);
    }
    proof->next_sequence =
        count == OW_AUDIT_VERIFY_MAX && proof->broken == NULL ? last->sequence + 1 : 0;
    return code;
}

ow_code ow_audit_verify(ow_db_conn *db, int64_t from, ow_audit_proof *ret_proof, ow_err *err) {
    ow_audit_proof proof = {0};
    chain_end head = {0};
    chain_end last = {0};
    bool found = true;
    ow_code code = find_head(db, &head, err);
    if (code == OW_OK && from > 1) {
        code = find_end(db, from - 1, &last, &found, err);
    }
    if (code != OW_OK) {
        return code;
    }
    proof.head_sequence = head.sequence;
    memcpy(proof.head_hash, head.hash, sizeof proof.head_hash);
    if (!found) {
        break_at(&proof, "missing", from - 1);
    } else {
        code = check_entries(db, from, &last, &proof, err);
    }
    if (code == OW_OK && proof.broken == NULL && proof.next_sequence == 0) {
        check_head(&head, &last, &proof);
    }
    if (code == OW_OK) {
        *ret_proof = proof;
    }
    return code;
}

ow_code ow_audit_is(ow_db_conn *db, int64_t sequence, const char *hash, bool *ret_is, ow_err *err) {
    chain_end end = {0};
    bool found = sequence == 0;
    ow_code code = sequence == 0 ? OW_OK : find_end(db, sequence, &end, &found, err);
    if (code == OW_OK) {
        *ret_is = found && strcmp(end.hash, hash) == 0;
    }
    return code;
}
