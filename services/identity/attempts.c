#include "services/identity/attempts.h"

#include "core/limit/limit.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS_MAX = 65536, // 7 MB a limit
    KNOWN_MAX = 65536,
    KEY_TEXT_MAX = 512,
};

static const int64_t SECOND_US = 1000000;

struct attempts {
    ow_limit *accounts, *addresses;
    uint64_t *known; // keys of account and address; each has one place
};

attempts *attempts_new(const attempts_options *options) {
    attempts *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->accounts = ow_limit_new(&(ow_limit_options){
        .count = options->per_account, .window_us = 60 * SECOND_US, .max_keys = KEYS_MAX});
    a->addresses = ow_limit_new(&(ow_limit_options){
        .count = options->per_address, .window_us = 600 * SECOND_US, .max_keys = KEYS_MAX});
    a->known = calloc(KNOWN_MAX, sizeof *a->known);
    return a->accounts == NULL || a->addresses == NULL || a->known == NULL ? attempts_free(a) : a;
}

attempts *attempts_free(attempts *a) {
    if (a != NULL) {
        ow_limit_free(a->accounts);
        ow_limit_free(a->addresses);
        free(a->known);
        free(a);
    }
    return NULL;
}

// What one customer has: of IPv6 the /64 network, whose addresses are for the taking.
static const char *network_of(const char *address, char text[static INET6_ADDRSTRLEN]) {
    struct in6_addr bytes;
    if (inet_pton(AF_INET6, address, &bytes) != 1 || IN6_IS_ADDR_V4MAPPED(&bytes)) {
        return address;
    }
    memset(&bytes.s6_addr[8], 0, 8);
    return inet_ntop(AF_INET6, &bytes, text, INET6_ADDRSTRLEN) != NULL ? text : address;
}

static uint64_t address_key(const attempts *a, const attempt *who) {
    char text[INET6_ADDRSTRLEN];
    const char *network = network_of(who->address, text);
    return ow_limit_key(a->addresses, network, strlen(network));
}

// Accounts are checked names of a bounded length; a longer one shares its key with its beginning.
static uint64_t account_key(const attempts *a, const attempt *who, const char *address) {
    char text[KEY_TEXT_MAX];
    int length =
        snprintf(text, sizeof text, "%s\n%s\n%s\n%s", who->kind, who->title, address, who->account);
    size_t size = length < KEY_TEXT_MAX ? (size_t)length : KEY_TEXT_MAX - 1;
    return ow_limit_key(a->accounts, text, size);
}

static uint64_t *known_place(attempts *a, const attempt *who, uint64_t *ret_key) {
    char text[INET6_ADDRSTRLEN];
    *ret_key = account_key(a, who, network_of(who->address, text)) | 1; // 0 is an empty place
    return &a->known[(*ret_key >> 1) % KNOWN_MAX];
}

static uint64_t bucket_of(attempts *a, const attempt *who) {
    uint64_t key;
    char text[INET6_ADDRSTRLEN];
    bool is_known = who->address[0] != '\0' && *known_place(a, who, &key) == key;
    return account_key(a, who, is_known ? network_of(who->address, text) : "");
}

int64_t attempts_take(attempts *a, const attempt *who, int64_t now_us) {
    uint64_t address = address_key(a, who);
    bool has_address = who->address[0] != '\0';
    int64_t wait_us = has_address ? ow_limit_take(a->addresses, address, now_us) : 0;
    if (wait_us > 0) {
        return wait_us;
    }
    wait_us = ow_limit_take(a->accounts, bucket_of(a, who), now_us);
    if (wait_us > 0 && has_address) {
        ow_limit_give_back(a->addresses, address); // no password was tried
    }
    return wait_us;
}

void attempts_succeeded(attempts *a, const attempt *who) {
    ow_limit_give_back(a->accounts, bucket_of(a, who));
    if (who->address[0] != '\0') {
        uint64_t key;
        ow_limit_give_back(a->addresses, address_key(a, who));
        uint64_t *place = known_place(a, who, &key);
        *place = key;
    }
}
