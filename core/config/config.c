#include "core/config/config.h"

#include "core/config/internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 128, ORIGIN_MAX = 200, LINE_MAX_BYTES = 4096, SUGGEST_WITHIN = 3 };

static const char env_prefix[] = "OVERWORLD_";

// One key of one module in this configuration.
typedef struct setting {
    const ow_config_table *table;
    const ow_config_key *key;
    void *target;
    int file_line; // where the file sets it; 0: it does not
    char origin[ORIGIN_MAX];
} setting;

struct ow_config {
    const ow_config_table *tables;
    size_t table_count;
    void **values; // a struct for each table
    setting *settings;
    size_t setting_count;
};

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_INTERNAL, "no_memory", "no memory for the configuration");
}

// --- the tables ---

static size_t count_keys(const ow_config_table *table) {
    size_t count = 0;
    while (table->keys != NULL && table->keys[count].name != NULL) {
        count++;
    }
    return count;
}

static ow_code make_room(ow_config *config, ow_err *err) {
    const ow_config_table *tables = config->tables;
    size_t keys = 0;
    while (tables[config->table_count].module != NULL) {
        keys += count_keys(&tables[config->table_count++]);
    }
    config->values = calloc(config->table_count + 1, sizeof *config->values);
    config->settings = calloc(keys + 1, sizeof *config->settings);
    if (config->values == NULL || config->settings == NULL) {
        return no_memory(err);
    }
    for (size_t i = 0; i < config->table_count; i++) {
        config->values[i] = calloc(1, tables[i].values_size + 1);
        if (config->values[i] == NULL) {
            return no_memory(err);
        }
    }
    return OW_OK;
}

static ow_code set_defaults(ow_config *config, ow_err *err) {
    for (size_t i = 0; i < config->table_count; i++) {
        const ow_config_table *table = &config->tables[i];
        for (size_t k = 0; k < count_keys(table); k++) {
            setting *setting = &config->settings[config->setting_count++];
            setting->table = table;
            setting->key = &table->keys[k];
            setting->target = (char *)config->values[i] + setting->key->offset;
            snprintf(setting->origin, sizeof setting->origin, "default");
            char why[CONFIG_TEXT_MAX];
            if (!value_parse(setting->key, setting->key->default_value, setting->target, why)) {
                return ow_fail(err, OW_INTERNAL, "bad_default",
                               "%s.%s: the default \"%s\" is not %s", table->module,
                               setting->key->name, setting->key->default_value, why);
            }
        }
    }
    return OW_OK;
}

// --- setting one value ---

static setting *find_setting(ow_config *config, const char *name) {
    for (size_t i = 0; i < config->setting_count; i++) {
        setting *setting = &config->settings[i];
        size_t length = strlen(setting->table->module);
        if (strncmp(name, setting->table->module, length) == 0 && name[length] == '.' &&
            strcmp(name + length + 1, setting->key->name) == 0) {
            return setting;
        }
    }
    return NULL;
}

static ow_code unknown_key(const ow_config *config, const char *origin, const char *name,
                           ow_err *err) {
    int best = SUGGEST_WITHIN + 1;
    char suggestion[NAME_MAX_BYTES] = "";
    for (size_t i = 0; i < config->setting_count; i++) {
        char candidate[NAME_MAX_BYTES];
        snprintf(candidate, sizeof candidate, "%s.%s", config->settings[i].table->module,
                 config->settings[i].key->name);
        int distance = edit_distance(name, candidate);
        if (distance < best) {
            best = distance;
            memcpy(suggestion, candidate, sizeof suggestion);
        }
    }
    if (suggestion[0] != '\0') {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                       "%s: there is no key %.80s; did you mean %s?", origin, name, suggestion);
    }
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                   "%s: there is no key %.80s; --help-config lists all", origin, name);
}

static ow_code set_value(setting *setting, const char *origin, const char *text, ow_err *err) {
    char why[CONFIG_TEXT_MAX];
    if (!value_parse(setting->key, text, setting->target, why)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                       "%s: %s.%s = %.60s is not allowed; expected %s", origin,
                       setting->table->module, setting->key->name, text, why);
    }
    snprintf(setting->origin, sizeof setting->origin, "%s", origin);
    return OW_OK;
}

// --- the file ---

