#pragma once

// The platform's own events of timers.

#include "services/timers/timers_store.h"

#include "core/bus/bus.h"

// timer.missed, in the write job that records the slot as missed; the same slot is told once, however often that
// runs. `bus` NULL: nobody is told. Codes as ow_bus_tell.
ow_code announce_missed(const reader *r, const ow_bus *bus, const timer_row *timer,
                        const slot_row *slot);
