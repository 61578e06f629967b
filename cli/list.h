#pragma once

// Lists as tables: every method that lists has the same pages.

#include "cli/rpc.h"

typedef struct cli_list {
    const char *path; // of the Connect method
    // Its page_size and page_token are filled in here; a request without them has one page.
    ProtobufCMessage *request;
    const ProtobufCMessageDescriptor *reply_type; // its first repeated message is what is listed
    const char *const *columns;                   // ends with NULL
    void (*add_row)(cli *c, cli_table *table, const void *entry);
    int64_t default_limit; // of --limit; 0: the command has no such flag and lists everything
    const char *if_empty;  // a remark for people; may be NULL
} cli_list;

// Asks for page after page and prints the table, or with --json each page as it came.
cli_exit cli_list_print(cli *c, const cli_list *list);
