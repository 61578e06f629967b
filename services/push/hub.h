#pragma once

// The hub: a line of messages for each player, and who holds the player. Pure: memory and the time it is
// given, nothing else. Loop thread.
//
// Every message that a player gets has a sequence number, rising over all players of the hub; a cursor
// is the hub's epoch (made anew at each start) and the last number that a client has handled. An entry of
// a line ends in one of three ways: delivered (the client confirmed it), sent (given to a holder
// who did not confirm it within the keeping time) or undelivered (nobody held the player then, or too much
// waited).

#include "core/error/error.h"
#include "core/id/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HUB_CURSOR_MAX 40 // "0123456789abcdef-18446744073709551615" and NUL
#define HUB_PLAYERS_MAX 1000
#define HUB_LISTED_MAX 20

typedef struct hub hub;
typedef struct hub_gateway hub_gateway;
typedef struct hub_line hub_line;
typedef struct hub_message hub_message;

typedef struct hub_limits {
    int64_t keep_us;      // how long a message is kept
    int64_t report_us;    // how long it is known after its end
    size_t line_messages; // of one player; the oldest goes first
    size_t line_bytes;
    size_t bytes;     // of all that is kept, reports included
    size_t max_lines; // players with a holder or with messages
} hub_limits;

typedef struct hub_player {
    const char *title, *id;
} hub_player;

typedef struct hub_target {
    uint64_t connection, sequence;
} hub_target;

// What a gateway is told. `deliver` returns false when it can take no more: it is then detached.
typedef struct hub_sink {
    bool (*deliver)(void *self, const hub_message *message, const hub_target *targets,
                    size_t count);
    bool (*ready)(void *self, hub_target target, bool lost);
    bool (*close)(void *self, uint64_t connection, const char *reason);
    void *self;
} hub_sink;

// Told when something is in a line that somebody polls. It may read at once.
typedef struct hub_poller {
    void (*wake)(void *self);
    void *self;
} hub_poller;

typedef struct hub_counts {
    uint64_t messages, delivered, sent, undelivered; // of players, since the start
    size_t lines, held, bytes;
} hub_counts;

typedef struct hub_report {
    const char *id, *topic, *title;
    int64_t created_us;
    int players, waiting, sent, delivered, undelivered;
    const char *undelivered_ids[HUB_LISTED_MAX];
    int listed;
} hub_report;

// `epoch` tells this hub's cursors from others'. Heap; hub_free after every gateway was detached and every
// poller removed. NULL when out of memory.
hub *hub_new(const hub_limits *limits, uint64_t epoch);
hub *hub_free(hub *h);

const char *hub_epoch(const hub *h); // 16 hex digits
void hub_cursor(const hub *h, uint64_t sequence, char text[static HUB_CURSOR_MAX]);
const hub_counts *hub_count(const hub *h);

typedef struct hub_new_message {
    const char *id, *title, *topic, *payload; // copied
    const char *const *players;
    size_t player_count; // at most HUB_PLAYERS_MAX, each once
} hub_new_message;

typedef struct hub_sent {
    int sent, waiting;
} hub_sent;

// Puts a message into the line of each player and gives it to those who hold them. Codes:
// resource_exhausted "overloaded": more would be kept than may be; nothing happened then.
ow_code hub_send(hub *h, const hub_new_message *made, int64_t now_us, hub_sent *ret_sent,
                 ow_err *err);

// A gateway; an earlier one of that id is detached. NULL when out of memory.
hub_gateway *hub_attach(hub *h, const char *id, const hub_sink *sink);
// What it held is held by nobody now, what it was given waits again. Frees it.
void hub_detach(hub *h, hub_gateway *gateway);
hub_gateway *hub_find_gateway(const hub *h, const char *id);

// The gateway holds the player from now on, by that connection. It is told READY and what is behind the
// cursor, which confirms all up to it. Codes: resource_exhausted "overloaded", invalid_argument
// "bad_cursor".
ow_code hub_hold(hub *h, hub_gateway *gateway, uint64_t connection, hub_player player,
                 const char *cursor, ow_err *err);
// No more, unless another connection holds the player by now.
void hub_release(hub *h, const char *gateway_id, uint64_t connection, hub_player player);

void hub_acknowledge(hub *h, hub_player player, uint64_t sequence);

// Reads the line behind the cursor, which confirms all up to it; fills at most `room` messages, which live
// until the hub is next asked to do something. Codes: invalid_argument "bad_cursor".
typedef struct hub_read_message {
    uint64_t sequence;
    const hub_message *message;
} hub_read_message;

typedef struct hub_reading {
    hub_read_message *messages;
    size_t room, count;
    uint64_t sequence; // for the next cursor
    bool lost;
} hub_reading;

ow_code hub_read(hub *h, hub_player player, const char *cursor, hub_reading *reading, ow_err *err);

// Waits for the line; an earlier poller of the player is woken and removed. Codes:
// resource_exhausted "overloaded".
ow_code hub_poll(hub *h, hub_player player, hub_poller *poller, ow_err *err);
void hub_poll_end(hub *h, hub_player player, hub_poller *poller);

// Ends what was kept for long enough. Returns when to come again; INT64_MAX: nothing is kept.
int64_t hub_expire(hub *h, int64_t now_us);

const char *hub_message_id(const hub_message *m);
const char *hub_message_topic(const hub_message *m);
const char *hub_message_payload(const hub_message *m);

// False: not known (any more).
bool hub_report_of(const hub *h, const char *title, const char *message_id, hub_report *ret_report);
