/* SPDX-License-Identifier: MPL-2.0
 *
 * Settings that are lists: addresses to listen on, networks to trust. One bad entry refuses the whole list.
 */
#include "shm/setting_list.h"

#include <string.h>

#include "shm/quantity.h"
#include "shm/setting_value.h"

/* Cuts the first piece off REST. false when REST is used up (its data is NULL then). */
bool setting_list_next(struct slice *rest, char separator, struct slice *piece)
{
    const char *end;

    if (!rest->data)
        return false;
    end = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    *piece = (struct slice){rest->data, end ? (size_t)(end - rest->data) : rest->size};
    *rest = end ? (struct slice){end + 1, rest->size - piece->size - 1} : (struct slice){NULL, 0};
    *piece = slice_trim(*piece);
    return true;
}

bool setting_list_has(const char *words, struct slice word, uint32_t *index)
{
    struct slice rest = slice_of(words), piece;

    *index = 0;
    while (setting_list_next(&rest, '|', &piece)) {
        if (piece.size > 0 && slice_equal(piece, word))
            return true;
        ++*index;
    }
    return false;
}

/* ---- listen, ops_listen ------------------------------------------------------------------------------------------ */

/* *IS_PORT_BAD tells a false one from the other: the address is good, but not the port. */
static bool parse_endpoint(struct slice text, struct settings_listen *listen, bool *is_port_bad)
{
    const char *colon = memrchr(text.data, ':', text.size);
    struct slice host, port;
    uint64_t number;

    *is_port_bad = false;
    if (!colon)
        return false;
    host = (struct slice){text.data, (size_t)(colon - text.data)};
    port = (struct slice){colon + 1, text.size - host.size - 1};
    if (host.size == 0)
        return false;
    if (host.data[0] == '[') {
        if (host.data[host.size - 1] != ']' || !memchr(host.data, ':', host.size))
            return false;
        host = (struct slice){host.data + 1, host.size - 2};
    } else if (memchr(host.data, ':', host.size)) {
        return false;
    }
    if (!address_parse(host, &listen->address))
        return false;
    *is_port_bad = !quantity_parse_count(port, &number) || number < 1 || number > 65535;
    listen->port = *is_port_bad ? 0 : (uint16_t)number;
    return !*is_port_bad;
}

static bool parse_listen(struct slice text, struct settings_listen *listen, char *why)
{
    struct slice prefix = SLICE("unix:");
    bool is_port_bad = false;

    if (slice_has_prefix(text, prefix) && text.size > prefix.size) {
        struct slice path = {text.data + prefix.size, text.size - prefix.size};

        if (!setting_value_check_path(path, SETTINGS_UNIX_SIZE, why))
            return false;
        listen->is_unix = true;
        setting_value_copy(listen->path, path);
        return true;
    }
    if (text.size > 0 && parse_endpoint(text, listen, &is_port_bad))
        return true;
    if (is_port_bad)
        return setting_refuse(why, "\"%.*s\" needs a port from 1 to 65535 behind the last colon",
                              (int)(text.size > 64 ? 64 : text.size), text.data);
    return setting_refuse(why,
                          "\"%.*s\" is not an address to listen on; allowed are ADDRESS:PORT as in 127.0.0.1:8080 or "
                          "0.0.0.0:8080, [ADDRESS]:PORT as in [::1]:8080, and unix:PATH; names are not resolved",
                          (int)(text.size > 64 ? 64 : text.size), text.size ? text.data : "");
}

void setting_list_clear_listen(struct settings *settings, bool is_ops)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < settings->listen_count; i++)
        if (settings->listen[i].is_ops != is_ops)
            settings->listen[kept++] = settings->listen[i];
    memset(settings->listen + kept, 0, (SETTINGS_MAX_LISTEN - kept) * sizeof(settings->listen[0]));
    settings->listen_count = kept;
}

