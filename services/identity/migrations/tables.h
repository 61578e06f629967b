#pragma once

// The tables of each migration, in files of their own. A list in the order of their numbers stands in
// migrations.c.

extern const char identity_first_tables[];
extern const char identity_sessions_tables[];
extern const char identity_logins_tables[];
extern const char identity_audit_tables[];
extern const char identity_members_tables[];
extern const char identity_request_keys[];
extern const char identity_key_limits[];
extern const char identity_outbox[];
extern const char identity_player_lists[];
extern const char identity_logins_by_title[];
