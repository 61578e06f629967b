#pragma once

// All SQL of the registry. Every function runs inside a step of a database thread; what it returns
// lives in the call's arena.

#include "services/registry/alias_logic.h"
#include "services/registry/messages.h"
#include "services/registry/triggers.h"

#include "core/bus/bus.h"
#include "core/db/db.h"

#include <stdbool.h>
#include <stdint.h>

// The step that is running. Text is never NULL.
typedef struct tx {
    ow_db_conn *db;
    ow_arena *arena;
    ow_err *err;
    int64_t now_us;
    const char *title;     // of the principal; "" when it names none
    bool every_title;      // the principal's role holds in every title, or it is the platform
    const char *principal; // its id
    const char *request_id;
    const char *address;  // of the client
    const char *fresh_id; // a new ULID without prefix, for what the step makes
    ow_bus *bus;          // for events; NULL: none
    bool out_of_memory;   // some text did not fit in the arena; see tx_end
} tx;

// OW_OK, or resource_exhausted when something did not fit in the arena.
ow_code tx_end(tx *t);

// ---- announcements.c: what the rest of the platform is told, with the change itself ----

// A name leads somewhere else. `revision_id`: "" when it is for the alias to say.
ow_code store_announce_deployed(tx *t, const char *server, const char *alias,
                                const char *revision_id);
ow_code store_announce_failed_build(tx *t, const char *server, const char *message);

// ---- titles.c ----

// Sets t->title to the title that the call is about: the principal's, or, when it names none, the
// only one. Codes: not_found "no_title", failed_precondition "title_needed".
ow_code store_title_resolve(tx *t);

// Makes the title "default" when there is none.
ow_code store_title_default(tx *t);
// Codes: already_exists "name_taken".
ow_code store_title_create(tx *t, const char *name, title_msg *ret_title);
// Another title than the caller's is for those of every title. Codes: not_found "no_title", aborted "stale_etag", already_exists "name_taken".
ow_code store_title_rename(tx *t, const rename_title_request *request, title_msg *ret_title);
// Of the caller's title alone, unless every_title.
ow_code store_titles_list(tx *t, const char *after, int limit, list_titles_response *ret_page);

// A number for what changes routes.
ow_code store_next_route(tx *t, int64_t *ret_seq);

// The record of an operator's change, in the transaction of the change; see core/audit. `before` and
// `after`: made by ow_audit_state_in; "" for nothing.
ow_code store_audit(tx *t, const char *action, const char *object, const char *before,
                    const char *after);

// The answer that a request_key had: *ret_found with `reply` filled, or the way is free. An empty
// key is never found and never kept. Codes: invalid_argument "request_key_reused" (the same key
// with another request).
ow_code store_key_find(tx *t, const char *method, const char *key, const ProtobufCMessage *request,
                       ProtobufCMessage *reply, bool *ret_found);
ow_code store_key_keep(tx *t, const char *method, const char *key, const ProtobufCMessage *request,
                       const ProtobufCMessage *reply);

// ---- servers.c ----

// A row of virtual_servers.
typedef struct server_row {
    const char *name, *runtime, *description, *latest_revision;
    int64_t created_us, updated_us, etag, latest_version;
} server_row;

// Codes: not_found "no_virtual_server".
ow_code store_server_find(tx *t, const char *name, server_row *ret_row);
// Codes: already_exists "name_taken", resource_exhausted "too_many_virtual_servers".
ow_code store_server_create(tx *t, const char *name, const char *runtime, const char *description,
                            server_row *ret_row);
ow_code store_server_update(tx *t, const update_server_request *request, server_msg *ret_server);
ow_code store_server_delete(tx *t, const delete_server_request *request);
ow_code store_server_fill(tx *t, const server_row *row, server_msg *ret_server);
ow_code store_servers_list(tx *t, const list_servers_request *request, int limit,
                           list_servers_response *ret_page);

// ---- aliases.c ----

// Codes: not_found "no_virtual_server", "no_version"; already_exists "name_taken";
// resource_exhausted "too_many_aliases".
ow_code store_alias_create(tx *t, const create_alias_request *request, const alias_aim *aim,
                           alias_msg *ret_alias);
// `aim` NULL: where it leads stays. Codes: not_found "no_virtual_server", "no_alias", "no_version";
// aborted "stale_etag".
ow_code store_alias_update(tx *t, const update_alias_request *request, const alias_aim *aim,
                           alias_msg *ret_alias);
// Codes: those of store_alias_update, failed_precondition "no_previous".
ow_code store_alias_rollback(tx *t, const rollback_alias_request *request, alias_msg *ret_alias);
ow_code store_alias_delete(tx *t, const delete_alias_request *request);
// Fills the aliases of the message.
ow_code store_aliases_list(tx *t, const char *server, server_msg *ret_server);

// ---- secrets.c ----

enum { SECRETS_MAX = 50 }; // of a virtual server

