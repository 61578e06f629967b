#include "cli/line_diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 3, CELLS_MAX = 1 << 22 };

typedef struct lines {
    line_text *list;
    size_t count;
} lines;

static bool split(ow_arena *arena, const line_text *text, lines *ret_lines) {
    size_t count = 0;
    for (size_t at = 0; at < text->size; at++) {
        count += text->bytes[at] == '\n';
    }
    *ret_lines = (lines){.list = ow_arena_calloc(arena, count + 2, sizeof(line_text))};
    for (size_t at = 0; ret_lines->list != NULL && at < text->size;) {
        const char *end = memchr(text->bytes + at, '\n', text->size - at);
        size_t size = end != NULL ? (size_t)(end - text->bytes) - at : text->size - at;
        ret_lines->list[ret_lines->count++] = (line_text){text->bytes + at, size};
        at += size + 1;
    }
    return ret_lines->list != NULL && memchr(text->bytes, 0, text->size) == NULL;
}

static bool same(const line_text *a, const line_text *b) {
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

// The steps from one text to the other: ' ' takes a line of both, '-' one of the first, '+' one of the second.
typedef struct script {
    char *steps;
    size_t count;
} script;

static void add(script *s, char step, size_t times) {
    memset(s->steps + s->count, step, times);
    s->count += times;
}

// Lengths of the longest common subsequences: at(a, b) is that of the lines from a and from b on.
typedef struct table {
    uint32_t *lengths;
    size_t width;
} table;

static uint32_t at(const table *t, size_t a, size_t b) {
    return t->lengths[a * t->width + b];
}

// False: too many lines, or no memory.
static bool table_make(table *t, const lines *before, const lines *after) {
    size_t cells = (before->count + 1) * (after->count + 1);
    *t = (table){cells <= CELLS_MAX ? calloc(cells, sizeof(uint32_t)) : NULL, after->count + 1};
    if (t->lengths == NULL) {
        return false;
    }
    for (size_t a = before->count; a-- > 0;) {
        for (size_t b = after->count; b-- > 0;) {
            uint32_t down = at(t, a + 1, b), right = at(t, a, b + 1);
            t->lengths[a * t->width + b] = same(&before->list[a], &after->list[b])
                                               ? at(t, a + 1, b + 1) + 1
                                           : down >= right ? down
                                                           : right;
        }
    }
    return true;
}

static char next_step(const table *t, const lines *before, const lines *after, size_t a, size_t b) {
    if (a == before->count) {
        return '+';
    }
    if (b == after->count) {
        return '-';
    }
    if (same(&before->list[a], &after->list[b])) {
        return ' ';
    }
    return at(t, a + 1, b) >= at(t, a, b + 1) ? '-' : '+';
}

static bool add_between(script *s, const lines *before, const lines *after) {
    table t;
    if (!table_make(&t, before, after)) {
        return false;
    }
    for (size_t a = 0, b = 0; a < before->count || b < after->count;) {
        char step = next_step(&t, before, after, a, b);
        add(s, step, 1);
        a += step != '+';
        b += step != '-';
    }
    free(t.lengths);
    return true;
}

static bool find_script(ow_arena *arena, const lines *before, const lines *after, script *ret) {
    size_t least = before->count < after->count ? before->count : after->count;
    size_t head = 0, tail = 0;
    *ret = (script){.steps = ow_arena_alloc(arena, before->count + after->count + 1)};
    if (ret->steps == NULL) {
        return false;
    }
    while (head < least && same(&before->list[head], &after->list[head])) {
        head++;
    }
    while (tail < least - head &&
           same(&before->list[before->count - 1 - tail], &after->list[after->count - 1 - tail])) {
        tail++;
    }
    lines a = {before->list + head, before->count - head - tail};
    lines b = {after->list + head, after->count - head - tail};
    add(ret, ' ', head);
    if (!add_between(ret, &a, &b)) {
        add(ret, '-', a.count);
        add(ret, '+', b.count);
    }
    add(ret, ' ', tail);
    return true;
}

// One hunk: the steps from `first` to before `end`, which begin at those lines.
typedef struct hunk {
    size_t first, end, before, after;
} hunk;

static void print_hunk(FILE *out, const script *s, const hunk *h, const lines *before,
                       const lines *after) {
    size_t of_before = 0, of_after = 0;
    for (size_t i = h->first; i < h->end; i++) {
        of_before += s->steps[i] != '+';
        of_after += s->steps[i] != '-';
    }
    fprintf(out, "@@ -%zu,%zu +%zu,%zu @@\n", h->before + (of_before > 0), of_before,
            h->after + (of_after > 0), of_after);
    size_t a = h->before, b = h->after;
    for (size_t i = h->first; i < h->end; i++) {
        const line_text *line = s->steps[i] == '+' ? &after->list[b] : &before->list[a];
        fprintf(out, "%c%.*s\n", s->steps[i], (int)line->size, line->bytes);
        a += s->steps[i] != '+';
        b += s->steps[i] != '-';
    }
}

// Where the hunk ends that has its first change at `at`: behind the context of the last change that is near.
static size_t end_of(const script *s, size_t at) {
    size_t last = at;
    for (size_t i = at; i < s->count && i <= last + 2 * CONTEXT; i++) {
        last = s->steps[i] != ' ' ? i : last;
    }
    return last + 1 + CONTEXT < s->count ? last + 1 + CONTEXT : s->count;
}

static void print_hunks(FILE *out, const script *s, const lines *before, const lines *after) {
    hunk h = {0};
    for (size_t i = 0; i < s->count;) {
        if (s->steps[i] == ' ') {
            i++;
            continue;
        }
        size_t first = i > CONTEXT ? i - CONTEXT : 0;
        first = first > h.end ? first : h.end;
        h.before += first - h.end; // between hunks the lines are those of both
        h.after += first - h.end;
        h.first = first;
        h.end = end_of(s, i);
        print_hunk(out, s, &h, before, after);
        for (size_t k = h.first; k < h.end; k++) {
            h.before += s->steps[k] != '+';
            h.after += s->steps[k] != '-';
        }
        i = h.end;
    }
}

const char *line_diff_in(ow_arena *arena, const line_text *before, const line_text *after) {
    lines a, b;
    script s;
    char *text = NULL;
    size_t size = 0;
    if (!split(arena, before, &a) || !split(arena, after, &b) || !find_script(arena, &a, &b, &s)) {
        return NULL;
    }
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        return NULL;
    }
    print_hunks(out, &s, &a, &b);
    bool whole = fclose(out) == 0;
    const char *copy = whole ? ow_arena_strdup_in(arena, text) : NULL;
    free(text);
    return copy;
}
