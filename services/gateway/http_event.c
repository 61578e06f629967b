#include "services/gateway/http_event.h"

#include "core/crypto/hash.h"
#include "core/http/text.h"
#include "core/json/check.h"
#include "core/json/tree.h"
#include "core/json/walk.h"
#include "core/json/writer.h"
#include "services/gateway/portal_cookie.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define EVENT_MAX (8 << 20)
#define VALUE_MAX 8192
#define REPLY_DEPTH 64
#define HEADERS_TEXT_MAX ((size_t)64 << 10)
#define STATUS_LEAST 200
#define STATUS_MOST 599

// ---- the event ----

static void write_lower(ow_json_writer *w, const char *name) {
    char lower[128];
    size_t size = 0;
    for (; name[size] != '\0' && size < sizeof lower - 1; size++) {
        char c = name[size];
        lower[size] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    lower[size] = '\0';
    ow_json_name(w, lower);
}

static bool came_before(const ow_http_request *http, const char *name, size_t nth) {
    const char *earlier;
    const char *value;
    for (size_t i = 0; i < nth; i++) {
        if (ow_http_header_at(http, i, &earlier, &value) && strcasecmp(earlier, name) == 0) {
            return true;
        }
    }
    return false;
}

// NULL: nothing of it. Browsers send a cookie to every port of its host: an operator who opens a route
// beside the console brings their session along, which is nobody's but the console's.
static const char *visible_part(const exchange *x, const http_route *route, const char *name,
                                const char *value) {
    if (strcasecmp(name, "cookie") == 0) {
        char *rest = ow_arena_alloc(x->call->arena, 2 * strlen(value) + 3);
        if (rest != NULL) {
            portal_cookie_remove(value, rest);
        }
        return rest != NULL && rest[0] != '\0' ? rest : NULL;
    }
    bool secret = route->access != ACCESS_PUBLIC && strcasecmp(name, "authorization") == 0;
    return secret ? NULL : value;
}

// The token of a route that checks it is not the function's.
static void write_headers(ow_json_writer *w, const exchange *x, const http_route *route) {
    const char *name;
    const char *value;
    ow_json_name(w, "headers");
    ow_json_object_open(w);
    for (size_t i = 0; ow_http_header_at(x->http, i, &name, &value); i++) {
        const char *part =
            came_before(x->http, name, i) ? NULL : visible_part(x, route, name, value);
        if (part != NULL) {
            write_lower(w, name);
            ow_json_text(w, part);
        }
    }
    ow_json_object_close(w);
}

// What cannot be decoded stays as it came.
static void write_decoded(ow_json_writer *w, const char *text, size_t size, bool plus) {
    char value[VALUE_MAX];
    long length = ow_http_percent_decode(text, size, plus, value, sizeof value);
    if (length >= 0) {
        ow_json_text_n(w, value, (size_t)length);
    } else {
        ow_json_text_n(w, text, size);
    }
}

static void write_parameters(ow_json_writer *w, const http_match *match) {
    ow_json_name(w, "pathParameters");
    ow_json_object_open(w);
    for (size_t i = 0; i < match->parameter_count; i++) {
        char name[128];
        const http_parameter *each = &match->parameters[i];
        snprintf(name, sizeof name, "%.*s", (int)each->name_size, each->name);
        ow_json_name(w, name);
        write_decoded(w, each->value, each->value_size, false);
    }
    ow_json_object_close(w);
}

typedef struct parameter {
    const char *name, *value; // decoded; as it came
    size_t value_size;
    bool written;
} parameter;

// Behind the '&' of a part, or at the end.
static const char *next_part(const char *at) {
    at += strcspn(at, "&");
    return at + (*at == '&');
}

// False: the part has no name, or none that can be decoded, and is left out.
static bool read_parameter(const char *part, ow_arena *arena, parameter *ret_parameter) {
    char name[256];
    size_t size = strcspn(part, "&");
    size_t name_size = strcspn(part, "=&");
    size_t skipped = name_size < size ? name_size + 1 : size;
    long length = ow_http_percent_decode(part, name_size, true, name, sizeof name);
    *ret_parameter = (parameter){.name = length > 0 ? ow_arena_strdup_in(arena, name) : NULL,
                                 .value = part + skipped,
                                 .value_size = size - skipped};
    return ret_parameter->name != NULL;
}

// A name that comes several times has a list.
static void write_parameter(ow_json_writer *w, parameter *all, size_t count, size_t first) {
    size_t same = 0;
    for (size_t i = first; i < count; i++) {
        same += strcmp(all[i].name, all[first].name) == 0;
    }
    ow_json_name(w, all[first].name);
    if (same > 1) {
        ow_json_array_open(w);
    }
    for (size_t i = first; i < count; i++) {
        if (strcmp(all[i].name, all[first].name) == 0) {
            write_decoded(w, all[i].value, all[i].value_size, true);
            all[i].written = true;
        }
    }
    if (same > 1) {
        ow_json_array_close(w);
    }
}

bool http_event_fits_query(const char *query) {
    size_t parts = 0;
    for (const char *at = query; *at != '\0'; at = next_part(at)) {
        parts++;
    }
    return parts <= HTTP_QUERY_PARTS_MAX;
}

// False: no memory.
static bool write_query(ow_json_writer *w, const char *query, ow_arena *arena) {
    parameter *all = ow_arena_calloc(arena, HTTP_QUERY_PARTS_MAX, sizeof *all);
    size_t count = 0;
    for (const char *at = query; all != NULL && *at != '\0' && count < HTTP_QUERY_PARTS_MAX;
         at = next_part(at)) {
        count += read_parameter(at, arena, &all[count]);
    }
    ow_json_name(w, "queryString");
    ow_json_object_open(w);
    for (size_t i = 0; i < count; i++) {
        if (!all[i].written) {
            write_parameter(w, all, count, i);
        }
    }
    ow_json_object_close(w);
    return all != NULL;
}

static void write_body(ow_json_writer *w, const exchange *x) {
    size_t size;
    const char *body = ow_http_body(x->http, &size);
    bool is_text = size == 0 || ow_utf8_check(body, size);
    ow_json_name(w, "body");
    if (is_text) {
        ow_json_text_n(w, size > 0 ? body : "", size);
    } else {
        ow_json_bytes(w, body, size);
    }
    ow_json_name(w, "isBase64Encoded");
    ow_json_bool(w, !is_text);
}

static void write_member(ow_json_writer *w, const char *name, const char *text) {
    ow_json_name(w, name);
    ow_json_text(w, text);
}

static void write_context(ow_json_writer *w, const exchange *x, const http_route *route) {
    ow_json_name(w, "requestContext");
    ow_json_object_open(w);
    write_member(w, "serviceId", x->virtual_server);
    write_member(w, "path", route->path);
    write_member(w, "httpMethod", ow_http_method(x->http));
    write_member(w, "requestId", x->request_id);
    ow_json_name(w, "identity");
    ow_json_object_open(w);
    if (x->principal.kind == OW_PLAYER) {
        write_member(w, "playerId", x->principal.id);
    } else if (x->principal.kind == OW_SERVER) {
        write_member(w, "serverKeyId", x->principal.id);
    }
    ow_json_object_close(w);
    write_member(w, "sourceIp", x->client_address);
    write_member(w, "stage", route->alias);
    ow_json_object_close(w);
}

const char *http_event_write(exchange *x, const http_match *match, const char *path,
                             size_t *ret_size) {
    ow_json_writer w;
    ow_json_writer_init(&w, x->call->arena, EVENT_MAX);
    ow_json_object_open(&w);
    write_context(&w, x, match->route);
    write_headers(&w, x, match->route);
    write_parameters(&w, match);
    bool whole = write_query(&w, ow_http_query(x->http), x->call->arena);
    write_member(&w, "path", path);
    write_member(&w, "httpMethod", ow_http_method(x->http));
    write_body(&w, x);
    ow_json_object_close(&w);
    return whole ? ow_json_writer_end(&w, ret_size) : NULL;
}

// ---- the reply ----

static ow_code bad_reply(const char *what, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_reply", "the function's reply: %s", what);
}

// Those that HTTP itself, or the gateway, decides about.
static bool is_ours(const char *name) {
    static const char *const ours[] = {
        "connection",      "content-length", "transfer-encoding", "date",
        "upgrade",         "keep-alive",     "trailer",           "te",
        "proxy-connection"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (strcasecmp(ours[i], name) == 0) {
            return true;
        }
    }
    return strncasecmp(name, "overworld-", 10) == 0 || strncasecmp(name, "x-overworld-", 12) == 0;
}

static bool is_token(const char *name) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    size_t size = strspn(name, allowed);
    return size > 0 && size < 100 && name[size] == '\0';
}

