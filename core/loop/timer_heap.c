#include "core/loop/internal.h"

#include <stdlib.h>

enum { ARITY = 4, FIRST_CAPACITY = 64 };

void timer_heap_deinit(timer_heap *heap) {
    free(heap->items);
    *heap = (timer_heap){0};
}

ow_timer *timer_heap_first(const timer_heap *heap) {
    return heap->count == 0 ? NULL : heap->items[0];
}

static void place(timer_heap *heap, size_t at, ow_timer *timer) {
    heap->items[at] = timer;
    timer->index = at + 1;
}

// Both sifts find the place of `timer`, starting with the hole at `at`.
static void sift_up(timer_heap *heap, size_t at, ow_timer *timer) {
    while (at > 0) {
        size_t parent = (at - 1) / ARITY;
        if (heap->items[parent]->due_us <= timer->due_us) {
            break;
        }
        place(heap, at, heap->items[parent]);
        at = parent;
    }
    place(heap, at, timer);
}

static size_t least_child(const timer_heap *heap, size_t at) {
    size_t first = at * ARITY + 1;
    size_t end = first + ARITY < heap->count ? first + ARITY : heap->count;
    size_t best = first;
    for (size_t child = first + 1; child < end; child++) {
        if (heap->items[child]->due_us < heap->items[best]->due_us) {
            best = child;
        }
    }
    return best;
}

static void sift_down(timer_heap *heap, size_t at, ow_timer *timer) {
    while (at * ARITY + 1 < heap->count) {
        size_t child = least_child(heap, at);
        if (timer->due_us <= heap->items[child]->due_us) {
            break;
        }
        place(heap, at, heap->items[child]);
        at = child;
    }
    place(heap, at, timer);
}

static void sift(timer_heap *heap, size_t at, ow_timer *timer) {
    if (at > 0 && timer->due_us < heap->items[(at - 1) / ARITY]->due_us) {
        sift_up(heap, at, timer);
    } else {
        sift_down(heap, at, timer);
    }
}

bool timer_heap_set(timer_heap *heap, ow_timer *timer, int64_t due_us) {
    if (timer->index != 0) {
        timer->due_us = due_us;
        sift(heap, timer->index - 1, timer);
        return true;
    }
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : heap->capacity * 2;
        ow_timer **items = realloc(heap->items, capacity * sizeof(ow_timer *));
        if (items == NULL) {
            return false;
        }
        heap->items = items;
        heap->capacity = capacity;
    }
    timer->due_us = due_us;
    sift_up(heap, heap->count++, timer);
    return true;
}

void timer_heap_remove(timer_heap *heap, ow_timer *timer) {
    size_t at = timer->index - 1;
    timer->index = 0;
    ow_timer *last = heap->items[--heap->count];
    if (last != timer) {
        sift(heap, at, last);
    }
}
