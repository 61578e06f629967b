#pragma once

// Runs the rest of a test in a child process with an empty file system of that size ("32m") below /tmp, which is
// gone afterwards. Needs no root where user namespaces are allowed; skips the test where it cannot be done.
void small_disk_run(const char *size, void (*run)(const char *folder));

// Writes until nothing more fits, then gives `spare` pages of 4,096 bytes back. How many are left in it.
int small_disk_fill(const char *file, int spare);
