#include "services/gateway/stages.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789.-"
#define NAME_LONGEST 60

static ow_code bad(ow_err *err, const char *what, const char *why) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_stages", "gateway.stages: \"%.80s\" %s", what,
                   why);
}

static bool consists_of(const char *text, const char *characters) {
    return text[0] != '\0' && text[strspn(text, characters)] == '\0';
}

static bool is_alias(const char *text) {
    bool is_name = consists_of(text, NAME_CHARACTERS) && strlen(text) <= NAME_LONGEST &&
                   strspn(text, "0123456789_-") == 0;
    return is_name || strcmp(text, "$DEFAULT") == 0;
}

static ow_code read_where(const char *text, stage_rule *ret_rule, ow_err *err) {
    if (text[0] != '/') {
        ret_rule->host = text;
        return consists_of(text, HOST_CHARACTERS)
                   ? OW_OK
                   : bad(err, text, "is no host: lower-case letters, digits, '.' and '-', no port");
    }
    ret_rule->path = text;
    ret_rule->path_size = strlen(text);
    // Anything with more slashes, or that paths of ours begin with, could hide what is there.
    bool taken = strcmp(text, "/v1") == 0 || strcmp(text, "/http") == 0 ||
                 strcmp(text, "/hooks") == 0 || strcmp(text, "/metrics") == 0;
    return consists_of(text + 1, NAME_CHARACTERS) && !taken
               ? OW_OK
               : bad(err, text, "is no path for a stage: '/' and letters, digits, '_', '-'");
}

static char *trim(char *text) {
    text += strspn(text, " \t");
    size_t size = strlen(text);
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\t')) {
        text[--size] = '\0';
    }
    return text;
}

static bool is_known(const stages *all, const stage_rule *rule) {
    for (size_t i = 0; i < all->count; i++) {
        const char *a = all->rules[i].host != NULL ? all->rules[i].host : all->rules[i].path;
        const char *b = rule->host != NULL ? rule->host : rule->path;
        if (strcmp(a, b) == 0) {
            return true;
        }
    }
    return false;
}

static ow_code read_rule(stages *all, char *text, ow_err *err) {
    char *equals = strchr(text, '=');
    if (equals == NULL) {
        return bad(err, text, "is not HOST=ALIAS or /PATH=ALIAS");
    }
    *equals = '\0';
    stage_rule rule = {.alias = trim(equals + 1)};
    ow_code code = read_where(trim(text), &rule, err);
    if (code != OW_OK) {
        return code;
    }
    if (!is_alias(rule.alias)) {
        return bad(err, rule.alias, "is no alias");
    }
    if (is_known(all, &rule)) {
        return bad(err, trim(text), "is there twice");
    }
    if (all->count == STAGES_MAX) {
        return bad(err, trim(text), "is one too many: at most 32 stages");
    }
    all->rules[all->count++] = rule;
    return OW_OK;
}

ow_code stages_read(const char *text, stages *ret_stages, ow_err *err) {
    stages all = {.text = strdup(text)};
    if (all.text == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for gateway.stages");
    }
    ow_code code = OW_OK;
    char *rest = trim(all.text)[0] != '\0' ? all.text : NULL;
    for (char *each; code == OW_OK && (each = strsep(&rest, ",")) != NULL;) {
        code = read_rule(&all, each, err);
    }
    if (code != OW_OK) {
        stages_deinit(&all);
        return code;
    }
    *ret_stages = all;
    return OW_OK;
}

void stages_deinit(stages *all) {
    free(all->text);
    *all = (stages){0};
}

static bool is_path(const stage_rule *rule, const char *path) {
    return rule->path != NULL && strncmp(path, rule->path, rule->path_size) == 0 &&
           path[rule->path_size] == '/';
}

static bool is_host(const stage_rule *rule, const char *host) {
    size_t size = host != NULL ? strcspn(host, ":") : 0;
    return rule->host != NULL && strlen(rule->host) == size &&
           strncasecmp(host, rule->host, size) == 0;
}

const stage_rule *stages_find(const stages *all, const char *host, const char *path) {
    const stage_rule *by_host = NULL;
    for (size_t i = 0; i < all->count; i++) {
        if (is_path(&all->rules[i], path)) {
            return &all->rules[i];
        }
        by_host = by_host == NULL && is_host(&all->rules[i], host) ? &all->rules[i] : by_host;
    }
    return by_host;
}
