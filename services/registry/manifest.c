#include "services/registry/manifest.h"

#include "core/http/egress.h"
#include "core/json/tree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    JSON_DEPTH = 8,
    KEY_SHOWN = 40, // bytes of a wrong key in a message
    ENTRY_MAX = 200,
};

static ow_code bad(ow_err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

static ow_code bad(ow_err *err, const char *format, ...) {
    char text[OW_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_manifest", "%s", text);
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for the manifest");
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

// [A-Za-z + first][A-Za-z0-9 + rest]*, 1 to `max` characters.
static bool is_word(const char *text, const char *first, const char *rest, size_t max) {
    if (text == NULL || text[0] == 0 || strlen(text) > max) {
        return false;
    }
    if (!is_letter(text[0]) && strchr(first, text[0]) == NULL) {
        return false;
    }
    for (const char *c = text + 1; *c != 0; c++) {
        if (!is_letter(*c) && !is_digit(*c) && strchr(rest, *c) == NULL) {
            return false;
        }
    }
    return true;
}

bool ow_manifest_is_name(const char *name) {
    return is_word(name, "", "_-", OW_MANIFEST_NAME_MAX);
}

// ---- Suggestions ----

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

// Edits that turn one short word into the other.
static size_t distance(const char *from, const char *to) {
    size_t row[KEY_SHOWN + 1];
    size_t length = strlen(to);
    if (length > KEY_SHOWN || strlen(from) > KEY_SHOWN) {
        return KEY_SHOWN;
    }
    for (size_t k = 0; k <= length; k++) {
        row[k] = k;
    }
    for (size_t i = 0; from[i] != 0; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < length; k++) {
            size_t above = row[k + 1];
            size_t change = diagonal + (from[i] != to[k] ? 1 : 0);
            row[k + 1] = smaller(change, smaller(above, row[k]) + 1);
            diagonal = above;
        }
    }
    return row[length];
}

// ---- A table of keys: each object of the manifest is read by one ----

typedef struct reading {
    ow_arena *arena;
    ow_manifest *manifest;
    ow_manifest_function *function; // the one being read
    const char *where;              // for messages: "", "functions.moderate: "
    ow_trigger_lists triggers;
} reading;

typedef struct key {
    const char *name;
    ow_code (*read)(reading *r, const ow_json *value, ow_err *err);
} key;

static ow_code unknown_key(const reading *r, const char *name, const key *keys, ow_err *err) {
    const char *closest = NULL;
    size_t best = 3;
    for (const key *k = keys; k->name != NULL; k++) {
        size_t edits = distance(name, k->name);
        if (edits < best) {
            best = edits;
            closest = k->name;
        }
    }
    if (closest != NULL) {
        return bad(err, "%sunknown key \"%.*s\": did you mean \"%s\"?", r->where, KEY_SHOWN, name,
                   closest);
    }
    char known[160] = "";
    for (const key *k = keys; k->name != NULL; k++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", k->name);
    }
    return bad(err, "%sunknown key \"%.*s\": known are %s", r->where, KEY_SHOWN, name, known);
}

static ow_code read_object(reading *r, const ow_json *object, const key *keys, ow_err *err) {
    unsigned seen = 0;
    for (const ow_json *m = ow_json_first(object); m != NULL; m = ow_json_next(m)) {
        const char *name = ow_json_name_of(m);
        const key *k = keys;
        while (k->name != NULL && strcmp(k->name, name) != 0) {
            k++;
        }
        if (k->name == NULL) {
            return unknown_key(r, name, keys, err);
        }
        unsigned bit = 1U << (k - keys);
        if ((seen & bit) != 0) {
            return bad(err, "%s\"%s\" is there twice", r->where, name);
        }
        seen |= bit;
        ow_code code = k->read(r, m, err);
        if (code != OW_OK) {
            return code;
        }
    }
    return OW_OK;
}

static ow_code copy_text(reading *r, const ow_json *value, const char **ret_text, ow_err *err) {
    const char *text = ow_json_string(value);
    if (text == NULL) {
        return bad(err, "%s\"%s\" must be a text", r->where, ow_json_name_of(value));
    }
    *ret_text = ow_arena_strdup_in(r->arena, text);
    return *ret_text != NULL ? OW_OK : no_memory(err);
}

static ow_code read_int(reading *r, const ow_json *value, int32_t low, int32_t high,
                        int32_t *ret_value, ow_err *err) {
    int64_t number;
    if (!ow_json_as_int(value, &number) || number < low || number > high) {
        return bad(err, "%s\"%s\" must be a whole number from %d to %d", r->where,
                   ow_json_name_of(value), low, high);
    }
    *ret_value = (int32_t)number;
    return OW_OK;
}

// ---- One function ----

static ow_code read_source(reading *r, const ow_json *value, ow_err *err) {
    ow_code code = copy_text(r, value, &r->function->source, err);
    if (code != OW_OK) {
        return code;
    }
    if (!ow_manifest_is_source(r->function->source)) {
        return bad(err, "%s\"source\" must name a .c file of the bundle", r->where);
    }
    return OW_OK;
}

static ow_code read_entry(reading *r, const ow_json *value, ow_err *err) {
    ow_code code = copy_text(r, value, &r->function->entry, err);
    if (code == OW_OK && !is_word(r->function->entry, "_", "_", ENTRY_MAX)) {
        return bad(err, "%s\"entry\" must be the name of a C function", r->where);
    }
    return code;
}

static ow_code read_exposure(reading *r, const ow_json *value, ow_err *err) {
    static const char *const levels[] = {"client", "server", "internal"};
    const char *text = ow_json_string(value);
    for (size_t i = 0; text != NULL && i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(text, levels[i]) == 0) {
            r->function->exposure = levels[i];
            return OW_OK;
        }
    }
    return bad(err, "%s\"exposure\" must be \"client\", \"server\" or \"internal\"", r->where);
}

static ow_code read_timeout(reading *r, const ow_json *value, ow_err *err) {
    return read_int(r, value, 1, 900000, &r->function->timeout_ms, err);
}

static ow_code read_memory(reading *r, const ow_json *value, ow_err *err) {
    return read_int(r, value, 64, 3072, &r->function->memory_mb, err);
}

static ow_code read_log_payload(reading *r, const ow_json *value, ow_err *err) {
    if (!ow_json_as_bool(value, &r->function->log_payload)) {
        return bad(err, "%s\"log_payload\" must be true or false", r->where);
    }
    return OW_OK;
}

static const key function_keys[] = {
    {"source", read_source},
    {"entry", read_entry},
    {"exposure", read_exposure},
    {"timeout_ms", read_timeout},
    {"memory_mb", read_memory},
    {"log_payload", read_log_payload},
    {NULL, NULL},
};

static char *default_entry(ow_arena *arena, const char *name) {
    char *entry = ow_arena_strdup_in(arena, name);
    for (char *c = entry; c != NULL && *c != 0; c++) {
        if (*c == '-') {
            *c = '_';
        }
    }
    return entry;
}

static ow_code read_function(reading *r, const ow_json *member, ow_err *err) {
    const char *name = ow_json_name_of(member);
    if (!ow_manifest_is_name(name)) {
        return bad(err,
                   "functions: \"%.*s\" is no name: 1 to %d letters, digits, '_' and '-', a letter "
                   "first",
                   KEY_SHOWN, name, OW_MANIFEST_NAME_MAX);
    }
    ow_manifest_function *f = &r->manifest->functions[r->manifest->function_count++];
    *f = (ow_manifest_function){
        .name = ow_arena_strdup_in(r->arena, name),
        .entry = default_entry(r->arena, name),
        .exposure = "internal",
        .timeout_ms = 3000,
        .memory_mb = 128,
    };
    reading inner = {
        .arena = r->arena,
        .manifest = r->manifest,
        .function = f,
        .where = ow_arena_printf_in(r->arena, "functions.%s: ", name),
    };
    if (f->name == NULL || f->entry == NULL || inner.where == NULL) {
        return no_memory(err);
    }
    if (ow_json_kind_of(member) != OW_JSON_OBJECT) {
        return bad(err, "functions.%s must be an object, {} at least", name);
    }
    return read_object(&inner, member, function_keys, err);
}

static int by_function_name(const void *left, const void *right) {
    return strcmp(((const ow_manifest_function *)left)->name,
                  ((const ow_manifest_function *)right)->name);
}

static ow_code read_functions(reading *r, const ow_json *value, ow_err *err) {
    size_t count = ow_json_count(value);
    if (ow_json_kind_of(value) != OW_JSON_OBJECT || count < 1 ||
        count > OW_MANIFEST_FUNCTIONS_MAX) {
        return bad(err, "\"functions\" must be an object with 1 to %d functions",
                   OW_MANIFEST_FUNCTIONS_MAX);
    }
    ow_manifest *m = r->manifest;
    m->functions = ow_arena_calloc(r->arena, count, sizeof *m->functions);
    if (m->functions == NULL) {
        return no_memory(err);
    }
    for (const ow_json *f = ow_json_first(value); f != NULL; f = ow_json_next(f)) {
        ow_code code = read_function(r, f, err);
        if (code != OW_OK) {
            return code;
        }
    }
    qsort(m->functions, count, sizeof *m->functions, by_function_name);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(m->functions[i - 1].name, m->functions[i].name) == 0) {
            return bad(err, "functions: \"%s\" is there twice", m->functions[i].name);
        }
    }
    return OW_OK;
}

