#pragma once

// Alarms: which rules are sound, what a rule's value is, when something is said.
// No I/O, any thread.

#include "services/telemetry/messages.h"
#include "services/telemetry/series.h"

enum { NOTICE_ATTEMPTS_MAX = 16 };

// Codes: invalid_argument "bad_rule" (the message names the field).
ow_code alarm_check(const alarm_rule *rule, ow_err *err);

bool alarm_is_of_log(const alarm_rule *rule);

typedef enum alarm_target { ALARM_WEBHOOK, ALARM_EMAIL, ALARM_FUNCTION } alarm_target;
alarm_target alarm_target_of(const alarm_rule *sound_rule);

// The value of a measure over a window, from all that happened in it.
double alarm_value(const alarm_rule *rule, const point *sum);
bool alarm_breaks(const alarm_rule *rule, double value);

typedef struct alarm_state {
    bool firing;
    int64_t since_us;
    bool told;            // that it fires
    int64_t last_told_us; // anything; 0: never
} alarm_state;

typedef enum alarm_event { ALARM_NOTHING, ALARM_FIRING, ALARM_RECOVERED, ALARM_TEST } alarm_event;

const char *alarm_event_type(alarm_event event); // "alarm.firing" ...

// What a look at the value means: the state moves on, and the event is to be told.
alarm_event alarm_look(alarm_state *state, bool breaks, int64_t silence_us, int64_t now_us);

// How long after its n-th attempt (1, 2 ...) a notice is tried again.
int64_t notice_delay_us(int64_t attempts);
