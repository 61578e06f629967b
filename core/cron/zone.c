#include "core/cron/zone.h"

#include "core/cron/rule.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_BYTES_MAX = 64 * 1024,
    HEADER_BYTES = 44,
    TRANSITIONS_MAX = 4096,
    ZONES_MAX = 1024,
    RULE_TEXT_MAX = 128,
    OFFSET_MAX_S = 26 * 3600,
};

struct ow_zone {
    size_t count;    // transitions
    int64_t *at_s;   // ascending
    int32_t *offset; // from at_s[i] on
    int32_t first;   // before at_s[0]
    bool has_rule;   // after the last one
    rule rule;
};

static ow_code bad_zone(ow_err *err, const char *why) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_zone", "%s", why);
}

static ow_code no_memory(ow_err *err) {
    return ow_fail(err, OW_RESOURCE_EXHAUSTED, "memory", "no memory for a time zone");
}

ow_zone *ow_zone_free(ow_zone *zone) {
    if (zone != NULL) {
        free(zone->at_s);
        free(zone->offset);
        free(zone);
    }
    return NULL;
}

// ---- A file ----

typedef struct tzif {
    const uint8_t *rest; // behind the header
    size_t size;
    uint32_t utc_count, standard_count, leap_count, time_count, type_count, char_count;
    char version;
} tzif;

static uint32_t big32(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t big64(const uint8_t *b) {
    return (int64_t)((uint64_t)big32(b) << 32 | big32(b + 4));
}

static bool read_header(const uint8_t *bytes, size_t size, tzif *f) {
    if (size < HEADER_BYTES || memcmp(bytes, "TZif", 4) != 0) {
        return false;
    }
    f->version = (char)bytes[4];
    f->utc_count = big32(bytes + 20);
    f->standard_count = big32(bytes + 24);
    f->leap_count = big32(bytes + 28);
    f->time_count = big32(bytes + 32);
    f->type_count = big32(bytes + 36);
    f->char_count = big32(bytes + 40);
    f->rest = bytes + HEADER_BYTES;
    f->size = size - HEADER_BYTES;
    return f->time_count <= TRANSITIONS_MAX && f->type_count >= 1 && f->type_count <= 256 &&
           f->char_count <= 4096 && f->leap_count <= 4096 && f->utc_count <= 256 &&
           f->standard_count <= 256;
}

static size_t body_size(const tzif *f, size_t time_size) {
    return f->time_count * (time_size + 1) + f->type_count * 6 + f->char_count +
           f->leap_count * (time_size + 4) + f->standard_count + f->utc_count;
}

// The second, 64-bit half of a file of version 2 or later.
static bool find_body(const uint8_t *bytes, size_t size, tzif *f) {
    if (!read_header(bytes, size, f) || f->version < '2') {
        return false;
    }
    size_t skipped = body_size(f, 4);
    if (skipped > f->size || !read_header(f->rest + skipped, f->size - skipped, f)) {
        return false;
    }
    return f->leap_count == 0 && body_size(f, 8) <= f->size;
}

static bool read_offset(const tzif *f, uint8_t type, int32_t *ret_offset) {
    if (type >= f->type_count) {
        return false;
    }
    const uint8_t *types = f->rest + (size_t)f->time_count * 9;
    int32_t offset = (int32_t)big32(types + (size_t)type * 6);
    *ret_offset = offset;
    return offset > -OFFSET_MAX_S && offset < OFFSET_MAX_S;
}

static bool read_transitions(const tzif *f, ow_zone *zone) {
    const uint8_t *types = f->rest + (size_t)f->time_count * 8;
    if (!read_offset(f, 0, &zone->first)) {
        return false;
    }
    for (size_t i = 0; i < f->time_count; i++) {
        zone->at_s[i] = big64(f->rest + i * 8);
        if ((i > 0 && zone->at_s[i] <= zone->at_s[i - 1]) ||
            !read_offset(f, types[i], &zone->offset[i])) {
            return false;
        }
    }
    zone->count = f->time_count;
    return true;
}

// "\nTEXT\n" at the end; an empty text: nothing is known beyond the last transition.
static bool read_footer(const tzif *f, ow_zone *zone) {
    size_t at = body_size(f, 8);
    const char *text = (const char *)f->rest + at;
    size_t size = f->size - at;
    char copy[RULE_TEXT_MAX];
    if (size < 2 || size - 2 >= sizeof copy || text[0] != '\n' || text[size - 1] != '\n') {
        return false;
    }
    memcpy(copy, text + 1, size - 2);
    copy[size - 2] = 0;
    if (copy[0] == 0) {
        return true;
    }
    zone->has_rule = rule_read(copy, &zone->rule);
    return zone->has_rule;
}

ow_code ow_zone_read(const uint8_t *bytes, size_t size, ow_zone **ret_zone, ow_err *err) {
    tzif f;
    if (!find_body(bytes, size, &f)) {
        return bad_zone(err, "not a time zone file");
    }
    ow_zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL) {
        return no_memory(err);
    }
    zone->at_s = calloc((size_t)f.time_count + 1, sizeof *zone->at_s);
    zone->offset = calloc((size_t)f.time_count + 1, sizeof *zone->offset);
    if (zone->at_s == NULL || zone->offset == NULL) {
        ow_zone_free(zone);
        return no_memory(err);
    }
    if (!read_transitions(&f, zone) || !read_footer(&f, zone)) {
        ow_zone_free(zone);
        return bad_zone(err, "not a time zone file");
    }
    *ret_zone = zone;
    return OW_OK;
}

// ---- By name ----