// ---- The rest of the manifest ----

static ow_code read_name(reading *r, const ow_json *value, ow_err *err) {
    ow_code code = copy_text(r, value, &r->manifest->name, err);
    if (code == OW_OK && !ow_manifest_is_name(r->manifest->name)) {
        return bad(err,
                   "\"name\" must be 1 to %d letters, digits, '_' and '-', with a letter first",
                   OW_MANIFEST_NAME_MAX);
    }
    return code;
}

static ow_code read_runtime(reading *r, const ow_json *value, ow_err *err) {
    ow_code code = copy_text(r, value, &r->manifest->runtime, err);
    if (code == OW_OK && strcmp(r->manifest->runtime, "c") != 0) {
        return bad(err, "\"runtime\" must be \"c\"");
    }
    return code;
}

static ow_code read_files(reading *r, const ow_json *value, ow_err *err) {
    size_t count = ow_json_count(value);
    if (ow_json_kind_of(value) != OW_JSON_ARRAY || count > OW_MANIFEST_PATTERNS_MAX) {
        return bad(err, "\"files\" must be a list of at most %d file names or patterns",
                   OW_MANIFEST_PATTERNS_MAX);
    }
    ow_manifest *m = r->manifest;
    m->patterns = ow_arena_calloc(r->arena, count + 1, sizeof *m->patterns);
    if (m->patterns == NULL) {
        return no_memory(err);
    }
    for (const ow_json *p = ow_json_first(value); p != NULL; p = ow_json_next(p)) {
        const char *text = ow_json_string(p);
        ow_err why;
        if (text == NULL || ow_archive_check_path(text, &why) != OW_OK) {
            return bad(err, "files[%zu] must be a relative path or a pattern", m->pattern_count);
        }
        char *copy = ow_arena_strdup_in(r->arena, text);
        if (copy == NULL) {
            return no_memory(err);
        }
        m->patterns[m->pattern_count++] = copy;
    }
    return OW_OK;
}

