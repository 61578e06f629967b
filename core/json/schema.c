#include "core/json/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LIST_MAX = 256, PATH_MAX_BYTES = 160 };

// Where in the schema or the value a walk is, for messages.
typedef struct place {
    char path[PATH_MAX_BYTES];
    size_t size;
} place;

// Appends "/name" or "/3"; returns the size to go back to.
static size_t enter(place *at, const char *name) {
    size_t before = at->size;
    int wrote = snprintf(at->path + at->size, sizeof at->path - at->size, "/%s", name);
    at->size += (size_t)wrote < sizeof at->path - at->size ? (size_t)wrote : 0;
    return before;
}

static void leave(place *at, size_t size) {
    at->size = size;
    at->path[size] = '\0';
}

static ow_code bad(const place *at, const char *why, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_schema", "at \"%s\": %s", at->path, why);
}

static ow_code violates(const place *at, const char *keyword, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "schema_violation",
                   "at \"%s\": not what \"%s\" allows", at->path, keyword);
}

// ---- Equality ----

// Of members with one name the one that ow_json_get gives counts. As many on both sides: what somebody sends costs no
// more than what it is compared with allows.
static bool members_equal(const ow_json *a, const ow_json *b) {
    if (ow_json_count(a) != ow_json_count(b)) {
        return false;
    }
    for (const ow_json *m = ow_json_first(a); m != NULL; m = ow_json_next(m)) {
        const ow_json *other = ow_json_get(b, ow_json_name_of(m));
        bool counts = ow_json_get(a, ow_json_name_of(m)) == m;
        if (other == NULL || (counts && !ow_json_equal(m, other))) {
            return false;
        }
    }
    // Names alone: to compare the values again would double the work with each level.
    for (const ow_json *m = ow_json_first(b); m != NULL; m = ow_json_next(m)) {
        if (ow_json_get(a, ow_json_name_of(m)) == NULL) {
            return false;
        }
    }
    return true;
}

static bool elements_equal(const ow_json *a, const ow_json *b) {
    const ow_json *other = ow_json_first(b);
    for (const ow_json *e = ow_json_first(a); e != NULL; e = ow_json_next(e)) {
        if (!ow_json_equal(e, other)) {
            return false;
        }
        other = ow_json_next(other);
    }
    return true;
}

static bool scalars_equal(const ow_json *a, const ow_json *b, ow_json_kind kind) {
    double x = 0, y = 0;
    bool p = false, q = false;
    switch (kind) {
    case OW_JSON_BOOL:
        return ow_json_as_bool(a, &p) && ow_json_as_bool(b, &q) && p == q;
    case OW_JSON_NUMBER:
        return ow_json_as_double(a, &x) && ow_json_as_double(b, &y) && x == y;
    case OW_JSON_STRING:
        return strcmp(ow_json_string(a), ow_json_string(b)) == 0;
    default:
        return true;
    }
}

bool ow_json_equal(const ow_json *a, const ow_json *b) {
    ow_json_kind kind = ow_json_kind_of(a);
    if (kind != ow_json_kind_of(b)) {
        return false;
    }
    if (kind != OW_JSON_OBJECT && kind != OW_JSON_ARRAY) {
        return scalars_equal(a, b, kind);
    }
    if (kind == OW_JSON_OBJECT) {
        return members_equal(a, b);
    }
    return ow_json_count(a) == ow_json_count(b) && elements_equal(a, b);
}

// ---- Types ----

typedef struct type_name {
    const char *name;
    ow_json_kind kind;
    bool integer;
} type_name;

static const type_name types[] = {
    {"null", OW_JSON_NULL, false},     {"boolean", OW_JSON_BOOL, false},
    {"object", OW_JSON_OBJECT, false}, {"array", OW_JSON_ARRAY, false},
    {"number", OW_JSON_NUMBER, false}, {"integer", OW_JSON_NUMBER, true},
    {"string", OW_JSON_STRING, false},
};

static const type_name *find_type(const ow_json *name) {
    const char *text = ow_json_string(name);
    for (size_t i = 0; text != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, text) == 0) {
            return &types[i];
        }
    }
    return NULL;
}

