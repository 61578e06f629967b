#pragma once

// A virtual server's folder as a bundle, and its upload.

#include "cli/cli.h"

typedef struct cli_bundle {
    const char *name; // from the manifest
    uint8_t *bytes;   // heap: cli_bundle_deinit
    size_t size;
    char sha256[65];
} cli_bundle;

// Reads virtualserver.json, every .c and .h file below the folder (hidden folders left out) and the
// files that the manifest lists, and makes the archive.
cli_exit cli_bundle_read(cli *c, const char *folder, cli_bundle *ret_bundle);
void cli_bundle_deinit(cli_bundle *bundle);

// PUT /v1/bundles/{sha256}.
cli_exit cli_bundle_upload(cli *c, const cli_bundle *bundle);

// Says how the triggers that it declares differ from those of what runs; nothing of a manifest that is not sound.
cli_exit cli_say_trigger_changes(cli *c, const cli_bundle *bundle);

// Reads, uploads and deploys a folder, and says what came of it. Used by ow vs deploy and ow dev.
cli_exit cli_deploy(cli *c, const char *folder, bool publish);
