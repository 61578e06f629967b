#include "services/identity/migrations/tables.h"

// Members are known by their e-mail address; the first operator's is "first", without a password.
// member_roles: title_id '' is every title. operator_tokens holds hashes alone: sessions, API keys and
// the first operator's file; role is the most that the token may, expires_us 0 is never.
const char identity_members_tables[] =
    "CREATE TABLE members ("
    "  operator_id TEXT NOT NULL PRIMARY KEY,"
    "  email TEXT NOT NULL UNIQUE,"
    "  password_hash TEXT NOT NULL,"
    "  created_us BIGINT NOT NULL);"

    "CREATE TABLE member_roles ("
    "  operator_id TEXT NOT NULL,"
    "  title_id TEXT NOT NULL,"
    "  role TEXT NOT NULL,"
    "  PRIMARY KEY (operator_id, title_id));"
    "CREATE INDEX member_roles_title ON member_roles (title_id, operator_id);"

    "CREATE TABLE operator_tokens ("
    "  token_id TEXT NOT NULL PRIMARY KEY,"
    "  operator_id TEXT NOT NULL,"
    "  kind TEXT NOT NULL," // 'session', 'api_key', 'file'
    "  name TEXT NOT NULL,"
    "  role TEXT NOT NULL,"
    "  token_sha256 OW_BLOB NOT NULL UNIQUE,"
    "  created_us BIGINT NOT NULL,"
    "  expires_us BIGINT NOT NULL);"
    "CREATE INDEX operator_tokens_operator ON operator_tokens (operator_id, kind, token_id);"

    "INSERT INTO members (operator_id, email, password_hash, created_us)"
    " SELECT operator_id, name, '', created_us FROM operators;"
    "INSERT INTO member_roles (operator_id, title_id, role)"
    " SELECT operator_id, '', role FROM operators;"
    "INSERT INTO operator_tokens (token_id, operator_id, kind, name, role, token_sha256, created_us,"
    " expires_us)"
    " SELECT operator_id, operator_id, 'file', '', role, token_sha256, created_us, 0"
    " FROM operators;"
    "DROP TABLE operators";
