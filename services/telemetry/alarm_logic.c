#include "services/telemetry/alarm_logic.h"

#include "services/telemetry/text.h"

#include "core/http/mail.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NAME_MAX_BYTES = 60,
    WINDOW_MIN_S = 10,
    WINDOW_MAX_S = 3600,
    WINDOW_DEFAULT_S = 60,
    SILENCE_MAX_S = 604800,
    URL_MAX_BYTES = 2048,
    EMAILS_MAX = 10,
};

// ---- Measures ----

typedef struct measure {
    const char *name;
    double (*of)(const point *sum, double window_s);
} measure;

static double calls(const point *p, double window_s) {
    (void)window_s;
    return (double)p->calls;
}

static double rate(const point *p, double window_s) {
    return (double)p->calls / window_s;
}

static double errors(const point *p, double window_s) {
    (void)window_s;
    return (double)p->errors;
}

static double error_rate(const point *p, double window_s) {
    (void)window_s;
    return p->calls > 0 ? (double)p->errors / (double)p->calls : 0;
}

static double throttled(const point *p, double window_s) {
    (void)window_s;
    return (double)p->throttled;
}

static double cold_starts(const point *p, double window_s) {
    (void)window_s;
    return (double)p->cold_starts;
}

static double quantile_ms(const point *p, double share) {
    return (double)buckets_quantile(p->durations, share) / 1000;
}

static double p50_ms(const point *p, double window_s) {
    (void)window_s;
    return quantile_ms(p, 0.5);
}

static double p95_ms(const point *p, double window_s) {
    (void)window_s;
    return quantile_ms(p, 0.95);
}

static double p99_ms(const point *p, double window_s) {
    (void)window_s;
    return quantile_ms(p, 0.99);
}

static double instances(const point *p, double window_s) {
    (void)window_s;
    return (double)p->instances_peak;
}

static double queue(const point *p, double window_s) {
    (void)window_s;
    return (double)p->waiting_peak;
}

// "log" counts entries, which the caller does.
static const measure measures[] = {
    {"calls", calls},           {"rate", rate},           {"errors", errors},
    {"error_rate", error_rate}, {"throttled", throttled}, {"cold_starts", cold_starts},
    {"p50_ms", p50_ms},         {"p95_ms", p95_ms},       {"p99_ms", p99_ms},
    {"instances", instances},   {"queue", queue},         {"log", calls},
};

static const measure *find_measure(const char *name) {
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        if (strcmp(measures[i].name, name) == 0) {
            return &measures[i];
        }
    }
    return NULL;
}

bool alarm_is_of_log(const alarm_rule *rule) {
    return strcmp(rule->measure, "log") == 0;
}

static double window_of(const alarm_rule *rule) {
    return rule->window_s > 0 ? rule->window_s : WINDOW_DEFAULT_S;
}

double alarm_value(const alarm_rule *rule, const point *sum) {
    const measure *m = find_measure(rule->measure);
    return m != NULL ? m->of(sum, window_of(rule)) : 0;
}

bool alarm_breaks(const alarm_rule *rule, double value) {
    return rule->below ? value < rule->threshold : value >= rule->threshold;
}

// ---- Rules ----

static bool name_is_sound(const char *name) {
    size_t size = strlen(name);
    return size > 0 && size <= NAME_MAX_BYTES &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == size;
}

static bool url_is_sound(const char *url) {
    bool known = strncmp(url, "https://", 8) == 0 || strncmp(url, "http://", 7) == 0;
    return known && strlen(url) <= URL_MAX_BYTES;
}

static bool names_function(const alarm_function *call) {
    return call != NULL && name_is_sound(call->virtual_server) && name_is_sound(call->function) &&
           strlen(call->qualifier) <= NAME_MAX_BYTES;
}

static bool emails_are_sound(const alarm_rule *r) {
    for (size_t i = 0; i < r->n_emails; i++) {
        if (!ow_mail_is_address(r->emails[i])) {
            return false;
        }
    }
    return r->n_emails > 0 && r->n_emails <= EMAILS_MAX;
}

static bool target_is_sound(const alarm_rule *r) {
    int targets = (r->webhook_url[0] != 0) + (r->n_emails > 0) + (r->call != NULL);
    return targets == 1 &&
           (url_is_sound(r->webhook_url) || emails_are_sound(r) || names_function(r->call));
}

alarm_target alarm_target_of(const alarm_rule *rule) {
    return rule->call != NULL ? ALARM_FUNCTION : rule->n_emails > 0 ? ALARM_EMAIL : ALARM_WEBHOOK;
}

static bool level_is_sound(const char *name) {
    return name[0] == 0 || strcmp(level_name(level_of(name, strlen(name))), name) == 0;
}

static const char *bad_field(const alarm_rule *r) {
    search ignored;
    if (!name_is_sound(r->name)) {
        return "name: 1 to 60 letters, digits, _ and -";
    }
    if (find_measure(r->measure) == NULL) {
        return "measure: calls, rate, errors, error_rate, throttled, cold_starts, p50_ms, p95_ms, "
               "p99_ms, instances, queue or log";
    }
    if (r->window_s != 0 && (r->window_s < WINDOW_MIN_S || r->window_s > WINDOW_MAX_S)) {
        return "window_s: 10 to 3600";
    }
    if (!isfinite(r->threshold)) {
        return "threshold: a number";
    }
    if (r->silence_s < 0 || r->silence_s > SILENCE_MAX_S) {
        return "silence_s: 0 to 604800";
    }
    if (!target_is_sound(r)) {
        return "one of webhook_url: https://...; emails: 1 to 10 addresses; call: a virtual server "
               "and a function";
    }
    if (!level_is_sound(r->min_level) || search_parse(r->text, &ignored, NULL) != OW_OK) {
        return "text or min_level: as in QueryLogs";
    }
    return NULL;
}

ow_code alarm_check(const alarm_rule *rule, ow_err *err) {
    const char *field = rule != NULL ? bad_field(rule) : "rule: it is missing";
    return field == NULL ? OW_OK : ow_fail(err, OW_INVALID_ARGUMENT, "bad_rule", "%s", field);
}

// ---- Events ----

const char *alarm_event_type(alarm_event event) {
    static const char *const types[] = {"", "alarm.firing", "alarm.recovered", "alarm.test"};
    return types[event];
}

static bool is_silent(const alarm_state *s, int64_t silence_us, int64_t now_us) {
    return s->last_told_us > 0 && now_us - s->last_told_us < silence_us;
}

static alarm_event begin_telling(alarm_state *s, int64_t silence_us, int64_t now_us) {
    if (is_silent(s, silence_us, now_us)) {
        return ALARM_NOTHING;
    }
    s->told = true;
    s->last_told_us = now_us;
    return ALARM_FIRING;
}

alarm_event alarm_look(alarm_state *s, bool breaks, int64_t silence_us, int64_t now_us) {
    if (breaks != s->firing) {
        s->firing = breaks;
        s->since_us = now_us;
    }
    if (breaks) {
        return s->told ? ALARM_NOTHING : begin_telling(s, silence_us, now_us);
    }
    if (!s->told) {
        return ALARM_NOTHING;
    }
    s->told = false; // who was told that it fires is told that it is over, silence or not
    s->last_told_us = now_us;
    return ALARM_RECOVERED;
}

int64_t notice_delay_us(int64_t attempts) {
    int64_t seconds = 5;
    for (int64_t i = 1; i < attempts && seconds < 7200; i++) {
        seconds *= 2;
    }
    return (seconds < 7200 ? seconds : 7200) * 1000000;
}
