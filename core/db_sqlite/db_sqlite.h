#pragma once

// The storage seam on SQLite: one file a service, in WAL mode, with synchronous=FULL.

#include "core/db/db.h"
#include "core/db/driver.h"

// Opens `<folder>/<name>.db` (files 0600), locks it against other processes, migrates it and starts
// its threads. `options` are copied, what they point to must outlive the database. Heap; freed by
// ow_db_close. Loop thread. Codes: failed_precondition "store_in_use" (another process has it open;
// names its pid), "newer_store" (names both numbers), "no_wal" (the file system cannot), data_loss
// "store_corrupt", unavailable "disk_full", internal (a migration that fails; I/O).
ow_code ow_db_sqlite_open(const ow_db_options *options, ow_db **ret_db, ow_err *err);

// The driver alone, for those who put another one around it (core/db/testing). Heap; owned by
// whoever it is given to, freed by its `close`. Locks the folder. Codes as above.
ow_code ow_db_sqlite_driver_new(const ow_db_options *options, ow_db_driver **ret_driver,
                                ow_err *err);
