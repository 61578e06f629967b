#pragma once

// Routes of virtual servers: which one a method and a path belong to. Pure.
//
// A template is segments: literals, "{name}" for one segment, a last "{name+}" for all that is left. Of
// several that fit, the one wins that is more literal earlier.

#include "core/arena/arena.h"
#include "services/gateway/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_PARAMETERS_MAX 16
#define HTTP_SEGMENTS_MAX 32

typedef enum http_access { ACCESS_PUBLIC, ACCESS_PLAYER, ACCESS_SERVER } http_access;

typedef struct http_route {
    const char *name, *method, *path, *function, *alias;
    http_access access;
    const char *const *origins; // of CORS
    size_t origin_count;
    int64_t cache_us, timeout_us; // 0: none
    bool stale_on_failure;
    const char *fallback_file; // of the bundle; "": none
} http_route;

typedef struct http_routes {
    const http_route *items;
    size_t count;
} http_routes;

// Copies what is in force into the arena; what is disabled is left out. False: no memory.
bool http_routes_build(ow_arena *arena, const virtual_server_routes *from, http_routes *ret_routes);

typedef struct http_parameter {
    const char *name;
    size_t name_size;
    const char *value; // percent-encoded, as it came
    size_t value_size;
} http_parameter;

typedef struct http_match {
    const http_route *route; // NULL: nothing fits
    http_parameter parameters[HTTP_PARAMETERS_MAX];
    size_t parameter_count;
    bool other_method; // the path fits routes of other methods
} http_match;

// `path` begins with '/'. HEAD is also served by routes of GET.
void http_routes_find(const http_routes *routes, const char *method, const char *path,
                      http_match *ret_match);

// "GET, POST": the methods of all routes that the path fits, with OPTIONS where one speaks CORS.
void http_routes_allow(const http_routes *routes, const char *path, char *text, size_t room);

// The route that answers a preflight for that method; NULL: none that speaks CORS.
const http_route *http_routes_preflight(const http_routes *routes, const char *method,
                                        const char *path);

// What Access-Control-Allow-Origin says to this origin; NULL: nothing.
const char *http_route_origin(const http_route *route, const char *origin);
