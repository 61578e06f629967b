#include "services/identity/providers.h"

#include "services/identity/providers_file.h"

#include "core/http/client.h"
#include "core/log/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_MAX = 256 << 10,
    SETS_KEPT = 8, // so that one that is being read on another thread stays
    REDIRECTS_MAX = 3,
};

static const int64_t SECOND_US = 1000000;
static const int64_t LOOK_EVERY_US = 10 * 1000000;     // at most
static const int64_t OLD_US = INT64_C(3600) * 1000000; // then others are looked for
static const int64_t FETCH_TIMEOUT_US = INT64_C(5) * 1000000;
static const int64_t SKEW_S = 60;

struct provider {
    provider_entry entry;
    ow_clock *clock;
    struct ow_http_client *client;
    ow_jwks *sets[SETS_KEPT]; // the newest first
    bool looked;
    int64_t looked_us; // monotonic
    ow_http_fetch *fetch;
    key_waiter *waiters;
};

struct providers {
    int count;
    provider items[PROVIDERS_MAX];
};

// ---- The file ----

static char *read_file(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "re");
    char *text = file != NULL ? malloc(FILE_MAX + 1) : NULL;
    size_t size = text != NULL ? fread(text, 1, FILE_MAX + 1, file) : 0;
    bool good = text != NULL && !ferror(file) && size <= FILE_MAX;
    if (file != NULL) {
        fclose(file);
    }
    if (!good) {
        free(text);
        return NULL;
    }
    *ret_size = size;
    return text;
}

ow_code providers_open(const providers_options *options, providers **ret_providers, ow_err *err) {
    providers *all = calloc(1, sizeof *all);
    provider_entry entries[PROVIDERS_MAX] = {0};
    if (all == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for providers");
    }
    if (options->path[0] != '\0') {
        size_t size = 0;
        char *text = read_file(options->path, &size);
        ow_code code = text != NULL ? providers_read(text, size, entries, &all->count, err)
                                    : ow_fail(err, OW_NOT_FOUND, "no_providers",
                                              "it cannot be read, or has more than 256 KB");
        free(text);
        if (code != OW_OK) {
            free(all);
            return ow_err_context(err, "identity.providers %s", options->path);
        }
    }
    for (int i = 0; i < all->count; i++) {
        all->items[i].entry = entries[i];
        all->items[i].clock = options->clock;
        all->items[i].client = options->client;
    }
    *ret_providers = all;
    return OW_OK;
}

providers *providers_close(providers *all) {
    for (int i = 0; all != NULL && i < all->count; i++) {
        provider *p = &all->items[i];
        ow_http_fetch_cancel(p->fetch);
        for (int j = 0; j < SETS_KEPT; j++) {
            ow_jwks_free(p->sets[j]);
        }
        provider_entry_deinit(&p->entry);
    }
    free(all);
    return NULL;
}

// ---- What is known of them ----

provider *providers_find(providers *all, const char *title, const char *name) {
    provider *for_all = NULL;
    for (int i = 0; i < all->count; i++) {
        provider *p = &all->items[i];
        if (strcmp(p->entry.name, name) == 0) {
            if (strcmp(p->entry.title, title) == 0) {
                return p;
            }
            for_all = p->entry.title[0] == '\0' ? p : for_all;
        }
    }
    return for_all;
}

const char *provider_issuer(const provider *p) {
    return p->entry.issuers[0];
}

ow_id_rules provider_rules(const provider *p, const char *nonce) {
    return (ow_id_rules){.issuers = (const char *const *)p->entry.issuers,
                         .audiences = (const char *const *)p->entry.audiences,
                         .nonce = nonce,
                         .now_s = ow_clock_wall_us(p->clock) / SECOND_US,
                         .skew_s = SKEW_S};
}

const ow_jwks *provider_keys(const provider *p) {
    return p->sets[0];
}

// ---- Looking for keys ----

static void take_keys(provider *p, const void *text, size_t size) {
    ow_jwks *made = NULL;
    ow_err err;
    if (ow_jwks_parse(text, size, &made, &err) != OW_OK) {
        ow_log(OW_LOG_WARN, "keys of a provider not taken", "provider=%s error=\"%s\"",
               p->entry.name, err.message);
        return;
    }
    ow_jwks_free(p->sets[SETS_KEPT - 1]);
    memmove(&p->sets[1], &p->sets[0], (SETS_KEPT - 1) * sizeof p->sets[0]);
    p->sets[0] = made;
}

static void tell_waiters(provider *p) {
    while (p->waiters != NULL) {
        key_waiter *w = p->waiters;
        provider_forget(w);
        w->on_keys(w->self);
    }
}

static void on_fetched(void *self, ow_code code, const ow_http_response *response,
                       const ow_err *err) {
    provider *p = self;
    p->fetch = NULL;
    if (code != OW_OK || ow_http_response_status(response) != 200) {
        ow_log(OW_LOG_WARN, "keys of a provider not fetched", "provider=%s status=%d error=\"%s\"",
               p->entry.name, code == OW_OK ? ow_http_response_status(response) : 0,
               code == OW_OK ? "" : err->message);
    } else {
        size_t size = 0;
        const void *body = ow_http_response_body(response, &size);
        take_keys(p, body, size);
    }
    tell_waiters(p);
}

static void read_keys(provider *p) {
    size_t size = 0;
    char *text = read_file(p->entry.jwks_file, &size);
    if (text == NULL) {
        ow_log(OW_LOG_WARN, "keys of a provider not read", "provider=%s file=%s", p->entry.name,
               p->entry.jwks_file);
        return;
    }
    take_keys(p, text, size);
    free(text);
}

static void begin_fetch(provider *p) {
    ow_err err;
    ow_http_fetch_options options = {.method = "GET",
                                     .url = p->entry.jwks_url,
                                     .timeout_us = FETCH_TIMEOUT_US,
                                     .response_limit = OW_JWKS_SIZE_MAX,
                                     .redirects = REDIRECTS_MAX,
                                     .on_done = on_fetched,
                                     .self = p};
    if (p->client == NULL || ow_http_fetch_start(p->client, &options, &p->fetch, &err) != OW_OK) {
        p->fetch = NULL;
        ow_log(OW_LOG_WARN, "keys of a provider not fetched", "provider=%s error=\"%s\"",
               p->entry.name, p->client == NULL ? "no client" : err.message);
    }
}

static void look(provider *p) {
    int64_t now_us = ow_clock_mono_us(p->clock);
    if (p->fetch != NULL || (p->looked && now_us < p->looked_us + LOOK_EVERY_US)) {
        return;
    }
    p->looked = true;
    p->looked_us = now_us;
    if (p->entry.jwks_file != NULL) {
        read_keys(p);
    } else {
        begin_fetch(p);
    }
}

void provider_look(provider *p) {
    if (!p->looked || ow_clock_mono_us(p->clock) >= p->looked_us + OLD_US) {
        look(p);
    }
}

bool provider_renew(provider *p, key_waiter *w) {
    look(p);
    if (p->fetch == NULL) {
        return false;
    }
    w->of = p;
    w->next = p->waiters;
    p->waiters = w;
    return true;
}

void provider_forget(key_waiter *w) {
    if (w->of == NULL) {
        return;
    }
    key_waiter **link = &w->of->waiters;
    while (*link != w) {
        link = &(*link)->next;
    }
    *link = w->next;
    w->of = NULL;
}