static int by_env_name(const void *left, const void *right) {
    return strcmp(((const ow_manifest_env *)left)->name, ((const ow_manifest_env *)right)->name);
}

static ow_code read_env_member(reading *r, const ow_json *member, size_t *size, ow_err *err) {
    const char *name = ow_json_name_of(member);
    const char *value = ow_json_string(member);
    if (!is_word(name, "_", "_", OW_MANIFEST_ENV_MAX)) {
        return bad(err, "env: \"%.*s\" is no name of a variable: letters, digits and '_'",
                   KEY_SHOWN, name);
    }
    if (value == NULL) {
        return bad(err, "env.%.*s must be a text", KEY_SHOWN, name);
    }
    *size += strlen(name) + strlen(value) + 2;
    if (*size > OW_MANIFEST_ENV_MAX) {
        return bad(err, "\"env\" has more than %d bytes", OW_MANIFEST_ENV_MAX);
    }
    ow_manifest_env *variable = &r->manifest->env[r->manifest->env_count++];
    variable->name = ow_arena_strdup_in(r->arena, name);
    variable->value = ow_arena_strdup_in(r->arena, value);
    return variable->name != NULL && variable->value != NULL ? OW_OK : no_memory(err);
}

static ow_code read_env(reading *r, const ow_json *value, ow_err *err) {
    if (ow_json_kind_of(value) != OW_JSON_OBJECT) {
        return bad(err, "\"env\" must be an object of texts");
    }
    ow_manifest *m = r->manifest;
    m->env = ow_arena_calloc(r->arena, ow_json_count(value) + 1, sizeof *m->env);
    if (m->env == NULL) {
        return no_memory(err);
    }
    size_t size = 0;
    for (const ow_json *v = ow_json_first(value); v != NULL; v = ow_json_next(v)) {
        ow_code code = read_env_member(r, v, &size, err);
        if (code != OW_OK) {
            return code;
        }
    }
    qsort(m->env, m->env_count, sizeof *m->env, by_env_name);
    for (size_t i = 1; i < m->env_count; i++) {
        if (strcmp(m->env[i - 1].name, m->env[i].name) == 0) {
            return bad(err, "env: \"%.*s\" is there twice", KEY_SHOWN, m->env[i].name);
        }
    }
    return OW_OK;
}

