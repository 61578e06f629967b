#include "tests/conformance/db/suite.h"

#include "tests/conformance/db/cases.h"
#include "tests/conformance/db/harness.h"

#define CASE(function)                                                                             \
    { .name = #function, .test_func = (function) }

int db_conformance_run(const db_factory *factory) {
    struct CMUnitTest tests[] = {
        CASE(case_values_come_back),
        CASE(case_random_integers_come_back),
        CASE(case_nulls_come_back),
        CASE(case_changes_are_counted),
        CASE(case_returning_takes_effect),
        CASE(case_queries_may_nest),
        CASE(case_statements_are_cached_within_bounds),
        CASE(case_constraints_have_codes),
        CASE(case_mistakes_are_faults),
        CASE(case_a_failing_job_disturbs_no_other),
        CASE(case_a_failed_statement_ends_its_job),
        CASE(case_writes_run_in_order),
        CASE(case_done_writes_can_be_read),
        CASE(case_reads_cannot_write),
        CASE(case_a_read_sees_one_snapshot),
        CASE(case_writes_can_be_run_again),
        CASE(case_words_are_found),
        CASE(case_words_are_forgotten),
        CASE(case_bad_words_are_refused),
        CASE(case_a_slow_write_is_stopped_alone),
        CASE(case_a_write_of_many_statements_is_stopped),
        CASE(case_a_slow_read_is_stopped),
        CASE(case_a_full_queue_refuses),
        CASE(case_closing_answers_everything),
        CASE(case_a_job_may_be_queued_from_done),
        CASE(case_every_earlier_number_is_migrated),
        CASE(case_a_newer_store_is_refused),
        CASE(case_a_failing_migration_leaves_the_one_before),
        CASE(case_a_gap_in_the_numbers_is_refused),
    };
    for (size_t i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        tests[i].initial_state = (void *)factory;
    }
    return _cmocka_run_group_tests(factory->name, tests, sizeof tests / sizeof tests[0], NULL,
                                   NULL);
}