static bool is_of_type(const ow_json *name, const ow_json *value) {
    const type_name *type = find_type(name);
    double number = 0;
    return type != NULL && type->kind == ow_json_kind_of(value) &&
           (!type->integer || (ow_json_as_double(value, &number) && floor(number) == number));
}

// ---- Keywords: how each is written, and what it asks ----

typedef struct walk walk;
struct walk {
    place at;
    ow_err *err;
};

static ow_code check_schema(walk *w, const ow_json *schema);
static ow_code validate(walk *w, const ow_json *schema, const ow_json *value);

static bool is_list(const ow_json *json, size_t least) {
    return ow_json_kind_of(json) == OW_JSON_ARRAY && ow_json_count(json) >= least &&
           ow_json_count(json) <= LIST_MAX;
}

static ow_code written_as_anything(walk *w, const ow_json *k) {
    (void)w;
    (void)k;
    return OW_OK;
}

static ow_code written_as_type(walk *w, const ow_json *k) {
    if (ow_json_kind_of(k) == OW_JSON_STRING) {
        return find_type(k) != NULL ? OW_OK : bad(&w->at, "there is no such type", w->err);
    }
    if (!is_list(k, 1)) {
        return bad(&w->at, "the name of a type or a list of them is wanted", w->err);
    }
    for (const ow_json *e = ow_json_first(k); e != NULL; e = ow_json_next(e)) {
        if (find_type(e) == NULL) {
            return bad(&w->at, "there is no such type", w->err);
        }
    }
    return OW_OK;
}

static ow_code written_as_values(walk *w, const ow_json *k) {
    return is_list(k, 1) ? OW_OK : bad(&w->at, "a list of 1 to 256 values is wanted", w->err);
}

static ow_code written_as_names(walk *w, const ow_json *k) {
    bool sound = is_list(k, 0);
    for (const ow_json *e = sound ? ow_json_first(k) : NULL; sound && e != NULL;
         e = ow_json_next(e)) {
        sound = ow_json_kind_of(e) == OW_JSON_STRING;
    }
    return sound ? OW_OK : bad(&w->at, "a list of at most 256 names is wanted", w->err);
}

static ow_code written_as_schemas(walk *w, const ow_json *k) {
    if (ow_json_kind_of(k) != OW_JSON_OBJECT || ow_json_count(k) > LIST_MAX) {
        return bad(&w->at, "an object of at most 256 schemas is wanted", w->err);
    }
    ow_code code = OW_OK;
    for (const ow_json *m = ow_json_first(k); m != NULL && code == OW_OK; m = ow_json_next(m)) {
        size_t before = enter(&w->at, ow_json_name_of(m));
        code = check_schema(w, m);
        leave(&w->at, before);
    }
    return code;
}

static ow_code written_as_count(walk *w, const ow_json *k) {
    int64_t count;
    return ow_json_as_int(k, &count) && count >= 0
               ? OW_OK
               : bad(&w->at, "a whole number that is not negative is wanted", w->err);
}

static ow_code written_as_number(walk *w, const ow_json *k) {
    double number;
    return ow_json_as_double(k, &number) ? OW_OK : bad(&w->at, "a number is wanted", w->err);
}

// What is asked: `schema` is the object that has keyword `k`.
typedef ow_code (*asker)(walk *w, const ow_json *schema, const ow_json *k, const ow_json *value);

static ow_code verdict(walk *w, const ow_json *k, bool good) {
    return good ? OW_OK : violates(&w->at, ow_json_name_of(k), w->err);
}

static ow_code ask_type(walk *w, const ow_json *schema, const ow_json *k, const ow_json *value) {
    (void)schema;
    bool good = is_of_type(k, value);
    for (const ow_json *e = ow_json_first(k); e != NULL && !good; e = ow_json_next(e)) {
        good = is_of_type(e, value);
    }
    return verdict(w, k, good);
}

static ow_code ask_const(walk *w, const ow_json *schema, const ow_json *k, const ow_json *value) {
    (void)schema;
    return verdict(w, k, ow_json_equal(k, value));
}

