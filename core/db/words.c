#include "core/db/internal.h"

#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 16, WORD_BYTES_MAX = 256, SEARCH_MAX = 8192 };

ow_code ow_db_words_put(ow_db_conn *conn, int64_t number, const char *words, ow_err *err) {
    return ow_db_exec(conn, NULL, err, conn->ops->words->put, "it", number, words);
}

ow_code ow_db_words_remove(ow_db_conn *conn, int64_t number, const char *words, ow_err *err) {
    return ow_db_exec(conn, NULL, err, conn->ops->words->remove, "it", number, words);
}

static bool is_of_word(unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c >= 0x80;
}

// One word, perhaps with a '*'; it goes into the search between the dialect's own signs.
static bool write_word(FILE *out, const ow_db_word_sql *sql, const char *text, size_t size) {
    char word[WORD_BYTES_MAX];
    bool prefix = size > 0 && text[size - 1] == '*';
    size -= prefix ? 1 : 0;
    if (size == 0 || size >= sizeof word) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (!is_of_word((unsigned char)text[i])) {
            return false;
        }
    }
    memcpy(word, text, size);
    word[size] = 0;
    const char *form = prefix ? sql->prefix : sql->word;
    const char *place = strstr(form, "%s");
    fprintf(out, "%.*s%s%s", (int)(place - form), form, word, place + 2);
    return true;
}

static bool write_search(FILE *out, const ow_db_word_sql *sql, const char *words) {
    int count = 0;
    const char *at = words + strspn(words, " ");
    while (*at != 0) {
        size_t size = strcspn(at, " ");
        fputs(count > 0 ? sql->both : "", out);
        if (count == WORDS_MAX || !write_word(out, sql, at, size)) {
            return false;
        }
        count++;
        at += size;
        at += strspn(at, " ");
    }
    return count > 0;
}

ow_code ow_db_words_find(ow_db_conn *conn, const char *words, int64_t first, int64_t last,
                         ow_rows **ret_rows, ow_err *err) {
    char search[SEARCH_MAX];
    FILE *out = fmemopen(search, sizeof search, "w");
    if (out == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a search");
    }
    bool good = write_search(out, conn->ops->words, words);
    if (fclose(out) != 0 || !good) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_words",
                       "1 to %d words of letters, digits and '_' are looked for", WORDS_MAX);
    }
    return ow_db_query(conn, ret_rows, err, conn->ops->words->find, "tii", search, first, last);
}
