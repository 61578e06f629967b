#include "services/identity/migrations/migrations.h"

#include "services/identity/migrations/tables.h"

const ow_db_migration identity_migrations[] = {
    {.number = 1, .sql = identity_first_tables},
    {.number = 2, .sql = identity_sessions_tables},
    {.number = 3, .sql = identity_logins_tables},
    {.number = 4, .sql = identity_audit_tables},
    {.number = 5, .sql = identity_members_tables},
    {.number = 6, .sql = identity_request_keys},
    {.number = 7, .sql = identity_key_limits},
    {.number = 8, .sql = identity_outbox},
    {.number = 9, .sql = identity_player_lists},
    {.number = 10, .sql = identity_logins_by_title},
    {.number = 0},
};
