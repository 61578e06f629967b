#pragma once

// WatchChanges: what each block says has changed, told to those who watch its title. Loop thread.

#include "services/telemetry/changes.h"

#include "core/metrics/metrics.h"
#include "core/rpc/service.h"

// Of all, so that one title cannot take them, nor one operator those of a title.
enum { WATCHERS_MAX = 256, WATCHERS_TITLE_MAX = 64, WATCHERS_PRINCIPAL_MAX = 16 };

// What one who watches has not been told yet, and the state of the method.
typedef struct watch {
    struct watchers *owner;
    ow_run *run;
    struct watch *next;
    ow_timer timer;
    char names[CHANGES_MAX][CHANGE_NAME_MAX];
    change_kind kinds[CHANGES_MAX];
    int count;
    bool more, soon; // soon: the timer is about changes, not about being alive
} watch;

// All who watch. Embedded in the service; zeroed but for `loop` and `gauge` it is ready.
typedef struct watchers {
    ow_loop *loop;
    ow_gauge *gauge; // how many there are
    watch *first;
    int count;
    bool stopping;
} watchers;

// The one step of WatchChanges; its state is a watch. Codes: failed_precondition "title_needed",
// resource_exhausted "too_many_watchers" (of all, of the title, or of the principal in any title), unavailable
// "stopping".
ow_code watchers_begin(watchers *all, ow_run *run);

// A block has been stored.
void watchers_tell(watchers *all, const block_changes *changes);

// Ends every stream; none begins any more.
void watchers_stop(watchers *all);
