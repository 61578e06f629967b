#include "core/http/egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 254, ADDRESS_BYTES = 16, MAPPED_BITS = 96 };

// IPv4 networks stand in their mapped form, so that there is one kind of address.
typedef struct network {
    uint8_t bytes[ADDRESS_BYTES];
    int bits;
} network;

struct ow_egress {
    char hosts[OW_EGRESS_ENTRIES_MAX][HOST_MAX];
    int host_count;
    network networks[OW_EGRESS_ENTRIES_MAX];
    int network_count;
    bool plain;
};

#define V4(a, b, c, d, size)                                                                       \
    {                                                                                              \
        .bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, a, b, c, d},                           \
        .bits = MAPPED_BITS + (size)                                                               \
    }

// Sources: the IANA special-purpose address registries, and the clouds' documentation of their
// metadata services (the others of those are link-local or in 100.64.0.0/10).
static const network refused[] = {
    V4(0, 0, 0, 0, 8),              // this network
    V4(10, 0, 0, 0, 8),             // private
    V4(100, 64, 0, 0, 10),          // shared by carriers
    V4(127, 0, 0, 0, 8),            // loopback
    V4(168, 63, 129, 16, 32),       // metadata service
    V4(169, 254, 0, 0, 16),         // link-local, metadata services
    V4(172, 16, 0, 0, 12),          // private
    V4(192, 0, 0, 0, 24),           // protocol assignments
    V4(192, 0, 2, 0, 24),           // documentation
    V4(192, 88, 99, 0, 24),         // relays of 6to4
    V4(192, 168, 0, 0, 16),         // private
    V4(198, 18, 0, 0, 15),          // benchmarks
    V4(198, 51, 100, 0, 24),        // documentation
    V4(203, 0, 113, 0, 24),         // documentation
    V4(224, 0, 0, 0, 3),            // multicast, reserved, broadcast
    {{0x20, 0x01}, 23},             // protocol assignments, Teredo among them
    {{0x20, 0x01, 0x0D, 0xB8}, 32}, // documentation
    {{0x20, 0x02}, 16},             // 6to4
    {{0x3F, 0xFF}, 20},             // documentation
};

static const network public_v4 = V4(0, 0, 0, 0, 0);
static const network public_v6 = {{0x20}, 3}; // all that was given out so far
static const network nat64 = {{0x00, 0x64, 0xFF, 0x9B}, 96};

static bool is_in(const uint8_t *bytes, const network *n) {
    int whole = n->bits / 8;
    if (memcmp(bytes, n->bytes, (size_t)whole) != 0) {
        return false;
    }
    int rest = n->bits % 8;
    uint8_t mask = (uint8_t)(0xFF << (8 - rest));
    return rest == 0 || ((bytes[whole] ^ n->bytes[whole]) & mask) == 0;
}

static void map_v4(const void *v4, uint8_t bytes[static ADDRESS_BYTES]) {
    memcpy(bytes, public_v4.bytes, MAPPED_BITS / 8);
    memcpy(bytes + MAPPED_BITS / 8, v4, 4);
}

static bool bytes_of(const struct sockaddr *address, uint8_t bytes[static ADDRESS_BYTES]) {
    if (address->sa_family == AF_INET) {
        map_v4(&((const struct sockaddr_in *)(const void *)address)->sin_addr, bytes);
        return true;
    }
    if (address->sa_family != AF_INET6) {
        return false;
    }
    memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, ADDRESS_BYTES);
    if (is_in(bytes, &nat64)) {
        map_v4(bytes + MAPPED_BITS / 8, bytes);
    }
    return true;
}

static bool is_public(const uint8_t *bytes) {
    if (!is_in(bytes, &public_v4) && !is_in(bytes, &public_v6)) {
        return false;
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        if (is_in(bytes, &refused[i])) {
            return false;
        }
    }
    return true;
}

bool ow_egress_allows_address(const ow_egress *egress, const struct sockaddr *address) {
    uint8_t bytes[ADDRESS_BYTES];
    if (!bytes_of(address, bytes)) {
        return false;
    }
    if (is_public(bytes)) {
        return true;
    }
    for (int i = 0; i < egress->network_count; i++) {
        if (is_in(bytes, &egress->networks[i])) {
            return true;
        }
    }
    return false;
}

