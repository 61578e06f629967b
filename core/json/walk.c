#include "core/json/walk.h"

#include "core/json/cursor.h"
#include "core/json/internal.h"

bool ow_json_walk_begin(ow_json_walk *walk, const char *text, size_t size) {
    cursor at = {text, text + size};
    char first = cursor_peek(&at);
    if (first != '{' && first != '[') {
        return false;
    }
    *walk = (ow_json_walk){.at = at.at + 1, .end = at.end, .is_object = first == '{'};
    return true;
}

bool ow_json_walk_next(ow_json_walk *walk, ow_json_slice *ret_name, ow_json_slice *ret_value) {
    cursor at = {walk->at, walk->end};
    ow_json_slice name = {"", 0};
    cursor_take(&at, ',');
    char next = cursor_peek(&at);
    if (next == '}' || next == ']' || next == '\0') {
        return false;
    }
    if (walk->is_object) {
        name.text = at.at;
        cursor_string(&at);
        name.size = (size_t)(at.at - name.text);
        cursor_take(&at, ':');
    }
    cursor_peek(&at);
    ret_value->text = at.at;
    cursor_skip(&at);
    ret_value->size = (size_t)(at.at - ret_value->text);
    if (ret_name != NULL) {
        *ret_name = name;
    }
    walk->at = at.at;
    return true;
}

ow_json_kind ow_json_slice_kind(const ow_json_slice *slice) {
    switch (slice->size > 0 ? slice->text[0] : 'n') {
    case '{':
        return OW_JSON_OBJECT;
    case '[':
        return OW_JSON_ARRAY;
    case '"':
        return OW_JSON_STRING;
    case 't':
    case 'f':
        return OW_JSON_BOOL;
    case 'n':
        return OW_JSON_NULL;
    default:
        return OW_JSON_NUMBER;
    }
}

char *ow_json_slice_string_in(ow_arena *arena, const ow_json_slice *slice, size_t *ret_size) {
    if (ow_json_slice_kind(slice) != OW_JSON_STRING) {
        return NULL;
    }
    cursor at = {slice->text, slice->text + slice->size};
    raw_string raw = cursor_string(&at);
    char *text = ow_arena_alloc(arena, raw.size + 1);
    if (text != NULL) {
        size_t size = raw_string_decode(&raw, text);
        text[size] = '\0';
        if (ret_size != NULL) {
            *ret_size = size;
        }
    }
    return text;
}

bool ow_json_slice_base64_in(ow_arena *arena, const ow_json_slice *slice, uint8_t **ret_bytes,
                             size_t *ret_size) {
    size_t size = 0;
    char *text = ow_json_slice_string_in(arena, slice, &size);
    uint8_t *bytes = text != NULL ? ow_arena_alloc(arena, size / 4 * 3 + 4) : NULL;
    if (bytes == NULL || !base64_decode(text, size, bytes, ret_size)) {
        return false;
    }
    bytes[*ret_size] = 0;
    *ret_bytes = bytes;
    return true;
}
