/* SPDX-License-Identifier: MPL-2.0
 *
 * From descriptors to tables, each by the parser of its kind.
 */
#include "policy/references.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_PATH_SIZE 32
#define MOST_OF_LIST ((size_t)64 << 20) /* what the service takes of one, too */

static const char *const keys[SETTINGS_LOOKUPS] = {
    [SETTINGS_REFERENCE_COUNTRIES] = "ip:country",
    [SETTINGS_REFERENCE_NUMBERS] = "ip:asn and ip:type",
    [SETTINGS_REFERENCE_TYPES] = "ip:type",
    [SETTINGS_REFERENCE_TOR] = "ip:tor",
    [SETTINGS_REFERENCE_BOTS] = "ua:bot and ua:bot_category",
    [SETTINGS_REFERENCE_TOKEN_KEYS] = "jwt:", /* which needs nothing: without keys, claims are read unverified */
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool read_all(int fd, char *bytes, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = pread(fd, bytes + used, size - used, (off_t)used);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            errno = got == 0 ? EIO : errno;
            return false;
        }
        used += (size_t)got;
    }
    return true;
}

/* The whole of FD, at most MOST bytes, in memory that the caller frees; NULL with FAILURE filled. */
static char *read_text(int fd, const char *name, size_t most, size_t *size, struct failure *failure)
{
    struct stat facts;
    char *bytes = NULL;

    if (fstat(fd, &facts) == 0) {
        if (!S_ISREG(facts.st_mode) || (uint64_t)facts.st_size > most) {
            failure_set(failure, EXIT_CODE_BAD_CONFIG, "%s %s; at most %zu bytes of a regular file are taken", name,
                        S_ISREG(facts.st_mode) ? "is too large" : "is not a regular file", most);
            return NULL;
        }
        *size = (size_t)facts.st_size;
        bytes = malloc(*size + 1);
    }
    if (bytes && read_all(fd, bytes, *size))
        return bytes;
    failure_set_errno(failure, EXIT_CODE_OS, "the list %s cannot be read", name);
    free(bytes);
    return NULL;
}

static bool parse(enum settings_reference which, const char *name, struct slice text, struct references *references,
                  struct failure *failure)
{
    switch (which) {
    case SETTINGS_REFERENCE_TYPES:
        references->types = asn_types_parse(name, text, failure);
        return references->types != NULL;
    case SETTINGS_REFERENCE_TOR:
        references->tor = networks_parse(name, text, failure);
        return references->tor != NULL;
    case SETTINGS_REFERENCE_TOKEN_KEYS:
        references->token_keys = jwks_parse(name, text, failure);
        return references->token_keys != NULL;
    default:
        references->bots = bots_parse(name, text, failure);
        return references->bots != NULL;
    }
}

static bool open_one(enum settings_reference which, int fd, const char *name, struct references *references,
                     struct failure *failure)
{
    char path[FD_PATH_SIZE];
    struct geoip **database;
    bool is_parsed;
    size_t size;
    char *text;

    if (which == SETTINGS_REFERENCE_COUNTRIES || which == SETTINGS_REFERENCE_NUMBERS) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        database = which == SETTINGS_REFERENCE_COUNTRIES ? &references->countries : &references->numbers;
        *database = geoip_open(path, name, failure);
        return *database != NULL;
    }
    text = read_text(fd, name, which == SETTINGS_REFERENCE_TOKEN_KEYS ? JWKS_MAX_BYTES : MOST_OF_LIST, &size, failure);
    if (!text)
        return false;
    is_parsed = parse(which, name, (struct slice){text, size}, references, failure);
    if (which == SETTINGS_REFERENCE_TOKEN_KEYS)
        OPENSSL_cleanse(text, size); /* there may be secrets in it */
    free(text);
    return is_parsed;
}

bool references_open(const int fds[SETTINGS_REFERENCES], const char *const names[SETTINGS_REFERENCES],
                     struct references *references, struct failure *failure)
{
    *references = (struct references){.bots = NULL};
    for (int i = 0; i < SETTINGS_LOOKUPS; i++)
        if (fds[i] >= 0 && !open_one((enum settings_reference)i, fds[i], names[i], references, failure)) {
            references_close(references);
            return false;
        }
    return true;
}

void references_close(struct references *references)
{
    geoip_close(references->countries);
    geoip_close(references->numbers);
    asn_types_free(references->types);
    networks_free(references->tor);
    bots_free(references->bots);
    jwks_free(references->token_keys);
    *references = (struct references){.bots = NULL};
}

bool references_check(const struct references *references, const char *const names[SETTINGS_REFERENCES],
                      struct failure *failure)
{
    if (references->countries &&
        !geoip_check(references->countries, GEOIP_COUNTRIES, names[SETTINGS_REFERENCE_COUNTRIES], failure))
        return false;
    return !references->numbers ||
           geoip_check(references->numbers, GEOIP_NUMBERS, names[SETTINGS_REFERENCE_NUMBERS], failure);
}

void references_explain(unsigned missing, char sentence[REFERENCES_SENTENCE_SIZE])
{
    size_t used = 0;

    sentence[0] = '\0';
    for (int i = 0; i < SETTINGS_LOOKUPS; i++)
        if ((missing >> i & 1) != 0 && used < REFERENCES_SENTENCE_SIZE)
            used += (size_t)snprintf(sentence + used, REFERENCES_SENTENCE_SIZE - used, "%s%s need%s the setting %s",
                                     used > 0 ? ", " : "", keys[i], strstr(keys[i], " and ") ? "" : "s",
                                     settings_reference_name((enum settings_reference)i));
}
