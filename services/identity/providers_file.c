#include "services/identity/providers_file.h"

#include "core/json/tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8, TEXT_MAX = 1024, ISSUER_MAX = 255 };

// What is known of providers that everybody uses; the rest is said in the file.
typedef struct preset {
    const char *name;
    const char *issuers[PROVIDER_ISSUERS_MAX + 1];
    const char *jwks_url;
} preset;

static const preset presets[] = {
    // https://developers.google.com/identity/openid-connect/openid-connect
    {"google",
     {"https://accounts.google.com", "accounts.google.com"},
     "https://www.googleapis.com/oauth2/v3/certs"},
    // https://developer.apple.com/documentation/signinwithapple
    {"apple", {"https://appleid.apple.com"}, "https://appleid.apple.com/auth/keys"},
};

static ow_code bad(ow_err *err, const provider_entry *entry, const char *what) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_providers", "provider \"%s\": %s", entry->name,
                   what);
}

static bool is_name(const char *text) {
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t length = text != NULL ? strlen(text) : 0;
    return length > 0 && length < 34 && strspn(text, allowed) == length;
}

// Texts of 1..max bytes in a list, copied; false when it is something else.
static bool read_list(const ow_json *list, char **ret_texts, size_t count_max, size_t max) {
    size_t count = 0;
    if (ow_json_kind_of(list) != OW_JSON_ARRAY || ow_json_count(list) > count_max) {
        return false;
    }
    for (const ow_json *each = ow_json_first(list); each != NULL; each = ow_json_next(each)) {
        const char *text = ow_json_string(each);
        if (text == NULL || text[0] == '\0' || strlen(text) > max) {
            return false;
        }
        ret_texts[count++] = strdup(text);
    }
    return count > 0;
}

static bool read_text(const ow_json *json, char **ret_text) {
    const char *text = ow_json_string(json);
    if (json != NULL && (text == NULL || text[0] == '\0' || strlen(text) > TEXT_MAX)) {
        return false;
    }
    *ret_text = text != NULL ? strdup(text) : *ret_text;
    return true;
}

static bool take_preset(provider_entry *entry, const char *name) {
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        if (name != NULL && strcmp(presets[i].name, name) == 0) {
            for (size_t j = 0; presets[i].issuers[j] != NULL; j++) {
                entry->issuers[j] = strdup(presets[i].issuers[j]);
            }
            entry->jwks_url = strdup(presets[i].jwks_url);
            return true;
        }
    }
    return false;
}

static ow_code check_names(const ow_json *from, const provider_entry *entry, ow_err *err) {
    static const char *const known[] = {"name",      "preset",    "title",   "issuers",
                                        "audiences", "jwks_file", "jwks_url"};
    for (const ow_json *each = ow_json_first(from); each != NULL; each = ow_json_next(each)) {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            found = found || strcmp(known[i], ow_json_name_of(each)) == 0;
        }
        if (!found || ow_json_get(from, ow_json_name_of(each)) != each) {
            return bad(err, entry, "it has a member that is not known, or twice the same");
        }
    }
    return OW_OK;
}

static ow_code read_sources(const ow_json *from, provider_entry *entry, ow_err *err) {
    const ow_json *preset_name = ow_json_get(from, "preset");
    bool own = ow_json_get(from, "issuers") != NULL || ow_json_get(from, "jwks_url") != NULL ||
               ow_json_get(from, "jwks_file") != NULL;
    if (preset_name != NULL) {
        return own || !take_preset(entry, ow_json_string(preset_name))
                   ? bad(err, entry,
                         "\"preset\" is \"google\" or \"apple\" and stands for issuers and keys")
                   : OW_OK;
    }
    // Players are known by issuer and subject; the subjects of two issuers may be the same. (A preset's
    // are spellings of one.)
    if (!read_list(ow_json_get(from, "issuers"), entry->issuers, 1, ISSUER_MAX)) {
        return bad(err, entry,
                   "\"issuers\" must have one text: another issuer is another provider");
    }
    if (!read_text(ow_json_get(from, "jwks_file"), &entry->jwks_file) ||
        !read_text(ow_json_get(from, "jwks_url"), &entry->jwks_url) ||
        (entry->jwks_file == NULL) == (entry->jwks_url == NULL)) {
        return bad(err, entry, "it must have either \"jwks_file\" or \"jwks_url\"");
    }
    return OW_OK;
}

static ow_code read_entry(const ow_json *from, provider_entry *entry, ow_err *err) {
    const char *name = ow_json_string(ow_json_get(from, "name"));
    const ow_json *title = ow_json_get(from, "title");
    const char *title_id = ow_json_string(title);
    if (!is_name(name)) {
        return bad(err, entry, "\"name\" must have 1 to 33 characters of A-Z a-z 0-9 _ -");
    }
    snprintf(entry->name, sizeof entry->name, "%s", name);
    ow_code code = check_names(from, entry, err);
    if (code == OW_OK && title != NULL && !ow_id_is(title_id, "ttl_")) {
        return bad(err, entry, "\"title\" must be the id of a title (ow title list)");
    }
    if (title != NULL && title_id != NULL) {
        snprintf(entry->title, sizeof entry->title, "%s", title_id);
    }
    code = code == OW_OK ? read_sources(from, entry, err) : code;
    if (code == OW_OK && !read_list(ow_json_get(from, "audiences"), entry->audiences,
                                    PROVIDER_AUDIENCES_MAX, TEXT_MAX)) {
        return bad(err, entry, "\"audiences\" must be a list of 1 to 16 texts, your client ids");
    }
    return code;
}

void provider_entry_deinit(provider_entry *entry) {
    for (int i = 0; i < PROVIDER_ISSUERS_MAX; i++) {
        free(entry->issuers[i]);
    }
    for (int i = 0; i < PROVIDER_AUDIENCES_MAX; i++) {
        free(entry->audiences[i]);
    }
    free(entry->jwks_file);
    free(entry->jwks_url);
    *entry = (provider_entry){0};
}

static ow_code read_all(const ow_json *list, provider_entry *entries, int *ret_count, ow_err *err) {
    if (ow_json_kind_of(list) != OW_JSON_ARRAY || ow_json_count(list) > PROVIDERS_MAX) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_providers",
                       "it must have a list \"providers\" of at most %d", PROVIDERS_MAX);
    }
    ow_code code = OW_OK;
    for (const ow_json *each = ow_json_first(list); each != NULL && code == OW_OK;
         each = ow_json_next(each)) {
        provider_entry *made = &entries[(*ret_count)++];
        code = read_entry(each, made, err);
        for (int i = 0; code == OW_OK && i + 1 < *ret_count; i++) {
            if (strcmp(entries[i].name, made->name) == 0 &&
                strcmp(entries[i].title, made->title) == 0) {
                code = bad(err, made, "there are two of this name");
            }
        }
    }
    return code;
}

ow_code providers_read(const char *text, size_t size,
                       provider_entry ret_entries[static PROVIDERS_MAX], int *ret_count,
                       ow_err *err) {
    ow_json *json = NULL;
    if (ow_json_parse(text, size, DEPTH_MAX, &json, NULL) != OW_OK) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_providers", "it is no JSON");
    }
    memset(ret_entries, 0, PROVIDERS_MAX * sizeof *ret_entries);
    *ret_count = 0;
    ow_code code = read_all(ow_json_get(json, "providers"), ret_entries, ret_count, err);
    ow_json_free(json);
    for (int i = 0; code != OW_OK && i < *ret_count; i++) {
        provider_entry_deinit(&ret_entries[i]);
    }
    return code;
}
