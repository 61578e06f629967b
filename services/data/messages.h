#pragma once

// Short names for what protoc-c generates.

#include "overworld/data/v1/data.pb-c.h"

typedef Overworld__Data__V1__Scope scope_msg;
typedef Overworld__Data__V1__Entry entry_msg;
typedef Overworld__Data__V1__Condition condition_msg;
typedef Overworld__Data__V1__KvGetRequest kv_get_request;
typedef Overworld__Data__V1__KvGetResponse kv_get_response;
typedef Overworld__Data__V1__KvSetRequest kv_set_request;
typedef Overworld__Data__V1__KvSetResponse kv_set_response;