static ow_code read_texts(reading *r, const ow_json *value, const char ***ret_texts,
                          size_t *ret_count, ow_err *err) {
    size_t count = ow_json_count(value);
    if (ow_json_kind_of(value) != OW_JSON_ARRAY || count > OW_MANIFEST_FETCH_MAX) {
        return bad(err, "fetch.%s must be a list of at most %d texts", ow_json_name_of(value),
                   OW_MANIFEST_FETCH_MAX);
    }
    *ret_texts = ow_arena_calloc(r->arena, count + 1, sizeof **ret_texts);
    if (*ret_texts == NULL) {
        return no_memory(err);
    }
    for (const ow_json *v = ow_json_first(value); v != NULL; v = ow_json_next(v)) {
        const char *text = ow_json_string(v);
        if (text == NULL || text[0] == 0 || strpbrk(text, ", \t\r\n") != NULL) {
            return bad(err, "fetch.%s[%zu] is no host or network", ow_json_name_of(value),
                       *ret_count);
        }
        (*ret_texts)[*ret_count] = ow_arena_strdup_in(r->arena, text);
        if ((*ret_texts)[(*ret_count)++] == NULL) {
            return no_memory(err);
        }
    }
    return OW_OK;
}

static ow_code read_fetch_hosts(reading *r, const ow_json *value, ow_err *err) {
    ow_manifest *m = r->manifest;
    return read_texts(r, value, &m->fetch_hosts, &m->fetch_host_count, err);
}

static ow_code read_fetch_networks(reading *r, const ow_json *value, ow_err *err) {
    ow_manifest *m = r->manifest;
    return read_texts(r, value, &m->fetch_networks, &m->fetch_network_count, err);
}

static ow_code read_fetch_plain(reading *r, const ow_json *value, ow_err *err) {
    if (!ow_json_as_bool(value, &r->manifest->fetch_plain)) {
        return bad(err, "%s\"plain\" must be true or false", r->where);
    }
    return OW_OK;
}

static const key fetch_keys[] = {
    {"hosts", read_fetch_hosts},
    {"networks", read_fetch_networks},
    {"plain", read_fetch_plain},
    {NULL, NULL},
};

// A list as the rules of outgoing requests take it.
static const char *joined(ow_arena *arena, const char **texts, size_t count) {
    const char *list = "";
    for (size_t i = 0; i < count && list != NULL; i++) {
        list = ow_arena_printf_in(arena, "%s%s%s", list, i > 0 ? "," : "", texts[i]);
    }
    return list;
}

static ow_code check_fetch(reading *r, ow_err *err) {
    const ow_manifest *m = r->manifest;
    ow_egress *egress = NULL;
    ow_err why;
    ow_egress_options options = {
        .hosts = joined(r->arena, m->fetch_hosts, m->fetch_host_count),
        .networks = joined(r->arena, m->fetch_networks, m->fetch_network_count),
    };
    if (options.hosts == NULL || options.networks == NULL) {
        return no_memory(err);
    }
    ow_code code = ow_egress_new(&options, &egress, &why);
    ow_egress_free(egress);
    if (code == OW_INVALID_ARGUMENT) {
        return bad(err, "fetch: %.250s", why.message);
    }
    return code == OW_OK ? OW_OK : no_memory(err);
}

