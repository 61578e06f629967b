#include "tests/faults/disk/volatile.h"

#include "tests/faults/disk/raw.h"

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECTOR = 512, NODES_MAX = 512, CHANGES_MAX = 4096, COINS_MAX = 100 };

typedef struct saved_sector {
    off_t index;
    size_t size; // less than SECTOR where the file ended
    unsigned char bytes[SECTOR];
} saved_sector;

typedef struct node {
    dev_t dev;
    ino_t ino;
    char path[PATH_MAX];
    bool dirty;
    off_t durable_size;
    saved_sector *saved;
    size_t saved_count, saved_room;
    unsigned char *is_saved; // by sector
    size_t is_saved_room;
} node;

typedef enum change_kind { MADE, UNLINKED, REPLACED, RENAMED } change_kind;

typedef struct change {
    change_kind kind;
    char path[PATH_MAX];  // where the name is now, or was
    char other[PATH_MAX]; // RENAMED: where it was before. UNLINKED, REPLACED: where it is kept
} change;

static node *nodes[NODES_MAX];
static size_t node_count;
static change *changes[CHANGES_MAX];
static size_t change_count;
static unsigned stash_number;

// A model that has no room for the truth would hide losses.
static void give_up(const char *why) {
    dprintf(STDERR_FILENO, "faults.so: %s\n", why);
    abort();
}

static void *grow(void *memory, size_t size) {
    memory = realloc(memory, size);
    if (memory == NULL) {
        give_up("out of memory");
    }
    return memory;
}

// ---- Content ----

static node *node_of(const struct stat *st, const char *path) {
    for (size_t i = 0; i < node_count; i++) {
        if (nodes[i]->dev == st->st_dev && nodes[i]->ino == st->st_ino) {
            snprintf(nodes[i]->path, sizeof nodes[i]->path, "%s", path);
            return nodes[i];
        }
    }
    if (node_count == NODES_MAX) {
        give_up("too many files");
    }
    node *n = grow(NULL, sizeof *n);
    memset(n, 0, sizeof *n);
    n->dev = st->st_dev;
    n->ino = st->st_ino;
    snprintf(n->path, sizeof n->path, "%s", path);
    nodes[node_count++] = n;
    return n;
}

static node *node_dirty(const struct stat *st, const char *path) {
    node *n = node_of(st, path);
    if (!n->dirty) {
        n->dirty = true;
        n->durable_size = st->st_size;
    }
    return n;
}

static void save_sector(node *n, int fd, off_t index) {
    if ((size_t)index >= n->is_saved_room) {
        size_t room = (size_t)index * 2 + 64;
        n->is_saved = grow(n->is_saved, room);
        memset(n->is_saved + n->is_saved_room, 0, room - n->is_saved_room);
        n->is_saved_room = room;
    }
    if (n->is_saved[index] != 0) {
        return;
    }
    n->is_saved[index] = 1;
    if (n->saved_count == n->saved_room) {
        n->saved_room = n->saved_room * 2 + 16;
        n->saved = grow(n->saved, n->saved_room * sizeof *n->saved);
    }
    saved_sector *s = &n->saved[n->saved_count++];
    memset(s, 0, sizeof *s);
    s->index = index;
    ssize_t got = pread(fd, s->bytes, SECTOR, index * SECTOR);
    s->size = got > 0 ? (size_t)got : 0;
}

static void save_range(node *n, off_t from, off_t to) {
    int fd = raw_open(AT_FDCWD, n->path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) {
        give_up("a file that is written cannot be read");
    }
    for (off_t index = from / SECTOR; index * SECTOR < to; index++) {
        save_sector(n, fd, index);
    }
    close(fd);
}

void volatile_before_write(const struct stat *st, const char *path, off_t offset, size_t size) {
    save_range(node_dirty(st, path), offset, offset + (off_t)size);
}

void volatile_before_resize(const struct stat *st, const char *path, off_t size) {
    node *n = node_dirty(st, path);
    if (size < st->st_size) {
        save_range(n, size, st->st_size);
    }
}

static void forget_saved(node *n) {
    for (size_t i = 0; i < n->saved_count; i++) {
        n->is_saved[n->saved[i].index] = 0;
    }
    n->saved_count = 0;
    n->dirty = false;
}

// ---- Names ----

static change *change_new(change_kind kind, const char *path) {
    if (change_count == CHANGES_MAX) {
        give_up("too many names");
    }
    change *c = grow(NULL, sizeof *c);
    c->kind = kind;
    c->other[0] = '\0';
    snprintf(c->path, sizeof c->path, "%s", path);
    changes[change_count++] = c;
    return c;
}

static void new_stash_path(char path[PATH_MAX], const char *stash) {
    snprintf(path, PATH_MAX, "%.4000s/%u", stash, ++stash_number);
}

void volatile_made(const char *path) {
    change_new(MADE, path);
}

