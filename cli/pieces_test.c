#include "cli/pieces.h"

#include "core/testing/ow_test.h"

#include <string.h>

static bool add(pieces *to, ow_arena *arena, const char *text, int64_t total) {
    Overworld__Registry__V1__GetFileResponse piece =
        OVERWORLD__REGISTRY__V1__GET_FILE_RESPONSE__INIT;
    piece.data.data = (uint8_t *)(uintptr_t)text;
    piece.data.len = strlen(text);
    piece.total_size = total;
    return pieces_add(to, arena, &piece);
}

static void pieces_are_put_together(void **state) {
    ow_arena *arena = ow_arena_new(1 << 16);
    pieces file = {0};
    (void)state;
    assert_true(add(&file, arena, "abc", 5));
    assert_true(add(&file, arena, "de", 5));
    assert_int_equal(file.size, 5);
    assert_memory_equal(file.bytes, "abcde", 5);
    assert_false(add(&file, arena, "f", 5));
    pieces empty = {0};
    assert_true(add(&empty, arena, "", 0));
    ow_arena_free(arena);
}

// A later piece that tells another size would be written where there is no room.
static void another_size_is_refused(void **state) {
    ow_arena *arena = ow_arena_new(1 << 16);
    pieces file = {0}, none = {0};
    (void)state;
    assert_true(add(&file, arena, "abc", 5));
    assert_false(add(&file, arena, "defghijklmnopqrstuvwxyz", 1000));
    assert_false(add(&file, arena, "d", 4));
    assert_int_equal(file.size, 3);
    assert_false(add(&none, arena, "", -1));
    assert_false(add(&none, arena, "", INT64_C(1) << 50));
    ow_arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        OW_TEST(pieces_are_put_together),
        OW_TEST(another_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
