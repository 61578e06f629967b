#include "services/gateway/http_routes.h"

#include <stdio.h>
#include <string.h>

#define MICROSECONDS 1000000

// ---- building ----

static http_access read_access(const char *text) {
    if (strcmp(text, "public") == 0) {
        return ACCESS_PUBLIC;
    }
    return strcmp(text, "player") == 0 ? ACCESS_PLAYER : ACCESS_SERVER;
}

static int64_t read_duration(const Google__Protobuf__Duration *from) {
    return from != NULL ? from->seconds * MICROSECONDS + from->nanos / 1000 : 0;
}

static bool build_origins(ow_arena *arena, const Overworld__Api__Route *from, http_route *to) {
    char **origins = ow_arena_calloc(arena, from->n_cors_origins + 1, sizeof *origins);
    if (origins == NULL) {
        return false;
    }
    for (size_t i = 0; i < from->n_cors_origins; i++) {
        origins[i] = ow_arena_strdup_in(arena, from->cors_origins[i]);
        if (origins[i] == NULL) {
            return false;
        }
    }
    to->origins = (const char *const *)origins;
    to->origin_count = from->n_cors_origins;
    return true;
}

static bool build_route(ow_arena *arena, const Overworld__Api__Route *from, http_route *to) {
    *to = (http_route){
        .name = ow_arena_strdup_in(arena, from->name),
        .method = ow_arena_strdup_in(arena, from->method),
        .path = ow_arena_strdup_in(arena, from->path),
        .function = ow_arena_strdup_in(arena, from->function),
        .alias = ow_arena_strdup_in(arena, from->alias[0] != '\0' ? from->alias : "$DEFAULT"),
        .access = read_access(from->access),
        .cache_us = read_duration(from->cache_ttl),
        .timeout_us = read_duration(from->timeout),
        .stale_on_failure = from->stale_on_failure,
        .fallback_file = ow_arena_strdup_in(arena, from->fallback_file)};
    return to->fallback_file != NULL && to->name != NULL && to->method != NULL &&
           to->path != NULL && to->function != NULL && to->alias != NULL &&
           build_origins(arena, from, to);
}

bool http_routes_build(ow_arena *arena, const virtual_server_routes *from,
                       http_routes *ret_routes) {
    http_route *items = ow_arena_calloc(arena, from->n_routes + 1, sizeof *items);
    size_t count = 0;
    if (items == NULL) {
        return false;
    }
    for (size_t i = 0; i < from->n_routes; i++) {
        if (!from->routes[i]->disabled && !build_route(arena, from->routes[i], &items[count++])) {
            return false;
        }
    }
    *ret_routes = (http_routes){items, count};
    return true;
}

// ---- matching ----

typedef enum segment_kind { SEGMENT_REST, SEGMENT_ONE, SEGMENT_LITERAL } segment_kind;

typedef struct segment {
    segment_kind kind;
    const char *text; // a literal, or the parameter's name
    size_t size;
} segment;

static const char *read_segment(const char *at, segment *ret_segment) {
    size_t size = strcspn(at, "/");
    *ret_segment = (segment){SEGMENT_LITERAL, at, size};
    if (size > 2 && at[0] == '{' && at[size - 1] == '}') {
        bool rest = at[size - 2] == '+';
        *ret_segment =
            (segment){rest ? SEGMENT_REST : SEGMENT_ONE, at + 1, size - 2 - (rest ? 1 : 0)};
    }
    return at + size;
}

typedef struct attempt {
    http_parameter parameters[HTTP_PARAMETERS_MAX];
    size_t count;
    uint64_t rank; // two bits a segment: how literal it is, the first one highest
} attempt;

static bool take(attempt *made, const segment *of, const char *value, size_t size) {
    if (of->kind == SEGMENT_LITERAL) {
        return of->size == size && memcmp(of->text, value, size) == 0;
    }
    if (size == 0 || made->count == HTTP_PARAMETERS_MAX) {
        return false;
    }
    made->parameters[made->count++] = (http_parameter){of->text, of->size, value, size};
    return true;
}

// Both begin behind a '/'.
static bool try_template(const char *template, const char *path, attempt *made) {
    *made = (attempt){.count = 0};
    for (int n = 0; n < HTTP_SEGMENTS_MAX; n++) {
        segment each;
        const char *behind = read_segment(template, &each);
        size_t size = each.kind == SEGMENT_REST ? strlen(path) : strcspn(path, "/");
        if (!take(made, &each, path, size)) {
            return false;
        }
        made->rank |= (uint64_t)(each.kind + 1) << (2 * (HTTP_SEGMENTS_MAX - 1 - n));
        path += size;
        if (*behind == '\0' || *path == '\0') {
            return *behind == *path;
        }
        template = behind + 1;
        path++;
    }
    return false;
}

static bool fits_method(const http_route *route, const char *method) {
    return strcmp(route->method, "ANY") == 0 || strcmp(route->method, method) == 0 ||
           (strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

void http_routes_find(const http_routes *routes, const char *method, const char *path,
                      http_match *ret_match) {
    uint64_t best = 0;
    *ret_match = (http_match){.route = NULL};
    for (size_t i = 0; i < routes->count && path[0] == '/'; i++) {
        const http_route *each = &routes->items[i];
        attempt made;
        if (!try_template(each->path + 1, path + 1, &made)) {
            continue;
        }
        if (!fits_method(each, method)) {
            ret_match->other_method = true;
        } else if (made.rank > best) {
            best = made.rank;
            ret_match->route = each;
            ret_match->parameter_count = made.count;
            memcpy(ret_match->parameters, made.parameters, sizeof made.parameters);
        }
    }
}

void http_routes_allow(const http_routes *routes, const char *path, char *text, size_t room) {
    size_t used = 0;
    bool cors = false;
    text[0] = '\0';
    for (size_t i = 0; i < routes->count && path[0] == '/'; i++) {
        const http_route *each = &routes->items[i];
        attempt made;
        if (!try_template(each->path + 1, path + 1, &made)) {
            continue;
        }
        cors = cors || each->origin_count > 0;
        if (strstr(text, each->method) == NULL && used < room) {
            used += (size_t)snprintf(text + used, room - used, "%s%s", used > 0 ? ", " : "",
                                     each->method);
        }
    }
    if (cors && used < room) {
        snprintf(text + used, room - used, ", OPTIONS");
    }
}

const http_route *http_routes_preflight(const http_routes *routes, const char *method,
                                        const char *path) {
    http_match match;
    http_routes_find(routes, method, path, &match);
    return match.route != NULL && match.route->origin_count > 0 ? match.route : NULL;
}

const char *http_route_origin(const http_route *route, const char *origin) {
    for (size_t i = 0; origin != NULL && i < route->origin_count; i++) {
        if (strcmp(route->origins[i], "*") == 0) {
            return "*";
        }
        if (strcmp(route->origins[i], origin) == 0) {
            return origin;
        }
    }
    return NULL;
}