static bool host_matches(const char *rule, const char *host, size_t size) {
    if (rule[0] == '*') {
        size_t tail = strlen(rule + 1);
        return size > tail && strncasecmp(host + size - tail, rule + 1, tail) == 0;
    }
    return strlen(rule) == size && strncasecmp(rule, host, size) == 0;
}

bool ow_egress_allows_host(const ow_egress *egress, const char *host) {
    size_t size = strlen(host);
    size -= size > 0 && host[size - 1] == '.' ? 1 : 0;
    if (size == 0) {
        return false;
    }
    for (int i = 0; i < egress->host_count; i++) {
        if (host_matches(egress->hosts[i], host, size)) {
            return true;
        }
    }
    return egress->host_count == 0;
}

bool ow_egress_allows_plain(const ow_egress *egress) {
    return egress->plain;
}

// ---- Reading the lists ----

static ow_code bad_entry(const char *entry, const char *wanted, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_egress", "\"%s\" is no %s", entry, wanted);
}

static ow_code add_host(ow_egress *egress, const char *entry, ow_err *err) {
    const char *name = strncmp(entry, "*.", 2) == 0 ? entry + 2 : entry;
    if (name[0] == 0 || strpbrk(name, "*/@?#[]\\") != NULL) {
        return bad_entry(entry, "host: api.example.com or *.example.com", err);
    }
    size_t size = strlen(entry);
    size -= entry[size - 1] == '.' ? 1 : 0;
    memcpy(egress->hosts[egress->host_count], entry, size);
    egress->host_count++;
    return OW_OK;
}

// The size behind the slash, or the whole address; -1: neither.
static int bits_of(const char *text, int most) {
    if (text == NULL) {
        return most;
    }
    char *end;
    long bits = strtol(text, &end, 10);
    bool good = text[0] >= '0' && text[0] <= '9' && *end == 0 && bits <= most;
    return good ? (int)bits : -1;
}

static ow_code add_network(ow_egress *egress, const char *entry, ow_err *err) {
    char text[HOST_MAX];
    snprintf(text, sizeof text, "%s", entry);
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash++ = 0;
    }
    network *n = &egress->networks[egress->network_count];
    uint8_t v4[4];
    if (inet_pton(AF_INET, text, v4) == 1) {
        map_v4(v4, n->bytes);
        n->bits = bits_of(slash, 32);
        n->bits += n->bits >= 0 ? MAPPED_BITS : 0;
    } else if (inet_pton(AF_INET6, text, n->bytes) == 1) {
        n->bits = bits_of(slash, 128);
    } else {
        n->bits = -1;
    }
    if (n->bits < 0) {
        return bad_entry(entry, "network: 10.1.0.0/16 or fd00::1", err);
    }
    egress->network_count++;
    return OW_OK;
}

typedef ow_code (*adder)(ow_egress *egress, const char *entry, ow_err *err);

static ow_code read_list(ow_egress *egress, const char *list, adder add, ow_err *err) {
    int count = 0;
    for (const char *at = list != NULL ? list : ""; *at != 0;) {
        size_t size = strcspn(at, ", \t");
        char entry[HOST_MAX];
        if (size >= sizeof entry || count == OW_EGRESS_ENTRIES_MAX) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_egress",
                           "at most %d entries of at most %d characters", OW_EGRESS_ENTRIES_MAX,
                           HOST_MAX - 1);
        }
        memcpy(entry, at, size);
        entry[size] = 0;
        ow_code code = size > 0 ? add(egress, entry, err) : OW_OK;
        if (code != OW_OK) {
            return code;
        }
        count += size > 0 ? 1 : 0;
        at += size;
        at += *at != 0 ? 1 : 0;
    }
    return OW_OK;
}

ow_code ow_egress_new(const ow_egress_options *options, ow_egress **ret_egress, ow_err *err) {
    ow_egress *egress = calloc(1, sizeof *egress);
    if (egress == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for egress rules");
    }
    egress->plain = options->plain;
    ow_code code = read_list(egress, options->hosts, add_host, err);
    if (code == OW_OK) {
        code = read_list(egress, options->networks, add_network, err);
    }
    if (code != OW_OK) {
        ow_egress_free(egress);
        return code;
    }
    *ret_egress = egress;
    return OW_OK;
}

ow_egress *ow_egress_free(ow_egress *egress) {
    free(egress);
    return NULL;
}
