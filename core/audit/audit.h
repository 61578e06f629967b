#pragma once

// Who changed what: entries that a service writes in the write step of the change itself, each with
// the hash of the one before. One chain a store; knows no product.
//
//     ow_audit_entry entry = ow_audit_of_call(run->call, now_us);
//     entry.action = "title.rename";
//     entry.object = title_id;
//     entry.before = ow_audit_state_in(arena, "t", "name", old);
//     entry.after = ow_audit_state_in(arena, "t", "name", new);
//     return ow_audit_append(run->db, &entry, run->err);

#include "core/arena/arena.h"
#include "core/crypto/hash.h"
#include "core/db/db.h"
#include "core/rpc/call.h"

// The tables, for one of the service's migrations.
#define OW_AUDIT_TABLES                                                                            \
    "CREATE TABLE audit_chain ("                                                                   \
    "  sequence BIGINT NOT NULL PRIMARY KEY,"                                                      \
    "  at_us BIGINT NOT NULL,"                                                                     \
    "  title_id TEXT NOT NULL,"                                                                    \
    "  principal TEXT NOT NULL,"                                                                   \
    "  address TEXT NOT NULL,"                                                                     \
    "  request_id TEXT NOT NULL,"                                                                  \
    "  action TEXT NOT NULL,"                                                                      \
    "  object TEXT NOT NULL,"                                                                      \
    "  state_before TEXT NOT NULL,"                                                                \
    "  state_after TEXT NOT NULL,"                                                                 \
    "  hash TEXT NOT NULL);"                                                                       \
    "CREATE INDEX audit_chain_title ON audit_chain (title_id, sequence);"                          \
    "CREATE TABLE audit_head ("                                                                    \
    "  name TEXT NOT NULL PRIMARY KEY,"                                                            \
    "  sequence BIGINT NOT NULL,"                                                                  \
    "  hash TEXT NOT NULL);"                                                                       \
    "INSERT INTO audit_head (name, sequence, hash) VALUES ('head', 0, '');"

enum {
    OW_AUDIT_STATE_MAX = 64 << 10, // bytes of `before` and of `after`
    OW_AUDIT_TEXT_MAX = 1024,      // of one text in them; longer ones are cut
    OW_AUDIT_VERIFY_MAX = 5000,    // entries that one ow_audit_verify looks at
    OW_AUDIT_WALK_MAX = 100000, // entries that one page of a list looks at, whatever it looks for
};

typedef struct ow_audit_entry {
    int64_t at_us;
    const char *title;     // "": of none in particular
    const char *principal; // "": the platform itself
    const char *address;   // of the client; "": none
    const char *request_id;
    const char *action;            // "title.rename"
    const char *object;            // an id or a name
    const char *before;            // JSON; NULL or "": there was nothing
    const char *after;             // JSON; NULL or "": nothing is left
    int64_t sequence;              // filled when read
    char hash[OW_SHA256_HEX_SIZE]; // likewise
} ow_audit_entry;

// Who, when and from where, of a call; the rest is the caller's. Borrows from the call.
ow_audit_entry ow_audit_of_call(const ow_call *call, int64_t now_us);

// A state as a JSON object in the arena. `types` names the members' values, one letter each, and the
// arguments follow as name and value: 't' const char *, 'i' int64_t, 'b' int; 's' a secret, which
// has a name only and is written as "***". Never NULL: what does not fit is {"too_long":true}.
const char *ow_audit_state_in(ow_arena *arena, const char *types, ...);

// Adds the entry to the end of the chain. In a write step; may be run again. Codes as ow_db_exec,
// data_loss "no_audit_head".
ow_code ow_audit_append(ow_db_conn *db, const ow_audit_entry *entry, ow_err *err);

typedef struct ow_audit_filter {
    const char *title;     // of this title
    bool with_untitled;    // ... and of none
    bool every_title;      // of whichever
    const char *principal; // "": any; so with the others
    const char *action, *object, *request_id;
    int64_t since_us, until_us; // since <= at < until
    int64_t below;              // sequence numbers below this one only
    int64_t from;               // and from this one on; 0: all
    int limit;
} ow_audit_filter;

// Calls `take` for entries, newest first, until it fails. What an entry points to lives during the
// call. In a read or write step.
typedef ow_code (*ow_audit_take)(void *self, const ow_audit_entry *entry, ow_err *err);
ow_code ow_audit_list(ow_db_conn *db, const ow_audit_filter *filter, ow_audit_take take, void *self,
                      ow_err *err);

// From which number on a page looks that goes on below `below`; 0: from the first one. In a read or write step. Codes as
// ow_db_query, data_loss "no_audit_head".
ow_code ow_audit_page_from(ow_db_conn *db, int64_t below, int64_t *ret_from, ow_err *err);

typedef struct ow_audit_proof {
    int64_t checked;       // entries that are as they were written
    int64_t next_sequence; // 0: the end was reached
    int64_t head_sequence;
    char head_hash[OW_SHA256_HEX_SIZE];
    const char *broken; // NULL: sound so far; "changed", "missing", "inserted", "head"
    int64_t broken_sequence;
} ow_audit_proof;

// Checks at most OW_AUDIT_VERIFY_MAX entries from number `from` on (0 or 1: the first): each has its
// number and the hash of its fields and of the one before; at the end stands what the head says. In a
// read or write step. Codes as ow_db_query; a broken chain is no failure.
ow_code ow_audit_verify(ow_db_conn *db, int64_t from, ow_audit_proof *ret_proof, ow_err *err);

// Does entry `sequence` have that hash? False too when there is none such. 0 is the beginning, with
// the hash "".
ow_code ow_audit_is(ow_db_conn *db, int64_t sequence, const char *hash, bool *ret_is, ow_err *err);
