#pragma once

// The methods ListAudit and VerifyAudit (proto/overworld/api/audit.proto) of a service with an audit
// chain: read steps for its table of methods.

#include "core/rpc/service.h"

// Codes: invalid_argument "bad_page_size", "bad_page_token"; permission_denied "not_every_title".
ow_code ow_audit_list_step(ow_run *run);
ow_code ow_audit_verify_step(ow_run *run);
