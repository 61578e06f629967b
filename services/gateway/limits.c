#include "services/gateway/limits.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 65536
#define NETWORK_BYTES 8                     // of an IPv6 address: what one customer gets
#define CALL_TEXT_MAX (2 * OW_ID_MAX + 160) // title, player, virtual server, function

enum { BY_PLAYER, BY_FUNCTION, BY_SERVER_KEY, BY_ADDRESS, RULES };

static const char *const rule_names[RULES] = {
    [BY_PLAYER] = "player",
    [BY_FUNCTION] = "player_function",
    [BY_SERVER_KEY] = "server_key",
    [BY_ADDRESS] = "address",
};

struct limits {
    ow_limit *rules[RULES];
    ow_counter *refusals[RULES];
};

limits *limits_new(const limits_config *config, struct ow_metrics *metrics) {
    const limit_rule rules[RULES] = {
        [BY_PLAYER] = config->player,
        [BY_FUNCTION] = config->player_function,
        [BY_SERVER_KEY] = config->server_key,
        [BY_ADDRESS] = config->address,
    };
    limits *all = calloc(1, sizeof *all);
    for (int i = 0; all != NULL && i < RULES; i++) {
        ow_metric_labels labels = {{"limit"}, {rule_names[i]}};
        all->rules[i] = ow_limit_new(&(ow_limit_options){.count = (uint32_t)rules[i].count,
                                                         .window_us = rules[i].window_us,
                                                         .max_keys = KEYS_MAX});
        all->refusals[i] = ow_metrics_counter(metrics, "overworld_gateway_throttled_total",
                                              "Requests answered 429 by a rate limit", &labels);
        if (all->rules[i] == NULL) {
            return limits_free(all);
        }
    }
    return all;
}

limits *limits_free(limits *all) {
    if (all != NULL) {
        for (int i = 0; i < RULES; i++) {
            ow_limit_free(all->rules[i]);
        }
        free(all);
    }
    return NULL;
}

static uint64_t key_of_address(const ow_limit *rule, const char *address) {
    struct in6_addr parsed;
    if (inet_pton(AF_INET6, address, &parsed) == 1) {
        return ow_limit_key(rule, &parsed, NETWORK_BYTES);
    }
    return ow_limit_key(rule, address, strlen(address));
}

static int64_t count_refusal(const limits *all, int rule, int64_t wait_us) {
    ow_counter_add(all->refusals[rule], wait_us > 0 ? 1 : 0);
    return wait_us;
}

static int64_t take(limits *all, int rule, uint64_t key, int64_t now_us) {
    return count_refusal(all, rule, ow_limit_take(all->rules[rule], key, now_us));
}

static int64_t take_of_server(limits *all, const limits_caller *caller, int64_t now_us) {
    ow_limit *rule = all->rules[BY_SERVER_KEY];
    const char *id = caller->who->id;
    uint64_t key = ow_limit_key(rule, id, strlen(id));
    int64_t wait_us = caller->own_calls > 0
                          ? ow_limit_take_of(rule, key, (uint32_t)caller->own_calls, now_us)
                          : ow_limit_take(rule, key, now_us);
    return count_refusal(all, BY_SERVER_KEY, wait_us);
}

int64_t limits_admit(limits *all, const limits_caller *caller, int64_t now_us) {
    const ow_principal *who = caller->who;
    switch (who->kind) {
    case OW_PLAYER:
        return take(all, BY_PLAYER, ow_limit_key(all->rules[BY_PLAYER], who->id, strlen(who->id)),
                    now_us);
    case OW_SERVER:
        return take_of_server(all, caller, now_us);
    case OW_NOBODY:
        return take(all, BY_ADDRESS, key_of_address(all->rules[BY_ADDRESS], caller->address),
                    now_us);
    default:
        return 0;
    }
}

// Behind what is there, with its NUL, so that no two lists of names give the same text.
static size_t append(char *text, size_t used, const char *name) {
    size_t size = strlen(name) + 1;
    if (used + size > CALL_TEXT_MAX) {
        return used;
    }
    memcpy(text + used, name, size);
    return used + size;
}

int64_t limits_admit_call(limits *all, const ow_principal *who, const char *virtual_server,
                          const char *function, int64_t now_us) {
    char text[CALL_TEXT_MAX];
    if (who->kind != OW_PLAYER) {
        return 0;
    }
    size_t size = append(text, 0, who->id);
    size = append(text, size, virtual_server);
    size = append(text, size, function);
    const ow_limit *rule = all->rules[BY_FUNCTION];
    int64_t wait_us = take(all, BY_FUNCTION, ow_limit_key(rule, text, size), now_us);
    if (wait_us > 0) {
        const ow_limit *player = all->rules[BY_PLAYER];
        ow_limit_give_back(all->rules[BY_PLAYER], ow_limit_key(player, who->id, strlen(who->id)));
    }
    return wait_us;
}