static ow_code read_fetch(reading *r, const ow_json *value, ow_err *err) {
    reading inner = *r;
    inner.where = "fetch: ";
    if (ow_json_kind_of(value) != OW_JSON_OBJECT) {
        return bad(err, "\"fetch\" must be an object");
    }
    ow_code code = read_object(&inner, value, fetch_keys, err);
    if (code == OW_OK && r->manifest->fetch_host_count == 0) {
        return bad(err, "fetch: \"hosts\" must name a host at least");
    }
    return code == OW_OK ? check_fetch(r, err) : code;
}

// They are read when all functions are known.
static ow_code keep_list(const reading *r, const ow_json *value, const ow_json **ret_list,
                         ow_err *err) {
    *ret_list = value;
    return ow_json_kind_of(value) == OW_JSON_ARRAY
               ? OW_OK
               : bad(err, "%s\"%s\" must be a list", r->where, ow_json_name_of(value));
}

static ow_code read_timers(reading *r, const ow_json *value, ow_err *err) {
    return keep_list(r, value, &r->triggers.timers, err);
}

static ow_code read_subscriptions(reading *r, const ow_json *value, ow_err *err) {
    return keep_list(r, value, &r->triggers.subscriptions, err);
}

static ow_code read_webhooks(reading *r, const ow_json *value, ow_err *err) {
    return keep_list(r, value, &r->triggers.webhooks, err);
}

static ow_code read_routes(reading *r, const ow_json *value, ow_err *err) {
    return keep_list(r, value, &r->triggers.routes, err);
}

static const key manifest_keys[] = {
    {"name", read_name},
    {"runtime", read_runtime},
    {"functions", read_functions},
    {"files", read_files},
    {"env", read_env},
    {"fetch", read_fetch},
    {"timers", read_timers},
    {"subscriptions", read_subscriptions},
    {"webhooks", read_webhooks},
    {"routes", read_routes},
    {NULL, NULL},
};

