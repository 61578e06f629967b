#pragma once

// The runner: runs functions. See README.md in this folder.

#include "core/module/module.h"

extern const ow_module ow_runner_module;
