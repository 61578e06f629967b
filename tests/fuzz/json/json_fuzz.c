// Whatever the strict check accepts, the tree reads, and walking it finds UTF-8 everywhere.

#include "core/json/check.h"
#include "core/json/tree.h"
#include "core/testing/scarce.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const ow_json *json) {
    const char *text = ow_json_string(json);
    if (text != NULL && !ow_utf8_check(text, strlen(text))) {
        abort();
    }
    for (const ow_json *item = ow_json_first(json); item != NULL; item = ow_json_next(item)) {
        const char *name = ow_json_name_of(item);
        if (name != NULL && !ow_utf8_check(name, strlen(name))) {
            abort();
        }
        walk(item);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    ow_json *json;
    ow_err err;
    bool valid = ow_json_check((const char *)data, size, OW_JSON_MAX_DEPTH, &err) == OW_OK;
    bool parsed = ow_json_parse((const char *)data, size, OW_JSON_MAX_DEPTH, &json, &err) == OW_OK;
    if (valid != parsed &&
        !(valid && ow_scarce_has_failed() && err.code == OW_RESOURCE_EXHAUSTED)) {
        abort();
    }
    if (parsed) {
        walk(json);
        ow_json_free(json);
    }
    return 0;
}
