#include "core/http/egress.h"

#include "core/testing/ow_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

static ow_egress *rules(const char *hosts, const char *networks) {
    ow_egress *egress;
    ow_err err;
    ow_egress_options options = {.hosts = hosts, .networks = networks};
    assert_ow_ok(ow_egress_new(&options, &egress, &err), &err);
    return egress;
}

static bool allows(const ow_egress *egress, const char *text) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        return ow_egress_allows_address(egress, (struct sockaddr *)&v4);
    }
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return ow_egress_allows_address(egress, (struct sockaddr *)&v6);
}

typedef struct address_case {
    const char *address;
    bool allowed;
} address_case;

// The first and the last of each network that is refused, and their neighbours.
static const address_case addresses[] = {
    {"0.0.0.0", false},
    {"0.255.255.255", false},
    {"1.0.0.0", true},
    {"9.255.255.255", true},
    {"10.0.0.0", false},
    {"10.255.255.255", false},
    {"11.0.0.0", true},
    {"100.63.255.255", true},
    {"100.64.0.0", false},
    {"100.100.100.200", false},
    {"100.127.255.255", false},
    {"100.128.0.0", true},
    {"126.255.255.255", true},
    {"127.0.0.1", false},
    {"127.255.255.255", false},
    {"128.0.0.0", true},
    {"168.63.129.15", true},
    {"168.63.129.16", false},
    {"169.253.255.255", true},
    {"169.254.169.254", false},
    {"169.255.0.0", true},
    {"172.15.255.255", true},
    {"172.16.0.0", false},
    {"172.31.255.255", false},
    {"172.32.0.0", true},
    {"192.0.0.192", false},
    {"192.0.1.0", true},
    {"192.0.2.1", false},
    {"192.0.3.0", true},
    {"192.88.99.1", false},
    {"192.167.255.255", true},
    {"192.168.0.0", false},
    {"192.168.255.255", false},
    {"192.169.0.0", true},
    {"198.17.255.255", true},
    {"198.18.0.0", false},
    {"198.19.255.255", false},
    {"198.20.0.0", true},
    {"198.51.100.7", false},
    {"203.0.113.7", false},
    {"223.255.255.255", true},
    {"224.0.0.1", false},
    {"239.255.255.255", false},
    {"240.0.0.1", false},
    {"255.255.255.255", false},
    {"8.8.8.8", true},
    {"::", false},
    {"::1", false},
    {"::127.0.0.1", false},
    {"::8.8.8.8", false},
    {"::ffff:127.0.0.1", false},
    {"::ffff:10.1.2.3", false},
    {"::ffff:169.254.169.254", false},
    {"::ffff:8.8.8.8", true},
    {"::ffff:0:127.0.0.1", false},
    {"64:ff9b::7f00:1", false},
    {"64:ff9b::a9fe:a9fe", false},
    {"64:ff9b::808:808", true},
    {"64:ff9b:1::808:808", false},
    {"100::1", false},
    {"1fff:ffff::1", false},
    {"2000::1", true},
    {"2001::1", false},
    {"2001:1ff:ffff::1", false},
    {"2001:200::1", true},
    {"2001:db7:ffff::1", true},
    {"2001:db8::1", false},
    {"2001:db9::1", true},
    {"2002:7f00:1::1", false},
    {"2002:808:808::1", false},
    {"2003::1", true},
    {"2606:4700::1111", true},
    {"3ffe::1", true},
    {"3fff::1", false},
    {"3fff:fff:ffff::1", false},
    {"3fff:1000::1", true},
    {"4000::1", false},
    {"fc00::1", false},
    {"fd00:ec2::254", false},
    {"fdff:ffff::1", false},
    {"fe80::1", false},
    {"febf::1", false},
    {"fec0::1", false},
    {"ff02::1", false},
};

static void refuses_what_is_not_public(void **state) {
    (void)state;
    ow_egress *egress = rules(NULL, NULL);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        if (allows(egress, addresses[i].address) != addresses[i].allowed) {
            fail_msg("%s", addresses[i].address);
        }
    }
    struct sockaddr local = {.sa_family = AF_UNIX};
    assert_false(ow_egress_allows_address(egress, &local));
    ow_egress_free(egress);
}

