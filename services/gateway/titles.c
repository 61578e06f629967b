#include "services/gateway/titles.h"

#include "core/id/id.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 64
#define TITLES_MAX 10000

typedef struct title {
    char id[OW_ID_MAX];
    char name[NAME_MAX_BYTES];
} title;

struct titles {
    title *items;
    size_t count, room;
};

titles *titles_new(void) {
    return calloc(1, sizeof(titles));
}

titles *titles_free(titles *all) {
    if (all != NULL) {
        free(all->items);
        free(all);
    }
    return NULL;
}

size_t titles_count(const titles *all) {
    return all->count;
}

static title *find_id(const titles *all, const char *id) {
    for (size_t i = 0; i < all->count; i++) {
        if (strcmp(all->items[i].id, id) == 0) {
            return &all->items[i];
        }
    }
    return NULL;
}

static bool grow(titles *all) {
    if (all->count < all->room) {
        return true;
    }
    size_t room = all->room > 0 ? all->room * 2 : 8;
    title *items = all->count < TITLES_MAX ? realloc(all->items, room * sizeof *items) : NULL;
    if (items == NULL) {
        return false;
    }
    all->items = items;
    all->room = room;
    return true;
}

void titles_put(titles *all, const char *id, const char *name) {
    title *known = find_id(all, id);
    if (known == NULL) {
        if (id[0] == '\0' || strlen(id) >= OW_ID_MAX || !grow(all)) {
            return;
        }
        known = &all->items[all->count++];
        snprintf(known->id, sizeof known->id, "%s", id);
    }
    snprintf(known->name, sizeof known->name, "%s", name);
}

ow_code titles_resolve(const titles *all, const char *wanted, const char **ret_id, ow_err *err) {
    if (wanted == NULL && all->count == 1) {
        *ret_id = all->items[0].id;
        return OW_OK;
    }
    if (wanted == NULL && all->count > 1) {
        return ow_fail(err, OW_INVALID_ARGUMENT, "which_title",
                       "there are several titles: name one in the header Overworld-Title");
    }
    for (size_t i = 0; wanted != NULL && i < all->count; i++) {
        const title *each = &all->items[i];
        if (strcmp(each->id, wanted) == 0 || strcmp(each->name, wanted) == 0) {
            *ret_id = each->id;
            return OW_OK;
        }
    }
    return ow_fail(err, OW_NOT_FOUND, "no_title",
                   wanted != NULL ? "there is no title %.60s" : "there is no title yet%s",
                   wanted != NULL ? wanted : "");
}