static void note_meaning(http_reply *to, const char *name, const char *value) {
    if (strcasecmp(name, "set-cookie") == 0 || strcasecmp(name, "vary") == 0) {
        to->storable = false;
    }
    if (strcasecmp(name, "cache-control") == 0 &&
        (strstr(value, "no-store") != NULL || strstr(value, "private") != NULL ||
         strstr(value, "no-cache") != NULL)) {
        to->storable = false;
    }
}

static char *value_text(ow_arena *arena, const ow_json *value) {
    char number[32];
    double read;
    bool truth;
    const char *text = ow_json_string(value);
    if (text == NULL && ow_json_as_double(value, &read)) {
        snprintf(number, sizeof number, "%.15g", read);
        text = number;
    } else if (text == NULL && ow_json_as_bool(value, &truth)) {
        text = truth ? "true" : "false";
    }
    return text != NULL ? ow_arena_strdup_in(arena, text) : NULL;
}

static bool add_value(http_reply *to, ow_arena *arena, const char *name, const ow_json *value) {
    char *copy = value_text(arena, value);
    if (copy == NULL || !ow_http_is_header_value(copy, VALUE_MAX)) {
        return false;
    }
    if (strcasecmp(name, "content-type") == 0) {
        to->content_type = copy;
        return true;
    }
    char *own = ow_arena_strdup_in(arena, name);
    if (own == NULL || to->header_count == HTTP_REPLY_HEADERS_MAX) {
        return false;
    }
    note_meaning(to, own, copy);
    to->headers[to->header_count++] = (ow_http_header_line){own, copy};
    return true;
}

