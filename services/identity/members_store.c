#include "services/identity/members_store.h"

#include <stdio.h>
#include <string.h>

#define MEMBER_COLUMNS "m.operator_id, m.email, m.password_hash, m.created_us"
#define FIRST_EMAIL "first"

static void copy_text(char *to, size_t size, ow_rows *rows, int column) {
    const char *text = ow_rows_text(rows, column);
    snprintf(to, size, "%s", text != NULL ? text : "");
}

static void read_member(ow_rows *rows, member_row *row) {
    copy_text(row->operator_id, sizeof row->operator_id, rows, 0);
    copy_text(row->email, sizeof row->email, rows, 1);
    copy_text(row->password_hash, sizeof row->password_hash, rows, 2);
    row->created_us = ow_rows_int(rows, 3);
}

static ow_code no_member(const char *email, ow_err *err) {
    return ow_fail(err, OW_NOT_FOUND, "no_member", "there is no member %.60s here", email);
}

// The first row of a query as a member.
static ow_code take_one(ow_rows *rows, const char *who, member_row *ret_row, ow_err *err) {
    bool found = false;
    ow_code code = ow_rows_next(rows, &found, err);
    if (code == OW_OK && found) {
        *ret_row = (member_row){0};
        read_member(rows, ret_row);
    }
    ow_rows_close(rows);
    return code == OW_OK && !found ? no_member(who, err) : code;
}

ow_code store_member_by_email(ow_db_conn *db, const char *email, member_row *ret_row, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(
        db, &rows, err, "SELECT " MEMBER_COLUMNS " FROM members m WHERE m.email = $1", "t", email);
    return code == OW_OK ? take_one(rows, email, ret_row, err) : code;
}

ow_code store_member_by_id(ow_db_conn *db, const char *operator_id, member_row *ret_row,
                           ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " MEMBER_COLUMNS " FROM members m WHERE m.operator_id = $1",
                               "t", operator_id);
    return code == OW_OK ? take_one(rows, operator_id, ret_row, err) : code;
}

static ow_code count_of(ow_db_conn *db, int64_t *ret_count, ow_err *err, const char *sql,
                        const char *argument) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err, sql, argument != NULL ? "t" : "", argument);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    *ret_count = code == OW_OK && found ? ow_rows_int(rows, 0) : 0;
    ow_rows_close(rows);
    return code;
}

// ---- The audit ----

static ow_code audit(ow_db_conn *db, const author *by, const char *action, const char *object,
                     const char *states[2], ow_err *err) {
    ow_audit_entry entry = by->entry;
    entry.action = action;
    entry.object = object;
    entry.before = states[0];
    entry.after = states[1];
    return ow_audit_append(db, &entry, err);
}

// `before`, `after`: roles, NULL for none. The entry belongs to the grant's title.
static ow_code audit_role(ow_db_conn *db, const author *by, const char *action,
                          const member_grant *grant, const char *roles[2], ow_err *err) {
    author here = *by;
    const char *states[2];
    here.entry.title = grant->title;
    for (int i = 0; i < 2; i++) {
        states[i] = roles[i] == NULL ? "" : ow_audit_state_in(by->arena, "t", "role", roles[i]);
    }
    return audit(db, &here, action, grant->email, states, err);
}

// What concerns a member as a whole belongs to no title.
static ow_code audit_member(ow_db_conn *db, const author *by, const char *action,
                            const char *object, const char *after, ow_err *err) {
    author nowhere = *by;
    const char *states[2] = {"", after};
    nowhere.entry.title = "";
    return audit(db, &nowhere, action, object, states, err);
}

// ---- Roles ----

static ow_code find_role(ow_db_conn *db, const char *operator_id, const char *title,
                         char ret_role[static ROLE_MAX], ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT role FROM member_roles WHERE operator_id = $1"
                               " AND title_id = $2",
                               "tt", operator_id, title);
    if (code == OW_OK) {
        code = ow_rows_next(rows, &found, err);
    }
    ret_role[0] = '\0';
    if (code == OW_OK && found) {
        copy_text(ret_role, ROLE_MAX, rows, 0);
    }
    ow_rows_close(rows);
    return code;
}

