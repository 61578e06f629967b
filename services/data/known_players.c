#include "services/data/known_players.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 16384 };

struct known_players {
    char scopes[PLACES][KV_SCOPE_SIZE]; // each in the place of its hash; "": nobody
};

known_players *known_players_new(void) {
    return calloc(1, sizeof(known_players));
}

known_players *known_players_free(known_players *known) {
    free(known);
    return NULL;
}

// FNV-1a. Who makes up ids that share a place makes identity be asked more often, which the limits of calls bound.
static size_t place_of(const char *text) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    }
    return (size_t)((hash ^ hash >> 31) % PLACES);
}

bool known_players_has(const known_players *known, const kv_scope *scope) {
    return strcmp(known->scopes[place_of(scope->text)], scope->text) == 0;
}

void known_players_add(known_players *known, const kv_scope *scope) {
    memcpy(known->scopes[place_of(scope->text)], scope->text, sizeof scope->text);
}

void known_players_remove(known_players *known, const kv_scope *scope) {
    if (known_players_has(known, scope)) {
        known->scopes[place_of(scope->text)][0] = '\0';
    }
}
