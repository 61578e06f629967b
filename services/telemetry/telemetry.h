#pragma once

// Telemetry: the records of requests, invocations and their output, bounded in size and age. Owns
// <data>/telemetry.

#include "core/module/module.h"

extern const ow_module ow_telemetry_module;
