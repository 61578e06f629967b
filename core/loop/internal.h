#pragma once

// A 4-ary heap of timers by due time. Each timer knows its place (timer->index is place + 1), so
// that moving and removing one costs O(log n).

#include "core/loop/loop.h"

typedef struct timer_heap {
    ow_timer **items;
    size_t count;
    size_t capacity;
} timer_heap;

void timer_heap_deinit(timer_heap *heap);

// The timer that is due first; NULL when there is none.
ow_timer *timer_heap_first(const timer_heap *heap);

// Puts the timer in, or moves it. False when out of memory (only for a timer that was not in).
bool timer_heap_set(timer_heap *heap, ow_timer *timer, int64_t due_us);

// Takes a timer out that is in.
void timer_heap_remove(timer_heap *heap, ow_timer *timer);