void volatile_before_unlink(const char *path, const char *stash) {
    change *c = change_new(UNLINKED, path);
    new_stash_path(c->other, stash);
    if (raw_link(AT_FDCWD, path, AT_FDCWD, c->other) != 0) {
        change_count--; // a folder, or nothing: not ours to keep
        free(c);
    }
}

void volatile_before_rename(const char *to, const char *stash) {
    change *c = change_new(REPLACED, to);
    new_stash_path(c->other, stash);
    if (raw_link(AT_FDCWD, to, AT_FDCWD, c->other) != 0) {
        change_count--;
        free(c);
    }
}

void volatile_renamed(const char *from, const char *to) {
    change *c = change_new(RENAMED, to);
    snprintf(c->other, sizeof c->other, "%s", from);
}

static bool stands_in(const char *path, const char *folder) {
    const char *slash = strrchr(path, '/');
    return slash != NULL && (size_t)(slash - path) == strlen(folder) &&
           strncmp(path, folder, strlen(folder)) == 0;
}

static void sync_names(const char *folder) {
    size_t left = 0;
    for (size_t i = 0; i < change_count; i++) {
        if (!stands_in(changes[i]->path, folder)) {
            changes[left++] = changes[i];
            continue;
        }
        if (changes[i]->kind == UNLINKED || changes[i]->kind == REPLACED) {
            raw_unlink(AT_FDCWD, changes[i]->other, 0);
        }
        free(changes[i]);
    }
    change_count = left;
}

void volatile_sync(const struct stat *st, const char *path) {
    if (S_ISDIR(st->st_mode)) {
        sync_names(path);
    } else {
        forget_saved(node_of(st, path));
    }
}

// ---- Losing ----

typedef struct luck {
    uint64_t state;
    unsigned sector_percent; // survive
    unsigned name_percent;   // of the changes, the earliest
    bool sizes;
} luck;

static unsigned draw(luck *l, unsigned below) {
    l->state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = l->state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (unsigned)((z ^ (z >> 31)) % below);
}

static luck luck_of(unsigned seed) {
    luck l = {.state = seed};
    switch (draw(&l, 4)) {
    case 0: // nothing that was not synced
        return l;
    case 1: // all content, not all names
        l.sector_percent = COINS_MAX;
        l.sizes = true;
        break;
    case 2: // most of it
        l.sector_percent = 90;
        l.sizes = draw(&l, 2) != 0;
        break;
    default:
        l.sector_percent = 50;
        l.sizes = draw(&l, 2) != 0;
        break;
    }
    l.name_percent = draw(&l, COINS_MAX + 1);
    return l;
}

static void lose_sector(int fd, const saved_sector *s, off_t limit) {
    off_t start = s->index * SECTOR;
    if (start < limit) {
        size_t size = limit - start < SECTOR ? (size_t)(limit - start) : SECTOR;
        raw_pwrite(fd, s->bytes, size, start); // zeroes behind what there was
    }
}

static void lose_content(node *n, luck *l) {
    int fd = raw_open(AT_FDCWD, n->path, O_RDWR | O_CLOEXEC, 0);
    if (!n->dirty || fd < 0) {
        return;
    }
    struct stat st;
    if (fstat(fd, &st) != 0) {
        give_up("a file went");
    }
    off_t limit = l->sizes ? st.st_size : n->durable_size;
    if (raw_ftruncate(fd, limit) != 0) {
        give_up("a size cannot be undone");
    }
    for (size_t i = 0; i < n->saved_count; i++) {
        if (draw(l, COINS_MAX) >= l->sector_percent) {
            lose_sector(fd, &n->saved[i], limit);
        }
    }
    // The log's index is written through memory, and nobody syncs it.
    size_t length = strlen(n->path);
    if (length > 4 && strcmp(n->path + length - 4, "-shm") == 0) {
        unsigned char noise[4096];
        memset(noise, 0xA5, sizeof noise);
        raw_pwrite(fd, noise, sizeof noise, 0);
    }
    close(fd);
}

static void lose_name(const change *c, const char *stash) {
    char grave[PATH_MAX];
    switch (c->kind) {
    case MADE: // a file or a folder with what is in it
        new_stash_path(grave, stash);
        raw_rename(AT_FDCWD, c->path, AT_FDCWD, grave);
        break;
    case RENAMED:
        raw_rename(AT_FDCWD, c->path, AT_FDCWD, c->other);
        break;
    case UNLINKED:
    case REPLACED:
        raw_rename(AT_FDCWD, c->other, AT_FDCWD, c->path);
        break;
    }
}

void volatile_lose(unsigned seed, const char *stash) {
    luck l = luck_of(seed);
    for (size_t i = 0; i < node_count; i++) {
        lose_content(nodes[i], &l);
    }
    size_t kept = change_count * l.name_percent / COINS_MAX;
    for (size_t i = change_count; i > kept; i--) {
        lose_name(changes[i - 1], stash);
    }
}
