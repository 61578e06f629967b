// Help, of every command and every group that `ow --help` lists.

#include "core/testing/ow_test.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

enum { OK = 0, USAGE = 2, TEXT_MAX = 1 << 16, COMMANDS_MAX = 300, LINE_MAX = 200, WORDS_MAX = 60 };

// Every line of a list of commands, as it stands there.
typedef struct command_list {
    char lines[COMMANDS_MAX][LINE_MAX];
    int count;
} command_list;

static char out[TEXT_MAX], said[TEXT_MAX];

static void read_whole(FILE *from, char text[TEXT_MAX]) {
    size_t size = fread(text, 1, TEXT_MAX - 1, from);
    assert_true(size < TEXT_MAX - 1);
    text[size] = '\0';
}

// What it prints goes to `out`, what it says to `said`. Returns its exit code.
static int ow(const char *words) {
    const char *folder = getenv("TEST_TMPDIR");
    char command[600], path[300];
    snprintf(path, sizeof path, "%s/said", folder != NULL ? folder : "/tmp");
    snprintf(command, sizeof command, "cli/ow %s 2>%s", words, path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    read_whole(pipe, out);
    int status = pclose(pipe);
    FILE *errors = fopen(path, "r");
    assert_non_null(errors);
    read_whole(errors, said);
    fclose(errors);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

// Between "Commands" and the empty line behind it.
static void read_list(const char *text, command_list *ret_list) {
    const char *at = strstr(text, "\nCommands\n");
    assert_non_null(at);
    ret_list->count = 0;
    for (at += strlen("\nCommands\n"); *at != '\n'; at = strchr(at, '\n') + 1) {
        assert_true(ret_list->count < COMMANDS_MAX);
        snprintf(ret_list->lines[ret_list->count++], LINE_MAX, "%.*s", (int)strcspn(at, "\n"), at);
    }
}

// "  kv get KEY   ..." is "kv" and "get"; of a command of one word the second is "".
static void read_words(const char *line, char first[WORDS_MAX], char second[WORDS_MAX]) {
    assert_int_equal(sscanf(line, "  %59[a-z]", first), 1);
    const char *rest = line + 2 + strlen(first);
    if (rest[0] != ' ' || !islower(rest[1]) || sscanf(rest, " %59[a-z-]", second) != 1) {
        second[0] = '\0';
    }
}

static command_list everything, some;

static int set_up(void **state) {
    (void)state;
    assert_int_equal(ow("--help"), OK);
    assert_string_equal(said, "");
    read_list(out, &everything);
    assert_true(everything.count > 50);
    return 0;
}

// Its own commands, all of them, in the same words.
static void expect_list_of(const char *group, const char *text) {
    char first[WORDS_MAX], second[WORDS_MAX];
    int n = 0;
    read_list(text, &some);
    for (int i = 0; i < everything.count; i++) {
        read_words(everything.lines[i], first, second);
        if (strcmp(first, group) == 0 && second[0] != '\0') {
            assert_true(n < some.count);
            assert_string_equal(some.lines[n++], everything.lines[i]);
        }
    }
    assert_int_equal(n, some.count);
}

static void expect_group(const char *group) {
    char words[3 * WORDS_MAX];
    snprintf(words, sizeof words, "%s --help", group);
    assert_int_equal(ow(words), OK);
    assert_string_equal(said, "");
    expect_list_of(group, out);
    snprintf(words, sizeof words, "help %s", group);
    assert_int_equal(ow(words), OK);
    expect_list_of(group, out);
    // Without a command it does nothing, and says what there is.
    assert_int_equal(ow(group), USAGE);
    assert_string_equal(out, "");
    expect_list_of(group, said);
    snprintf(words, sizeof words, "%s no-such", group);
    assert_int_equal(ow(words), USAGE);
    assert_string_equal(out, "");
    snprintf(words, sizeof words, "there is no command \"%s no-such\"", group);
    assert_non_null(strstr(said, words));
    snprintf(words, sizeof words, "ow %s --help lists them", group);
    assert_non_null(strstr(said, words));
}

static void every_group_has_help(void **state) {
    (void)state;
    char first[WORDS_MAX], second[WORDS_MAX], last[WORDS_MAX] = "";
    int groups = 0;
    for (int i = 0; i < everything.count; i++) {
        read_words(everything.lines[i], first, second);
        if (second[0] != '\0' && strcmp(first, last) != 0) {
            snprintf(last, sizeof last, "%s", first);
            expect_group(first);
            groups++;
        }
    }
    assert_true(groups > 10);
}

// None is wider than a terminal may be, none ends with a blank.
static void expect_tidy_lines(const char *text) {
    for (const char *line = text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        bool example = strncmp(line, "  ow ", 5) == 0; // to copy: as long as it is
        if ((length > 100 && !example) || (length > 0 && line[length - 1] == ' ')) {
            fail_msg("\"%.*s\"", (int)length, line);
        }
        line += length + (line[length] == '\n');
    }
}

static void every_command_has_help(void **state) {
    (void)state;
    char first[WORDS_MAX], second[WORDS_MAX], words[3 * WORDS_MAX];
    for (int i = 0; i < everything.count; i++) {
        read_words(everything.lines[i], first, second);
        snprintf(words, sizeof words, "%s %s --help", first, second);
        assert_int_equal(ow(words), OK);
        assert_string_equal(said, "");
        snprintf(words, sizeof words, "ow %s%s%s", first, second[0] != '\0' ? " " : "", second);
        assert_int_equal(strncmp(out, words, strlen(words)), 0);
        assert_non_null(strchr(" \n", out[strlen(words)]));
        expect_tidy_lines(out);
        // Its example is of this command.
        const char *example = strstr(out, "\nExample\n  ");
        assert_non_null(example);
        example += strlen("\nExample\n  ");
        assert_int_equal(strncmp(example, words, strlen(words)), 0);
        assert_non_null(strchr(" \n", example[strlen(words)]));
    }
}

static void without_words_it_says_what_there_is(void **state) {
    (void)state;
    assert_int_equal(ow(""), USAGE);
    assert_string_equal(out, "");
    read_list(said, &some);
    assert_int_equal(some.count, everything.count);
    static const char *const asking[] = {"help", "-h", "--help"};
    for (size_t i = 0; i < sizeof asking / sizeof asking[0]; i++) {
        assert_int_equal(ow(asking[i]), OK);
        read_list(out, &some);
        assert_int_equal(some.count, everything.count);
        expect_tidy_lines(out);
    }
    assert_non_null(strstr(out, "OVERWORLD_TOKEN_FILE"));
    assert_int_equal(ow("vs deploy -h"), OK);
    assert_int_equal(strncmp(out, "ow vs deploy DIR\n", 17), 0);
    assert_int_equal(ow("help vs deploy"), OK);
    assert_int_equal(strncmp(out, "ow vs deploy DIR\n", 17), 0);
    assert_int_equal(ow("--version"), OK);
    assert_int_equal(strncmp(out, "ow 0.", 5), 0);
    assert_int_equal(ow("status too many"), USAGE);
    assert_non_null(strstr(said, "usage: ow status\n"));
}

static void what_is_mistyped_is_told(void **state) {
    (void)state;
    static const struct {
        const char *words, *told;
    } cases[] = {
        {"kv gte k", "Did you mean \"ow kv get\"? ow kv --help lists them"},
        {"stauts", "Did you mean \"ow status\"? ow --help lists them"},
        {"kv --no-such", "there is no flag --no-such here; see ow --help"},
        {"kv get --no-such", "there is no flag --no-such here; see ow kv get --help"},
        {"logs --since tomorrow", "--since \"tomorrow\" is no time"},
        {"event list --until 5w", "--until \"5w\" is no time"},
        {"event list --until 2026-01-31T08:00:00", "is no time"},
        {"player ban plr_1 --for 0d", "--for \"0d\" is no duration"},
        {"timer create a b --every 1y", "--every \"1y\" is no duration"},
        {"exec list --limit 0", "--limit is at least 1"},
        {"player list --limit many", "--limit needs a whole number, not \"many\""},
        {"fn save a b c {} --file x", "give it as an argument or with --file, not both"},
        {"fn save a b c --file /nowhere", "cannot read /nowhere: No such file or directory"},
        {"status --url 127.0.0.1:7351 --token-file /dev/null", "like http://127.0.0.1:7351"},
        {"dead discard exe_1", "say why they are thrown away: --because TEXT"},
        {"dead discard exe_1 --reason timeout --because x", "filters go with --all"},
        {"dead redrive exe_1 --vs chat", "filters go with --all"},
        {"xylophone", "there is no command \"xylophone\". ow --help lists them"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(ow(cases[i].words), USAGE);
        assert_string_equal(out, "");
        if (strstr(said, cases[i].told) == NULL) {
            fail_msg("ow %s: %s", cases[i].words, said);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_group_has_help),
        cmocka_unit_test(every_command_has_help),
        cmocka_unit_test(without_words_it_says_what_there_is),
        cmocka_unit_test(what_is_mistyped_is_told),
    };
    return cmocka_run_group_tests_name("help", tests, set_up, NULL);
}
