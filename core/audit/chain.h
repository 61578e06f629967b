#pragma once

// What an entry's hash is made of. For the files of this package.

#include "core/audit/audit.h"

// `before`: the hash of the entry before as hex, "" for the first. False: out of memory.
bool chain_hash(const char *before, const ow_audit_entry *entry,
                char ret_hash[static OW_SHA256_HEX_SIZE]);
