#include "services/identity/announcements.h"

#include <stdio.h>

typedef struct news {
    const char *prefix, *about; // of the id: what happens once to whom
    const char *title, *type;
    int64_t at_us;
} news;

static ow_code tell(ow_run *run, const news *n, const ow_bus_field *fields) {
    const identity *self = run->self;
    ow_bus_event event = {.title_id = n->title,
                          .type = n->type,
                          .at_us = n->at_us,
                          .request_id = run->call->request_id};
    ow_bus_event_about(&event, n->prefix, n->about);
    return ow_bus_tell(self->bus, run->db, run->call->arena, &event, fields, run->err);
}

// ---- Logins ----

static ow_code announce_player(ow_run *run, const arrival *row) {
    ow_bus_field fields[] = {{"player_id", OW_BUS_TEXT, .text = row->player_id},
                             {"platform", OW_BUS_TEXT, .text = row->platform},
                             {0}};
    news n = {"new_", row->player_id, row->title, "player.created", row->now_us};
    return tell(run, &n, fields);
}

ow_code announce_login(ow_run *run, const arriving *arrived) {
    const arrival *row = &arrived->row;
    const char *session_id = arrived->session.row.session_id;
    ow_code code = row->is_new ? announce_player(run, row) : OW_OK;
    if (code != OW_OK) {
        return code;
    }
    ow_bus_field fields[] = {
        {"player_id", OW_BUS_TEXT, .text = row->player_id},
        {"session_id", OW_BUS_TEXT, .text = session_id},
        {"ip", OW_BUS_TEXT, .text = client_address(run)},
        {"platform", OW_BUS_TEXT, .text = row->platform},
        {"is_new_player", OW_BUS_BOOL, .number = row->is_new},
        {"start_time", OW_BUS_INT, .number = row->now_us / SECOND_US},
        {"custom", OW_BUS_TEXT, .text = row->custom},
        {0},
    };
    news n = {"lgn_", session_id, row->title, "player.login", row->now_us};
    return tell(run, &n, fields);
}

// ---- Logouts ----

static ow_code announce_end(ow_run *run, const session_owner *owner, const char *session_id) {
    ow_bus_field fields[] = {{"player_id", OW_BUS_TEXT, .text = owner->player_id},
                             {"session_id", OW_BUS_TEXT, .text = session_id},
                             {0}};
    news n = {"out_", session_id, owner->title, "player.logout", now_us(run)};
    return tell(run, &n, fields);
}

ow_code announce_logout(ow_run *run, const char *session_id) {
    session_owner owner;
    bool found = false;
    ow_code code = store_session_owner(run->db, session_id, &owner, &found, run->err);
    return code == OW_OK && found ? announce_end(run, &owner, session_id) : code;
}

ow_code announce_logouts(ow_run *run, const char *player_id, const ended_sessions *ended) {
    session_owner owner;
    ow_code code = OW_OK;
    snprintf(owner.player_id, sizeof owner.player_id, "%s", player_id);
    snprintf(owner.title, sizeof owner.title, "%s", run->call->principal->title);
    for (int i = 0; i < ended->id_count && code == OW_OK; i++) {
        code = announce_end(run, &owner, ended->ids[i]);
    }
    return code;
}

// ---- Bans ----

ow_code announce_ban(ow_run *run, const player_ban *ban, int64_t at_us) {
    bool ends = ban->until_us < BANNED_FOR_GOOD_US;
    ow_bus_field fields[] = {
        {"player_id", OW_BUS_TEXT, .text = ban->player_id},
        {"reason", OW_BUS_TEXT, .text = ban->reason},
        {"until", OW_BUS_MOMENT, .number = ends ? ban->until_us : INT64_MAX},
        {0},
    };
    // A player is banned again and again.
    news n = {"ban_", run->call->request_id, run->call->principal->title, "player.banned", at_us};
    return tell(run, &n, fields);
}

void announce_kick(ow_run *run) {
    const identity *self = run->self;
    ow_bus_kick(self->bus);
}
