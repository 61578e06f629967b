#pragma once

// Several runners: which of them a call belongs to, and what their answers are together.

#include "core/rpc/directory.h"

extern const ow_spread_rules ow_runner_spread;
