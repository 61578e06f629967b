// Who a client is, when proxies say so.

#include "services/gateway/proxies.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <string.h>

static proxies *made(const char *list) {
    proxies *p = NULL;
    ow_err err = {0};
    assert_ow_ok(proxies_new(list, &p, &err), &err);
    return p;
}

static void networks_are_told_apart(void **state) {
    (void)state;
    proxies *p = made("127.0.0.1, 10.0.0.0/8,192.168.4.0/23 fd00::/8, 2001:db8::7");
    static const struct {
        const char *address;
        bool trusted;
    } cases[] = {
        {"127.0.0.1", true},
        {"127.0.0.2", false},
        {"10.0.0.0", true},
        {"10.255.1.2", true},
        {"11.0.0.1", false},
        {"192.168.5.9", true},
        {"192.168.6.0", false},
        {"fd12:3456::1", true},
        {"fe80::1", false},
        {"2001:db8::7", true},
        {"2001:db8::8", false},
        {"::ffff:10.1.1.1", true},
        {"::ffff:9.1.1.1", false},
        {"unix", false},
        {"", false},
        {"10.0.0", false},
        {"10.0.0.1, 10.0.0.2", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (proxies_trust(p, cases[i].address) != cases[i].trusted) {
            fail_msg("%s", cases[i].address);
        }
    }
    proxies_free(p);
    p = made("");
    assert_false(proxies_trust(p, "127.0.0.1"));
    proxies_free(p);
    p = made("0.0.0.0/0");
    assert_true(proxies_trust(p, "203.0.113.7"));
    assert_false(proxies_trust(p, "2001:db8::7"));
    proxies_free(p);
}

static void only_what_proxies_have_seen_counts(void **state) {
    (void)state;
    proxies *p = made("10.0.0.0/8");
    static const struct {
        const char *peer, *line, *client;
        bool is_done;
    } cases[] = {
        // A stranger's word is nothing.
        {"203.0.113.7", "198.51.100.1", "203.0.113.7", true},
        // The last entry is the proxy's own; those before are what the client claims.
        {"10.0.0.1", "198.51.100.1", "198.51.100.1", true},
        {"10.0.0.1", "1.2.3.4, 198.51.100.1", "198.51.100.1", true},
        {"10.0.0.1", "10.0.0.9,1.2.3.4 ,\t198.51.100.1 ,10.0.0.2", "198.51.100.1", true},
        {"10.0.0.1", " ::ffff:198.51.100.1", "198.51.100.1", true},
        {"10.0.0.1", "2001:DB8:0::7", "2001:db8::7", true},
        // What is no address says nothing.
        {"10.0.0.1", "198.51.100.1, unknown", "10.0.0.1", true},
        {"10.0.0.1", "198.51.100.1, 300.1.1.1, 10.0.0.2", "10.0.0.2", true},
        {"10.0.0.1", "198.51.100.1:4711", "10.0.0.1", true},
        {"10.0.0.1",
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         "10.0.0.1", true},
        // Used up.
        {"10.0.0.1", "", "10.0.0.1", false},
        {"10.0.0.1", " , ,", "10.0.0.1", false},
        {"10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char address[OW_ADDRESS_MAX];
        snprintf(address, sizeof address, "%s", cases[i].peer);
        bool is_done = proxies_follow(p, cases[i].line, address);
        if (is_done != cases[i].is_done || strcmp(address, cases[i].client) != 0) {
            fail_msg("%s behind %s: %s", cases[i].line, cases[i].peer, address);
        }
    }
    proxies_free(p);
}

static void mistakes_in_the_list_are_refused(void **state) {
    (void)state;
    static const char *const lists[] = {"proxy",       "10.0.0.0/33", "10.0.0.0/",    "10.0.0.0/-1",
                                        "10.0.0.0/8x", "fd00::/129",  "10.0.0.1, , x"};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        proxies *p = NULL;
        ow_err err = {0};
        assert_int_equal(proxies_new(lists[i], &p, &err), OW_INVALID_ARGUMENT);
        assert_string_equal(err.reason, "bad_proxies");
        assert_null(p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_told_apart),
        cmocka_unit_test(only_what_proxies_have_seen_counts),
        cmocka_unit_test(mistakes_in_the_list_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
