#include "core/arena/arena.h"

#include "core/testing/ow_test.h"

#include <string.h>

static void memory_is_aligned_and_apart(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 20);
    unsigned char *last = NULL;
    for (size_t size = 0; size < 300; size++) {
        unsigned char *memory = ow_arena_alloc(arena, size);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 16, 0);
        assert_ptr_not_equal(memory, last);
        memset(memory, 0xa5, size);
        last = memory;
    }
    ow_arena_free(arena);
}

static void calloc_is_zeroed_after_reset(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(4096);
    memset(ow_arena_alloc(arena, 512), 0xff, 512);
    ow_arena_reset(arena);
    const unsigned char *memory = ow_arena_calloc(arena, 8, 64);
    for (int i = 0; i < 512; i++) {
        assert_int_equal(memory[i], 0);
    }
    ow_arena_free(arena);
}

static void the_maximum_holds(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(10000);
    size_t got = 0;
    while (ow_arena_alloc(arena, 100) != NULL) {
        got += 100;
    }
    assert_in_range(got, 5000, 10000);
    assert_true(ow_arena_used(arena) <= 10000);
    assert_null(ow_arena_alloc(arena, 5000));
    // volatile: the compiler knows that such sizes cannot be meant.
    volatile size_t huge = SIZE_MAX;
    assert_null(ow_arena_alloc(arena, huge));
    assert_null(ow_arena_alloc(arena, huge - 8));
    assert_null(ow_arena_calloc(arena, huge / 2, 3));
    assert_null(ow_arena_memdup_in(arena, "", huge));
    ow_arena_reset(arena);
    assert_int_equal(ow_arena_used(arena), 0);
    assert_non_null(ow_arena_alloc(arena, 5000));
    ow_arena_free(arena);
}

static void one_large_allocation_fits(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 20);
    assert_non_null(ow_arena_alloc(arena, 1 << 20));
    assert_null(ow_arena_alloc(arena, 1));
    ow_arena_free(arena);
}

static void copies_end_with_nul(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 16);
    assert_string_equal(ow_arena_strdup_in(arena, "hello"), "hello");
    assert_null(ow_arena_strdup_in(arena, NULL));
    const char *bytes = ow_arena_memdup_in(arena, "a\0bc", 3);
    assert_memory_equal(bytes, "a\0b\0", 4);
    assert_string_equal(ow_arena_memdup_in(arena, NULL, 0), "");
    assert_string_equal(ow_arena_printf_in(arena, "%s-%d", "x", 7), "x-7");
    ow_arena_free(arena);
}

static void reset_keeps_the_first_block(void **state) {
    (void)state;
    ow_arena *arena = ow_arena_new(1 << 20);
    const void *first = ow_arena_alloc(arena, 16);
    for (int i = 0; i < 100; i++) {
        ow_arena_alloc(arena, 1000);
    }
    ow_arena_reset(arena);
    assert_ptr_equal(ow_arena_alloc(arena, 16), first);
    ow_arena_free(arena);
    assert_null(ow_arena_free(NULL));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_apart),
        cmocka_unit_test(calloc_is_zeroed_after_reset),
        cmocka_unit_test(the_maximum_holds),
        cmocka_unit_test(one_large_allocation_fits),
        cmocka_unit_test(copies_end_with_nul),
        cmocka_unit_test(reset_keeps_the_first_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
