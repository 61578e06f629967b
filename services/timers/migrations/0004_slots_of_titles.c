#include "services/timers/migrations/migrations.h"

// Whose slots there are, so that a busy title's do not push out a quiet one's. Those of timers that are gone belong to
// nobody any more.
const char timers_slots_of_titles[] =
    "ALTER TABLE slots ADD COLUMN title_id TEXT NOT NULL DEFAULT '-';"
    "UPDATE slots SET title_id = COALESCE((SELECT timers.title_id FROM timers"
    "  WHERE timers.timer_id = slots.timer_id), '-');"
    "DROP INDEX slots_by_age;"
    "CREATE INDEX slots_by_title ON slots (title_id, made_us);";
