#pragma once

// The service data as a module; what it does stands in README.md.

#include "core/module/module.h"

extern const ow_module ow_data_module;
