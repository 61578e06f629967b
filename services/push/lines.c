#include "services/push/lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 1024

// ---- the hub itself ----

hub *hub_new(const hub_limits *limits, uint64_t epoch) {
    hub *h = calloc(1, sizeof *h);
    if (h == NULL) {
        return NULL;
    }
    h->limits = *limits;
    h->secret = epoch;
    snprintf(h->epoch, sizeof h->epoch, "%016" PRIx64, epoch);
    h->bucket_count = BUCKETS_MIN;
    h->buckets = calloc(h->bucket_count, sizeof *h->buckets);
    if (h->buckets == NULL) {
        free(h);
        return NULL;
    }
    return h;
}

static void free_messages(hub_list *list) {
    while (list->first != NULL) {
        hub_message *m = list->first;
        list->first = m->next;
        free(m->body);
        free(m->undelivered_ids);
        free(m);
    }
}

hub *hub_free(hub *h) {
    if (h == NULL) {
        return NULL;
    }
    free_messages(&h->kept);
    free_messages(&h->ended);
    for (size_t i = 0; i < h->bucket_count; i++) {
        while (h->buckets[i] != NULL) {
            hub_line *line = h->buckets[i];
            h->buckets[i] = line->next;
            free(line);
        }
    }
    free(h->buckets);
    free(h);
    return NULL;
}

const char *hub_epoch(const hub *h) {
    return h->epoch;
}

const hub_counts *hub_count(const hub *h) {
    return &h->counts;
}

// ---- the table ----

// FNV-1a, begun at a secret.
static uint64_t mix(uint64_t hash, const char *text) {
    do {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    } while (*text++ != '\0');
    return hash;
}

uint64_t hub_hash(const hub *h, const char *title, const char *id) {
    uint64_t hash = mix(mix(h->secret ^ UINT64_C(0xcbf29ce484222325), title), id);
    return hash ^ hash >> 29;
}

static void grow(hub *h) {
    size_t count = h->bucket_count * 2;
    hub_line **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL) {
        return; // longer chains
    }
    for (size_t i = 0; i < h->bucket_count; i++) {
        for (hub_line *line = h->buckets[i]; line != NULL;) {
            hub_line *next = line->next;
            line->next = buckets[line->hash & (count - 1)];
            buckets[line->hash & (count - 1)] = line;
            line = next;
        }
    }
    free(h->buckets);
    h->buckets = buckets;
    h->bucket_count = count;
}

static hub_line *find_hashed(const hub *h, hub_player player, uint64_t hash) {
    hub_line *line = h->buckets[hash & (h->bucket_count - 1)];
    while (line != NULL && (line->hash != hash || strcmp(line->id, player.id) != 0 ||
                            strcmp(line->title, player.title) != 0)) {
        line = line->next;
    }
    return line;
}

hub_line *line_find(const hub *h, hub_player player) {
    return find_hashed(h, player, hub_hash(h, player.title, player.id));
}

hub_line *line_of(hub *h, hub_player player) {
    uint64_t hash = hub_hash(h, player.title, player.id);
    hub_line *line = find_hashed(h, player, hash);
    if (line != NULL || h->counts.lines >= h->limits.max_lines) {
        return line;
    }
    line = calloc(1, sizeof *line);
    if (line == NULL) {
        return NULL;
    }
    if (h->counts.lines >= h->bucket_count) {
        grow(h);
    }
    line->hash = hash;
    line->lost = h->forgotten;
    snprintf(line->title, sizeof line->title, "%s", player.title);
    snprintf(line->id, sizeof line->id, "%s", player.id);
    line->next = h->buckets[hash & (h->bucket_count - 1)];
    h->buckets[hash & (h->bucket_count - 1)] = line;
    h->counts.lines++;
    return line;
}

void line_drop_if_idle(hub *h, hub_line *line) {
    if (line->gateway != NULL || line->first != NULL || line->poller != NULL) {
        return;
    }
    for (hub_line **at = &h->buckets[line->hash & (h->bucket_count - 1)]; *at != NULL;
         at = &(*at)->next) {
        if (*at == line) {
            *at = line->next;
            break;
        }
    }
    h->forgotten = h->forgotten > line->lost ? h->forgotten : line->lost;
    h->counts.lines--;
    free(line);
}

// ---- one line ----

void line_set_holder(hub *h, hub_line *line, hub_gateway *gateway, uint64_t connection) {
    if (line->gateway != NULL) {
        if (line->prev_held != NULL) {
            line->prev_held->next_held = line->next_held;
        } else {
            line->gateway->lines = line->next_held;
        }
        if (line->next_held != NULL) {
            line->next_held->prev_held = line->prev_held;
        }
        h->counts.held--;
    }
    line->gateway = gateway;
    line->connection = connection;
    line->prev_held = line->next_held = NULL;
    if (gateway != NULL) {
        line->next_held = gateway->lines;
        if (gateway->lines != NULL) {
            gateway->lines->prev_held = line;
        }
        gateway->lines = line;
        h->counts.held++;
    }
}

void line_append(hub_line *line, hub_entry *e) {
    e->previous = line->last;
    if (line->last != NULL) {
        line->last->next = e;
    } else {
        line->first = e;
    }
    line->last = e;
    line->count++;
    line->bytes += e->message->payload_size;
}

void line_unlink(hub_line *line, hub_entry *e) {
    if (e->previous != NULL) {
        e->previous->next = e->next;
    } else {
        line->first = e->next;
    }
    if (e->next != NULL) {
        e->next->previous = e->previous;
    } else {
        line->last = e->previous;
    }
    line->count--;
    line->bytes -= e->message->payload_size;
    e->line = NULL;
}
