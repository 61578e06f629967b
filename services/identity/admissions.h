#pragma once

// How many players are in at a time, and those who wait to come in, in the order in which they came. A
// session is in from a login or refresh until its access token ends or it is logged out. Who waits has
// a ticket and asks again; one who has not asked for a minute loses the place, and nobody waits longer
// than 55 minutes (then the login is done anew). In memory: after a restart those who are in still are
// (admissions_restore), those who wait begin again. Loop thread.

#include "services/identity/refresh_token.h"

#include "core/error/error.h"
#include "core/id/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TICKET_SIZE = OW_BASE64URL_SIZE(24), TICKET_POLL_S = 5 };

typedef struct admissions admissions;

typedef struct admissions_options {
    size_t max_in;      // 0: no limit, everybody is let in
    size_t max_waiting; // more are refused
} admissions_options;

// Heap; admissions_free. NULL when out of memory.
admissions *admissions_new(const admissions_options *options);
admissions *admissions_free(admissions *a);

// Lets a session in, or keeps it in, when there is room and nobody who waits would have it.
bool admissions_enter(admissions *a, const char *session_id, int64_t now_us);
// It was let in at `at_us`, before a restart.
void admissions_restore(admissions *a, const char *session_id, int64_t at_us);
// It has ended. One that is not in is accepted.
void admissions_leave(admissions *a, const char *session_id);

// Who waits, for the answer when it is let in.
typedef struct waiting_player {
    char player_id[OW_ID_MAX], title[OW_ID_MAX], session_id[OW_ID_MAX];
    char refresh_token[REFRESH_TOKEN_SIZE];
    int64_t refresh_expires_us;
    bool is_new_player;
} waiting_player;

// Puts somebody at the end. `ret_ahead`: how many are in front. Codes: resource_exhausted
// "login_queue_full".
ow_code admissions_wait(admissions *a, const waiting_player *who, int64_t now_us,
                        char ret_ticket[static TICKET_SIZE], int64_t *ret_ahead, ow_err *err);

// Asks again. `ret_ahead`: how many are in front; -1: the session is in now and the ticket is used up.
// `ret_who` is filled in either case. Codes: not_found "no_ticket".
ow_code admissions_ask(admissions *a, const char *ticket, int64_t now_us, waiting_player *ret_who,
                       int64_t *ret_ahead, ow_err *err);

// Gives the place up; an unknown ticket is accepted.
void admissions_quit(admissions *a, const char *ticket);

size_t admissions_in(const admissions *a);
size_t admissions_waiting(const admissions *a);