static void allows_networks_that_are_named(void **state) {
    (void)state;
    ow_egress *egress = rules("", "127.0.0.1, 10.1.0.0/16,fd00:1::/33  ::1");
    assert_true(allows(egress, "127.0.0.1"));
    assert_true(allows(egress, "::ffff:127.0.0.1"));
    assert_true(allows(egress, "64:ff9b::7f00:1"));
    assert_false(allows(egress, "127.0.0.2"));
    assert_true(allows(egress, "10.1.255.255"));
    assert_false(allows(egress, "10.2.0.0"));
    assert_true(allows(egress, "fd00:1:7fff::1"));
    assert_false(allows(egress, "fd00:1:8000::1"));
    assert_true(allows(egress, "::1"));
    assert_true(allows(egress, "8.8.8.8"));
    ow_egress_free(egress);
    egress = rules(NULL, "0.0.0.0/0");
    assert_true(allows(egress, "127.0.0.1"));
    assert_false(allows(egress, "::1"));
    ow_egress_free(egress);
}

typedef struct host_case {
    const char *rules, *host;
    bool allowed;
} host_case;

static const host_case hosts[] = {
    {"", "example.com", true},
    {"", "", false},
    {"", ".", false},
    {"example.com", "example.com", true},
    {"example.com", "EXAMPLE.com.", true},
    {"Example.COM.", "example.com", true},
    {"example.com", "api.example.com", false},
    {"example.com", "badexample.com", false},
    {"example.com", "example.com.evil.org", false},
    {"*.example.com", "api.example.com", true},
    {"*.example.com", "a.b.example.com.", true},
    {"*.example.com", "example.com", false},
    {"*.example.com", ".example.com", false},
    {"*.example.com", "badexample.com", false},
    {"a.org, *.example.com\tb.org", "b.org", true},
    {"a.org, *.example.com\tb.org", "c.org", false},
};

static void allows_hosts_that_are_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        ow_egress *egress = rules(hosts[i].rules, NULL);
        if (ow_egress_allows_host(egress, hosts[i].host) != hosts[i].allowed) {
            fail_msg("%s with %s", hosts[i].host, hosts[i].rules);
        }
        ow_egress_free(egress);
    }
}

static void refuses_bad_rules(void **state) {
    (void)state;
    static const ow_egress_options bad[] = {
        {.hosts = "*"},
        {.hosts = "*."},
        {.hosts = "a*.example.com"},
        {.hosts = "https://example.com"},
        {.hosts = "user@example.com"},
        {.networks = "10.0.0.0/33"},
        {.networks = "10.0.0.0/"},
        {.networks = "10.0.0.0/-1"},
        {.networks = "10.0.0"},
        {.networks = "0x7f.1"},
        {.networks = "::1/129"},
        {.networks = "localhost"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ow_egress *egress = NULL;
        ow_err err;
        assert_ow_code(ow_egress_new(&bad[i], &egress, &err), OW_INVALID_ARGUMENT, &err);
        assert_string_equal(err.reason, "bad_egress");
        assert_null(egress);
    }
    char many[2 * OW_EGRESS_ENTRIES_MAX + 3] = "";
    for (int i = 0; i <= OW_EGRESS_ENTRIES_MAX; i++) {
        memcpy(many + (size_t)i * 2, "a ", 3);
    }
    ow_egress *egress;
    ow_err err;
    ow_egress_options options = {.hosts = many};
    assert_ow_code(ow_egress_new(&options, &egress, &err), OW_INVALID_ARGUMENT, &err);
    many[(size_t)OW_EGRESS_ENTRIES_MAX * 2] = 0;
    assert_ow_ok(ow_egress_new(&options, &egress, &err), &err);
    ow_egress_free(egress);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(refuses_what_is_not_public),
        OW_TEST(allows_networks_that_are_named),
        OW_TEST(allows_hosts_that_are_named),
        OW_TEST(refuses_bad_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
