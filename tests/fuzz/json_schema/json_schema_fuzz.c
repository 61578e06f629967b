// A schema, a value and a pointer, a line each: what is declared sound can be asked of any value, and
// the place that a refusal names is there unless something is missing.

#include "core/json/pointer.h"
#include "core/json/schema.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ow_json *parse(const char *text, size_t size) {
    ow_json *json = NULL;
    return ow_json_parse(text, size, 64, &json, NULL) == OW_OK ? json : NULL;
}

static void hold(const ow_json *schema, const ow_json *value) {
    ow_err err = {.code = OW_OK};
    if (ow_json_schema_check(schema, &err) != OW_OK) {
        return;
    }
    ow_code code = ow_json_schema_validate(schema, value, &err);
    if (code != OW_OK && strcmp(err.reason, "schema_violation") != 0) {
        abort();
    }
    if (!ow_json_equal(value, value)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    const char *one = size > 0 ? memchr(text, '\n', size) : NULL;
    const char *end = text + size;
    const char *two = one != NULL ? memchr(one + 1, '\n', (size_t)(end - one - 1)) : NULL;
    if (two == NULL) {
        return 0;
    }
    ow_json *schema = parse(text, (size_t)(one - text));
    ow_json *value = parse(one + 1, (size_t)(two - one - 1));
    if (schema != NULL && value != NULL) {
        hold(schema, value);
    }
    char *pointer = strndup(two + 1, (size_t)(end - two - 1));
    if (value != NULL && pointer != NULL && ow_json_pointer_check(pointer, NULL) == OW_OK) {
        ow_json_kind_of(ow_json_pointer_get(value, pointer));
    }
    free(pointer);
    ow_json_free(schema);
    ow_json_free(value);
    return 0;
}
