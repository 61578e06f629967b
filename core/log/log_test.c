#include "core/log/log.h"

#include "core/testing/ow_test.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// What ow_log writes goes through a pipe; `text` gets the line without its time.
typedef struct capture {
    int fds[2];
    char bytes[8192];
    size_t size;
    const char *text;
} capture;

static void begin(capture *capture, ow_log_level level, ow_log_format format) {
    assert_int_equal(pipe(capture->fds), 0);
    ow_log_open(capture->fds[1], level, format);
}

static void finish(capture *capture) {
    close(capture->fds[1]);
    ssize_t got = read(capture->fds[0], capture->bytes, sizeof capture->bytes - 1);
    close(capture->fds[0]);
    assert_true(got >= 0);
    capture->size = (size_t)got;
    capture->bytes[got] = '\0';
    const char *level = strstr(capture->bytes, "level");
    capture->text = level != NULL ? level : capture->bytes;
}

static void logfmt_quotes_what_needs_it(void **state) {
    (void)state;
    const char *volatile nothing = NULL;
    capture c;
    begin(&c, OW_LOG_INFO, OW_LOG_LOGFMT);
    ow_log(OW_LOG_WARN, "it happened", "a=%s b=%d c=%s d=%s:%d e=%s f=%s", "plain", -5, "two words",
           "127.0.0.1", 80, "say \"hi\"\n", nothing);
    finish(&c);
    assert_string_equal(c.text, "level=warn event=\"it happened\" a=plain b=-5 c=\"two words\" "
                                "d=127.0.0.1:80 e=\"say \\\"hi\\\"\\n\" f=\"\"\n");
    assert_memory_equal(c.bytes, "time=20", 7);
}

static void json_keeps_numbers_bare(void **state) {
    (void)state;
    capture c;
    begin(&c, OW_LOG_INFO, OW_LOG_JSON);
    ow_log(OW_LOG_INFO, "numbers", "a=%" PRId64 " b=%zu c=%llu d=%.2f e=%d%% f=%03d g=%f h=%s",
           INT64_MIN, (size_t)7, 18446744073709551615ULL, 0.5, 50, 7, NAN, "9");
    finish(&c);
    assert_string_equal(c.text, "level\":\"info\",\"event\":\"numbers\",\"a\":-9223372036854775808,"
                                "\"b\":7,\"c\":18446744073709551615,\"d\":0.50,\"e\":\"50%\","
                                "\"f\":\"007\",\"g\":\"nan\",\"h\":\"9\"}\n");
    assert_memory_equal(c.bytes, "{\"time\":\"20", 11);
}

static void unprintable_bytes_are_escaped(void **state) {
    (void)state;
    const char *nasty = "\x1b[2J\xff \xc3\xa9 \xc2\x9b \xe0\x80\x80 \xf0\x9f\x8e\xae";
    capture c;
    begin(&c, OW_LOG_INFO, OW_LOG_LOGFMT);
    ow_log(OW_LOG_INFO, "x", "v=%s", nasty);
    finish(&c);
    assert_string_equal(c.text, "level=info event=x v=\"\\x1b[2J\\xff \xc3\xa9 \\xc2\\x9b "
                                "\\xe0\\x80\\x80 \xf0\x9f\x8e\xae\"\n");
    begin(&c, OW_LOG_INFO, OW_LOG_JSON);
    ow_log(OW_LOG_INFO, "x", "v=%s", "\x01\xff");
    finish(&c);
    assert_non_null(strstr(c.text, "\"v\":\"\\u0001\\ufffd\"}"));
}

static void widths_and_precisions_work(void **state) {
    (void)state;
    capture c;
    begin(&c, OW_LOG_INFO, OW_LOG_LOGFMT);
    ow_log(OW_LOG_INFO, "x", "a=%.*s b=%.2s c=%x d=%02x e=%c", 3, "abcdef", "xyz", 255, 10, 'q');
    finish(&c);
    assert_string_equal(c.text, "level=info event=x a=abc b=xy c=ff d=0a e=q\n");
}

static void quotes_hold_a_value_together(void **state) {
    (void)state;
    capture c;
    begin(&c, OW_LOG_INFO, OW_LOG_JSON);
    ow_log(OW_LOG_INFO, "x", "a=\"%s, and %d\" b=\"\" c=%d", "one \"thing\"", 2, 3);
    finish(&c);
    assert_non_null(strstr(c.text, "\"a\":\"one \\\"thing\\\", and 2\",\"b\":\"\",\"c\":3}"));
}

static void long_lines_are_cut_and_stay_whole(void **state) {
    (void)state;
    char *text = malloc(20000);
    memset(text, '\n', 19999);
    text[19999] = '\0';
    for (int format = OW_LOG_LOGFMT; format <= OW_LOG_JSON; format++) {
        capture c;
        begin(&c, OW_LOG_INFO, (ow_log_format)format);
        ow_log(OW_LOG_INFO, "x", "a=%s b=%d", text, 1);
        finish(&c);
        assert_in_range(c.size, 3000, 4096);
        const char *end = format == OW_LOG_JSON ? "\\n\",\"cut\":true}\n" : "\\n\" cut=true\n";
        assert_string_equal(c.bytes + c.size - strlen(end), end);
    }
    free(text);
}

static void levels_below_the_sink_s_are_silent(void **state) {
    (void)state;
    capture c;
    begin(&c, OW_LOG_WARN, OW_LOG_LOGFMT);
    assert_false(ow_log_enabled(OW_LOG_INFO));
    assert_true(ow_log_enabled(OW_LOG_ERROR));
    ow_log(OW_LOG_INFO, "x", "a=%d", 1);
    finish(&c);
    assert_int_equal(c.size, 0);
}

static void errno_survives(void **state) {
    (void)state;
    ow_log_open(-1, OW_LOG_INFO, OW_LOG_LOGFMT);
    errno = EEXIST;
    ow_log(OW_LOG_INFO, "x", "a=%d", 1);
    assert_int_equal(errno, EEXIST);
}

static void secrets_are_wiped(void **state) {
    (void)state;
    ow_secret secret = {.bytes = strdup("hush"), .size = 4};
    ow_secret_deinit(&secret);
    assert_null(secret.bytes);
    ow_secret_deinit(&secret);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_quotes_what_needs_it),
        cmocka_unit_test(json_keeps_numbers_bare),
        cmocka_unit_test(unprintable_bytes_are_escaped),
        cmocka_unit_test(widths_and_precisions_work),
        cmocka_unit_test(quotes_hold_a_value_together),
        cmocka_unit_test(long_lines_are_cut_and_stay_whole),
        cmocka_unit_test(levels_below_the_sink_s_are_silent),
        cmocka_unit_test(errno_survives),
        cmocka_unit_test(secrets_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
