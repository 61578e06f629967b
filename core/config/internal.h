#pragma once

#include "core/config/config.h"

#include <stdbool.h>

enum { CONFIG_TEXT_MAX = 160 };

// Reads `text` as a value of the key's type, within its bounds, and stores it at `target` (a
// string's old value is freed). On failure `why` says what would be allowed.
bool value_parse(const ow_config_key *key, const char *text, void *target,
                 char why[static CONFIG_TEXT_MAX]);

// The value at `source` as it would be written in the file.
void value_format(const ow_config_key *key, const void *source, char text[static CONFIG_TEXT_MAX]);

// What is allowed: "integer, 0 to 65535", "one of: loopback, behind_proxy".
void value_describe(const ow_config_key *key, char text[static CONFIG_TEXT_MAX]);

// How many edits lead from one word to the other; words are compared up to 63 characters.
int edit_distance(const char *a, const char *b);