/* Those of listen stand before those of ops_listen, whichever is read first. */
static void add_listen(struct settings *settings, const struct settings_listen *listens, uint32_t count)
{
    struct settings_listen *place = settings->listen + settings->listen_count;

    if (count > 0 && !listens[0].is_ops) {
        place = settings->listen;
        memmove(place + count, place, settings->listen_count * sizeof(*place));
    }
    memcpy(place, listens, count * sizeof(*place));
    settings->listen_count += count;
}

bool setting_list_parse_listen(struct settings *settings, const struct setting_row *row, struct slice value, char *why)
{
    bool is_ops = row->kind == SETTING_KIND_OPS_LISTEN;
    struct settings_listen listens[SETTINGS_MAX_LISTEN];
    uint32_t count = 0;
    struct slice piece;

    setting_list_clear_listen(settings, is_ops);
    while (setting_list_next(&value, ',', &piece)) {
        if (settings->listen_count + count == SETTINGS_MAX_LISTEN)
            return setting_refuse(why, "listen and ops_listen together take at most %d addresses", SETTINGS_MAX_LISTEN);
        memset(&listens[count], 0, sizeof(listens[count]));
        listens[count].is_ops = is_ops;
        if (!parse_listen(piece, &listens[count], why))
            return false;
        count++;
    }
    add_listen(settings, listens, count);
    return true;
}

void setting_list_print_listen(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    const char *separator = "";

    for (uint32_t i = 0; i < settings->listen_count; i++) {
        const struct settings_listen *listen = &settings->listen[i];
        char text[SETTINGS_LISTEN_TEXT_SIZE];

        if (listen->is_ops != (row->kind == SETTING_KIND_OPS_LISTEN))
            continue;
        settings_print_listen(listen, text);
        fprintf(out, "%s%s", separator, text);
        separator = ", ";
    }
}

/* ---- trusted_proxies --------------------------------------------------------------------------------------------- */

static void clear_networks(struct settings *settings)
{
    memset(settings->trusted, 0, sizeof(settings->trusted));
    settings->trusted_count = 0;
    settings->trusted_unix = false;
}

bool setting_list_parse_networks(struct settings *settings, const struct setting_row *row, struct slice value,
                                 char *why)
{
    struct slice piece;

    (void)row;
    clear_networks(settings);
    if (slice_equal(value, SLICE("none")))
        return true;
    while (setting_list_next(&value, ',', &piece)) {
        if (slice_equal(piece, SLICE("unix"))) {
            settings->trusted_unix = true;
            continue;
        }
        if (settings->trusted_count == SETTINGS_MAX_TRUSTED)
            return setting_refuse(why, "at most %d networks are taken", SETTINGS_MAX_TRUSTED);
        if (!address_parse_network(piece, &settings->trusted[settings->trusted_count]))
            return setting_refuse(
                why,
                "\"%.*s\" is not a network; allowed are ADDRESS, ADDRESS/BITS without bits set behind the "
                "prefix as in 10.0.0.0/8, unix, and none alone",
                (int)(piece.size > 64 ? 64 : piece.size), piece.size ? piece.data : "");
        settings->trusted_count++;
    }
    return true;
}

void setting_list_print_networks(const struct settings *settings, const struct setting_row *row, FILE *out)
{
    const char *separator = "";

    (void)row;
    for (uint32_t i = 0; i < settings->trusted_count; i++) {
        const struct network *network = &settings->trusted[i];
        char text[ADDRESS_TEXT_SIZE];

        address_print(&network->address, text);
        fprintf(out, "%s%s", separator, text);
        if (network->prefix_bits < (network->address.family == ADDRESS_IPV4 ? 32 : 128))
            fprintf(out, "/%u", network->prefix_bits);
        separator = ", ";
    }
    if (settings->trusted_unix)
        fprintf(out, "%sunix", separator);
    else if (settings->trusted_count == 0)
        fputs("none", out);
}
