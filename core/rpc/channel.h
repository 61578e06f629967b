#pragma once

// For those who implement a channel (packed, grpc), not for callers.
//
// A channel sets call->on_cancel while it carries the call, takes it back before the final closure,
// and reports a cancelled call as cancelled whatever the peer answered.

#include "core/rpc/call.h"

// False, with call->err filled, when the call is cancelled or out of time: nothing is to be begun.
bool ow_call_is_live(ow_call *call);

// Fills call->err with what the (cancelled) call was cancelled for.
void ow_call_fail_cancelled(ow_call *call);