// Two names of one folder are left out: their files count leap seconds, or repeat the others.
static bool is_name(const char *name) {
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789_+-/";
    size_t length = strlen(name);
    return length < OW_ZONE_NAME_MAX && strspn(name, allowed) == length && name[0] >= 'A' &&
           name[0] <= 'Z' && strstr(name, "//") == NULL && name[length - 1] != '/';
}

static ow_code read_file(const char *path, uint8_t *bytes, size_t *ret_size) {
    FILE *file = fopen(path, "rbe");
    if (file == NULL) {
        return OW_NOT_FOUND;
    }
    *ret_size = fread(bytes, 1, FILE_BYTES_MAX, file);
    bool failed = ferror(file) != 0 || *ret_size == FILE_BYTES_MAX;
    fclose(file);
    return failed ? OW_INVALID_ARGUMENT : OW_OK;
}

static ow_code open_utc(ow_zone **ret_zone, ow_err *err) {
    ow_zone *zone = calloc(1, sizeof *zone);
    if (zone == NULL) {
        return no_memory(err);
    }
    *ret_zone = zone;
    return OW_OK;
}

static ow_code open_file(const char *path, ow_zone **ret_zone) {
    size_t size = 0;
    uint8_t *bytes = malloc(FILE_BYTES_MAX);
    if (bytes == NULL) {
        return OW_RESOURCE_EXHAUSTED;
    }
    ow_code code = read_file(path, bytes, &size);
    code = code == OW_OK ? ow_zone_read(bytes, size, ret_zone, NULL) : code;
    free(bytes);
    return code;
}

ow_code ow_zone_open(const char *folder, const char *name, ow_zone **ret_zone, ow_err *err) {
    if (name[0] == 0 || strcmp(name, "UTC") == 0) {
        return open_utc(ret_zone, err);
    }
    if (!is_name(name)) {
        return bad_zone(err, "a time zone is named as in \"Europe/Berlin\"");
    }
    char path[512];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    ow_code code =
        length > 0 && length < (int)sizeof path ? open_file(path, ret_zone) : OW_RESOURCE_EXHAUSTED;
    if (code == OW_OK) {
        return OW_OK;
    }
    return code == OW_RESOURCE_EXHAUSTED ? no_memory(err)
                                         : ow_fail(err, OW_INVALID_ARGUMENT, "bad_zone",
                                                   "there is no time zone \"%.60s\"", name);
}

// ---- Using ----

// How many transitions are at or before `at_s`.
static size_t passed(const ow_zone *zone, int64_t at_s) {
    size_t low = 0;
    size_t high = zone->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (zone->at_s[middle] <= at_s) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void ow_zone_span_at(const ow_zone *zone, int64_t at_s, ow_zone_span *ret_span) {
    size_t i = passed(zone, at_s);
    if (i < zone->count || !zone->has_rule) {
        *ret_span = (ow_zone_span){
            .from = i > 0 ? zone->at_s[i - 1] : INT64_MIN,
            .until = i < zone->count ? zone->at_s[i] : INT64_MAX,
            .offset_s = i > 0 ? zone->offset[i - 1] : zone->first,
        };
        return;
    }
    rule_span_at(&zone->rule, at_s, ret_span);
    if (zone->count > 0 && ret_span->from < zone->at_s[zone->count - 1]) {
        ret_span->from = zone->at_s[zone->count - 1];
    }
}

// ---- Kept ----

typedef struct kept {
    char name[OW_ZONE_NAME_MAX];
    ow_zone *zone;
} kept;

struct ow_zones {
    pthread_mutex_t lock; // guards what is below
    const char *folder;
    kept *list; // by name
    size_t count;
};

ow_zones *ow_zones_new(const char *folder) {
    ow_zones *zones = calloc(1, sizeof *zones);
    kept *list = calloc(ZONES_MAX, sizeof *list);
    if (zones == NULL || list == NULL) {
        free(zones);
        free(list);
        return NULL;
    }
    pthread_mutex_init(&zones->lock, NULL);
    zones->folder = folder;
    zones->list = list;
    return zones;
}

ow_zones *ow_zones_free(ow_zones *zones) {
    if (zones != NULL) {
        for (size_t i = 0; i < zones->count; i++) {
            ow_zone_free(zones->list[i].zone);
        }
        free(zones->list);
        pthread_mutex_destroy(&zones->lock);
        free(zones);
    }
    return NULL;
}

static size_t place_of(const ow_zones *zones, const char *name) {
    size_t low = 0;
    size_t high = zones->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(zones->list[middle].name, name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static ow_code add(ow_zones *zones, size_t place, const char *name, ow_err *err) {
    ow_zone *zone = NULL;
    if (zones->count == ZONES_MAX) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "too_many_zones", "too many time zones");
    }
    ow_code code = ow_zone_open(zones->folder, name, &zone, err);
    if (code != OW_OK) {
        return code;
    }
    memmove(&zones->list[place + 1], &zones->list[place],
            (zones->count - place) * sizeof *zones->list);
    snprintf(zones->list[place].name, sizeof zones->list[place].name, "%s", name);
    zones->list[place].zone = zone;
    zones->count++;
    return OW_OK;
}

ow_code ow_zones_find(ow_zones *zones, const char *name, const ow_zone **ret_zone, ow_err *err) {
    ow_code code = OW_OK;
    pthread_mutex_lock(&zones->lock);
    size_t place = place_of(zones, name);
    if (place == zones->count || strcmp(zones->list[place].name, name) != 0) {
        code = add(zones, place, name, err);
    }
    if (code == OW_OK) {
        *ret_zone = zones->list[place].zone;
    }
    pthread_mutex_unlock(&zones->lock);
    return code;
}
