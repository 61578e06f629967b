#pragma once

// What the records of a block say has changed, for those who watch. No I/O, any thread.

#include "services/telemetry/records.h"

enum { CHANGES_MAX = 64, CHANGE_NAME_MAX = 128 };

typedef enum change_kind {
    CHANGE_METHOD, // a Connect method with side effects succeeded
    CHANGE_RUN,    // functions of a virtual server ran
} change_kind;

// Texts are borrowed from the block.
typedef struct change {
    slice title, name; // name: the method's path, or the virtual server
    change_kind kind;
} change;

typedef struct block_changes {
    change list[CHANGES_MAX]; // each once
    int count;
    bool more; // others had no room, whatever their title
} block_changes;

// Adds what one record says; names longer than CHANGE_NAME_MAX - 1 count as `more`.
void changes_take(block_changes *changes, const record_view *v);
