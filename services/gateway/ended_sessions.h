#pragma once

// Sessions that have ended before their access tokens ran out, as identity tells of them. Bounded: of
// more than ENDED_SESSIONS_MAX (as many as identity keeps) the oldest is forgotten; identity then refuses
// all tokens as old as that one's. Loop thread.

#include "core/id/id.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENDED_SESSIONS_MAX 65536

typedef struct ended_sessions ended_sessions;

// Heap; NULL when out of memory.
ended_sessions *ended_sessions_new(void);
ended_sessions *ended_sessions_free(ended_sessions *ended);

// Remembers a session until the second `until_s`. Called in the order of `until_s`; what is over
// by `now_s` is forgotten.
void ended_sessions_add(ended_sessions *ended, const char *session_id, int64_t until_s,
                        int64_t now_s);

bool ended_sessions_has(const ended_sessions *ended, const char *session_id);
size_t ended_sessions_count(const ended_sessions *ended);
