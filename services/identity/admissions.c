#include "services/identity/admissions.h"

#include "services/identity/identity_logic.h"

#include "core/crypto/hash.h"

#include <stdlib.h>
#include <string.h>

enum { SECRET_SIZE = 16, TICKET_BYTES = 24 };

static const int64_t ABSENT_US = 60 * SECOND_US;
static const int64_t LONGEST_US = 55 * 60 * SECOND_US; // less than an access token lives

typedef struct guest {
    char session_id[OW_ID_MAX];
    int64_t until_us;
    uint32_t next_in_bucket; // index + 1; 0: none
    uint32_t earlier, later; // in the order of until_us; index + 1
} guest;

typedef struct place {
    waiting_player who;
    uint8_t secret[SECRET_SIZE];
    int64_t since_us, asked_us;
    bool taken;
} place;

struct admissions {
    admissions_options options;
    guest *guests;
    uint32_t *buckets;
    uint32_t free_guest, first, last; // index + 1
    size_t in;
    place *places; // a ring: number n stands at n % max_waiting
    uint64_t front, end;
    size_t waiting;
};

admissions *admissions_new(const admissions_options *options) {
    admissions *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->options = *options;
    if (options->max_in == 0) {
        return a;
    }
    a->guests = calloc(options->max_in, sizeof *a->guests);
    a->buckets = calloc(options->max_in, sizeof *a->buckets);
    a->places = calloc(options->max_waiting, sizeof *a->places);
    if (a->guests == NULL || a->buckets == NULL || a->places == NULL) {
        return admissions_free(a);
    }
    for (size_t i = options->max_in; i > 0; i--) {
        a->guests[i - 1].next_in_bucket = a->free_guest;
        a->free_guest = (uint32_t)i;
    }
    return a;
}

admissions *admissions_free(admissions *a) {
    if (a != NULL) {
        free(a->guests);
        free(a->buckets);
        free(a->places);
        free(a);
    }
    return NULL;
}

// ---- Who is in ----

static uint32_t *bucket_of(admissions *a, const char *session_id) {
    uint64_t hash = UINT64_C(1469598103934665603);
    for (; *session_id != '\0'; session_id++) {
        hash = (hash ^ (unsigned char)*session_id) * UINT64_C(1099511628211);
    }
    return &a->buckets[(hash ^ hash >> 32) % a->options.max_in];
}

static uint32_t find_guest(admissions *a, const char *session_id) {
    uint32_t at = *bucket_of(a, session_id);
    while (at != 0 && strcmp(a->guests[at - 1].session_id, session_id) != 0) {
        at = a->guests[at - 1].next_in_bucket;
    }
    return at;
}

static void unlink_time(admissions *a, uint32_t at) {
    guest *g = &a->guests[at - 1];
    *(g->earlier != 0 ? &a->guests[g->earlier - 1].later : &a->first) = g->later;
    *(g->later != 0 ? &a->guests[g->later - 1].earlier : &a->last) = g->earlier;
}

// At the end, or before those that end later: when the clock was set back, and after a restart.
static void link_time(admissions *a, uint32_t at) {
    guest *g = &a->guests[at - 1];
    uint32_t before = a->last;
    while (before != 0 && a->guests[before - 1].until_us > g->until_us) {
        before = a->guests[before - 1].earlier;
    }
    g->earlier = before;
    g->later = before != 0 ? a->guests[before - 1].later : a->first;
    *(before != 0 ? &a->guests[before - 1].later : &a->first) = at;
    *(g->later != 0 ? &a->guests[g->later - 1].earlier : &a->last) = at;
}

static void remove_guest(admissions *a, uint32_t at) {
    guest *g = &a->guests[at - 1];
    uint32_t *link = bucket_of(a, g->session_id);
    while (*link != at) {
        link = &a->guests[*link - 1].next_in_bucket;
    }
    *link = g->next_in_bucket;
    unlink_time(a, at);
    g->next_in_bucket = a->free_guest;
    a->free_guest = at;
    a->in--;
}

static void add_guest(admissions *a, const char *session_id, int64_t until_us) {
    uint32_t at = a->free_guest;
    guest *g = &a->guests[at - 1];
    a->free_guest = g->next_in_bucket;
    memset(g, 0, sizeof *g);
    memcpy(g->session_id, session_id, strnlen(session_id, OW_ID_MAX - 1));
    g->until_us = until_us;
    uint32_t *bucket = bucket_of(a, g->session_id);
    g->next_in_bucket = *bucket;
    *bucket = at;
    link_time(a, at);
    a->in++;
}

static void forget_ended(admissions *a, int64_t now_us) {
    while (a->first != 0 && a->guests[a->first - 1].until_us <= now_us) {
        remove_guest(a, a->first);
    }
}

// ---- Who waits ----

static place *place_at(admissions *a, uint64_t number) {
    return &a->places[number % a->options.max_waiting];
}