static bool read_headers(http_reply *to, ow_arena *arena, const ow_json *headers) {
    for (const ow_json *each = ow_json_first(headers); each != NULL; each = ow_json_next(each)) {
        const char *name = ow_json_name_of(each);
        if (is_ours(name)) {
            continue;
        }
        if (!is_token(name)) {
            return false;
        }
        bool is_list = ow_json_kind_of(each) == OW_JSON_ARRAY;
        const ow_json *value = is_list ? ow_json_first(each) : each;
        while (value != NULL) {
            if (!add_value(to, arena, name, value)) {
                return false;
            }
            value = is_list ? ow_json_next(value) : NULL;
        }
    }
    return true;
}

// Standard base64, as functions write it; core/crypto reads the URL form without padding.
static bool decode(http_reply *to, ow_arena *arena, const char *text) {
    size_t size = strlen(text);
    char *url = ow_arena_strdup_in(arena, text);
    uint8_t *bytes = ow_arena_alloc(arena, size + 1);
    if (url == NULL || bytes == NULL) {
        return false;
    }
    while (size > 0 && url[size - 1] == '=') {
        size--;
    }
    for (size_t i = 0; i < size; i++) {
        url[i] = (char)(url[i] == '+' ? '-' : url[i] == '/' ? '_' : url[i]);
    }
    int64_t length = ow_base64url_decode(url, size, bytes, size + 1);
    to->body = bytes;
    to->size = length >= 0 ? (size_t)length : 0;
    return length >= 0;
}

// The members that count, as they stand in the text; without `text` what is not there.
typedef struct integrated {
    ow_json_slice status, headers, body, is_encoded;
} integrated;

static bool is_kind(const ow_json_slice *value, ow_json_kind kind) {
    return value->text != NULL && ow_json_slice_kind(value) == kind;
}

static bool read_body(http_reply *to, ow_arena *arena, const integrated *reply) {
    if (reply->body.text == NULL || is_kind(&reply->body, OW_JSON_NULL)) {
        return true;
    }
    const char *text = ow_json_slice_string_in(arena, &reply->body, &to->size);
    if (text == NULL) {
        return false;
    }
    if (is_kind(&reply->is_encoded, OW_JSON_BOOL) && reply->is_encoded.text[0] == 't') {
        return decode(to, arena, text);
    }
    to->body = text;
    return true;
}

// False: no number that a reply may have.
static bool read_status(http_reply *to, const ow_json_slice *value) {
    ow_json *tree = NULL;
    int64_t status = 0;
    bool is_number = is_kind(value, OW_JSON_NUMBER) &&
                     ow_json_parse(value->text, value->size, REPLY_DEPTH, &tree, NULL) == OW_OK &&
                     ow_json_as_int(tree, &status) && status >= STATUS_LEAST &&
                     status <= STATUS_MOST;
    ow_json_free(tree);
    to->status = (int)status;
    return is_number;
}