static ow_code put_role(ow_db_conn *db, const char *operator_id, const member_grant *grant,
                        ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO member_roles (operator_id, title_id, role) VALUES ($1, $2, $3)"
                      " ON CONFLICT (operator_id, title_id) DO UPDATE SET role = excluded.role",
                      "ttt", operator_id, grant->title, grant->role);
}

static void fill_grant(member_row *row, const member_grant *grant) {
    snprintf(row->role, sizeof row->role, "%s", grant->role);
    row->every_title = grant->title[0] == '\0';
}

static ow_code member_insert(ow_db_conn *db, const member_row *fresh, ow_err *err) {
    int64_t count = 0;
    ow_code code = count_of(db, &count, err, "SELECT count(*) FROM members", NULL);
    if (code == OW_OK && count >= MEMBERS_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_members", "there are %d members",
                       MEMBERS_MAX);
    }
    return code == OW_OK
               ? ow_db_exec(db, NULL, err,
                            "INSERT INTO members (operator_id, email, password_hash, created_us)"
                            " VALUES ($1, $2, $3, $4)",
                            "ttti", fresh->operator_id, fresh->email, fresh->password_hash,
                            fresh->created_us)
               : code;
}

static ow_code fail_if_too_many_roles(ow_db_conn *db, ow_err *err) {
    int64_t count = 0;
    ow_code code = count_of(db, &count, err, "SELECT count(*) FROM member_roles", NULL);
    return code == OW_OK && count >= MEMBER_ROLES_MAX
               ? ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_members", "there are %d roles",
                         MEMBER_ROLES_MAX)
               : code;
}

// Finds the member or makes one.
static ow_code find_or_insert(ow_db_conn *db, const member_row *fresh, member_row *ret_row,
                              ow_err *err) {
    ow_code code = store_member_by_email(db, fresh->email, ret_row, err);
    if (code == OW_NOT_FOUND) {
        *ret_row = *fresh;
        ret_row->is_new = true;
        code = member_insert(db, fresh, err);
    }
    return code;
}

ow_code store_member_add(ow_db_conn *db, const author *by, const member_grant *grant,
                         const member_row *fresh, member_row *ret_row, ow_err *err) {
    char role[ROLE_MAX] = "";
    ow_code code = find_or_insert(db, fresh, ret_row, err);
    if (code == OW_OK) {
        code = find_role(db, ret_row->operator_id, grant->title, role, err);
    }
    if (code == OW_OK && role[0] != '\0') {
        return ow_fail(err, OW_ALREADY_EXISTS, "member_exists", "%.60s is %s here already",
                       grant->email, role);
    }
    if (code == OW_OK) {
        code = fail_if_too_many_roles(db, err);
    }
    if (code == OW_OK) {
        code = put_role(db, ret_row->operator_id, grant, err);
    }
    fill_grant(ret_row, grant);
    const char *roles[2] = {NULL, grant->role};
    return code == OW_OK ? audit_role(db, by, "member.add", grant, roles, err) : code;
}

// The member with a role there; `ret_row->role` has it.
static ow_code find_member_of(ow_db_conn *db, const member_grant *grant, member_row *ret_row,
                              ow_err *err) {
    ow_code code = store_member_by_email(db, grant->email, ret_row, err);
    if (code == OW_OK) {
        code = find_role(db, ret_row->operator_id, grant->title, ret_row->role, err);
    }
    return code == OW_OK && ret_row->role[0] == '\0' ? no_member(grant->email, err) : code;
}

static ow_code spare_first(const member_row *row, ow_err *err) {
    return strcmp(row->email, FIRST_EMAIL) == 0
               ? ow_fail(err, OW_FAILED_PRECONDITION, "first_operator",
                         "the first operator's token is a file: it has no password and keeps its "
                         "role")
               : OW_OK;
}

ow_code store_member_set_role(ow_db_conn *db, const author *by, const member_grant *grant,
                              member_row *ret_row, ow_err *err) {
    ow_code code = find_member_of(db, grant, ret_row, err);
    if (code == OW_OK) {
        code = spare_first(ret_row, err);
    }
    if (code == OW_OK) {
        code = put_role(db, ret_row->operator_id, grant, err);
    }
    char before[ROLE_MAX];
    memcpy(before, ret_row->role, sizeof before);
    fill_grant(ret_row, grant);
    const char *roles[2] = {before, grant->role};
    return code == OW_OK ? audit_role(db, by, "member.set_role", grant, roles, err) : code;
}

