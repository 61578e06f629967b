#pragma once

// What backup and restore share: an archive of files of a data folder, and at its end a list of them
// with their hashes, by which a restore knows that it is whole.

#include "cli/cli.h"
#include "core/crypto/hash.h"

#define BACKUP_LIST "manifest.json"

enum { BACKUP_FORMAT = 1 };

typedef struct backup_file {
    const char *name; // in the command's arena
    int64_t size;
    char sha256[OW_SHA256_HEX_SIZE];
} backup_file;

typedef struct backup_list {
    backup_file *files; // in the command's arena
    size_t count, room;
    int64_t bytes;
} backup_list;

// A new entry; NULL when out of memory.
backup_file *backup_list_add(cli *c, backup_list *list, const char *name, int64_t size);
