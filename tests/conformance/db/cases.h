#pragma once

// The cases of the suite, by file. `*state` is the db_factory.

// values.c
void case_values_come_back(void **state);
void case_random_integers_come_back(void **state);
void case_nulls_come_back(void **state);
void case_changes_are_counted(void **state);
void case_returning_takes_effect(void **state);
void case_queries_may_nest(void **state);
void case_statements_are_cached_within_bounds(void **state);

// jobs.c
void case_constraints_have_codes(void **state);
void case_mistakes_are_faults(void **state);
void case_a_failing_job_disturbs_no_other(void **state);
void case_a_failed_statement_ends_its_job(void **state);
void case_writes_run_in_order(void **state);
void case_done_writes_can_be_read(void **state);
void case_reads_cannot_write(void **state);
void case_a_read_sees_one_snapshot(void **state);
void case_writes_can_be_run_again(void **state);

// words.c
void case_words_are_found(void **state);
void case_words_are_forgotten(void **state);
void case_bad_words_are_refused(void **state);

// limits.c
void case_a_slow_write_is_stopped_alone(void **state);
void case_a_write_of_many_statements_is_stopped(void **state);
void case_a_slow_read_is_stopped(void **state);
void case_a_full_queue_refuses(void **state);
void case_closing_answers_everything(void **state);
void case_a_job_may_be_queued_from_done(void **state);

// migrations.c
void case_every_earlier_number_is_migrated(void **state);
void case_a_newer_store_is_refused(void **state);
void case_a_failing_migration_leaves_the_one_before(void **state);
void case_a_gap_in_the_numbers_is_refused(void **state);
