#include "core/json/tree.h"

#include "core/json/check.h"

#include <cjson/cJSON.h>

#define EXACT_MAX 9007199254740992.0 // 2^53

// An ow_json is a cJSON by another name.
static const cJSON *inner(const ow_json *json) {
    return (const cJSON *)json;
}

static const ow_json *outer(const cJSON *item) {
    return (const ow_json *)item;
}

ow_code ow_json_parse(const char *text, size_t size, int max_depth, ow_json **ret_json,
                      ow_err *err) {
    ow_code code = ow_json_check(text, size, max_depth, err);
    if (code != OW_OK) {
        return code;
    }
    cJSON *item = cJSON_ParseWithLength(text, size);
    if (item == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a JSON tree");
    }
    *ret_json = (ow_json *)item;
    return OW_OK;
}

ow_json *ow_json_free(ow_json *json) {
    cJSON_Delete((cJSON *)json);
    return NULL;
}

ow_json_kind ow_json_kind_of(const ow_json *json) {
    const cJSON *item = inner(json);
    if (cJSON_IsObject(item)) {
        return OW_JSON_OBJECT;
    }
    if (cJSON_IsArray(item)) {
        return OW_JSON_ARRAY;
    }
    if (cJSON_IsString(item)) {
        return OW_JSON_STRING;
    }
    if (cJSON_IsNumber(item)) {
        return OW_JSON_NUMBER;
    }
    return cJSON_IsBool(item) ? OW_JSON_BOOL : OW_JSON_NULL;
}

const ow_json *ow_json_get(const ow_json *object, const char *name) {
    return outer(cJSON_GetObjectItemCaseSensitive(inner(object), name));
}

const ow_json *ow_json_first(const ow_json *container) {
    return container != NULL ? outer(inner(container)->child) : NULL;
}

const ow_json *ow_json_next(const ow_json *json) {
    return json != NULL ? outer(inner(json)->next) : NULL;
}

size_t ow_json_count(const ow_json *container) {
    return (size_t)cJSON_GetArraySize(inner(container));
}

const char *ow_json_name_of(const ow_json *member) {
    return member != NULL ? inner(member)->string : NULL;
}

const char *ow_json_string(const ow_json *json) {
    return cJSON_GetStringValue(inner(json));
}

bool ow_json_as_bool(const ow_json *json, bool *ret_value) {
    if (!cJSON_IsBool(inner(json))) {
        return false;
    }
    *ret_value = cJSON_IsTrue(inner(json));
    return true;
}

bool ow_json_as_double(const ow_json *json, double *ret_value) {
    if (!cJSON_IsNumber(inner(json))) {
        return false;
    }
    *ret_value = inner(json)->valuedouble;
    return true;
}

bool ow_json_as_int(const ow_json *json, int64_t *ret_value) {
    double value;
    if (!ow_json_as_double(json, &value) || value < -EXACT_MAX || value > EXACT_MAX ||
        value != (double)(int64_t)value) {
        return false;
    }
    *ret_value = (int64_t)value;
    return true;
}
