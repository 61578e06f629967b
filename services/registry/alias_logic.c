#include "services/registry/alias_logic.h"

#include "services/registry/registry_logic.h"

#include "core/split/split.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION_DIGITS_MAX = 18, WHOLE = OW_SPLIT_WHOLE };

static bool is_version(const char *text) {
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= VERSION_DIGITS_MAX && text[digits] == 0 && text[0] != '0';
}

static ow_code bad_targets(ow_err *err, const char *why) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_targets", "%s", why);
}

static ow_code read_one(const alias_target_msg *target, alias_aim *ret_aim, ow_err *err) {
    bool is_latest = strcmp(target->version, LATEST) == 0;
    if (!is_latest && !is_version(target->version)) {
        return bad_targets(err, "a target is a version number or $LATEST");
    }
    if (target->weight != 0 && target->weight != WHOLE) {
        return bad_targets(err, "a single target has the weight 10000");
    }
    *ret_aim = (alias_aim){target->version, "", 0};
    return OW_OK;
}

static ow_code read_two(const alias_target_msg *a, const alias_target_msg *b, alias_aim *ret_aim,
                        ow_err *err) {
    // Who is on which side must not depend on the next deploy.
    if (!is_version(a->version) || !is_version(b->version)) {
        return bad_targets(err, "a split is between two published versions");
    }
    int64_t first = strtoll(a->version, NULL, 10);
    int64_t second = strtoll(b->version, NULL, 10);
    if (first == second) {
        return bad_targets(err, "a split is between two different versions");
    }
    if (a->weight < 0 || b->weight < 0 || (int64_t)a->weight + b->weight != WHOLE) {
        return bad_targets(err, "the weights of both targets together are 10000");
    }
    *ret_aim = first < second ? (alias_aim){a->version, b->version, b->weight}
                              : (alias_aim){b->version, a->version, a->weight};
    return OW_OK;
}

ow_code read_targets(alias_target_msg *const *targets, size_t count, alias_aim *ret_aim,
                     ow_err *err) {
    switch (count) {
    case 1:
        return read_one(targets[0], ret_aim, err);
    case 2:
        return read_two(targets[0], targets[1], ret_aim, err);
    default:
        return bad_targets(err, "an alias has one or two targets");
    }
}

const char *settled_on(const alias_aim *aim) {
    if (aim->second[0] == 0 || aim->second_weight == 0) {
        return aim->target;
    }
    return aim->second_weight == WHOLE ? aim->second : NULL;
}

bool same_aim(const alias_aim *a, const alias_aim *b) {
    return strcmp(a->target, b->target) == 0 && strcmp(a->second, b->second) == 0 &&
           a->second_weight == b->second_weight;
}

const char *previous_after(const alias_aim *now, const alias_aim *next, const char *previous) {
    const char *from = settled_on(now);
    const char *to = settled_on(next);
    bool moves_away = from != NULL && (to == NULL || strcmp(from, to) != 0);
    return moves_away ? from : previous;
}

char *describe_aim(const alias_aim *aim, ow_arena *arena) {
    return aim->second[0] == 0 ? ow_arena_strdup_in(arena, aim->target)
                               : ow_arena_printf_in(arena, "%s=%lld %s=%lld", aim->target,
                                                    (long long)(WHOLE - aim->second_weight),
                                                    aim->second, (long long)aim->second_weight);
}

ow_code check_alias_name(const char *name, ow_err *err) {
    if (!ow_manifest_is_name(name)) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "bad_name",
                       "an alias's name is 1 to %d letters, digits, '_' and '-', with a letter "
                       "first",
                       OW_MANIFEST_NAME_MAX);
    }
    return OW_OK;
}

static bool is_one_of(const char *text, const char *a, const char *b) {
    return text[0] == 0 || strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

ow_code check_split(const char *split, ow_err *err) {
    return is_one_of(split, SPLIT_BY_KEY, SPLIT_RANDOM)
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_split", "split is \"key\" or \"random\"");
}

ow_code check_visibility(const char *visibility, ow_err *err) {
    return is_one_of(visibility, "public", "private")
               ? OW_OK
               : ow_fail(err, OW_INVALID_ARGUMENT, "bad_visibility",
                         "visibility is \"public\" or \"private\"");
}
