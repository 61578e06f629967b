#pragma once

// What the hub is made of: lines in a table by player, entries in their line, messages.

#include "services/push/hub.h"

#define MESSAGE_BUCKETS 4096
#define REPORTS_MAX 10000

typedef enum entry_state {
    ENTRY_WAITING,
    ENTRY_SENT,
    ENTRY_DELIVERED,
    ENTRY_UNDELIVERED,
} entry_state;

typedef struct hub_entry hub_entry;

struct hub_entry {
    hub_line *line; // NULL: it has ended
    hub_entry *next, *previous;
    hub_message *message;
    uint64_t sequence;
    entry_state state;
};

struct hub_message {
    hub_message *next, *previous; // kept or ended, oldest first
    hub_message *next_by_id;
    uint64_t hash;
    const char *id, *title, *topic; // in `texts`
    const char *payload;            // in the body
    hub_entry *body;                // an entry for each player, then the payload; NULL: ended
    size_t payload_size, body_bytes, bytes;
    int64_t created_us, ended_us;
    int open; // entries that have not ended
    int players, waiting, sent, delivered, undelivered;
    int listed;
    char (*undelivered_ids)[OW_ID_MAX];
    char texts[];
};

struct hub_line {
    hub_line *next; // of its bucket
    uint64_t hash, mark;
    hub_gateway *gateway;            // the holder; NULL: nobody
    hub_line *next_held, *prev_held; // of the gateway's
    uint64_t connection;
    hub_entry *first, *last;
    size_t count, bytes;
    uint64_t lost; // the last number that may have been lost
    hub_poller *poller;
    char title[OW_ID_MAX], id[OW_ID_MAX];
};

struct hub_gateway {
    hub_gateway *next, *next_touched;
    hub_line *lines;
    hub_sink sink;
    char id[OW_ID_MAX];
    size_t target_count;
    hub_target targets[HUB_PLAYERS_MAX];
};

typedef struct hub_list {
    hub_message *first, *last;
    size_t count;
} hub_list;

struct hub {
    hub_limits limits;
    char epoch[17];
    uint64_t secret; // of the tables
    uint64_t sequence, mark;
    uint64_t forgotten; // the last number that a line which is gone may have lost
    int64_t now_us;
    hub_line **buckets;
    size_t bucket_count; // a power of two
    hub_gateway *gateways;
    hub_list kept, ended;
    hub_message *by_id[MESSAGE_BUCKETS];
    hub_line *scratch[HUB_PLAYERS_MAX];
    hub_counts counts;
};

uint64_t hub_hash(const hub *h, const char *title, const char *id);

hub_line *line_find(const hub *h, hub_player player);
// Makes it when it is missing; NULL: there are too many, or no memory.
hub_line *line_of(hub *h, hub_player player);
// Frees a line that nobody holds, polls or waits in.
void line_drop_if_idle(hub *h, hub_line *line);
void line_set_holder(hub *h, hub_line *line, hub_gateway *gateway, uint64_t connection);
void line_append(hub_line *line, hub_entry *e);
void line_unlink(hub_line *line, hub_entry *e);
