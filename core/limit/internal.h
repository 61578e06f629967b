#pragma once

#include <stddef.h>
#include <stdint.h>

// SipHash-1-3 of some bytes.
uint64_t siphash(const uint64_t secret[2], const void *bytes, size_t size);
