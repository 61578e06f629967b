#include "services/identity/announcements.h"

#include "core/json/moment.h"
#include "core/json/writer.h"

#include <stdio.h>
#include <string.h>

enum { DATA_MAX = 8192 }; // with what a login may say of itself, escaped

typedef struct announcement {
    const char *prefix, *about; // of the id: what happens once to whom
    const char *title, *type;
    int64_t at_us;
} announcement;

static ow_code publish(ow_run *run, const announcement *a, ow_json_writer *w) {
    const identity *self = run->self;
    const char *data = ow_json_writer_end(w, NULL);
    ow_bus_event event = {.title_id = a->title,
                          .type = a->type,
                          .at_us = a->at_us,
                          .request_id = run->call->request_id,
                          .data_json = data};
    if (data == NULL) {
        return no_memory(run);
    }
    const char *ulid = strchr(a->about, '_');
    snprintf(event.event_id, sizeof event.event_id, "%s%.30s", a->prefix,
             ulid != NULL ? ulid + 1 : a->about);
    return ow_bus_publish(self->bus, run->db, &event, run->err);
}

static void begin(ow_run *run, ow_json_writer *w, const char *player_id) {
    ow_json_writer_init(w, run->call->arena, DATA_MAX);
    ow_json_object_open(w);
    ow_json_name(w, "player_id");
    ow_json_text(w, player_id);
}

static void add(ow_json_writer *w, const char *name, const char *text) {
    ow_json_name(w, name);
    ow_json_text(w, text);
}

// ---- Logins ----

static ow_code announce_player(ow_run *run, const arrival *row) {
    ow_json_writer w;
    begin(run, &w, row->player_id);
    add(&w, "platform", row->platform);
    ow_json_object_close(&w);
    announcement a = {"new_", row->player_id, row->title, "player.created", row->now_us};
    return publish(run, &a, &w);
}

ow_code announce_login(ow_run *run, const arriving *arrived) {
    const arrival *row = &arrived->row;
    const char *session_id = arrived->session.row.session_id;
    ow_json_writer w;
    ow_code code = row->is_new ? announce_player(run, row) : OW_OK;
    if (code != OW_OK) {
        return code;
    }
    begin(run, &w, row->player_id);
    add(&w, "session_id", session_id);
    add(&w, "ip", client_address(run));
    add(&w, "platform", row->platform);
    ow_json_name(&w, "is_new_player");
    ow_json_bool(&w, row->is_new);
    ow_json_name(&w, "start_time");
    ow_json_int(&w, row->now_us / SECOND_US);
    add(&w, "custom", row->custom);
    ow_json_object_close(&w);
    announcement a = {"lgn_", session_id, row->title, "player.login", row->now_us};
    return publish(run, &a, &w);
}

// ---- Logouts ----

static ow_code announce_end(ow_run *run, const session_owner *owner, const char *session_id) {
    ow_json_writer w;
    begin(run, &w, owner->player_id);
    add(&w, "session_id", session_id);
    ow_json_object_close(&w);
    announcement a = {"out_", session_id, owner->title, "player.logout", now_us(run)};
    return publish(run, &a, &w);
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
    char until[OW_MOMENT_MAX] = "";
    char about[OW_ID_MAX];
    ow_json_writer w;
    begin(run, &w, ban->player_id);
    add(&w, "reason", ban->reason);
    if (ban->until_us < BANNED_FOR_GOOD_US && ow_moment_print(ban->until_us, until)) {
        add(&w, "until", until);
    }
    ow_json_object_close(&w);
    snprintf(about, sizeof about, "%s",
             run->call->request_id); // a player is banned again and again
    announcement a = {"ban_", about, run->call->principal->title, "player.banned", at_us};
    return publish(run, &a, &w);
}

void announce_kick(ow_run *run) {
    const identity *self = run->self;
    ow_bus_kick(self->bus);
}
