#pragma once

// An error as it travels: google.rpc.Status with one google.rpc.ErrorInfo that carries the reason.
// gRPC has it in the trailing metadata grpc-status-details-bin, Connect in its details.

#include "core/error/error.h"

#include <stddef.h>
#include <stdint.h>

#define OW_STATUS_BYTES_MAX 512

// Encodes code, reason and message; returns the size.
size_t ow_status_encode(const ow_err *err, uint8_t bytes[static OW_STATUS_BYTES_MAX]);

// Fills `ret_err` from what a peer sent; where the error was raised stays behind. Codes:
// invalid_argument "bad_status" (then `ret_err` is untouched).
ow_code ow_status_decode(const uint8_t *bytes, size_t size, ow_err *ret_err, ow_err *err);