static char *trim(char *text) {
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1])) {
        text[--length] = '\0';
    }
    return text;
}

static void cut_comment(char *line) {
    for (char *at = line; *at != '\0'; at++) {
        if (*at == '#' && (at == line || isspace((unsigned char)at[-1]))) {
            *at = '\0';
            return;
        }
    }
}

static ow_code read_line(ow_config *config, char *line, int number, const char *origin,
                         ow_err *err) {
    cut_comment(line);
    char *name = trim(line);
    if (*name == '\0') {
        return OW_OK;
    }
    char *equals = strchr(name, '=');
    if (equals == NULL) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                       "%s: \"%.80s\" is not of the form module.name = value", origin, name);
    }
    *equals = '\0';
    name = trim(name);
    setting *setting = find_setting(config, name);
    if (setting == NULL) {
        return unknown_key(config, origin, name, err);
    }
    if (setting->file_line != 0) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config", "%s: %s was set in line %d already",
                       origin, name, setting->file_line);
    }
    setting->file_line = number;
    return set_value(setting, origin, trim(equals + 1), err);
}

static ow_code read_lines(ow_config *config, FILE *in, const char *file, ow_err *err) {
    char line[LINE_MAX_BYTES];
    for (int number = 1; fgets(line, sizeof line, in) != NULL; number++) {
        char origin[ORIGIN_MAX];
        snprintf(origin, sizeof origin, "%.120s:%d", file, number);
        size_t length = strlen(line);
        if (length == 0 || length == sizeof line - 1 || (line[length - 1] != '\n' && !feof(in))) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                           "%s: the line is longer than %d bytes or is not text", origin,
                           LINE_MAX_BYTES - 2);
        }
        ow_code code = read_line(config, line, number, origin, err);
        if (code != OW_OK) {
            return code;
        }
    }
    return ferror(in) ? ow_fail_errno(err, errno, "cannot read %s", file) : OW_OK;
}

static ow_code read_file(ow_config *config, const char *file, ow_err *err) {
    FILE *in = fopen(file, "re");
    if (in == NULL && errno == ENOENT) {
        return ow_fail(err, OW_NOT_FOUND, "no_config", "there is no configuration file %s", file);
    }
    if (in == NULL) {
        return ow_fail_errno(err, errno, "cannot open the configuration file %s", file);
    }
    ow_code code = read_lines(config, in, file, err);
    fclose(in);
    return code;
}

// --- environment and flags ---

static bool begins_with_upper(const char *text, const char *word) {
    while (*word != '\0' && *text == toupper((unsigned char)*word)) {
        text++;
        word++;
    }
    return *word == '\0';
}

// True when `variable` is the module's prefix, and then `*ret_rest` is what follows it.
static bool is_of_module(const char *variable, const char *module, const char **ret_rest) {
    size_t length = strlen(module);
    if (!begins_with_upper(variable, module) || variable[length] != '_') {
        return false;
    }
    *ret_rest = variable + length + 1;
    return true;
}

static ow_code read_variable(ow_config *config, const char *variable, ow_err *err) {
    const char *equals = strchr(variable, '=');
    char origin[ORIGIN_MAX];
    snprintf(origin, sizeof origin, "environment %.*s%.*s", (int)sizeof env_prefix - 1, env_prefix,
             (int)(equals - variable), variable);
    const char *rest = NULL;
    for (size_t i = 0; i < config->setting_count; i++) {
        setting *setting = &config->settings[i];
        if (is_of_module(variable, setting->table->module, &rest) &&
            strlen(setting->key->name) == (size_t)(equals - rest) &&
            begins_with_upper(rest, setting->key->name)) {
            return set_value(setting, origin, equals + 1, err);
        }
    }
    for (size_t i = 0; i < config->table_count; i++) {
        if (is_of_module(variable, config->tables[i].module, &rest)) {
            char name[NAME_MAX_BYTES];
            snprintf(name, sizeof name, "%s.%.*s", config->tables[i].module, (int)(equals - rest),
                     rest);
            for (char *c = name; *c != '\0'; c++) {
                *c = (char)tolower((unsigned char)*c);
            }
            return unknown_key(config, origin, name, err);
        }
    }
    return OW_OK;
}

