// TLS by libmicrohttpd and GnuTLS. Each handshake asks for the identity that is current then; those
// before it are kept for as long as a handshake may take.

#include "core/http_mhd/internal.h"

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <stdlib.h>
#include <string.h>

#define CHAIN_MAX 16
#define KEPT_US INT64_C(120000000) // longer than any handshake: the headers' timeout ends it

struct tls_identity {
    tls_identity *older;
    int64_t retired_us;
    gnutls_privkey_t key;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_size;
};

static tls_identity *identity_free(tls_identity *gone) {
    while (gone != NULL) {
        tls_identity *older = gone->older;
        for (unsigned i = 0; i < gone->chain_size; i++) {
            gnutls_pcert_deinit(&gone->chain[i]);
        }
        if (gone->key != NULL) {
            gnutls_privkey_deinit(gone->key);
        }
        free(gone);
        gone = older;
    }
    return NULL;
}

static gnutls_datum_t datum_of(const char *text) {
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

static ow_code bad(const char *what, int result, ow_err *err) {
    return ow_fail(err, OW_INVALID_ARGUMENT, "bad_tls", "%s: %s", what, gnutls_strerror(result));
}

// GnuTLS compares key and certificate when it takes both for itself.
static ow_code check_pair(const gnutls_datum_t *chain, const gnutls_datum_t *key, ow_err *err) {
    gnutls_certificate_credentials_t both;
    int result = gnutls_certificate_allocate_credentials(&both);
    if (result == GNUTLS_E_SUCCESS) {
        result = gnutls_certificate_set_x509_key_mem(both, chain, key, GNUTLS_X509_FMT_PEM);
        gnutls_certificate_free_credentials(both);
    }
    return result >= 0 ? OW_OK : bad("the certificate and its key", result, err);
}

static ow_code identity_new(const ow_http_tls *from, tls_identity **ret_identity, ow_err *err) {
    gnutls_datum_t chain = datum_of(from->certificates);
    gnutls_datum_t key = datum_of(from->key);
    ow_code code = check_pair(&chain, &key, err);
    if (code != OW_OK) {
        return code;
    }
    tls_identity *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return ow_fail(err, OW_RESOURCE_EXHAUSTED, "out_of_memory", "no memory for a certificate");
    }
    unsigned count = CHAIN_MAX;
    int result =
        gnutls_pcert_list_import_x509_raw(made->chain, &count, &chain, GNUTLS_X509_FMT_PEM, 0);
    made->chain_size = result == GNUTLS_E_SUCCESS ? count : 0;
    result = result == GNUTLS_E_SUCCESS ? gnutls_privkey_init(&made->key) : result;
    if (result == GNUTLS_E_SUCCESS) {
        result = gnutls_privkey_import_x509_raw(made->key, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    }
    if (result != GNUTLS_E_SUCCESS) {
        identity_free(made);
        return bad("the certificate", result, err);
    }
    *ret_identity = made;
    return OW_OK;
}

int tls_give_identity(gnutls_session_t session, const gnutls_datum_t *issuers, int issuer_count,
                      const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
                      gnutls_pcert_st **ret_chain, unsigned *ret_size, gnutls_privkey_t *ret_key) {
    (void)issuers;
    (void)issuer_count;
    (void)algorithms;
    (void)algorithm_count;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        gnutls_session_get_ptr(session), MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    const connection *from = info != NULL ? info->socket_context : NULL;
    if (from == NULL) {
        return -1;
    }
    tls_identity *current = from->server->tls;
    *ret_chain = current->chain;
    *ret_size = current->chain_size;
    *ret_key = current->key;
    return 0;
}

ow_code ow_http_server_set_tls(ow_http_server *server, const ow_http_tls *tls, ow_err *err) {
    tls_identity *made;
    if (server->tls == NULL) {
        return ow_fail(err, OW_FAILED_PRECONDITION, "no_tls", "this server speaks plain HTTP");
    }
    ow_code code = identity_new(tls, &made, err);
    if (code != OW_OK) {
        return code;
    }
    int64_t now = ow_loop_now_us(server->loop);
    server->tls->retired_us = now;
    made->older = server->tls;
    server->tls = made;
    for (tls_identity *at = made; at->older != NULL; at = at->older) {
        if (at->older->retired_us + KEPT_US < now) {
            at->older = identity_free(at->older);
            break;
        }
    }
    return OW_OK;
}

ow_code tls_open(ow_http_server *server, ow_err *err) {
    if (server->options.tls == NULL) {
        return OW_OK;
    }
    if (MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
        return ow_fail(err, OW_UNIMPLEMENTED, "no_tls", "libmicrohttpd was built without TLS");
    }
    return identity_new(server->options.tls, &server->tls, err);
}

void tls_close(ow_http_server *server) {
    server->tls = identity_free(server->tls);
}
