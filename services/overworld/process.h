#pragma once

// One process of Overworld: the shared parts that every module gets, its signals, and its life from
// start to stop.

#include "core/config/config.h"
#include "core/error/error.h"
#include "core/module/module.h"
#include "services/overworld/calls.h"
#include "services/overworld/options.h"

// The keys of the process itself, "server.<name>", as every module has its own.
typedef struct process_config {
    int64_t log_level;
    int64_t log_format;
    int64_t drain_us;
    int64_t pool_threads;
    char *binary_folder;
    char *egress_hosts, *egress_networks, *egress_ca_file;
    bool egress_plain;
    char *grpc_listen, *grpc_peers, *grpc_certificate, *grpc_key, *grpc_authority, *grpc_name;
    char *id, *runners;
} process_config;

extern const ow_config_key process_config_keys[];

// Starts the chosen modules, runs until a signal and stops. `services` are those of the whole
// platform (see calls.h). Returns the exit status: 0 after an orderly stop, 1 when it could not
// start or had to end; why was logged.
int process_run(const options *options, const ow_config *config, ow_modules *modules,
                const platform_service *services);