static ow_code member_delete(ow_db_conn *db, const char *operator_id, ow_err *err) {
    ow_code code = ow_db_exec(db, NULL, err, "DELETE FROM operator_tokens WHERE operator_id = $1",
                              "t", operator_id);
    return code == OW_OK ? ow_db_exec(db, NULL, err, "DELETE FROM members WHERE operator_id = $1",
                                      "t", operator_id)
                         : code;
}

ow_code store_member_remove(ow_db_conn *db, const author *by, const member_grant *grant,
                            ow_err *err) {
    member_row row;
    int64_t left = 0;
    ow_code code = find_member_of(db, grant, &row, err);
    if (code == OW_OK) {
        code = spare_first(&row, err);
    }
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err,
                          "DELETE FROM member_roles WHERE operator_id = $1 AND title_id = $2", "tt",
                          row.operator_id, grant->title);
    }
    if (code == OW_OK) {
        code = count_of(db, &left, err, "SELECT count(*) FROM member_roles WHERE operator_id = $1",
                        row.operator_id);
    }
    if (code == OW_OK && left == 0) {
        code = member_delete(db, row.operator_id, err);
    }
    const char *roles[2] = {row.role, NULL};
    return code == OW_OK ? audit_role(db, by, "member.remove", grant, roles, err) : code;
}

ow_code store_members_list(ow_db_conn *db, const member_range *range, take_member take, void *self,
                           ow_err *err) {
    ow_rows *rows = NULL;
    // Who has both a role here and one everywhere stands there with the one of here.
    ow_code code = ow_db_query(
        db, &rows, err,
        "SELECT " MEMBER_COLUMNS ", r.role, r.title_id FROM member_roles r"
        " JOIN members m ON m.operator_id = r.operator_id"
        " WHERE m.email > $1 AND (r.title_id = $2 OR (r.title_id = '' AND NOT EXISTS ("
        "  SELECT 1 FROM member_roles o WHERE o.operator_id = r.operator_id AND o.title_id = $3"
        "  AND o.title_id <> '')))"
        " ORDER BY m.email LIMIT $4",
        "ttti", range->after, range->title, range->title, (int64_t)range->limit);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        member_row row = {0};
        read_member(rows, &row);
        copy_text(row.role, sizeof row.role, rows, 4);
        const char *of = ow_rows_text(rows, 5);
        row.every_title = of == NULL || of[0] == '\0';
        code = take(self, &row, err);
    }
    return code;
}

// ---- Passwords ----

static ow_code drop_links(ow_db_conn *db, const char *operator_id, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "DELETE FROM operator_tokens WHERE operator_id = $1 AND kind = 'link'", "t",
                      operator_id);
}

static ow_code end_sessions(ow_db_conn *db, const char *operator_id, int64_t *ret_ended,
                            ow_err *err) {
    ow_code code = drop_links(db, operator_id, err);
    return code == OW_OK
               ? ow_db_exec(
                     db, ret_ended, err,
                     "DELETE FROM operator_tokens WHERE operator_id = $1 AND kind = 'session'", "t",
                     operator_id)
               : code;
}

ow_code store_member_set_password(ow_db_conn *db, const author *by, const char *operator_id,
                                  const char *password_hash, bool is_reset, ow_err *err) {
    member_row row;
    ow_code code = store_member_by_id(db, operator_id, &row, err);
    if (code == OW_OK) {
        code = spare_first(&row, err);
    }
    if (code == OW_OK) {
        code = ow_db_exec(db, NULL, err,
                          "UPDATE members SET password_hash = $1 WHERE operator_id = $2", "tt",
                          password_hash, operator_id);
    }
    if (code == OW_OK) {
        code = end_sessions(db, operator_id, NULL, err);
    }
    return code == OW_OK
               ? audit_member(db, by, is_reset ? "member.reset_password" : "member.change_password",
                              row.email, ow_audit_state_in(by->arena, "s", "password"), err)
               : code;
}

