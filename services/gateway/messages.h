#pragma once

// Short names for the generated types that the gateway uses.

#include "proto/google/rpc/status.pb-c.h"
#include "proto/overworld/data/v1/data.pb-c.h"
#include "proto/overworld/events/v1/queue.pb-c.h"
#include "proto/overworld/gateway/v1/gateway.pb-c.h"
#include "proto/overworld/identity/v1/identity.pb-c.h"
#include "proto/overworld/push/v1/push.pb-c.h"
#include "proto/overworld/registry/v1/registry.pb-c.h"
#include "proto/overworld/runner/v1/runner.pb-c.h"
#include "proto/overworld/telemetry/v1/telemetry.pb-c.h"

typedef Overworld__Identity__V1__VerificationState verification_state;
typedef Overworld__Identity__V1__WatchVerificationRequest watch_verification_request;
typedef Overworld__Registry__V1__RouteChange route_change;
typedef Overworld__Registry__V1__VirtualServerRoutes virtual_server_routes;
typedef Overworld__Registry__V1__WatchRoutesRequest watch_routes_request;
typedef Overworld__Registry__V1__PutBundleChunkRequest put_chunk_request;
typedef Overworld__Registry__V1__PutBundleChunkResponse put_chunk_response;
typedef Overworld__Runner__V1__InvokeRequest invoke_request;
typedef Overworld__Runner__V1__InvokeResponse invoke_response;
typedef Overworld__Runner__V1__GetRunnerStatusRequest runner_status_request;
typedef Overworld__Runner__V1__GetRunnerStatusResponse runner_status;
typedef Overworld__Push__V1__AcknowledgeRequest acknowledge_request;
typedef Overworld__Push__V1__AcknowledgeResponse acknowledge_response;
typedef Overworld__Push__V1__Acknowledgement acknowledgement;
typedef Overworld__Push__V1__AttachRequest attach_request;
typedef Overworld__Push__V1__Delivery delivery;
typedef Overworld__Push__V1__HoldRequest hold_request;
typedef Overworld__Push__V1__HoldResponse hold_response;
typedef Overworld__Push__V1__ReleaseRequest release_request;
typedef Overworld__Push__V1__ReleaseResponse release_response;
typedef Overworld__Telemetry__V1__Record telemetry_record;
typedef Overworld__Telemetry__V1__RequestRecord request_record;
typedef Overworld__Telemetry__V1__AppendRequest append_request;
typedef Overworld__Telemetry__V1__AppendResponse append_response;
typedef Overworld__Gateway__V1__GetStatusResponse gateway_status;
typedef Overworld__Gateway__V1__ServiceStatus service_status;
