#pragma once

// Shared by the files of this package.

#include "core/cloudevents/cloudevents.h"

#include <stdint.h>

ow_code event_bad(ow_err *err, const char *what);
ow_code event_no_memory(ow_err *err);

// Every attribute absent.
void event_init(ow_cloudevent *event);
// Sets an attribute or adds an extension; both texts are kept. "specversion" is only compared.
ow_code event_set(ow_cloudevent *event, const char *name, const char *value, ow_err *err);
// What can only be said of the whole.
ow_code event_check(const ow_cloudevent *event, bool has_version, ow_err *err);
// Attributes that are there, specversion first.
void event_each(const ow_cloudevent *event,
                void (*take)(void *self, const char *name, const char *value), void *self);
