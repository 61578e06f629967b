#pragma once

// What every unit test includes: cmocka with the headers it wants in front of it, and our own answers
// compared so that a failure shows the reason. Tests list their cases by hand:
//
//     int main(void) {
//         const struct CMUnitTest tests[] = {
//             OW_TEST(adds),
//             OW_TEST_WITH(survives_a_restart, open_store, close_store),
//         };
//         return cmocka_run_group_tests(tests, NULL, NULL);
//     }

#include "core/error/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// A case; with what builds up and tears down its `state`.
#define OW_TEST(function) cmocka_unit_test(function)
#define OW_TEST_WITH(function, setup, teardown)                                                    \
    cmocka_unit_test_setup_teardown(function, setup, teardown)

// The call's code, compared; on a difference the error's reason, message and place are printed. `err`
// may be NULL.
#define assert_ow_ok(code, err) ow_test_code((code), OW_OK, (err), __FILE__, __LINE__)
#define assert_ow_code(code, wanted, err) ow_test_code((code), (wanted), (err), __FILE__, __LINE__)

static inline void ow_test_code(ow_code code, ow_code wanted, const ow_err *err, const char *file,
                                int line) {
    if (code == wanted) {
        return;
    }
    print_error("code %d, wanted %d", (int)code, (int)wanted);
    if (code != OW_OK && err != NULL) {
        print_error(": %s: %s (%s:%d)", err->reason, err->message, err->file, err->line);
    }
    print_error("\n");
    _fail(file, line);
}
