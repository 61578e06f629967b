#pragma once

// Folders that are there after a power cut too. Any thread; they block on the disk.

#include "core/error/error.h"

// Makes the folder (mode 0700, its parent must be there) unless there is something of that name, and
// makes the name durable, also when somebody else made it and ended before that. Codes:
// unavailable "disk_full", internal.
ow_code ow_folder_make(const char *path, ow_err *err);

// Makes durable which names the folder has: new files, and what was renamed or removed. Codes as above.
ow_code ow_folder_sync(const char *path, ow_err *err);

// The same of the folder that `path`, a file or a folder, stands in.
ow_code ow_folder_sync_parent(const char *path, ow_err *err);