static bool has_function(void *self, const char *name) {
    const ow_manifest *m = self;
    for (size_t i = 0; i < m->function_count; i++) {
        if (strcmp(m->functions[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static ow_code read_triggers(reading *r, ow_err *err) {
    ow_manifest *m = r->manifest;
    ow_code code = ow_triggers_read(&r->triggers, r->arena, &m->triggers, err);
    return code == OW_OK && m->triggers != NULL
               ? ow_triggers_check(m->triggers, m->function_count, has_function, m, err)
               : code;
}

static ow_code read_tree(reading *r, const ow_json *tree, ow_err *err) {
    if (ow_json_kind_of(tree) != OW_JSON_OBJECT) {
        return bad(err, "%s must be a JSON object", OW_MANIFEST_FILE);
    }
    ow_code code = read_object(r, tree, manifest_keys, err);
    if (code != OW_OK) {
        return code;
    }
    const char *missing = r->manifest->name == NULL        ? "name"
                          : r->manifest->runtime == NULL   ? "runtime"
                          : r->manifest->functions == NULL ? "functions"
                                                           : NULL;
    return missing == NULL ? read_triggers(r, err) : bad(err, "\"%s\" is missing", missing);
}

ow_code ow_manifest_read(const char *text, size_t size, ow_arena *arena, ow_manifest *ret_manifest,
                         ow_err *err) {
    ow_json *tree = NULL;
    ow_code code = ow_json_parse(text, size, JSON_DEPTH, &tree, err);
    if (code != OW_OK) {
        return code == OW_INVALID_ARGUMENT && err != NULL
                   ? bad(err, OW_MANIFEST_FILE ": %.250s", err->message)
                   : code;
    }
    ow_manifest manifest = {0};
    reading r = {.arena = arena, .manifest = &manifest, .where = ""};
    code = read_tree(&r, tree, err);
    ow_json_free(tree);
    if (code == OW_OK) {
        *ret_manifest = manifest;
    }
    return code;
}

// ---- Files ----

// One row of a table "pattern so far x path so far", kept as bits: at[k] says that the pattern up
// to here can end at byte k of the path.
typedef struct reach {
    bool at[OW_ARCHIVE_PATH_MAX + 1];
    size_t length;
} reach;

static void step_any(reach *r, const char *path) {
    for (size_t k = 0; k < r->length; k++) {
        if (r->at[k] && path[k] != '/') {
            r->at[k + 1] = true;
        }
    }
}

static void step_one(reach *r, const char *path, char wanted) {
    for (size_t k = r->length; k > 0; k--) {
        char c = path[k - 1];
        r->at[k] = r->at[k - 1] && (wanted == '?' ? c != '/' : c == wanted);
    }
    r->at[0] = false;
}

bool ow_manifest_pattern_matches(const char *pattern, const char *path) {
    reach r = {.length = strlen(path)};
    if (r.length > OW_ARCHIVE_PATH_MAX) {
        return false;
    }
    r.at[0] = true;
    for (const char *p = pattern; *p != 0; p++) {
        if (*p == '*') {
            step_any(&r, path);
        } else {
            step_one(&r, path, *p);
        }
    }
    return r.at[r.length];
}

bool ow_manifest_is_source(const char *path) {
    size_t length = strlen(path);
    return length > 2 && path[length - 2] == '.' &&
           (path[length - 1] == 'c' || path[length - 1] == 'h');
}

static bool may_be_data(const char *path) {
    return !ow_manifest_is_source(path) && strcmp(path, OW_MANIFEST_FILE) != 0;
}

bool ow_manifest_is_data(const ow_manifest *manifest, const char *path) {
    if (!may_be_data(path)) {
        return false;
    }
    for (size_t i = 0; i < manifest->pattern_count; i++) {
        if (ow_manifest_pattern_matches(manifest->patterns[i], path)) {
            return true;
        }
    }
    return false;
}

static ow_code check_patterns(const ow_manifest *manifest, const ow_archive *archive, ow_err *err) {
    for (size_t i = 0; i < manifest->pattern_count; i++) {
        bool found = false;
        for (size_t k = 0; k < archive->count && !found; k++) {
            const char *path = archive->files[k].path;
            found = may_be_data(path) && ow_manifest_pattern_matches(manifest->patterns[i], path);
        }
        if (!found) {
            return bad(err, "files: \"%s\" names no data file of the bundle",
                       manifest->patterns[i]);
        }
    }
    return OW_OK;
}

static ow_code check_sources(const ow_manifest *manifest, const ow_archive *archive, ow_err *err) {
    for (size_t i = 0; i < manifest->function_count; i++) {
        const ow_manifest_function *f = &manifest->functions[i];
        if (f->source != NULL && ow_archive_find(archive, f->source) == NULL) {
            return bad(err, "functions.%s: \"source\": there is no file \"%s\" in the bundle",
                       f->name, f->source);
        }
    }
    for (size_t k = 0; k < archive->count; k++) {
        const char *path = archive->files[k].path;
        if (ow_manifest_is_source(path) && path[strlen(path) - 1] == 'c') {
            return OW_OK;
        }
    }
    return bad(err, "there is no .c file in the bundle");
}

typedef struct bundle {
    const ow_manifest *manifest;
    const ow_archive *archive;
} bundle;

static int64_t size_of_data(void *self, const char *path) {
    const bundle *b = self;
    for (size_t k = 0; k < b->archive->count; k++) {
        if (strcmp(b->archive->files[k].path, path) == 0 &&
            ow_manifest_is_data(b->manifest, path)) {
            return (int64_t)b->archive->files[k].size;
        }
    }
    return -1;
}

ow_code ow_manifest_check_files(const ow_manifest *manifest, const ow_archive *archive,
                                ow_err *err) {
    ow_code code = check_sources(manifest, archive, err);
    if (code == OW_OK) {
        code = check_patterns(manifest, archive, err);
    }
    if (code != OW_OK) {
        return code;
    }
    size_t data_files = 0;
    for (size_t k = 0; k < archive->count; k++) {
        data_files += ow_manifest_is_data(manifest, archive->files[k].path) ? 1 : 0;
    }
    if (data_files > OW_MANIFEST_DATA_FILES_MAX) {
        return bad(err, "files: %zu data files, at most %d are allowed", data_files,
                   OW_MANIFEST_DATA_FILES_MAX);
    }
    bundle b = {manifest, archive};
    return manifest->triggers != NULL
               ? ow_triggers_check_files(manifest->triggers, size_of_data, &b, err)
               : OW_OK;
}
