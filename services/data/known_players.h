#pragma once

// Players who are known to be there, so that identity is asked once for each and not at every write. Bounded: a new
// one takes the place of an old one now and then, who is asked for again. One thread.

#include "services/data/kv_logic.h"

typedef struct known_players known_players;

// Heap. NULL when out of memory.
known_players *known_players_new(void);
known_players *known_players_free(known_players *known);

// `scope` is a player's.
bool known_players_has(const known_players *known, const kv_scope *scope);
void known_players_add(known_players *known, const kv_scope *scope);
// Whoever is deleted is not there any more.
void known_players_remove(known_players *known, const kv_scope *scope);
