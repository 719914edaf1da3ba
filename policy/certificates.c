/* SPDX-License-Identifier: MPL-2.0
 *
 * Reads PEM files by the descriptors of their copies. Knows nothing of connections: see worker/tls.c.
 */
#include "policy/certificates.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#define STEP 4096

BIO *certificates_read(int fd)
{
    BIO *file = BIO_new(BIO_s_mem());
    char bytes[STEP];
    off_t at = 0;
    ssize_t got = 1;

    while (file && (got = pread(fd, bytes, sizeof(bytes), at)) > 0) {
        if (BIO_write(file, bytes, (int)got) != got)
            break;
        at += got;
    }
    OPENSSL_cleanse(bytes, sizeof(bytes));
    if (got == 0)
        return file;
    certificates_free(file);
    return NULL;
}

void certificates_free(BIO *file)
{
    char *bytes;
    long size = file ? BIO_get_mem_data(file, &bytes) : 0;

    if (size > 0)
        OPENSSL_cleanse(bytes, (size_t)size);
    BIO_free(file);
}

/* A key that is locked with a passphrase cannot be used: nobody is there to be asked. */
static int no_passphrase(char *text, int size, int is_writing, void *context)
{
    (void)text;
    (void)size;
    (void)is_writing;
    (void)context;
    return -1;
}

static X509 *read_certificate(int fd)
{
    BIO *file = certificates_read(fd);
    X509 *certificate = file ? PEM_read_bio_X509(file, NULL, no_passphrase, NULL) : NULL;

    certificates_free(file);
    return certificate;
}

static EVP_PKEY *read_key(int fd)
{
    BIO *file = certificates_read(fd);
    EVP_PKEY *key = file ? PEM_read_bio_PrivateKey(file, NULL, no_passphrase, NULL) : NULL;

    certificates_free(file);
    return key;
}

static bool check_pair(int certificate_fd, int key_fd, const char *certificate_name, const char *key_name,
                       struct failure *failure)
{
    X509 *certificate = read_certificate(certificate_fd);
    EVP_PKEY *key = read_key(key_fd);
    bool is_good = false;

    if (!certificate)
        failure_set(failure, EXIT_CODE_BAD_CONFIG, "%s (setting tls_cert) holds no certificate in PEM form",
                    certificate_name);
    else if (!key)
        failure_set(failure, EXIT_CODE_BAD_CONFIG,
                    "%s (setting tls_key) holds no private key in PEM form, or one with a passphrase, which nobody could "
                    "be asked for",
                    key_name);
    else if (X509_check_private_key(certificate, key) != 1)
        failure_set(failure, EXIT_CODE_BAD_CONFIG,
                    "the key %s (setting tls_key) is not that of the certificate %s (setting tls_cert), which must stand "
                    "first in its file",
                    key_name, certificate_name);
    else
        is_good = true;
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return is_good;
}

static bool check_authorities(int fd, const char *name, struct failure *failure)
{
    X509 *certificate = read_certificate(fd);
    bool is_good = certificate != NULL;

    X509_free(certificate);
    ERR_clear_error();
    return is_good || failure_set(failure, EXIT_CODE_BAD_CONFIG,
                                  "%s (setting backend_ca_file) holds no certificate in PEM form", name);
}

bool certificates_check(const int fds[SETTINGS_REFERENCES], const char *const names[SETTINGS_REFERENCES],
                        struct failure *failure)
{
    int certificate = fds[SETTINGS_REFERENCE_TLS_CERT], key = fds[SETTINGS_REFERENCE_TLS_KEY];
    int authorities = fds[SETTINGS_REFERENCE_BACKEND_CA];

    if (certificate >= 0 && key >= 0 &&
        !check_pair(certificate, key, names[SETTINGS_REFERENCE_TLS_CERT], names[SETTINGS_REFERENCE_TLS_KEY], failure))
        return false;
    return authorities < 0 || check_authorities(authorities, names[SETTINGS_REFERENCE_BACKEND_CA], failure);
}

int64_t certificates_end(int fd)
{
    X509 *certificate = fd >= 0 ? read_certificate(fd) : NULL;
    ASN1_TIME *origin = ASN1_TIME_set(NULL, 0);
    int days = 0, seconds = 0;
    int64_t end = 0;

    if (certificate && origin && ASN1_TIME_diff(&days, &seconds, origin, X509_get0_notAfter(certificate)) == 1)
        end = (int64_t)days * 24 * 60 * 60 + seconds;
    if (certificate && end < 1)
        end = 1;
    ASN1_TIME_free(origin);
    X509_free(certificate);
    ERR_clear_error();
    return end;
}
