/* SPDX-License-Identifier: MPL-2.0
 *
 * Addresses, networks, X-Forwarded-For elements and backend_url in text: what is taken has one canonical text, which is taken as the
 * same.
 */
#include "shm/address.h"
#include "shm/backend.h"
#include "tests/fuzz/entry.h"

static void check_same(const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    size_t size = address_print(address, text);
    struct address again, through;
    struct sockaddr_storage peer;

    MUST(size > 0 && size < sizeof(text) && text[size] == '\0');
    MUST(address_parse((struct slice){text, size}, &again) && memcmp(address, &again, sizeof(again)) == 0);
    MUST(address_parse_forwarded((struct slice){text, size}, &again) && memcmp(address, &again, sizeof(again)) == 0);
    MUST(address_to_sockaddr(address, &peer));
    address_from_sockaddr((const struct sockaddr *)(const void *)&peer, &through);
    MUST(memcmp(address, &through, sizeof(through)) == 0);
}

static void check_network(struct slice text)
{
    struct network network;

    if (!address_parse_network(text, &network))
        return;
    MUST(network.prefix_bits <= (network.address.family == ADDRESS_IPV4 ? 32 : 128));
    MUST(address_in_network(&network.address, &network));
    check_same(&network.address);
}

static void check_backend(struct slice text)
{
    struct backend backend;
    const char *why = NULL;

    if (!backend_parse(text, &backend, &why)) {
        MUST(why && why[0]);
        return;
    }
    MUST(memchr(backend.host, '\0', sizeof(backend.host)) && backend.host[0] && backend.port > 0);
    MUST(backend.authority.data >= text.data && backend.authority.data + backend.authority.size <= text.data + text.size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = entry_copy(data, size);
    struct address address;

    if (address_parse(text, &address))
        check_same(&address);
    if (address_parse_forwarded(text, &address))
        check_same(&address);
    check_network(text);
    check_backend(text);
    entry_free(text);
    return 0;
}
