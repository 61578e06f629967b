#pragma once

// cmocka with what it needs in front of it. Tests list their cases by hand:
//
//     int main(void) {
//         const struct CMUnitTest tests[] = {cmocka_unit_test(adds), ...};
//         return cmocka_run_group_tests(tests, NULL, NULL);
//     }

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
