#pragma once

// Events: the durable asynchronous queue of executions, and what sets them going. Owns <data>/events.

#include "core/module/module.h"

extern const ow_module ow_events_module;
