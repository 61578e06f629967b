#pragma once

#include <stdbool.h>

// Mounts an empty file system of that size ("32m") on `folder`, in a mount namespace of this process's
// own, which its children share: call it in a process that is made for the test. Needs no root where
// user namespaces are allowed. False: it cannot be done here.
bool small_disk_mount(const char *folder, const char *size);

// Writes until nothing more fits, then gives `spare` pages of 4,096 bytes back. How many are left in it.
int small_disk_fill(const char *file, int spare);