static ow_code read_environment(ow_config *config, char *const *environment, ow_err *err) {
    for (; environment != NULL && *environment != NULL; environment++) {
        if (strncmp(*environment, env_prefix, sizeof env_prefix - 1) == 0 &&
            strchr(*environment, '=') != NULL) {
            ow_code code = read_variable(config, *environment + sizeof env_prefix - 1, err);
            if (code != OW_OK) {
                return code;
            }
        }
    }
    return OW_OK;
}

static ow_code read_flag(ow_config *config, const char *flag, ow_err *err) {
    const char *equals = strchr(flag, '=');
    if (strncmp(flag, "--", 2) != 0 || equals == NULL || equals - flag - 2 >= NAME_MAX_BYTES) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_config",
                       "flag %.80s is not of the form --module.name=value", flag);
    }
    char name[NAME_MAX_BYTES];
    snprintf(name, sizeof name, "%.*s", (int)(equals - flag - 2), flag + 2);
    setting *setting = find_setting(config, name);
    char origin[ORIGIN_MAX];
    snprintf(origin, sizeof origin, "flag --%s", name);
    return setting == NULL ? unknown_key(config, origin, name, err)
                           : set_value(setting, origin, equals + 1, err);
}

// --- the whole ---

static ow_code load(ow_config *config, const char *file, char *const *environment, ow_err *err) {
    ow_code code = make_room(config, err);
    if (code == OW_OK) {
        code = set_defaults(config, err);
    }
    if (code == OW_OK && file != NULL) {
        code = read_file(config, file, err);
    }
    if (code == OW_OK) {
        code = read_environment(config, environment, err);
    }
    return code;
}

ow_code ow_config_load(const ow_config_table *tables, const char *file, const char *const *flags,
                       size_t flag_count, char *const *environment, ow_config **ret_config,
                       ow_err *err) {
    ow_config *config = calloc(1, sizeof *config);
    if (config == NULL) {
        return no_memory(err);
    }
    config->tables = tables;
    ow_code code = load(config, file, environment, err);
    for (size_t i = 0; code == OW_OK && i < flag_count; i++) {
        code = read_flag(config, flags[i], err);
    }
    if (code != OW_OK) {
        ow_config_free(config);
        return code;
    }
    *ret_config = config;
    return OW_OK;
}

ow_config *ow_config_free(ow_config *config) {
    if (config == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < config->setting_count; i++) {
        if (config->settings[i].key->type == OW_CONFIG_STRING) {
            char *text;
            memcpy(&text, config->settings[i].target, sizeof text);
            free(text);
        }
    }
    for (size_t i = 0; config->values != NULL && i < config->table_count; i++) {
        free(config->values[i]);
    }
    free(config->values);
    free(config->settings);
    free(config);
    return NULL;
}

const void *ow_config_of(const ow_config *config, const char *module) {
    for (size_t i = 0; i < config->table_count; i++) {
        if (strcmp(config->tables[i].module, module) == 0) {
            return config->values[i];
        }
    }
    return NULL;
}

void ow_config_print_sample(const ow_config_table *tables, FILE *out) {
    fprintf(out, "# Configuration of Overworld. Every key stands here with its default.\n"
                 "# A flag --module.name=value or the environment variable OVERWORLD_MODULE_NAME "
                 "goes before\n# what is written here.\n");
    for (const ow_config_table *table = tables; table->module != NULL; table++) {
        for (size_t i = 0; i < count_keys(table); i++) {
            const ow_config_key *key = &table->keys[i];
            char allowed[CONFIG_TEXT_MAX];
            value_describe(key, allowed);
            fprintf(out, "\n# %s\n# Allowed: %s\n#%s.%s = %s\n", key->doc, allowed, table->module,
                    key->name, key->default_value);
        }
    }
}

void ow_config_print_effective(const ow_config *config, FILE *out) {
    for (size_t i = 0; i < config->setting_count; i++) {
        const setting *setting = &config->settings[i];
        char text[CONFIG_TEXT_MAX];
        const char *value = text;
        if (setting->key->type == OW_CONFIG_STRING) {
            memcpy(&value, setting->target, sizeof value); // of any length
        } else {
            value_format(setting->key, setting->target, text);
        }
        // Behind a blank a '#' would begin a comment.
        fprintf(out, "%s.%s =%s%s # %s\n", setting->table->module, setting->key->name,
                value[0] == '#' ? "" : " ", value, setting->origin);
    }
}
