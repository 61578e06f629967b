// Any bytes as the answer of a server: as an error, as the answer to a login, as headers. What our reader
// takes, cJSON reads the same way.

#include "core/testing/scarce.h"
#include "sdk/c/internal.h"
#include "sdk/c/json.h"

#include <cjson/cJSON.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Whoever is out of memory may say so instead.
static void must(bool holds) {
    if (!holds && !ow_scarce_has_failed()) {
        abort();
    }
}

static bool ends(const char *text, size_t room) {
    return memchr(text, '\0', room) != NULL;
}

// A text of ours is what cJSON reads; it is laxer, so it may find one where we refuse.
static void compare_text(const cJSON *theirs, sdk_json ours, const char *name) {
    char *text = sdk_json_text_dup(sdk_json_member(ours, name));
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(theirs, name);
    if (text != NULL) {
        must(cJSON_IsString(member) && strcmp(member->valuestring, text) == 0);
    }
    must(sdk_json_is_true(sdk_json_member(ours, name)) == false || cJSON_IsTrue(member));
    free(text);
}

static void compare(const char *text, size_t size) {
    sdk_json ours = sdk_json_parse(text, size);
    cJSON *theirs = cJSON_ParseWithLength(text, size);
    // It refuses numbers of more than 63 digits and text with lone surrogates, which we take unread.
    if (ours.at != NULL && theirs != NULL) {
        static const char *const names[] = {"code", "message", "accessToken", "refreshToken",
                                            "isNewPlayer"};
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            compare_text(theirs, ours, names[i]);
        }
        int count = 0;
        sdk_json details = sdk_json_member(ours, "details");
        for (sdk_json each = sdk_json_element(details, (sdk_json){NULL, 0}); each.at != NULL;
             each = sdk_json_element(details, each)) {
            count++;
        }
        const cJSON *list = cJSON_GetObjectItemCaseSensitive(theirs, "details");
        must(!cJSON_IsArray(list) || details.at == NULL || count == cJSON_GetArraySize(list));
    }
    cJSON_Delete(theirs);
}

static void try_as_error(const ow_client_reply *reply) {
    ow_client_error error;
    char *details = NULL;
    sdk_read_error(reply, 1, &error, &details);
    must(ends(error.reason, sizeof error.reason) && error.reason[0] != '\0');
    must(ends(error.message, sizeof error.message) && error.message[0] != '\0');
    must(details == NULL || sdk_json_parse(details, strlen(details)).at != NULL);
    free(details);
}

static void try_as_login(const ow_client_reply *reply) {
    sdk_tokens tokens;
    ow_client_error error;
    if (sdk_read_login(reply, &tokens, &error)) {
        must(tokens.access[0] != '\0');
        must(ends(tokens.login.player_id, sizeof tokens.login.player_id));
        free(tokens.access);
        free(tokens.refresh);
    } else {
        must(strcmp(error.reason, "bad_answer") == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    // Without a NUL behind it, so that reading past its end is seen.
    char *bytes = malloc(size > 0 ? size : 1);
    char *text = malloc(size + 1);
    if (bytes == NULL || text == NULL) {
        free(bytes);
        free(text);
        return 0;
    }
    if (size > 0) {
        memcpy(bytes, data, size);
        memcpy(text, data, size);
    }
    text[size] = '\0';
    ow_client_reply reply = {.data = bytes, .size = size, .status = 500};
    try_as_error(&reply);
    try_as_login(&reply);
    compare(bytes, size);
    sdk_read_date(text);
    free(text);
    free(bytes);
    return 0;
}
