#pragma once

// What a revision of a virtual server has: of the server, or of a folder that may become one.

#include "cli/bundle.h"
#include "core/archive/archive.h"

typedef struct cli_part {
    const char *kind, *name,
        *text; // two revisions differ in a part that one lacks, or describes otherwise
} cli_part;

typedef struct cli_contents {
    cli_part *list; // by kind and name
    size_t count;
    const char *server,
        *version; // whose files are on the server; `version` NULL: they are in `files`
    ow_archive files;
} cli_contents;

// Of a version: a number or "$LATEST".
cli_exit cli_contents_of_version(cli *c, const char *server, const char *version,
                                 cli_contents *ret_contents);

// Of where $DEFAULT leads with most of its weight; its `version` is NULL, and nothing is in it, while there is no
// such virtual server or no code.
cli_exit cli_contents_running(cli *c, const char *server, cli_contents *ret_contents);

// Of a bundle, which must live on. False: its manifest is not sound (the server says more when it is deployed).
bool cli_contents_of_bundle(cli *c, const cli_bundle *bundle, cli_contents *ret_contents,
                            ow_err *err);

// The bytes of one of its files, in the arena or borrowed.
cli_exit cli_contents_file(cli *c, const cli_contents *contents, const char *path,
                           const uint8_t **ret_bytes, size_t *ret_size);

int cli_part_order(const void *left, const void *right);
bool cli_part_is_trigger(const cli_part *part);
