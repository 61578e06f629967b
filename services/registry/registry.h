#pragma once

// The registry: titles, virtual servers, their code and versions, and the routing table made from
// them. Owns <data>/registry (its store) and <data>/blobs (bundles, compiled code, data files).

#include "core/module/module.h"

extern const ow_module ow_registry_module;
