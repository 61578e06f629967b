// Other hosts: TCP, and only with mutual TLS. Both sides show a certificate of one authority that carries
// the name of the installation; whoever cannot is not spoken with.

#include "core/rpc_grpc/internal.h"

#include <grpc/grpc_security.h>
#include <grpc/grpc_security_constants.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct mtls {
    char *listen, *peers;
    char *certificate, *key, *authority, *name;
};

static bool is_set(const char *text) {
    return text != NULL && text[0] != '\0';
}

static char *copy(const char *text) {
    return strdup(text != NULL ? text : "");
}

// Entries are "service=host:port", with commas between. NULL behind the last one.
static const char *next_peer(const char *at, size_t *ret_name, size_t *ret_size) {
    at += strspn(at, ", ");
    *ret_size = strcspn(at, ", ");
    const char *sign = memchr(at, '=', *ret_size);
    *ret_name = sign != NULL ? (size_t)(sign - at) : 0;
    return *ret_size > 0 ? at : NULL;
}

static ow_code check_peers(const char *peers, ow_err *err) {
    size_t name;
    size_t size;
    for (const char *at = peers; (at = next_peer(at, &name, &size)) != NULL; at += size) {
        const char *address = at + name + 1;
        const char *colon = memchr(address, ':', size > name + 1 ? size - name - 1 : 0);
        if (name == 0 || colon == NULL || colon == address || size >= PEER_TEXT_MAX) {
            return ow_fail(err, OW_INVALID_ARGUMENT, "bad_peers",
                           "\"%.*s\" is no peer: service=host:port is expected", (int)size, at);
        }
    }
    return OW_OK;
}

static bool has_all(const ow_grpc_tls *from) {
    return is_set(from->certificate) && is_set(from->key) && is_set(from->authority) &&
           is_set(from->name);
}

// Every text could be copied.
static bool is_whole(const mtls *made) {
    return made->listen != NULL && made->peers != NULL && made->certificate != NULL &&
           made->key != NULL && made->authority != NULL && made->name != NULL;
}

ow_code mtls_open(ow_grpc *g, const ow_grpc_options *options, ow_err *err) {
    const ow_grpc_tls *from = options->tls;
    if (!is_set(options->listen) && !is_set(options->peers)) {
        return OW_OK;
    }
    if (from == NULL || !has_all(from)) {
        return ow_fail(
            err, OW_INVALID_ARGUMENT, "needs_mtls",
            "calls over TCP, on loopback too, need mutual TLS: a certificate, its key, the "
            "authority that signed it and the name that it carries");
    }
    ow_code code = check_peers(is_set(options->peers) ? options->peers : "", err);
    if (code != OW_OK) {
        return code;
    }
    g->mtls = calloc(1, sizeof *g->mtls);
    if (g->mtls != NULL) {
        *g->mtls = (mtls){
            .listen = copy(options->listen),
            .peers = copy(options->peers),
            .certificate = copy(from->certificate),
            .key = copy(from->key),
            .authority = copy(from->authority),
            .name = copy(from->name),
        };
    }
    return g->mtls != NULL && is_whole(g->mtls)
               ? OW_OK
               : ow_fail(err, OW_INTERNAL, "no_memory", "no memory for gRPC");
}

void mtls_close(ow_grpc *g) {
    if (g->mtls == NULL) {
        return;
    }
    if (g->mtls->key != NULL) {
        explicit_bzero(g->mtls->key, strlen(g->mtls->key));
    }
    char *const texts[] = {g->mtls->listen, g->mtls->peers,     g->mtls->certificate,
                           g->mtls->key,    g->mtls->authority, g->mtls->name};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        free(texts[i]);
    }
    free(g->mtls);
    g->mtls = NULL;
}

ow_code mtls_listen(ow_grpc *g, ow_err *err) {
    if (g->mtls == NULL || g->mtls->listen[0] == '\0') {
        return OW_OK;
    }
    grpc_ssl_pem_key_cert_pair pair = {g->mtls->key, g->mtls->certificate};
    grpc_server_credentials *credentials = grpc_ssl_server_credentials_create_ex(
        g->mtls->authority, &pair, 1, GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY,
        NULL);
    int port = credentials != NULL
                   ? grpc_server_add_http2_port(g->server, g->mtls->listen, credentials)
                   : 0;
    if (credentials != NULL) {
        grpc_server_credentials_release(credentials);
    }
    return port > 0
               ? OW_OK
               : ow_fail(err, OW_UNAVAILABLE, "address_in_use",
                         "cannot listen for calls on %s: the address is in use or not ours, or "
                         "certificate and key do not fit",
                         g->mtls->listen);
}

bool mtls_find_peer(const ow_grpc *g, const char *service, char target[static PEER_TEXT_MAX]) {
    size_t name;
    size_t size;
    if (g->mtls == NULL) {
        return false;
    }
    for (const char *at = g->mtls->peers; (at = next_peer(at, &name, &size)) != NULL; at += size) {
        bool all = name == 1 && at[0] == '*';
        if (all || (strlen(service) == name && strncasecmp(at, service, name) == 0)) {
            snprintf(target, PEER_TEXT_MAX, "%.*s", (int)(size - name - 1), at + name + 1);
            return true;
        }
    }
    return false;
}

grpc_channel *mtls_channel(const ow_grpc *g, const char *target) {
    const grpc_channel_args *usual = wire_channel_args();
    grpc_arg args[16];
    size_t count = usual->num_args < 15 ? usual->num_args : 15;
    memcpy(args, usual->args, count * sizeof args[0]);
    // The name is the installation's, not a host's.
    args[count++] = (grpc_arg){.type = GRPC_ARG_STRING,
                               .key = (char *)GRPC_SSL_TARGET_NAME_OVERRIDE_ARG,
                               .value.string = g->mtls->name};
    grpc_channel_args all = {.num_args = count, .args = args};
    grpc_ssl_pem_key_cert_pair pair = {g->mtls->key, g->mtls->certificate};
    grpc_channel_credentials *credentials =
        grpc_ssl_credentials_create_ex(g->mtls->authority, &pair, NULL, NULL);
    grpc_channel *channel = grpc_channel_create(target, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static bool has_property(grpc_auth_context *context, const char *property, const char *value) {
    grpc_auth_property_iterator all = grpc_auth_context_find_properties_by_name(context, property);
    for (const grpc_auth_property *each; (each = grpc_auth_property_iterator_next(&all)) != NULL;) {
        if (each->value_length == strlen(value) &&
            memcmp(each->value, value, each->value_length) == 0) {
            return true;
        }
    }
    return false;
}

bool mtls_is_ours(const ow_grpc *g, grpc_call *call) {
    if (g->mtls == NULL) {
        return true;
    }
    grpc_auth_context *context = grpc_call_auth_context(call);
    // On a unix socket the user was checked when it was accepted.
    bool over_tcp = has_property(context, GRPC_TRANSPORT_SECURITY_TYPE_PROPERTY_NAME,
                                 GRPC_SSL_TRANSPORT_SECURITY_TYPE);
    bool named = !over_tcp || has_property(context, GRPC_X509_SAN_PROPERTY_NAME, g->mtls->name);
    grpc_auth_context_release(context);
    return named;
}