static void give_up(admissions *a, place *p) {
    explicit_bzero(p, sizeof *p);
    a->waiting--;
}

static bool is_lapsed(const place *p, int64_t now_us) {
    return p->asked_us + ABSENT_US < now_us || p->since_us + LONGEST_US < now_us;
}

static void forget_absent(admissions *a, int64_t now_us) {
    while (a->front < a->end) {
        place *p = place_at(a, a->front);
        if (p->taken && !is_lapsed(p, now_us)) {
            return;
        }
        if (p->taken) {
            give_up(a, p);
        }
        a->front++;
    }
}

static size_t room(const admissions *a) {
    return a->options.max_in - a->in;
}

bool admissions_enter(admissions *a, const char *session_id, int64_t now_us) {
    if (a->options.max_in == 0) {
        return true;
    }
    forget_ended(a, now_us);
    forget_absent(a, now_us);
    uint32_t at = find_guest(a, session_id);
    if (at == 0 && room(a) <= a->waiting) {
        return false;
    }
    if (at != 0) {
        remove_guest(a, at);
    }
    add_guest(a, session_id, now_us + PLAYER_TOKEN_S * SECOND_US);
    return true;
}

void admissions_restore(admissions *a, const char *session_id, int64_t at_us) {
    if (a->options.max_in > 0 && room(a) > 0 && find_guest(a, session_id) == 0) {
        add_guest(a, session_id, at_us + PLAYER_TOKEN_S * SECOND_US);
    }
}

void admissions_leave(admissions *a, const char *session_id) {
    uint32_t at = a->options.max_in > 0 ? find_guest(a, session_id) : 0;
    if (at != 0) {
        remove_guest(a, at);
    }
}

static void write_ticket(uint64_t number, const uint8_t secret[static SECRET_SIZE],
                         char ret_ticket[static TICKET_SIZE]) {
    uint8_t bytes[TICKET_BYTES];
    memcpy(bytes, &number, sizeof number);
    memcpy(bytes + sizeof number, secret, SECRET_SIZE);
    ow_base64url_encode(bytes, sizeof bytes, ret_ticket);
}

// NULL: there is no such ticket (any more).
static place *find_place(admissions *a, const char *ticket, uint64_t *ret_number) {
    uint8_t bytes[TICKET_BYTES];
    if (a->options.max_in == 0 ||
        ow_base64url_decode(ticket, strlen(ticket), bytes, sizeof bytes) != TICKET_BYTES) {
        return NULL;
    }
    memcpy(ret_number, bytes, sizeof *ret_number);
    place *p = place_at(a, *ret_number);
    bool is_it = *ret_number >= a->front && *ret_number < a->end && p->taken &&
                 ow_equal_in_constant_time(p->secret, bytes + sizeof *ret_number, SECRET_SIZE);
    return is_it ? p : NULL;
}

ow_code admissions_wait(admissions *a, const waiting_player *who, int64_t now_us,
                        char ret_ticket[static TICKET_SIZE], int64_t *ret_ahead, ow_err *err) {
    forget_absent(a, now_us);
    if (a->end - a->front == a->options.max_waiting) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "login_queue_full",
                       "very many players wait to come in: try again later");
    }
    place *p = place_at(a, a->end);
    *p = (place){.who = *who, .since_us = now_us, .asked_us = now_us, .taken = true};
    ow_random_bytes(p->secret, sizeof p->secret);
    write_ticket(a->end, p->secret, ret_ticket);
    *ret_ahead = (int64_t)a->waiting;
    a->end++;
    a->waiting++;
    return OW_OK;
}

ow_code admissions_ask(admissions *a, const char *ticket, int64_t now_us, waiting_player *ret_who,
                       int64_t *ret_ahead, ow_err *err) {
    uint64_t number = 0;
    forget_ended(a, now_us);
    forget_absent(a, now_us);
    place *p = find_place(a, ticket, &number);
    if (p == NULL || is_lapsed(p, now_us)) {
        return ow_fail(err, OW_NOT_FOUND, "no_ticket",
                       "this place in the queue is not held any more: log in again");
    }
    p->asked_us = now_us;
    *ret_who = p->who;
    // Places in front that were given up are counted until they come to the front.
    *ret_ahead = (int64_t)(number - a->front);
    if ((uint64_t)*ret_ahead < room(a)) {
        *ret_ahead = -1;
        add_guest(a, p->who.session_id, now_us + PLAYER_TOKEN_S * SECOND_US);
        give_up(a, p);
        forget_absent(a, now_us);
    }
    return OW_OK;
}

void admissions_quit(admissions *a, const char *ticket) {
    uint64_t number = 0;
    place *p = find_place(a, ticket, &number);
    if (p != NULL) {
        give_up(a, p);
    }
}

size_t admissions_in(const admissions *a) {
    return a->in;
}

size_t admissions_waiting(const admissions *a) {
    return a->waiting;
}
