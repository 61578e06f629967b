#pragma once

// A runner for tests of the registry: builds what it is told to have built.

#include "core/rpc/directory.h"

typedef struct fake_runner {
    ProtobufCService *service;
    const char *toolchain; // as GetRunnerStatus says it
    const char *code;      // what a build yields; NULL: it fails
    int builds;
    char last_entries[200];
    char last_bundle[80];
} fake_runner;

void fake_runner_offer(fake_runner *f, ow_directory *directory, const ow_api *api, ow_loop *loop);
void fake_runner_withdraw(fake_runner *f, ow_directory *directory);