static ow_code ask_enum(walk *w, const ow_json *schema, const ow_json *k, const ow_json *value) {
    (void)schema;
    bool good = false;
    for (const ow_json *e = ow_json_first(k); e != NULL && !good; e = ow_json_next(e)) {
        good = ow_json_equal(e, value);
    }
    return verdict(w, k, good);
}

static ow_code ask_properties(walk *w, const ow_json *schema, const ow_json *k,
                              const ow_json *value) {
    (void)schema;
    ow_code code = OW_OK;
    for (const ow_json *p = ow_json_first(k); p != NULL && code == OW_OK; p = ow_json_next(p)) {
        const ow_json *member = ow_json_get(value, ow_json_name_of(p));
        if (member != NULL) {
            size_t before = enter(&w->at, ow_json_name_of(p));
            code = validate(w, p, member);
            leave(&w->at, before);
        }
    }
    return code;
}

static ow_code ask_required(walk *w, const ow_json *schema, const ow_json *k,
                            const ow_json *value) {
    (void)schema;
    for (const ow_json *e = ow_json_first(k); e != NULL; e = ow_json_next(e)) {
        if (ow_json_get(value, ow_json_string(e)) == NULL) {
            enter(&w->at, ow_json_string(e));
            return verdict(w, k, false);
        }
    }
    return OW_OK;
}

static ow_code ask_additional(walk *w, const ow_json *schema, const ow_json *k,
                              const ow_json *value) {
    const ow_json *named = ow_json_get(schema, "properties");
    ow_code code = OW_OK;
    for (const ow_json *m = ow_json_first(value); m != NULL && code == OW_OK; m = ow_json_next(m)) {
        if (ow_json_get(named, ow_json_name_of(m)) == NULL) {
            size_t before = enter(&w->at, ow_json_name_of(m));
            bool allowed = true;
            code = ow_json_as_bool(k, &allowed) ? verdict(w, k, allowed) : validate(w, k, m);
            leave(&w->at, before);
        }
    }
    return code;
}

static ow_code ask_items(walk *w, const ow_json *schema, const ow_json *k, const ow_json *value) {
    (void)schema;
    ow_code code = OW_OK;
    int index = 0;
    for (const ow_json *e = ow_json_first(value); e != NULL && code == OW_OK; e = ow_json_next(e)) {
        char name[16];
        snprintf(name, sizeof name, "%d", index++);
        size_t before = enter(&w->at, name);
        code = validate(w, k, e);
        leave(&w->at, before);
    }
    return code;
}

static double number_of(const ow_json *json) {
    double number = 0;
    ow_json_as_double(json, &number);
    return number;
}

static double characters_of(const ow_json *json) {
    double count = 0;
    for (const char *at = ow_json_string(json); *at != '\0'; at++) {
        count += ((unsigned char)*at & 0xc0) != 0x80;
    }
    return count;
}

static double count_of(const ow_json *json) {
    return (double)ow_json_count(json);
}

// Keywords that compare a measure of a value with a number.
typedef struct bound {
    const char *name;
    double (*measure)(const ow_json *value);
    int sign; // 1: the measure must be at least the number; -1: at most
    bool exclusive;
} bound;

static const bound bounds[] = {
    {"minimum", number_of, 1, false},         {"maximum", number_of, -1, false},
    {"exclusiveMinimum", number_of, 1, true}, {"exclusiveMaximum", number_of, -1, true},
    {"minLength", characters_of, 1, false},   {"maxLength", characters_of, -1, false},
    {"minItems", count_of, 1, false},         {"maxItems", count_of, -1, false},
    {"minProperties", count_of, 1, false},    {"maxProperties", count_of, -1, false},
};

static ow_code ask_bound(walk *w, const ow_json *schema, const ow_json *k, const ow_json *value) {
    (void)schema;
    const bound *b = bounds;
    while (strcmp(b->name, ow_json_name_of(k)) != 0) {
        b++;
    }
    double beyond = (b->measure(value) - number_of(k)) * b->sign;
    return verdict(w, k, b->exclusive ? beyond > 0 : beyond >= 0);
}

