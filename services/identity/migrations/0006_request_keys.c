#include "services/identity/migrations/tables.h"

#include "core/request_key/request_key.h"

// Those of one method give way to those of all; they live for a day, and no release has had them.
const char identity_request_keys[] = "DROP TABLE request_keys;" OW_REQUEST_KEY_TABLES;