// ---- Tokens ----

static ow_code insert_token(ow_db_conn *db, const operator_token_row *row, const char *kind,
                            ow_err *err) {
    int64_t count = 0;
    ow_code code = count_of(db, &count, err, "SELECT count(*) FROM operator_tokens", NULL);
    if (code == OW_OK && count >= OPERATOR_TOKENS_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_tokens",
                       "there are %d sessions and API keys; revoke some", OPERATOR_TOKENS_MAX);
    }
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(
        db, NULL, err,
        "INSERT INTO operator_tokens (token_id, operator_id, kind, name, role, token_sha256,"
        " created_us, expires_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        "tttttbii", row->token_id, row->operator_id, kind, row->name, row->role, row->sha256,
        sizeof row->sha256, row->created_us, row->expires_us);
}

static ow_code drop_expired(ow_db_conn *db, int64_t now_us, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "DELETE FROM operator_tokens WHERE expires_us > 0 AND expires_us <= $1", "i",
                      now_us);
}

// Ids ascend with time: the oldest come first.
static ow_code drop_oldest_sessions(ow_db_conn *db, const char *operator_id, ow_err *err) {
    return ow_db_exec(db, NULL, err,
                      "DELETE FROM operator_tokens WHERE operator_id = $1 AND kind = 'session'"
                      " AND token_id NOT IN (SELECT token_id FROM operator_tokens"
                      "  WHERE operator_id = $2 AND kind = 'session'"
                      "  ORDER BY token_id DESC LIMIT $3)",
                      "tti", operator_id, operator_id, (int64_t)SESSIONS_OF_MEMBER_MAX - 1);
}

static ow_code check_unchanged(ow_db_conn *db, const char *operator_id, const char *password_hash,
                               member_row *ret_row, ow_err *err) {
    ow_code code = store_member_by_id(db, operator_id, ret_row, err);
    bool is_same = code == OW_OK && strcmp(ret_row->password_hash, password_hash) == 0;
    return code == OW_NOT_FOUND || (code == OW_OK && !is_same)
               ? ow_fail(err, OW_UNAUTHENTICATED, "bad_login", "the password was just changed")
               : code;
}

ow_code store_operator_session_begin(ow_db_conn *db, const author *by,
                                     const operator_token_row *session, const char *password_hash,
                                     ow_err *err) {
    member_row row;
    ow_code code = check_unchanged(db, session->operator_id, password_hash, &row, err);
    if (code == OW_OK) {
        code = drop_expired(db, session->created_us, err);
    }
    if (code == OW_OK) {
        code = drop_oldest_sessions(db, session->operator_id, err);
    }
    if (code == OW_OK) {
        code = insert_token(db, session, "session", err);
    }
    author self = *by;
    self.entry.principal = session->operator_id;
    return code == OW_OK ? audit_member(db, &self, "operator.login", row.email, "", err) : code;
}

ow_code store_operator_sessions_end(ow_db_conn *db, const author *by, const uint8_t *sha256,
                                    int64_t *ret_ended, ow_err *err) {
    const char *operator_id = by->entry.principal;
    ow_code code =
        sha256 == NULL
            ? end_sessions(db, operator_id, ret_ended, err)
            : ow_db_exec(db, ret_ended, err,
                         "DELETE FROM operator_tokens WHERE operator_id = $1 AND kind = 'session'"
                         " AND token_sha256 = $2",
                         "tb", operator_id, sha256, (size_t)OW_SHA256_SIZE);
    return code == OW_OK && *ret_ended > 0
               ? audit_member(db, by, "operator.logout", operator_id,
                              ow_audit_state_in(by->arena, "i", "ended", *ret_ended), err)
               : code;
}

static const char *key_state(const author *by, const operator_token_row *key) {
    return ow_audit_state_in(by->arena, "ttis", "name", key->name, "role", key->role, "expires_us",
                             key->expires_us, "secret");
}