typedef struct keyword {
    const char *name;
    ow_code (*written)(walk *w, const ow_json *k);
    asker ask;         // NULL: asks nothing
    ow_json_kind kind; // of values that it is about; OW_JSON_NULL: all
} keyword;

static const keyword keywords[] = {
    {"type", written_as_type, ask_type, OW_JSON_NULL},
    {"const", written_as_anything, ask_const, OW_JSON_NULL},
    {"enum", written_as_values, ask_enum, OW_JSON_NULL},
    {"properties", written_as_schemas, ask_properties, OW_JSON_OBJECT},
    {"required", written_as_names, ask_required, OW_JSON_OBJECT},
    {"additionalProperties", check_schema, ask_additional, OW_JSON_OBJECT},
    {"items", check_schema, ask_items, OW_JSON_ARRAY},
    {"minItems", written_as_count, ask_bound, OW_JSON_ARRAY},
    {"maxItems", written_as_count, ask_bound, OW_JSON_ARRAY},
    {"minProperties", written_as_count, ask_bound, OW_JSON_OBJECT},
    {"maxProperties", written_as_count, ask_bound, OW_JSON_OBJECT},
    {"minLength", written_as_count, ask_bound, OW_JSON_STRING},
    {"maxLength", written_as_count, ask_bound, OW_JSON_STRING},
    {"minimum", written_as_number, ask_bound, OW_JSON_NUMBER},
    {"maximum", written_as_number, ask_bound, OW_JSON_NUMBER},
    {"exclusiveMinimum", written_as_number, ask_bound, OW_JSON_NUMBER},
    {"exclusiveMaximum", written_as_number, ask_bound, OW_JSON_NUMBER},
    {"$schema", written_as_anything, NULL, OW_JSON_NULL},
    {"$comment", written_as_anything, NULL, OW_JSON_NULL},
    {"title", written_as_anything, NULL, OW_JSON_NULL},
    {"description", written_as_anything, NULL, OW_JSON_NULL},
    {"default", written_as_anything, NULL, OW_JSON_NULL},
    {"examples", written_as_anything, NULL, OW_JSON_NULL},
};

static const keyword *find_keyword(const char *name) {
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        if (strcmp(keywords[i].name, name) == 0) {
            return &keywords[i];
        }
    }
    return NULL;
}

static ow_code check_schema(walk *w, const ow_json *schema) {
    ow_json_kind kind = ow_json_kind_of(schema);
    if (kind == OW_JSON_BOOL) {
        return OW_OK;
    }
    if (kind != OW_JSON_OBJECT) {
        return bad(&w->at, "a schema is an object, true or false", w->err);
    }
    ow_code code = OW_OK;
    for (const ow_json *m = ow_json_first(schema); m != NULL && code == OW_OK;
         m = ow_json_next(m)) {
        const keyword *k = find_keyword(ow_json_name_of(m));
        size_t before = enter(&w->at, ow_json_name_of(m));
        code = k == NULL ? bad(&w->at, "this keyword is not supported", w->err) : k->written(w, m);
        leave(&w->at, before);
    }
    return code;
}

static ow_code validate(walk *w, const ow_json *schema, const ow_json *value) {
    bool allowed;
    if (ow_json_as_bool(schema, &allowed)) {
        return allowed ? OW_OK : violates(&w->at, "false", w->err);
    }
    ow_json_kind kind = ow_json_kind_of(value);
    ow_code code = OW_OK;
    for (const ow_json *m = ow_json_first(schema); m != NULL && code == OW_OK;
         m = ow_json_next(m)) {
        const keyword *k = find_keyword(ow_json_name_of(m));
        if (k != NULL && k->ask != NULL && (k->kind == OW_JSON_NULL || k->kind == kind)) {
            code = k->ask(w, schema, m, value);
        }
    }
    return code;
}

ow_code ow_json_schema_check(const ow_json *schema, ow_err *err) {
    walk w = {.err = err};
    return check_schema(&w, schema);
}

ow_code ow_json_schema_validate(const ow_json *schema, const ow_json *value, ow_err *err) {
    walk w = {.err = err};
    return validate(&w, schema, value);
}
