#pragma once

// Short names for protobuf-c's types of this service.

#include "overworld/telemetry/v1/telemetry.pb-c.h"

typedef Overworld__Telemetry__V1__AppendRequest append_request;
typedef Overworld__Telemetry__V1__InvocationRecord invocation_record;
typedef Overworld__Telemetry__V1__LogEntry log_entry;
typedef Overworld__Telemetry__V1__QueryLogsRequest query_request;
typedef Overworld__Telemetry__V1__QueryLogsResponse query_response;
typedef Overworld__Telemetry__V1__Record record_msg;
typedef Overworld__Telemetry__V1__RequestRecord request_record;
