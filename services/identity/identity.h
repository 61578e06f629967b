#pragma once

// Identity: players and their devices, server keys, operators, and the keys with which gateways
// verify all of them alone. Owns <data>/identity (its store), <data>/keys (signing keys and the
// master of the server keys' secrets) and <data>/operator.token.

#include "core/module/module.h"

extern const ow_module ow_identity_module;