ow_code store_api_key_create(ow_db_conn *db, const author *by, const operator_token_row *key,
                             ow_err *err) {
    int64_t count = 0;
    ow_code code = drop_expired(db, key->created_us, err);
    if (code == OW_OK) {
        code = count_of(db, &count, err,
                        "SELECT count(*) FROM operator_tokens WHERE operator_id = $1"
                        " AND kind = 'api_key'",
                        key->operator_id);
    }
    if (code == OW_OK && count >= API_KEYS_OF_MEMBER_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_tokens",
                       "you have %d API keys; revoke some", API_KEYS_OF_MEMBER_MAX);
    }
    if (code == OW_OK) {
        code = insert_token(db, key, "api_key", err);
    }
    return code == OW_OK
               ? audit_member(db, by, "api_key.create", key->token_id, key_state(by, key), err)
               : code;
}

#define TOKEN_COLUMNS "token_id, operator_id, name, role, token_sha256, created_us, expires_us"

static ow_code read_token(ow_rows *rows, operator_token_row *row, ow_err *err) {
    size_t size = 0;
    *row = (operator_token_row){0};
    copy_text(row->token_id, sizeof row->token_id, rows, 0);
    copy_text(row->operator_id, sizeof row->operator_id, rows, 1);
    copy_text(row->name, sizeof row->name, rows, 2);
    copy_text(row->role, sizeof row->role, rows, 3);
    const void *hash = ow_rows_blob(rows, 4, &size);
    row->created_us = ow_rows_int(rows, 5);
    row->expires_us = ow_rows_int(rows, 6);
    if (size != sizeof row->sha256) {
        return ow_fail(err, OW_DATA_LOSS, "bad_operator", "the token's hash of %s is damaged",
                       row->operator_id);
    }
    memcpy(row->sha256, hash, size);
    return OW_OK;
}

ow_code store_api_keys_list(ow_db_conn *db, const char *operator_id, take_token take, void *self,
                            ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " TOKEN_COLUMNS " FROM operator_tokens"
                               " WHERE operator_id = $1 AND kind = 'api_key' ORDER BY token_id"
                               " LIMIT $2",
                               "ti", operator_id, (int64_t)API_KEYS_OF_MEMBER_MAX);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        operator_token_row row;
        code = read_token(rows, &row, err);
        if (code == OW_OK) {
            code = take(self, &row, err);
        }
    }
    return code;
}

ow_code store_api_key_revoke(ow_db_conn *db, const author *by, const char *key_id, ow_err *err) {
    int64_t removed = 0;
    ow_code code = ow_db_exec(db, &removed, err,
                              "DELETE FROM operator_tokens WHERE token_id = $1 AND operator_id = $2"
                              " AND kind = 'api_key'",
                              "tt", key_id, by->entry.principal);
    if (code == OW_OK && removed == 0) {
        return ow_fail(err, OW_NOT_FOUND, "no_key", "you have no API key %.60s", key_id);
    }
    return code == OW_OK ? audit_member(db, by, "api_key.revoke", key_id,
                                        ow_audit_state_in(by->arena, "b", "revoked", 1), err)
                         : code;
}

// ---- Links to sign in with ----

ow_code store_sign_in_link_put(ow_db_conn *db, const author *by, const operator_token_row *link,
                               ow_err *err) {
    ow_code code = drop_expired(db, link->created_us, err);
    code = code == OW_OK ? drop_links(db, link->operator_id, err) : code;
    code = code == OW_OK ? insert_token(db, link, "link", err) : code;
    return code == OW_OK ? audit_member(db, by, "operator.make_link", link->operator_id,
                                        key_state(by, link), err)
                         : code;
}

ow_code store_sign_in_link_find(ow_db_conn *db, const uint8_t *sha256, int64_t now_us,
                                operator_token_row *ret_link, ow_err *err) {
    ow_rows *rows = NULL;
    bool found = false;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " TOKEN_COLUMNS " FROM operator_tokens"
                               " WHERE token_sha256 = $1 AND kind = 'link' AND expires_us > $2",
                               "bi", sha256, (size_t)OW_SHA256_SIZE, now_us);
    code = code == OW_OK ? ow_rows_next(rows, &found, err) : code;
    code = code == OW_OK && found ? read_token(rows, ret_link, err) : code;
    ow_rows_close(rows);
    if (code == OW_OK && !found) {
        return ow_fail(err, OW_UNAUTHENTICATED, "bad_link",
                       "this link was used, is older than ten minutes, or was replaced by a newer "
                       "one");
    }
    return code;
}

