#pragma once

// A load of writes on a running server with a journal outside of it: what was asked for, what was
// acknowledged, what was refused, what nobody knows. Afterwards, when the server is up again, the journal
// asks for all of it.
//
// Operations: players' logins (the device id is the key), server keys and virtual servers (with a
// request_key), bundles (the hash is the key).
//
// Oracle: what was acknowledged is there, with the same id; what was refused with disk_full is not; what is
// unknown is resolved by asking again with the same key; and then each is there exactly once.

#include "tests/scenario/deployment.h"

typedef struct journal journal;

// For the server: a load from one address is no attack.
extern const char *const journal_flags[];

// Names begin with the label. Heap.
journal *journal_new(const char *label);
journal *journal_free(journal *j);

// Begins a round of at most `most` operations on a server that is ready.
void journal_begin(journal *j, const deployment *d, int most);
// Sends, waits at most `wait_ms` for answers, notes them. False: all of the round are answered.
bool journal_turn(journal *j, int wait_ms);
// Starts no more and waits until what is under way has ended, somehow.
void journal_end(journal *j);

// Holds what was not held yet against a server that is ready, and resolves what is unknown. Fails the test, naming
// `point`, when the promise was broken.
void journal_check(journal *j, const deployment *d, long point);
// Lists everything: each operation of all rounds is there exactly once. All must have been checked.
void journal_check_once_each(const journal *j, const deployment *d);

// Drops what came behind the first `count` operations and takes those as not held yet: a restored server
// knows what was acknowledged before its backup, and may know more.
void journal_go_back(journal *j, int count);
// How many operations there were so far.
int journal_length(const journal *j);

typedef struct journal_counts {
    int acked, refused, unknown; // over all rounds; as answered, not as resolved
} journal_counts;

journal_counts journal_count(const journal *j);
