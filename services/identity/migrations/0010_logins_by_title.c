#include "services/identity/migrations/tables.h"

// What is shown of a title's logins lies together, so that a search walks over those of its own title alone. Logins of
// before of which nothing is shown have no title.
const char identity_logins_by_title[] =
    "ALTER TABLE logins ADD COLUMN title_id TEXT NOT NULL DEFAULT '';"
    "UPDATE logins SET title_id = COALESCE((SELECT players.title_id FROM players"
    " WHERE players.player_id = logins.player_id), '') WHERE shown <> '';"
    "DROP INDEX logins_shown;"
    "CREATE INDEX logins_shown ON logins (title_id, shown, player_id) WHERE shown <> ''";