ow_code store_sign_in_link_take(ow_db_conn *db, const uint8_t *sha256, int64_t now_us,
                                operator_token_row *ret_link, ow_err *err) {
    ow_code code = store_sign_in_link_find(db, sha256, now_us, ret_link, err);
    return code == OW_OK ? drop_links(db, ret_link->operator_id, err) : code;
}

// ---- What gateways verify with ----

static ow_code load_tokens(ow_db_conn *db, int64_t now_us, operator_rows *to, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT " TOKEN_COLUMNS " FROM operator_tokens"
                               " WHERE kind <> 'link' AND (expires_us = 0 OR expires_us > $1)"
                               " ORDER BY token_id LIMIT $2",
                               "ii", now_us, (int64_t)OPERATOR_TOKENS_MAX);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        code = read_token(rows, &to->tokens[to->token_count], err);
        to->token_count++;
    }
    return code;
}

static ow_code load_roles(ow_db_conn *db, operator_rows *to, ow_err *err) {
    ow_rows *rows = NULL;
    ow_code code = ow_db_query(db, &rows, err,
                               "SELECT operator_id, title_id, role FROM member_roles"
                               " ORDER BY operator_id, title_id LIMIT $1",
                               "i", (int64_t)MEMBER_ROLES_MAX);
    bool more = true;
    while (code == OW_OK && (code = ow_rows_next(rows, &more, err)) == OW_OK && more) {
        operator_role_row *row = &to->roles[to->role_count++];
        copy_text(row->operator_id, sizeof row->operator_id, rows, 0);
        copy_text(row->title, sizeof row->title, rows, 1);
        copy_text(row->role, sizeof row->role, rows, 2);
    }
    return code;
}

ow_code store_operators_load(ow_db_conn *db, ow_arena *arena, int64_t now_us,
                             operator_rows *ret_rows, ow_err *err) {
    int64_t tokens = 0;
    int64_t roles = 0;
    operator_rows rows = {0};
    ow_code code = count_of(db, &tokens, err, "SELECT count(*) FROM operator_tokens", NULL);
    if (code == OW_OK) {
        code = count_of(db, &roles, err, "SELECT count(*) FROM member_roles", NULL);
    }
    rows.tokens = ow_arena_calloc(arena, (size_t)tokens + 1, sizeof *rows.tokens);
    rows.roles = ow_arena_calloc(arena, (size_t)roles + 1, sizeof *rows.roles);
    if (code == OW_OK && (rows.tokens == NULL || rows.roles == NULL)) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for operators");
    }
    if (code == OW_OK) {
        code = load_tokens(db, now_us, &rows, err);
    }
    if (code == OW_OK) {
        code = load_roles(db, &rows, err);
    }
    if (code == OW_OK) {
        *ret_rows = rows;
    }
    return code;
}

ow_code store_first_operator(ow_db_conn *db, const char *operator_id, const uint8_t *token_sha256,
                             int64_t now_us, ow_err *err) {
    member_row row = {.created_us = now_us};
    member_grant grant = {.email = FIRST_EMAIL, .title = "", .role = "admin"};
    snprintf(row.operator_id, sizeof row.operator_id, "%s", operator_id);
    snprintf(row.email, sizeof row.email, FIRST_EMAIL);
    member_row found;
    ow_code code = find_or_insert(db, &row, &found, err);
    if (code == OW_OK) {
        code = put_role(db, found.operator_id, &grant, err);
    }
    if (code != OW_OK) {
        return code;
    }
    return ow_db_exec(
        db, NULL, err,
        "INSERT INTO operator_tokens (token_id, operator_id, kind, name, role, token_sha256,"
        " created_us, expires_us) VALUES ($1, $2, 'file', '', 'admin', $3, $4, 0)"
        " ON CONFLICT (token_id) DO UPDATE SET token_sha256 = excluded.token_sha256",
        "ttbi", found.operator_id, found.operator_id, token_sha256, (size_t)OW_SHA256_SIZE, now_us);
}
