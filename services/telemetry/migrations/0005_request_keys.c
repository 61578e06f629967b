#include "services/telemetry/migrations/migrations.h"

#include "core/request_key/request_key.h"

const char telemetry_request_keys[] = OW_REQUEST_KEY_TABLES;
