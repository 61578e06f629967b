#include "services/identity/migrations/tables.h"

// For lists of players: of a title, the newest first, and by what of a login is shown.
const char identity_player_lists[] =
    "CREATE INDEX players_title ON players (title_id, player_id);"
    "CREATE INDEX logins_shown ON logins (shown, player_id) WHERE shown <> ''";
