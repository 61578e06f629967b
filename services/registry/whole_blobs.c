#include "services/registry/whole_blobs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct whole_blob {
    char sha256[OW_SHA256_HEX_SIZE]; // "": free
    struct stat info;
} whole_blob;

struct whole_blobs {
    pthread_mutex_t lock;
    whole_blob list[WHOLE_BLOBS_MAX];
    int next; // to be replaced
};

whole_blobs *whole_blobs_new(void) {
    whole_blobs *w = calloc(1, sizeof *w);
    if (w != NULL && pthread_mutex_init(&w->lock, NULL) != 0) {
        free(w);
        return NULL;
    }
    return w;
}

whole_blobs *whole_blobs_free(whole_blobs *w) {
    if (w != NULL) {
        pthread_mutex_destroy(&w->lock);
        free(w);
    }
    return NULL;
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

static whole_blob *find(whole_blobs *w, const char *sha256) {
    for (int i = 0; i < WHOLE_BLOBS_MAX; i++) {
        if (strcmp(w->list[i].sha256, sha256) == 0) {
            return &w->list[i];
        }
    }
    return NULL;
}

bool whole_blobs_has(whole_blobs *w, const char *sha256, const struct stat *info) {
    pthread_mutex_lock(&w->lock);
    const whole_blob *known = find(w, sha256);
    bool has = known != NULL && same_file(&known->info, info);
    pthread_mutex_unlock(&w->lock);
    return has;
}

void whole_blobs_add(whole_blobs *w, const char *sha256, const struct stat *info) {
    pthread_mutex_lock(&w->lock);
    whole_blob *at = find(w, sha256);
    if (at == NULL) {
        at = &w->list[w->next];
        w->next = (w->next + 1) % WHOLE_BLOBS_MAX;
    }
    memcpy(at->sha256, sha256, OW_SHA256_HEX_SIZE);
    at->info = *info;
    pthread_mutex_unlock(&w->lock);
}
