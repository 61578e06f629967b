#pragma once

// The methods StartBackup and ReadBackup (proto/overworld/api/backup.proto) of a service with a store:
// a copy of the store as one moment saw it, and the service's files beside it, in pieces.
//
// The copy is a file that has no name any more once it is made: it goes when the next one is started,
// when its time is over, and with the process.

#include "core/audit/audit.h"
#include "core/loop/loop.h"
#include "core/rpc/service.h"

typedef struct ow_backup ow_backup;

typedef struct ow_backup_options {
    ow_loop *loop;
    const char *data_folder;
    const char *store; // "identity": saved as identity/identity.db, copied beside the original
    const char *const
        *others; // files and folders below the data folder that are saved too, ended by
                 // NULL; those that are missing are left out, so are names that begin
                 // with a dot and folders named "incoming". May be NULL
} ow_backup_options;

// Heap. What the options point to must outlive it. NULL when out of memory.
ow_backup *ow_backup_new(const ow_backup_options *options);
// When no step of it runs any more. Accepts NULL; returns NULL.
ow_backup *ow_backup_free(ow_backup *backup);

// The steps, for a method each: a read step, then a loop step; a pool step. Codes: permission_denied
// "not_every_title" (a backup holds every title, and so must the caller); unavailable "disk_full";
// resource_exhausted "too_many_files"; not_found "no_backup" (another was started since, or its time is
// over), "no_file"; invalid_argument "bad_offset"; internal; data_loss.
ow_code ow_backup_start_step(ow_backup *backup, ow_run *run);
ow_code ow_backup_started_step(ow_backup *backup, ow_run *run);
ow_code ow_backup_read_step(ow_backup *backup, ow_run *run);

// Who took a backup stands in the service's chain: what a started step notes in the state of the call, an
// ow_audit_entry, a write step behind it appends. Codes as ow_audit_append.
void ow_backup_note(ow_run *run, int64_t now_us);
ow_code ow_backup_audit_step(ow_run *run);
