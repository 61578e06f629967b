#include "services/gateway/http_cache.h"

#include "core/testing/ow_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TTL 1000

typedef struct asker {
    http_waiter waiter;
    char got[32];
    int told;
    bool fills;
} asker;

static void on_filled(void *self, const http_copy *copy, bool fills) {
    asker *a = self;
    a->told++;
    a->fills = fills;
    snprintf(a->got, sizeof a->got, "%.*s", copy != NULL ? (int)copy->size : 0,
             copy != NULL ? (const char *)copy->body : "");
}

static http_lookup ask(http_cache *cache, const char *key, int64_t now, asker *a,
                       const http_copy **ret_copy) {
    const http_copy *unused;
    *a = (asker){.waiter = {.on_filled = on_filled, .self = a}};
    return http_cache_find(cache, key, now, &a->waiter, ret_copy != NULL ? ret_copy : &unused);
}

static void fill(http_cache *cache, const char *key, const char *body, int64_t now) {
    http_copy copy = {200, "head", 4, body, strlen(body), now, now + TTL};
    http_cache_fill(cache, key, &copy);
}

static void one_fetches_and_the_others_wait(void **state) {
    http_cache *cache = http_cache_new(1 << 20);
    const http_copy *copy;
    asker a[4];
    (void)state;
    assert_int_equal(ask(cache, "k", 0, &a[0], NULL), CACHE_FILL);
    assert_int_equal(ask(cache, "k", 0, &a[1], NULL), CACHE_WAIT);
    assert_int_equal(ask(cache, "k", 0, &a[2], NULL), CACHE_WAIT);
    http_cache_leave(&a[2].waiter);
    fill(cache, "k", "body", 0);
    assert_string_equal(a[1].got, "body");
    assert_int_equal(a[2].told, 0);
    assert_int_equal(ask(cache, "k", TTL - 1, &a[3], &copy), CACHE_FRESH);
    assert_memory_equal(copy->body, "body", 4);
    assert_memory_equal(copy->head, "head", 4);
    assert_int_equal(ask(cache, "k", TTL, &a[3], NULL), CACHE_FILL);
    http_cache_give_up(cache, "k");
    assert_non_null(http_cache_stale(cache, "k"));
    assert_int_equal(ask(cache, "other", 0, &a[0], NULL), CACHE_FILL);
    http_cache_give_up(cache, "other");
    assert_null(http_cache_stale(cache, "other"));
    http_cache_free(cache);
}

static void a_fetch_that_fails_hands_over(void **state) {
    http_cache *cache = http_cache_new(1 << 20);
    asker a[3];
    (void)state;
    assert_int_equal(ask(cache, "k", 0, &a[0], NULL), CACHE_FILL);
    assert_int_equal(ask(cache, "k", 0, &a[1], NULL), CACHE_WAIT);
    assert_int_equal(ask(cache, "k", 0, &a[2], NULL), CACHE_WAIT);
    http_cache_give_up(cache, "k");
    assert_true(a[1].told == 1 && a[1].fills);
    assert_int_equal(a[2].told, 0);
    fill(cache, "k", "second", 0);
    assert_string_equal(a[2].got, "second");
    http_cache_free(cache);
}

typedef struct quitter {
    http_waiter waiter;
    http_cache *cache;
    int *depth, *deepest, *told;
} quitter;

static void on_filled_quit(void *self, const http_copy *copy, bool fills) {
    quitter *q = self;
    assert_null(copy);
    assert_true(fills);
    ++*q->told;
    *q->deepest = ++*q->depth > *q->deepest ? *q->depth : *q->deepest;
    http_cache_give_up(q->cache, "k");
    --*q->depth;
}

static void all_may_give_up_at_once(void **state) {
    http_cache *cache = http_cache_new(1 << 20);
    static quitter q[HTTP_CACHE_WAITERS_MAX];
    const http_copy *unused;
    int depth = 0, deepest = 0, told = 0;
    asker a;
    (void)state;
    assert_int_equal(ask(cache, "k", 0, &a, NULL), CACHE_FILL);
    for (int i = 0; i < HTTP_CACHE_WAITERS_MAX; i++) {
        q[i] =
            (quitter){{.on_filled = on_filled_quit, .self = &q[i]}, cache, &depth, &deepest, &told};
        assert_int_equal(http_cache_find(cache, "k", 0, &q[i].waiter, &unused), CACHE_WAIT);
    }
    http_cache_give_up(cache, "k");
    assert_int_equal(told, HTTP_CACHE_WAITERS_MAX);
    assert_int_equal(deepest, 1);
    assert_int_equal(http_cache_bytes(cache), 0);
    http_cache_free(cache);
}

static void too_many_do_not_wait(void **state) {
    http_cache *cache = http_cache_new(1 << 20);
    static asker a[HTTP_CACHE_WAITERS_MAX + 2];
    (void)state;
    for (int i = 0; i < HTTP_CACHE_WAITERS_MAX + 1; i++) {
        assert_int_equal(ask(cache, "k", 0, &a[i], NULL), i == 0 ? CACHE_FILL : CACHE_WAIT);
    }
    assert_int_equal(ask(cache, "k", 0, &a[HTTP_CACHE_WAITERS_MAX + 1], NULL), CACHE_FULL);
    fill(cache, "k", "x", 0);
    assert_int_equal(a[HTTP_CACHE_WAITERS_MAX].told, 1);
    http_cache_free(cache);
}

