#pragma once

// The gateway: the only ports that are reached from outside. See README.md for its doors.

#include "core/module/module.h"

extern const ow_module ow_gateway_module;
