#include "services/events/executions_moments.h"

#include <stdio.h>
#include <string.h>

static void moment_of(const char *execution_id, char moment[static MOMENT_SIZE + 1]) {
    snprintf(moment, MOMENT_SIZE + 1, "%s", execution_id);
}

bool moment_is_same(const char *execution_id, const char *other_id) {
    return strncmp(execution_id, other_id, MOMENT_SIZE) == 0;
}

ow_code moment_note(ow_db_conn *db, const char *title_id, const char *execution_id, ow_err *err) {
    char moment[MOMENT_SIZE + 1];
    moment_of(execution_id, moment);
    return ow_db_exec(db, NULL, err,
                      "INSERT INTO execution_moments (title_id, moment) VALUES ($1, $2)"
                      " ON CONFLICT DO NOTHING",
                      "tt", title_id, moment);
}

ow_code moment_forget(ow_db_conn *db, const char *title_id, const char *execution_id, ow_err *err) {
    char moment[MOMENT_SIZE + 1];
    moment_of(execution_id, moment);
    return ow_db_exec(db, NULL, err,
                      "DELETE FROM execution_moments WHERE title_id = $1 AND moment = $2"
                      " AND NOT EXISTS (SELECT 1 FROM executions WHERE execution_id >= $2"
                      " AND execution_id < $2 || '[' AND executions.title_id = $1)",
                      "tt", title_id, moment);
}