static void memory_is_bounded_and_the_used_stay(void **state) {
    static char body[1001];
    http_cache *cache = http_cache_new(10000);
    char key[20];
    asker a;
    (void)state;
    memset(body, 'x', sizeof body - 1);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key%d", i);
        fill(cache, key, body, 0);
        assert_true(http_cache_bytes(cache) <= 10000);
        assert_int_equal(ask(cache, "key0", 1, &a, NULL), CACHE_FRESH);
    }
    assert_non_null(http_cache_stale(cache, "key99"));
    assert_null(http_cache_stale(cache, "key50"));
    http_cache_free(cache);
}

static void purging_forgets_by_prefix(void **state) {
    http_cache *cache = http_cache_new(1 << 20);
    (void)state;
    fill(cache, "t/chat/rooms\n1", "a", 0);
    fill(cache, "t/chat/rooms/7\n1", "b", 0);
    fill(cache, "t/chat2/rooms\n1", "c", 0);
    assert_int_equal(http_cache_purge(cache, "t/chat/rooms/"), 1);
    assert_int_equal(http_cache_purge(cache, "t/chat/"), 1);
    assert_non_null(http_cache_stale(cache, "t/chat2/rooms\n1"));
    http_cache_free(cache);
}

static void what_is_purged_while_it_is_fetched_is_not_kept(void **state) {
    http_cache *cache = http_cache_new(1 << 20);
    asker a[2];
    (void)state;
    assert_int_equal(ask(cache, "k", 0, &a[0], NULL), CACHE_FILL);
    assert_int_equal(ask(cache, "k", 0, &a[1], NULL), CACHE_WAIT);
    assert_int_equal(http_cache_purge(cache, "k"), 0);
    fill(cache, "k", "old", 0);
    assert_string_equal(a[1].got, "old");
    assert_null(http_cache_stale(cache, "k"));
    assert_int_equal(http_cache_bytes(cache), 0);
    // Whoever fills after one who gave up has asked after the purge.
    assert_int_equal(ask(cache, "k", 0, &a[0], NULL), CACHE_FILL);
    assert_int_equal(ask(cache, "k", 0, &a[1], NULL), CACHE_WAIT);
    http_cache_purge(cache, "k");
    http_cache_give_up(cache, "k");
    assert_true(a[1].fills);
    fill(cache, "k", "new", 0);
    assert_non_null(http_cache_stale(cache, "k"));
    http_cache_free(cache);
}

static void who_asks_after_a_purge_waits_for_the_next_fill(void **state) {
    http_cache *cache = http_cache_new(1 << 20);
    asker a[6];
    (void)state;
    assert_int_equal(ask(cache, "k", 0, &a[0], NULL), CACHE_FILL);
    assert_int_equal(ask(cache, "k", 0, &a[1], NULL), CACHE_WAIT);
    http_cache_purge(cache, "k");
    assert_int_equal(ask(cache, "k", 0, &a[2], NULL), CACHE_WAIT);
    assert_int_equal(ask(cache, "k", 0, &a[3], NULL), CACHE_WAIT);
    http_cache_purge(cache, "k");
    assert_int_equal(ask(cache, "k", 0, &a[4], NULL), CACHE_WAIT);
    fill(cache, "k", "old", 0);
    assert_string_equal(a[1].got, "old");
    assert_true(a[2].told == 1 && a[2].fills);
    assert_int_equal(a[3].told + a[4].told, 0);
    assert_int_equal(ask(cache, "k", 0, &a[5], NULL), CACHE_WAIT);
    fill(cache, "k", "new", 0);
    for (int i = 3; i < 6; i++) {
        assert_string_equal(a[i].got, "new");
    }
    assert_non_null(http_cache_stale(cache, "k"));
    // Nobody came after the purge: nothing stays behind.
    assert_int_equal(ask(cache, "other", 0, &a[0], NULL), CACHE_FILL);
    http_cache_purge(cache, "other");
    fill(cache, "other", "old", 0);
    http_cache_purge(cache, "");
    assert_int_equal(http_cache_bytes(cache), 0);
    http_cache_free(cache);
}

static void what_stands_in_is_used(void **state) {
    static char body[1001];
    http_cache *cache = http_cache_new(10000);
    char key[20];
    (void)state;
    memset(body, 'x', sizeof body - 1);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key%d", i);
        fill(cache, key, body, 0);
        assert_non_null(http_cache_stale(cache, "key0"));
    }
    http_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(one_fetches_and_the_others_wait),
        OW_TEST(a_fetch_that_fails_hands_over),
        OW_TEST(all_may_give_up_at_once),
        OW_TEST(too_many_do_not_wait),
        OW_TEST(memory_is_bounded_and_the_used_stay),
        OW_TEST(purging_forgets_by_prefix),
        OW_TEST(what_is_purged_while_it_is_fetched_is_not_kept),
        OW_TEST(who_asks_after_a_purge_waits_for_the_next_fill),
        OW_TEST(what_stands_in_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
