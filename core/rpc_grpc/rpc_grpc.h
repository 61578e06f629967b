#pragma once

// Calls between processes: gRPC over unix sockets on one host, over TCP with mutual TLS between hosts.
// The only package that includes grpc.
//
// Each service listens on <folder>/<service>.sock, mode 0600, "service" being the last part of its
// name in lower case ("overworld.identity.v1.Identity" → identity.sock); of several copies each has its own
// (runner.a.sock), and its own entry among `peers` (runner.a=...). Connections of another user
// are closed. Who calls travels in the binary metadata entry `overworld-call-bin`
// (ow_call_metadata), the trace also as `traceparent`, errors as google.rpc.Status in
// `grpc-status-details-bin`. Calls without that entry are refused, but for
// grpc.health.v1.Health and grpc.reflection.v1 and v1alpha, which every socket offers.
//
// Over TCP, loopback included, both sides show a certificate that one authority signed and that carries
// one name (a DNS name among its subjectAltNames), the installation's. All else is refused: plain text
// and strangers' certificates by the handshake, other names unauthenticated "wrong_peer".
//
// The library is initialised when a service is first offered or called through here, so one process
// that has everything never pays for it. After that the process must not fork without exec.
//
// One thread waits for completions and posts them to the loop; everything else happens on the loop.

#include "core/rpc/directory.h"

typedef struct ow_grpc ow_grpc;

// PEM texts, and the name that the certificates of all processes carry. Copied.
typedef struct ow_grpc_tls {
    const char *certificate, *key, *authority;
    const char *name;
} ow_grpc_tls;

typedef struct ow_grpc_options {
    ow_loop *loop;
    const ow_api *api;  // of which reflection speaks, and which methods are streams
    const char *folder; // of the sockets; made with mode 0700 when missing. Copied
    // For other hosts; NULL or "": none. Either needs `tls`. Copied.
    const char *listen; // "10.0.0.1:7400"; what is offered is offered there, too
    const char
        *peers; // "identity=10.0.0.2:7400,*=10.0.0.3:7400": where services are; *: all others
    const ow_grpc_tls *tls;
} ow_grpc_options;

// Heap; freed by ow_grpc_free. Codes: internal, invalid_argument "path_too_long", "needs_mtls",
// "bad_peers".
ow_code ow_grpc_new(const ow_grpc_options *options, ow_grpc **ret_grpc, ow_err *err);

// How a directory reaches services of other processes. A peer that is not there is waited for, since
// it may just be restarting (it is found again within 2 s); after 1.5 s the call ends with
// unavailable "unreachable". Lives as long as `grpc`.
const ow_connector *ow_grpc_connector(ow_grpc *grpc);

// Listens for calls of `service`, which must live until ow_grpc_stop; `copy` is its name among several
// (<folder>/<service>.<copy>.sock), NULL when there is one. Codes: already_exists
// "socket_in_use" (another process serves there), invalid_argument "path_too_long", unavailable
// "address_in_use" (of `listen`, or its certificate does not fit), internal.
ow_code ow_grpc_offer(ow_grpc *grpc, ProtobufCService *service, const char *copy, ow_err *err);

// What health says of a service (full name; NULL: of all offered ones). An offered one is serving.
void ow_grpc_set_serving(ow_grpc *grpc, const char *service, bool serving);

// Closes the listeners; health says "not serving", new calls of live connections are answered
// unavailable "stopping", and so are at once the streams that have no deadline, for they would never
// end. Other running calls go on. Drained: none is left.
void ow_grpc_drain(ow_grpc *grpc);
bool ow_grpc_drained(const ow_grpc *grpc);

// Ends everything: running calls, of others and of our own, end with unavailable "stopping"; turns
// the loop until all is quiet. Afterwards the connector's services answer unavailable. Loop thread,
// not from a callback of the loop.
void ow_grpc_stop(ow_grpc *grpc);

// Stops first when that has not been done. Accepts NULL; returns NULL.
ow_grpc *ow_grpc_free(ow_grpc *grpc);
