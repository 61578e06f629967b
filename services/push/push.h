#pragma once

// The module "push": messages to connected players. See README.md.

#include "core/module/module.h"

extern const ow_module ow_push_module;
