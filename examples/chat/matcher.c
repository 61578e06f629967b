#include "matcher.h"

#include "fold.h"

#include <stdlib.h>
#include <string.h>

enum { ROOT = 0, WORD_MAX = 240 };

typedef struct edge {
    uint64_t key; // state << 8 | byte, plus 1 so that 0 means free
    uint32_t next;
} edge;

typedef struct state {
    uint32_t fail;      // the longest proper suffix that is a prefix of a word
    uint32_t output;    // the nearest state along `fail` that ends a word; ROOT: none
    uint32_t length;    // bytes of the folded word that ends here; 0: none does
    uint64_t languages; // whose word it is
} state;

struct matcher {
    state *states;
    size_t state_count, state_room;
    edge *edges; // open addressing, room is a power of two
    size_t edge_count, edge_room;
    uint32_t root_next[256];
    size_t words;
    size_t languages;
    char names[MATCHER_LANGUAGES_MAX][MATCHER_LANGUAGE_NAME_MAX];
};

// ---- Edges ----

static size_t edge_slot(const edge *edges, size_t room, uint64_t key) {
    size_t slot = (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & (room - 1);
    while (edges[slot].key != 0 && edges[slot].key != key) {
        slot = (slot + 1) & (room - 1);
    }
    return slot;
}

static uint64_t edge_key(uint32_t from, unsigned char byte) {
    return ((uint64_t)from << 8 | byte) + 1;
}

static bool find_edge(const matcher *m, uint32_t from, unsigned char byte, uint32_t *ret_next) {
    if (from == ROOT) {
        *ret_next = m->root_next[byte];
        return *ret_next != ROOT;
    }
    const edge *e = &m->edges[edge_slot(m->edges, m->edge_room, edge_key(from, byte))];
    *ret_next = e->next;
    return e->key != 0;
}

static bool grow_edges(matcher *m) {
    size_t room = m->edge_room == 0 ? 1024 : m->edge_room * 2;
    edge *edges = calloc(room, sizeof *edges);
    if (edges == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->edge_room; i++) {
        if (m->edges[i].key != 0) {
            edges[edge_slot(edges, room, m->edges[i].key)] = m->edges[i];
        }
    }
    free(m->edges);
    m->edges = edges;
    m->edge_room = room;
    return true;
}

static bool add_state(matcher *m, uint32_t *ret_state) {
    if (m->state_count == m->state_room) {
        size_t room = m->state_room == 0 ? 1024 : m->state_room * 2;
        state *states = realloc(m->states, room * sizeof *states);
        if (states == NULL) {
            return false;
        }
        m->states = states;
        m->state_room = room;
    }
    *ret_state = (uint32_t)m->state_count;
    m->states[m->state_count++] = (state){0};
    return true;
}

static bool follow_or_add(matcher *m, uint32_t from, unsigned char byte, uint32_t *ret_next) {
    if (find_edge(m, from, byte, ret_next)) {
        return true;
    }
    if ((m->edge_count + 1) * 2 > m->edge_room && !grow_edges(m)) {
        return false;
    }
    if (!add_state(m, ret_next)) {
        return false;
    }
    uint64_t key = edge_key(from, byte);
    m->edges[edge_slot(m->edges, m->edge_room, key)] = (edge){key, *ret_next};
    m->edge_count++;
    if (from == ROOT) {
        m->root_next[byte] = *ret_next;
    }
    return true;
}

// ---- Compiling the list ----

static size_t fold_text(const char *text, size_t size, char *out, size_t room) {
    size_t used = 0;
    for (size_t at = 0; at < size;) {
        uint32_t point;
        at += fold_read(text + at, size - at, &point);
        if (room - used < 4) {
            return 0;
        }
        used += fold_write(fold_lower(point), out + used);
    }
    return used;
}

static const char *add_word(matcher *m, size_t language, const char *word, size_t size) {
    char folded[WORD_MAX + 4];
    size_t length = fold_text(word, size, folded, sizeof folded);
    if (length == 0 || length > WORD_MAX) {
        return "a word is empty or longer than 240 bytes";
    }
    uint32_t at = ROOT;
    for (size_t i = 0; i < length; i++) {
        if (!follow_or_add(m, at, (unsigned char)folded[i], &at)) {
            return "out of memory";
        }
    }
    m->states[at].length = (uint32_t)length;
    m->states[at].languages |= UINT64_C(1) << language;
    m->words++;
    return NULL;
}

static const char *language_of(matcher *m, const char *name, size_t size, size_t *ret_language) {
    if (size == 0 || size >= MATCHER_LANGUAGE_NAME_MAX) {
        return "a language's name is empty or longer than 15 bytes";
    }
    for (size_t i = 0; i < m->languages; i++) {
        if (strlen(m->names[i]) == size && memcmp(m->names[i], name, size) == 0) {
            *ret_language = i;
            return NULL;
        }
    }
    if (m->languages == MATCHER_LANGUAGES_MAX) {
        return "more than 64 languages";
    }
    memcpy(m->names[m->languages], name, size);
    *ret_language = m->languages++;
    return NULL;
}

static const char *add_line(matcher *m, const char *line, size_t size) {
    if (size > 0 && line[size - 1] == '\r') {
        size--;
    }
    if (size == 0 || line[0] == '#') {
        return NULL;
    }
    const char *tab = memchr(line, '\t', size);
    if (tab == NULL) {
        return "a line has no tab between language and word";
    }
    size_t language;
    const char *why = language_of(m, line, (size_t)(tab - line), &language);
    return why != NULL ? why : add_word(m, language, tab + 1, size - (size_t)(tab + 1 - line));
}

static const char *add_lines(matcher *m, const char *list, size_t size) {
    for (size_t at = 0; at < size;) {
        const char *end = memchr(list + at, '\n', size - at);
        size_t length = end != NULL ? (size_t)(end - list) - at : size - at;
        const char *why = add_line(m, list + at, length);
        if (why != NULL) {
            return why;
        }
        at += length + 1;
    }
    return NULL;
}

// The state after reading `byte` in state `from`.
static uint32_t advance(const matcher *m, uint32_t from, unsigned char byte) {
    uint32_t next;
    while (!find_edge(m, from, byte, &next)) {
        if (from == ROOT) {
            return ROOT;
        }
        from = m->states[from].fail;
    }
    return next;
}

// The edges grouped by the state they leave: those of `s` are places begin[s] to begin[s + 1].
typedef struct children {
    uint32_t *begin, *state;
    unsigned char *byte;
} children;

static void children_free(children *c) {
    free(c->begin);
    free(c->state);
    free(c->byte);
}

static bool children_of_all(const matcher *m, children *c) {
    size_t count = m->state_count;
    // One place more than needed: filling moves every group's begin down from its end.
    c->begin = calloc(count + 2, sizeof *c->begin);
    c->state = malloc((m->edge_count + 1) * sizeof *c->state);
    c->byte = malloc(m->edge_count + 1);
    if (c->begin == NULL || c->state == NULL || c->byte == NULL) {
        return false;
    }
    for (size_t i = 0; i < m->edge_room; i++) {
        if (m->edges[i].key != 0) {
            c->begin[(m->edges[i].key - 1) >> 8]++;
        }
    }
    for (size_t s = 1; s <= count; s++) {
        c->begin[s] += c->begin[s - 1];
    }
    for (size_t i = 0; i < m->edge_room; i++) {
        if (m->edges[i].key != 0) {
            uint64_t key = m->edges[i].key - 1;
            uint32_t place = --c->begin[key >> 8];
            c->state[place] = m->edges[i].next;
            c->byte[place] = (unsigned char)key;
        }
    }
    return true;
}

static void link_child(matcher *m, uint32_t parent, uint32_t child, unsigned char byte) {
    state *c = &m->states[child];
    c->fail = parent == ROOT ? ROOT : advance(m, m->states[parent].fail, byte);
    c->output = m->states[c->fail].length > 0 ? c->fail : m->states[c->fail].output;
}

// Failure and output links, breadth first: a state's links point to shorter ones, done before.
static bool link_states(matcher *m) {
    children c = {0};
    uint32_t *queue = malloc((m->state_count + 1) * sizeof *queue);
    bool ok = queue != NULL && children_of_all(m, &c);
    size_t head = 0, tail = 0;
    if (ok) {
        queue[tail++] = ROOT;
    }
    while (head < tail) {
        uint32_t s = queue[head++];
        for (size_t i = c.begin[s]; i < c.begin[s + 1]; i++) {
            link_child(m, s, c.state[i], c.byte[i]);
            queue[tail++] = c.state[i];
        }
    }
    free(queue);
    children_free(&c);
    return ok;
}

matcher *matcher_new(const char *list, size_t size, const char **ret_why) {
    matcher *m = calloc(1, sizeof *m);
    uint32_t root;
    const char *why = "out of memory";
    if (m != NULL && grow_edges(m) && add_state(m, &root)) {
        why = add_lines(m, list, size);
        if (why == NULL && !link_states(m)) {
            why = "out of memory";
        }
    }
    if (why != NULL) {
        matcher_free(m);
        *ret_why = why;
        return NULL;
    }
    return m;
}

void matcher_free(matcher *m) {
    if (m != NULL) {
        free(m->states);
        free(m->edges);
        free(m);
    }
}

size_t matcher_words(const matcher *m) {
    return m->words;
}

size_t matcher_languages(const matcher *m) {
    return m->languages;
}

const char *matcher_language(const matcher *m, size_t index) {
    return m->names[index];
}

// ---- Masking ----

// One code point of the message: where it stands, and where its folded form ends.
typedef struct glyph {
    uint32_t at;
    uint32_t folded_end;
    bool word;
} glyph;

typedef struct scan {
    const matcher *m;
    glyph *glyphs;
    uint32_t *mask_from; // for the glyph that ends a match: the first glyph of the longest one
    uint64_t *languages;
    size_t count;
} scan;

static size_t glyph_at_folded(const scan *s, size_t last, uint32_t folded_start) {
    size_t low = 0, high = last;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->glyphs[middle].folded_end > folded_start) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

// A word ends with glyph `last`: whole words only, where the script has words.
static bool stands_alone(const scan *s, size_t first, size_t last, bool next_is_word) {
    bool cut_before = first > 0 && s->glyphs[first].word && s->glyphs[first - 1].word;
    bool cut_after = s->glyphs[last].word && next_is_word;
    return !cut_before && !cut_after;
}

static void note_matches(scan *s, uint32_t at, size_t last, bool next_is_word) {
    const state *states = s->m->states;
    uint32_t end = s->glyphs[last].folded_end;
    uint32_t hit = states[at].length > 0 ? at : states[at].output;
    // Outputs come longest first: the first one that stands alone is the one to mask.
    for (; hit != ROOT; hit = states[hit].output) {
        size_t first = glyph_at_folded(s, last, end - states[hit].length);
        if (stands_alone(s, first, last, next_is_word)) {
            s->mask_from[last] = (uint32_t)first;
            s->languages[last] = states[hit].languages;
            return;
        }
    }
}

static void run_automaton(scan *s, const char *text, size_t size) {
    uint32_t at = ROOT;
    uint32_t folded = 0;
    uint32_t point, next_point;
    size_t length = fold_read(text, size, &point);
    for (size_t byte = 0; byte < size;) {
        size_t next = byte + length;
        size_t next_length = next < size ? fold_read(text + next, size - next, &next_point) : 0;
        bool next_is_word = next < size && fold_is_word(next_point);
        char bytes[4];
        size_t n = fold_write(fold_lower(point), bytes);
        for (size_t i = 0; i < n; i++) {
            at = advance(s->m, at, (unsigned char)bytes[i]);
        }
        folded += (uint32_t)n;
        size_t g = s->count++;
        s->glyphs[g] = (glyph){(uint32_t)byte, folded, fold_is_word(point)};
        s->mask_from[g] = UINT32_MAX;
        note_matches(s, at, g, next_is_word);
        byte = next;
        length = next_length;
        point = next_point;
    }
}

static void count_languages(uint64_t languages, uint32_t *by_language) {
    for (; by_language != NULL && languages != 0; languages &= languages - 1) {
        by_language[__builtin_ctzll(languages)]++;
    }
}

// Walks the matches from the end: what a later, longer match covers is not counted again.
static size_t choose(scan *s, bool *masked, uint32_t *by_language) {
    size_t places = 0;
    size_t covered_from = s->count;
    for (size_t g = s->count; g-- > 0;) {
        if (s->mask_from[g] == UINT32_MAX ||
            (g >= covered_from && s->mask_from[g] >= covered_from)) {
            continue;
        }
        for (size_t i = s->mask_from[g]; i <= g; i++) {
            masked[i] = true;
        }
        places++;
        count_languages(s->languages[g], by_language);
        if (s->mask_from[g] < covered_from) {
            covered_from = s->mask_from[g];
        }
    }
    return places;
}

static size_t write_masked(const scan *s, const bool *masked, const char *text, size_t size,
                           char *out) {
    size_t used = 0;
    for (size_t g = 0; g < s->count; g++) {
        size_t end = g + 1 < s->count ? s->glyphs[g + 1].at : size;
        if (masked[g]) {
            out[used++] = '*';
        } else {
            memcpy(out + used, text + s->glyphs[g].at, end - s->glyphs[g].at);
            used += end - s->glyphs[g].at;
        }
    }
    return used;
}

size_t matcher_mask(const matcher *m, const char *text, size_t size, char *out, size_t *ret_masked,
                    uint32_t by_language[MATCHER_LANGUAGES_MAX]) {
    scan s = {.m = m};
    s.glyphs = malloc((size + 1) * sizeof *s.glyphs);
    s.mask_from = malloc((size + 1) * sizeof *s.mask_from);
    s.languages = malloc((size + 1) * sizeof *s.languages);
    bool *masked = calloc(size + 1, 1);
    size_t used = 0;
    *ret_masked = 0;
    if (s.glyphs != NULL && s.mask_from != NULL && s.languages != NULL && masked != NULL &&
        size > 0) {
        run_automaton(&s, text, size);
        *ret_masked = choose(&s, masked, by_language);
        used = write_masked(&s, masked, text, size, out);
    }
    free(s.glyphs);
    free(s.mask_from);
    free(s.languages);
    free(masked);
    return used;
}