static ow_code read_header_lines(http_reply *to, ow_arena *arena, const ow_json_slice *value,
                                 ow_err *err) {
    ow_json *tree = NULL;
    if (value->text == NULL) {
        return OW_OK;
    }
    if (!is_kind(value, OW_JSON_OBJECT)) {
        return bad_reply("headers is no object", err);
    }
    bool fits = value->size <= HEADERS_TEXT_MAX &&
                ow_json_parse(value->text, value->size, REPLY_DEPTH, &tree, NULL) == OW_OK &&
                read_headers(to, arena, tree);
    ow_json_free(tree);
    return fits ? OW_OK : bad_reply("a header is none, or they are more than 30 or 64 KB", err);
}

static ow_code read_integrated(const integrated *reply, ow_arena *arena, http_reply *to,
                               ow_err *err) {
    to->content_type = "text/plain; charset=utf-8";
    to->body = "";
    to->size = 0;
    if (!read_status(to, &reply->status)) {
        return bad_reply("statusCode is no number from 200 to 599", err);
    }
    ow_code code = read_header_lines(to, arena, &reply->headers, err);
    if (code != OW_OK) {
        return code;
    }
    if (!read_body(to, arena, reply)) {
        return bad_reply("body is no string, or not base64 as isBase64Encoded says", err);
    }
    to->storable = to->storable && to->status == 200;
    return OW_OK;
}

static void note_member(integrated *to, const ow_json_slice *name, const ow_json_slice *value) {
    const struct {
        const char *name;
        ow_json_slice *value;
    } members[] = {{"\"statusCode\"", &to->status},
                   {"\"headers\"", &to->headers},
                   {"\"body\"", &to->body},
                   {"\"isBase64Encoded\"", &to->is_encoded}};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i].value->text == NULL && name->size == strlen(members[i].name) &&
            memcmp(name->text, members[i].name, name->size) == 0) {
            *members[i].value = *value;
        }
    }
}

// A tree of some megabytes would take the loop long to make, and a caller may choose what a function echoes.
static bool find_integrated(const invoke_response *from, const char *type, integrated *ret_reply) {
    const char *text = (const char *)from->payload.data;
    ow_json_walk walk;
    ow_json_slice name, value;
    *ret_reply = (integrated){{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!ow_http_is_media_type(type, "application/json") || from->payload.len == 0 ||
        ow_json_check(text, from->payload.len, REPLY_DEPTH, NULL) != OW_OK ||
        !ow_json_walk_begin(&walk, text, from->payload.len) || !walk.is_object) {
        return false;
    }
    while (ow_json_walk_next(&walk, &name, &value)) {
        note_member(ret_reply, &name, &value);
    }
    return ret_reply->status.text != NULL;
}

ow_code http_reply_read(const invoke_response *from, ow_arena *arena, http_reply *ret_reply,
                        ow_err *err) {
    const char *type = from->content_type[0] != '\0' ? from->content_type : "application/json";
    integrated reply;
    *ret_reply = (http_reply){.status = 200,
                              .content_type = type,
                              .body = from->payload.data,
                              .size = from->payload.len,
                              .storable = true};
    return find_integrated(from, type, &reply) ? read_integrated(&reply, arena, ret_reply, err)
                                               : OW_OK;
}

// ---- what is kept of it ----

static size_t head_room(const http_reply *reply) {
    size_t room = strlen(reply->content_type) + 2;
    for (size_t i = 0; i < reply->header_count; i++) {
        room += strlen(reply->headers[i].name) + strlen(reply->headers[i].value) + 2;
    }
    return room;
}

// Values have no line breaks, names no colons.
const char *http_head_write(const http_reply *reply, ow_arena *arena, size_t *ret_size) {
    size_t room = head_room(reply);
    char *text = ow_arena_alloc(arena, room);
    if (text == NULL) {
        return NULL;
    }
    size_t used = (size_t)snprintf(text, room, "%s\n", reply->content_type);
    for (size_t i = 0; i < reply->header_count; i++) {
        used += (size_t)snprintf(text + used, room - used, "%s:%s\n", reply->headers[i].name,
                                 reply->headers[i].value);
    }
    *ret_size = used;
    return text;
}

bool http_head_read(const char *text, size_t size, ow_arena *arena, http_reply *to) {
    char *copy = ow_arena_alloc(arena, size + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, text, size);
    copy[size] = '\0';
    char *end = strchr(copy, '\n');
    to->content_type = copy;
    to->header_count = 0;
    while (end != NULL) {
        *end = '\0';
        char *line = end + 1;
        char *colon = strchr(line, ':');
        end = strchr(line, '\n');
        if (colon == NULL || end == NULL) {
            break;
        }
        *colon = '\0';
        to->headers[to->header_count++] = (ow_http_header_line){line, colon + 1};
    }
    return true;
}
