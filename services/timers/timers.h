#pragma once

// Timers: schedules of functions and what became of their slots. Owns <data>/timers.

#include "core/module/module.h"

extern const ow_module ow_timers_module;