// A value as it lies in the store.
typedef struct sealed_value {
    const char *name;
    const uint8_t *bytes;
    size_t size;
} sealed_value;

// Stores the next version of a secret. Codes: not_found "no_virtual_server", aborted "stale_etag",
// resource_exhausted "too_many_secrets".
ow_code store_secret_set(tx *t, const set_secret_request *request, const sealed_value *value,
                         secret_msg *ret_secret);
// Codes: not_found "no_secret", "no_version"; aborted "stale_etag".
ow_code store_secret_use(tx *t, const use_secret_request *request, secret_msg *ret_secret);
ow_code store_secret_delete(tx *t, const delete_secret_request *request);
ow_code store_secrets_list(tx *t, const char *server, list_secrets_response *reply);

// The values that functions get now, and the number of their last change. `ret_values` has room for
// SECRETS_MAX.
ow_code store_secret_values(tx *t, const char *server, sealed_value *ret_values, size_t *ret_count,
                            int64_t *ret_sequence);

// ---- revisions.c ----

typedef struct deployment {
    const char *server, *runtime, *description;
    const char *revision_id, *bundle_sha256;
    const uint8_t *body; // packed RouteRevision
    size_t body_size;
    const uint8_t *triggers; // packed Triggers; NULL: none
    size_t triggers_size;
    bool create, publish;
    const char *based_on; // what $LATEST must still be; "": whatever
} deployment;

// Codes: aborted "stale_etag" ($LATEST is another revision than `based_on`, which is not "").
ow_code store_check_base(tx *t, const server_row *row, const char *based_on);

// Makes a revision $LATEST, and publishes it when asked. Fills revision and unchanged of the reply.
// Codes: those of store_server_find and _create, failed_precondition "runtime_differs", aborted
// "stale_etag", resource_exhausted "too_many_versions".
ow_code store_deploy(tx *t, const deployment *d, deploy_response *reply);

// Codes: not_found, failed_precondition "nothing_deployed", resource_exhausted "too_many_versions".
ow_code store_publish(tx *t, const publish_request *request, publish_response *reply);

// The message of a revision. Codes: internal "no_revision".
ow_code store_revision_find(tx *t, const char *server, const char *revision_id,
                            revision_msg **ret_revision);
// The same by what people call it: "$LATEST" or a version's number. Codes: not_found
// "no_virtual_server", "no_version".
ow_code store_revision_named(tx *t, const char *server, const char *version,
                             revision_msg **ret_revision);
// `below` 0: from the highest.
ow_code store_versions_list(tx *t, const char *server, int64_t below, int limit,
                            list_versions_response *ret_page);

// What was built from these sources, newest first.
typedef struct known_build {
    const char *toolchain;
    const char *code_sha256;
} known_build;

ow_code store_builds_find(tx *t, const char *source_key, known_build ret_builds[], int room,
                          int *ret_count);
ow_code store_build_keep(tx *t, const char *source_key, const known_build *build);

// ---- trigger_store.c ----

// What the versions declare that the virtual server's aliases lead to.
ow_code store_triggers_in_force(tx *t, const char *server, triggers_msg **ret_triggers);

// A virtual server of whose triggers not every service knows.
typedef struct pending_apply {
    const char *title, *server;
    int64_t number; // its route_seq; when it is gone, the counter
    bool removed;
    apply_triggers_request *request;
} pending_apply;

// At most `room` of them, oldest change first.
ow_code store_applies_pending(tx *t, int room, pending_apply ret_list[], int *ret_count);
ow_code store_apply_done(tx *t, const pending_apply *p);

// ---- route_switches.c ----

enum { ROUTE_SWITCHES_MAX = 1000 }; // of a virtual server

// What was switched by hand, written into routes in force. `t->title` is the virtual server's.
ow_code store_routes_switch(tx *t, const char *server, const triggers_msg *in_force);

// Switching one on whose route is gone forgets the switch. Codes: not_found "no_virtual_server", "no_route"; aborted
// "stale_etag"; resource_exhausted "too_many_switches".
ow_code store_route_set_disabled(tx *t, const set_route_disabled_request *request,
                                 route_state_msg *ret_state);
// Routes in force and switches without one, by alias and name, from behind the one of `request`'s page token. Codes:
// not_found "no_virtual_server", invalid_argument "bad_page_token".
ow_code store_route_states(tx *t, const list_routes_request *request, int limit,
                           list_routes_response *ret_page);

// ---- route_store.c ----

// Everything about routes that changed after sequence `after`, in order: titles, virtual servers
// with all that a name or version reaches, removals. Each is a packed RouteChange.
typedef struct stored_change {
    int64_t sequence;
    uint8_t *bytes;
    size_t size;
} stored_change;

typedef struct stored_changes {
    stored_change *changes;
    size_t count, room;
    int64_t last; // the counter: nothing after `after` and up to here is missing
    bool more;    // stopped early, ask again after the last one's sequence
} stored_changes;

ow_code store_changes_since(tx *t, int64_t after, stored_changes *ret_changes);
