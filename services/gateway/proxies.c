#include "services/gateway/proxies.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NETWORKS_MAX = 64, ADDRESS_BYTES = 16, ADDRESS_BITS = 128, V4_BITS = 32, ITEM_MAX = 64 };

// An IPv4 address is kept as IPv6's ::ffff:a.b.c.d.
static const uint8_t v4_prefix[ADDRESS_BYTES - 4] = {[10] = 0xff, [11] = 0xff};

typedef struct network {
    uint8_t bytes[ADDRESS_BYTES];
    int bits;
} network;

struct proxies {
    network networks[NETWORKS_MAX];
    size_t count;
};

static bool read_address(const char *text, uint8_t bytes[static ADDRESS_BYTES]) {
    if (inet_pton(AF_INET, text, bytes + sizeof v4_prefix) == 1) {
        memcpy(bytes, v4_prefix, sizeof v4_prefix);
        return true;
    }
    return inet_pton(AF_INET6, text, bytes) == 1;
}

static bool is_v4(const uint8_t bytes[static ADDRESS_BYTES]) {
    return memcmp(bytes, v4_prefix, sizeof v4_prefix) == 0;
}

static void write_address(const uint8_t bytes[static ADDRESS_BYTES],
                          char text[static OW_ADDRESS_MAX]) {
    if (is_v4(bytes)) {
        inet_ntop(AF_INET, bytes + sizeof v4_prefix, text, OW_ADDRESS_MAX);
    } else {
        inet_ntop(AF_INET6, bytes, text, OW_ADDRESS_MAX);
    }
}

static bool read_network(char *text, network *ret_network) {
    char *slash = strchr(text, '/');
    if (slash != NULL) {
        *slash++ = '\0';
    }
    if (!read_address(text, ret_network->bytes)) {
        return false;
    }
    int room = strchr(text, ':') != NULL ? ADDRESS_BITS : V4_BITS;
    long bits = room;
    if (slash != NULL) {
        char *end;
        bits = strtol(slash, &end, 10);
        if (end == slash || *end != '\0' || bits < 0 || bits > room) {
            return false;
        }
    }
    ret_network->bits = (int)bits + ADDRESS_BITS - room;
    return true;
}

static ow_code add_item(proxies *p, const char *item, size_t length, ow_err *err) {
    char text[ITEM_MAX] = "";
    if (p->count == NETWORKS_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_proxies",
                       "gateway.trusted_proxies has more than %d entries", NETWORKS_MAX);
    }
    if (length < sizeof text) {
        memcpy(text, item, length);
        text[length] = '\0';
    }
    if (!read_network(text, &p->networks[p->count])) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_proxies",
                       "gateway.trusted_proxies: \"%.*s\" is neither an address nor a network: "
                       "10.0.0.1, 10.0.0.0/8 or fd00::/8 is expected",
                       (int)length, item);
    }
    p->count++;
    return OW_OK;
}

ow_code proxies_new(const char *list, proxies **ret_proxies, ow_err *err) {
    proxies *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for the proxies");
    }
    ow_code code = OW_OK;
    for (list += strspn(list, ", "); code == OW_OK && *list != '\0'; list += strspn(list, ", ")) {
        size_t length = strcspn(list, ", ");
        code = add_item(p, list, length, err);
        list += length;
    }
    if (code != OW_OK) {
        proxies_free(p);
        return code;
    }
    *ret_proxies = p;
    return OW_OK;
}

proxies *proxies_free(proxies *p) {
    free(p);
    return NULL;
}

static bool is_in(const network *n, const uint8_t bytes[static ADDRESS_BYTES]) {
    size_t whole = (size_t)n->bits / 8;
    int rest = n->bits % 8;
    return memcmp(n->bytes, bytes, whole) == 0 &&
           (rest == 0 || (n->bytes[whole] ^ bytes[whole]) >> (8 - rest) == 0);
}

bool proxies_trust(const proxies *p, const char *address) {
    uint8_t bytes[ADDRESS_BYTES];
    if (p->count == 0 || !read_address(address, bytes)) {
        return false;
    }
    for (size_t i = 0; i < p->count; i++) {
        if (is_in(&p->networks[i], bytes)) {
            return true;
        }
    }
    return false;
}

// The last item of the line's first `*length` characters; shortens them by it.
static bool take_last(const char *line, size_t *length, char item[static ITEM_MAX]) {
    size_t end = *length;
    while (end > 0 && strchr(" \t,", line[end - 1]) != NULL) {
        end--;
    }
    size_t begin = end;
    while (begin > 0 && strchr(" \t,", line[begin - 1]) == NULL) {
        begin--;
    }
    *length = begin;
    item[0] = '\0';
    if (end - begin < ITEM_MAX) {
        memcpy(item, line + begin, end - begin);
        item[end - begin] = '\0';
    }
    return end > begin;
}

bool proxies_follow(const proxies *p, const char *line, char address[static OW_ADDRESS_MAX]) {
    size_t length = strlen(line);
    char item[ITEM_MAX];
    while (proxies_trust(p, address)) {
        uint8_t bytes[ADDRESS_BYTES];
        if (!take_last(line, &length, item)) {
            return false;
        }
        if (!read_address(item, bytes)) {
            return true;
        }
        write_address(bytes, address);
    }
    return true;
}
