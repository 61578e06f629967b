#pragma once

// Short names for protobuf-c's types of this service, and messages that live in an arena.

#include "core/arena/arena.h"

#include "overworld/registry/v1/registry.pb-c.h"

typedef Overworld__Registry__V1__Alias alias_msg;
typedef Overworld__Registry__V1__AliasTarget alias_target_msg;
typedef Overworld__Registry__V1__BundleFile bundle_file_msg;
typedef Overworld__Registry__V1__CreateAliasRequest create_alias_request;
typedef Overworld__Registry__V1__CreateTitleRequest create_title_request;
typedef Overworld__Registry__V1__CreateVirtualServerRequest create_server_request;
typedef Overworld__Registry__V1__DeleteAliasRequest delete_alias_request;
typedef Overworld__Registry__V1__DeleteVirtualServerRequest delete_server_request;
typedef Overworld__Registry__V1__DeployRequest deploy_request;
typedef Overworld__Registry__V1__DeployResponse deploy_response;
typedef Overworld__Registry__V1__Diagnostic diagnostic_msg;
typedef Overworld__Registry__V1__EnvVar env_var_msg;
typedef Overworld__Registry__V1__FunctionInfo function_msg;
typedef Overworld__Registry__V1__GetBlobChunkRequest get_blob_request;
typedef Overworld__Registry__V1__GetBlobChunkResponse get_blob_response;
typedef Overworld__Registry__V1__GetVirtualServerRequest get_server_request;
typedef Overworld__Registry__V1__ListTitlesRequest list_titles_request;
typedef Overworld__Registry__V1__ListTitlesResponse list_titles_response;
typedef Overworld__Registry__V1__ListVersionsRequest list_versions_request;
typedef Overworld__Registry__V1__ListVersionsResponse list_versions_response;
typedef Overworld__Registry__V1__ListVirtualServersRequest list_servers_request;
typedef Overworld__Registry__V1__ListVirtualServersResponse list_servers_response;
typedef Overworld__Registry__V1__PublishRequest publish_request;
typedef Overworld__Registry__V1__PublishResponse publish_response;
typedef Overworld__Registry__V1__PutBundleChunkRequest put_chunk_request;
typedef Overworld__Registry__V1__PutBundleChunkResponse put_chunk_response;
typedef Overworld__Registry__V1__RenameTitleRequest rename_title_request;
typedef Overworld__Registry__V1__Revision revision_msg;
typedef Overworld__Registry__V1__RollbackAliasRequest rollback_alias_request;
typedef Overworld__Registry__V1__RouteAlias route_alias_msg;
typedef Overworld__Registry__V1__RouteChange route_change;
typedef Overworld__Registry__V1__RouteRevision route_revision_msg;
typedef Overworld__Registry__V1__Title title_msg;
typedef Overworld__Registry__V1__UpdateAliasRequest update_alias_request;
typedef Overworld__Registry__V1__UpdateVirtualServerRequest update_server_request;
typedef Overworld__Registry__V1__VirtualServer server_msg;
typedef Overworld__Registry__V1__VirtualServerRoutes server_routes;

// An empty message of the descriptor overworld__registry__v1__<NAME>__descriptor in the arena; NULL
// when the arena is full.
#define MESSAGE_IN(arena, NAME) message_in((arena), &overworld__registry__v1__##NAME##__descriptor)

void *message_in(ow_arena *arena, const ProtobufCMessageDescriptor *descriptor);

// A message packed in the arena, and read from bytes into it. NULL: arena full, or not readable.
uint8_t *message_pack_in(ow_arena *arena, const void *message, size_t *ret_size);
void *message_unpack_in(ow_arena *arena, const ProtobufCMessageDescriptor *descriptor,
                        const void *bytes, size_t size);

// A time in µs as the message; NULL when the arena is full.
Google__Protobuf__Timestamp *timestamp_in(ow_arena *arena, int64_t time_us);
