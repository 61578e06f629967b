#include "services/runner/secrets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/runner/internal.h"

#define FETCH_TIMEOUT_US 5000000
#define NAME_MAX_BYTES 64

// An instance that waits for values; at most one call each.
struct secret_wait {
    struct secret_wait *next;
    struct instance *instance;
    uint32_t number;
    char name[NAME_MAX_BYTES];
};

struct secret_value {
    char *name, *bytes;
    size_t size;
};

// The values of one virtual server.
struct secret_set {
    struct secret_set *next;
    char title_id[OW_ID_MAX];
    char virtual_server[NAME_MAX_BYTES];
    int64_t sequence; // of what is here; -1: nothing yet
    struct secret_value *values;
    size_t count;
    struct secret_wait *waits;
    ow_call *call; // on its way; NULL
    bool orphan;   // forgotten meanwhile: freed when the call is back
    Overworld__Registry__V1__GetSecretValuesRequest request;
};

// ---- life

static void wipe_values(struct secret_set *set) {
    for (size_t i = 0; i < set->count; i++) {
        explicit_bzero(set->values[i].bytes, set->values[i].size);
        free(set->values[i].bytes);
        free(set->values[i].name);
    }
    free(set->values);
    set->values = NULL;
    set->count = 0;
}

static void free_set(struct secret_set *set) {
    wipe_values(set);
    while (set->waits != NULL) {
        struct secret_wait *next = set->waits->next;
        free(set->waits);
        set->waits = next;
    }
    free(set);
}

static struct secret_set **place_of(struct secrets *secrets, const char *title_id,
                                    const char *virtual_server) {
    struct secret_set **at = &secrets->sets;
    while (*at != NULL && (strcmp((*at)->virtual_server, virtual_server) != 0 ||
                           strcmp((*at)->title_id, title_id) != 0)) {
        at = &(*at)->next;
    }
    return at;
}

static struct secret_set *set_of(struct secrets *secrets, const struct pool_entry *entry) {
    struct secret_set **place = place_of(secrets, entry->title_id, entry->virtual_server);
    if (*place == NULL) {
        struct secret_set *made = calloc(1, sizeof *made);
        if (made == NULL) {
            return NULL;
        }
        snprintf(made->title_id, sizeof made->title_id, "%s", entry->title_id);
        snprintf(made->virtual_server, sizeof made->virtual_server, "%s", entry->virtual_server);
        made->sequence = -1;
        *place = made;
    }
    return *place;
}

static void drop_set(struct secret_set **place) {
    struct secret_set *set = *place;
    *place = set->next;
    if (set->call != NULL) {
        set->orphan = true;
        ow_call_cancel(set->call, OW_CANCELLED);
    } else {
        free_set(set);
    }
}

void secrets_forget(struct runner *runner, const char *title_id, const char *virtual_server) {
    struct secret_set **place = place_of(&runner->secrets, title_id, virtual_server);
    if (*place != NULL) {
        drop_set(place);
    }
}

void secrets_deinit(struct runner *runner) {
    while (runner->secrets.sets != NULL) {
        drop_set(&runner->secrets.sets);
    }
}

// ---- answers

static void fail(const struct secret_wait *wait, const char *code, const char *message) {
    (void)ow_host_instance_answer(wait->instance->handle, wait->number, OW_HOST_REFUSED, code,
                                  message, strlen(message));
}

static void answer(const struct secret_set *set, const struct secret_wait *wait) {
    for (size_t i = 0; i < set->count; i++) {
        if (strcmp(set->values[i].name, wait->name) == 0) {
            (void)ow_host_instance_answer(wait->instance->handle, wait->number, OW_HOST_OK, NULL,
                                          set->values[i].bytes, set->values[i].size);
            return;
        }
    }
    fail(wait, "no_secret", "there is no such secret");
}

