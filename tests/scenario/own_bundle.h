#pragma once

// Virtual servers that a test has as text: a manifest and one C file.

#include "tests/scenario/deployment.h"

// Writes a file; fails the test when that fails.
void write_file(const char *folder, const char *name, const char *text);

// A new folder below /tmp with virtualserver.json and main.c. own_bundle_remove takes both and the folder away.
void own_bundle_make(char ret_folder[static 64], const char *manifest, const char *source);
void own_bundle_remove(const char *folder);

// Deploys such a one and leaves no folder behind; fails the test when that fails.
void own_bundle_deploy(const deployment *d, const char *manifest, const char *source, bool publish);
