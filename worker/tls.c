/* SPDX-License-Identifier: MPL-2.0
 *
 * OpenSSL behind memory: one SSL with two memory BIOs for each connection. TLS 1.2 at least, HTTP/1.1 by ALPN, no
 * renegotiation.
 */
#include "worker/tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "policy/certificates.h"
#include "shm/backend.h"

#define RECORD_SIZE 16384

struct tls {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
};

static const unsigned char protocols[] = "\x08http/1.1";

/* ---- contexts --------------------------------------------------------------------------------------------------- */

/* A client that offers protocols and not ours would not understand us. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                           const unsigned char *offered, unsigned offered_size, void *context)
{
    unsigned char *found;

    (void)ssl;
    (void)context;
    if (SSL_select_next_proto(&found, chosen_size, protocols, sizeof(protocols) - 1, offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *make(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);

    if (!context)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    return context;
}

static bool use_chain(SSL_CTX *context, BIO *file)
{
    X509 *certificate = PEM_read_bio_X509(file, NULL, NULL, NULL);
    bool is_used = certificate && SSL_CTX_use_certificate(context, certificate) == 1;

    X509_free(certificate);
    while (is_used && (certificate = PEM_read_bio_X509(file, NULL, NULL, NULL))) {
        is_used = SSL_CTX_add0_chain_cert(context, certificate) == 1;
        if (!is_used)
            X509_free(certificate);
    }
    ERR_clear_error();
    return is_used;
}

static bool use_key(SSL_CTX *context, BIO *file)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    bool is_used = key && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;

    EVP_PKEY_free(key);
    return is_used;
}

SSL_CTX *tls_make_server(int certificate_fd, int key_fd, struct failure *failure)
{
    SSL_CTX *context = make(TLS_server_method());
    BIO *chain = certificates_read(certificate_fd), *key = certificates_read(key_fd);
    bool is_made = context && chain && key && use_chain(context, chain) && use_key(context, key);

    certificates_free(chain);
    certificates_free(key);
    if (is_made) {
        SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
        return context;
    }
    SSL_CTX_free(context);
    failure_set(failure, EXIT_CODE_BAD_CONFIG, "tls_cert and tls_key were vetted but cannot be used: %s",
                ERR_reason_error_string(ERR_peek_last_error()));
    return NULL;
}

static bool trust(SSL_CTX *context, BIO *file)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    X509 *certificate;
    size_t count = 0;

    while ((certificate = PEM_read_bio_X509(file, NULL, NULL, NULL))) {
        count += X509_STORE_add_cert(store, certificate) == 1;
        X509_free(certificate);
    }
    ERR_clear_error();
    return count > 0;
}

SSL_CTX *tls_make_client(int authorities_fd, struct failure *failure)
{
    SSL_CTX *context = make(TLS_client_method());
    BIO *file = authorities_fd >= 0 ? certificates_read(authorities_fd) : NULL;
    bool is_made = context && (authorities_fd >= 0 ? file && trust(context, file)
                                                   : SSL_CTX_set_default_verify_paths(context) == 1);

    certificates_free(file);
    if (is_made && SSL_CTX_set_alpn_protos(context, protocols, sizeof(protocols) - 1) == 0) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        return context;
    }
    SSL_CTX_free(context);
    failure_set(failure, EXIT_CODE_BAD_CONFIG, "the certificates that the upstream is checked against cannot be used");
    return NULL;
}

/* ---- connections ------------------------------------------------------------------------------------------------ */

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* A dot at the end of a name is for resolvers only: it stands neither in certificates nor in SNI (RFC 6066 3). */
static bool expect_host(SSL *ssl, const char *host)
{
    char name[BACKEND_HOST_SIZE];
    size_t size = strnlen(host, sizeof(name) - 1);

    if (is_address(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    memcpy(name, host, size);
    while (size > 0 && name[size - 1] == '.')
        size--;
    name[size] = '\0';
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct tls *tls_new(SSL_CTX *context, const char *host)
{
    struct tls *tls = malloc(sizeof(*tls));

    if (!tls)
        return NULL;
    tls->ssl = SSL_new(context);
    tls->in = BIO_new(BIO_s_mem());
    tls->out = BIO_new(BIO_s_mem());
    if (!tls->ssl || !tls->in || !tls->out) {
        BIO_free(tls->in);
        BIO_free(tls->out);
        tls_free(tls);
        return NULL;
    }
    SSL_set_bio(tls->ssl, tls->in, tls->out);
    if (host)
        SSL_set_connect_state(tls->ssl);
    else
        SSL_set_accept_state(tls->ssl);
    if (!host || expect_host(tls->ssl, host))
        return tls;
    tls_free(tls);
    return NULL;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    SSL_free(tls->ssl);
    free(tls);
    ERR_clear_error();
}

/* What a call that returned CODE came to. */
static enum tls_result judge(const struct tls *tls, int code)
{
    switch (SSL_get_error(tls->ssl, code)) {
    case SSL_ERROR_NONE:
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return TLS_GOOD;
    case SSL_ERROR_ZERO_RETURN:
        return TLS_ENDED;
    default:
        return TLS_BROKEN;
    }
}

enum tls_result tls_feed(struct tls *tls, const char *data, size_t size)
{
    ERR_clear_error();
    if (size > INT_MAX || (size > 0 && BIO_write(tls->in, data, (int)size) != (int)size))
        return TLS_BROKEN;
    if (tls_is_open(tls))
        return TLS_GOOD;
    return judge(tls, SSL_do_handshake(tls->ssl));
}

bool tls_is_open(const struct tls *tls)
{
    return SSL_is_init_finished(tls->ssl) == 1;
}

enum tls_result tls_read(struct tls *tls, char *data, size_t room, size_t *size)
{
    size_t got = 1;
    int code = 1;

    *size = 0;
    ERR_clear_error();
    while (*size < room && code == 1) {
        code = SSL_read_ex(tls->ssl, data + *size, room - *size, &got);
        if (code == 1)
            *size += got;
    }
    /* What came before the end is told first; the next call tells the end. */
    return *size > 0 ? TLS_GOOD : judge(tls, code);
}

bool tls_is_quiet(const struct tls *tls)
{
    return BIO_ctrl_pending(tls->in) == 0 && SSL_has_pending(tls->ssl) == 0 &&
           (SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN) == 0;
}

static bool write_record(struct tls *tls, const char *record, size_t size)
{
    size_t written;

    ERR_clear_error();
    return SSL_write_ex(tls->ssl, record, size, &written) == 1 && written == size;
}

bool tls_write(struct tls *tls, const struct slice *pieces, size_t count)
{
    char record[RECORD_SIZE]; /* pieces together: each record has its price */
    size_t used = 0;

    for (size_t i = 0; i < count; i++)
        for (size_t at = 0, taken; at < pieces[i].size; at += taken) {
            taken = pieces[i].size - at < RECORD_SIZE - used ? pieces[i].size - at : RECORD_SIZE - used;
            memcpy(record + used, pieces[i].data + at, taken);
            used += taken;
            if (used < RECORD_SIZE)
                continue;
            if (!write_record(tls, record, used))
                return false;
            used = 0;
        }
    return used == 0 || write_record(tls, record, used);
}

void tls_end(struct tls *tls)
{
    ERR_clear_error();
    SSL_shutdown(tls->ssl);
}

bool tls_is_plain_http(const struct tls *tls, const char *data, size_t size)
{
    return SSL_in_before(tls->ssl) && size > 0 && data[0] >= 'A' && data[0] <= 'Z';
}

bool tls_flush(struct tls *tls, tls_sender *send, void *to)
{
    char *data = NULL;
    long size = BIO_get_mem_data(tls->out, &data);
    bool is_sent = size <= 0 || send(to, data, (size_t)size);

    (void)BIO_reset(tls->out);
    return is_sent;
}

const char *tls_cause(const struct tls *tls)
{
    long verified = SSL_get_verify_result(tls->ssl);
    const char *reason;

    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    reason = ERR_reason_error_string(ERR_peek_last_error());
    return reason ? reason : "the handshake broke off";
}