static void answer_all(struct secret_set *set) {
    while (set->waits != NULL) {
        struct secret_wait *wait = set->waits;
        set->waits = wait->next;
        if (set->sequence >= 0) {
            answer(set, wait);
        } else {
            fail(wait, "unavailable", "the registry does not answer");
        }
        free(wait);
    }
}

// ---- the values

static bool take_values(struct secret_set *set,
                        const Overworld__Registry__V1__GetSecretValuesResponse *reply) {
    wipe_values(set);
    set->sequence = -1;
    set->values = calloc(reply->n_values + 1, sizeof *set->values);
    for (size_t i = 0; set->values != NULL && i < reply->n_values; i++) {
        const Overworld__Registry__V1__SecretValue *from = reply->values[i];
        struct secret_value *to = &set->values[i];
        to->name = strdup(from->name);
        to->bytes = malloc(from->value.len + 1);
        set->count++;
        if (to->name == NULL || to->bytes == NULL) {
            return false;
        }
        memcpy(to->bytes, from->value.data, from->value.len);
        to->size = from->value.len;
    }
    set->sequence = set->values != NULL ? reply->sequence : -1;
    return set->values != NULL;
}

// Without an answer the old values go on.
static void on_values(const Overworld__Registry__V1__GetSecretValuesResponse *reply,
                      void *closure_data) {
    ow_call *call = closure_data;
    struct secret_set *set = call->user;
    bool gone = reply == NULL && call->err.code == OW_NOT_FOUND;
    if (!set->orphan && reply != NULL) {
        (void)take_values(set, reply);
    } else if (gone) {
        wipe_values(set);
    }
    set->call = NULL;
    ow_call_free(call);
    if (set->orphan) {
        free_set(set);
    } else {
        answer_all(set);
    }
}

static void fetch(struct runner *runner, struct secret_set *set) {
    ow_principal platform = {.kind = OW_PLATFORM};
    snprintf(platform.title, sizeof platform.title, "%s", set->title_id);
    ow_call_options options = {.principal = &platform, .timeout_us = FETCH_TIMEOUT_US};
    set->call = ow_call_new(runner->loop, &options);
    if (set->call == NULL) {
        answer_all(set);
        return;
    }
    set->call->user = set;
    overworld__registry__v1__get_secret_values_request__init(&set->request);
    set->request.virtual_server = set->virtual_server;
    overworld__registry__v1__registry__get_secret_values(runner->registry, &set->request, on_values,
                                                         set->call);
}

static bool is_fresh(const struct runner *runner, const struct secret_set *set) {
    const server_routes *server =
        routes_server(&runner->routes, set->title_id, set->virtual_server);
    return set->sequence >= 0 && server != NULL && server->secrets_sequence == set->sequence;
}

void secrets_answer(struct runner *runner, struct instance *instance, const ow_host_call *call) {
    struct secret_wait now = {.instance = instance, .number = call->number};
    struct secret_set *set = set_of(&runner->secrets, entry_of(instance->pool));
    if (set == NULL) {
        fail(&now, "unavailable", "no memory for secrets");
        return;
    }
    snprintf(now.name, sizeof now.name, "%s", call->target);
    if (is_fresh(runner, set)) {
        answer(set, &now);
        return;
    }
    struct secret_wait *wait = malloc(sizeof *wait);
    if (wait == NULL) {
        fail(&now, "unavailable", "no memory for secrets");
        return;
    }
    *wait = now;
    wait->next = set->waits;
    set->waits = wait;
    if (set->call == NULL) {
        fetch(runner, set);
    }
}

void secrets_abandon_of(struct runner *runner, const struct instance *instance) {
    for (struct secret_set *set = runner->secrets.sets; set != NULL; set = set->next) {
        struct secret_wait **at = &set->waits;
        while (*at != NULL) {
            struct secret_wait *wait = *at;
            if (wait->instance == instance) {
                *at = wait->next;
                free(wait);
            } else {
                at = &wait->next;
            }
        }
    }
}
