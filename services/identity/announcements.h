#pragma once

// What identity tells the rest of the platform: events of players, kept with the change that they tell of
// (core/bus). In write steps, which may run again: an event's id is made of what it is about.

#include "services/identity/accounts_store.h"
#include "services/identity/logins.h"

#include "core/bus/bus.h"

// Of a login that has just begun a session: player.created before it, when the player is new. Codes as
// ow_bus_tell.
ow_code announce_login(ow_run *run, const arriving *arrived);

// Of the session that is about to be ended; nothing when there is none such.
ow_code announce_logout(ow_run *run, const char *session_id);
// Of those that were ended, all of one player.
ow_code announce_logouts(ow_run *run, const char *player_id, const ended_sessions *ended);

ow_code announce_ban(ow_run *run, const player_ban *ban, int64_t at_us);

// They may go now. Loop.
void announce_kick(ow_run *run);
