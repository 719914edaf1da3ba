/* SPDX-License-Identifier: MPL-2.0
 *
 * libmaxminddb behind a few questions, and the spellings of countries and numbers.
 */
#include "config.h"

#include "policy/geoip.h"

#include <stdlib.h>
#include <string.h>

bool geoip_parse_country(struct slice text, char country[GEOIP_COUNTRY_SIZE])
{
    if (text.size != GEOIP_COUNTRY_SIZE)
        return false;
    for (size_t i = 0; i < GEOIP_COUNTRY_SIZE; i++) {
        char lower = slice_lower(text.data[i]);

        if (lower < 'a' || lower > 'z')
            return false;
        country[i] = (char)(lower & ~0x20);
    }
    return true;
}

bool geoip_parse_asn(struct slice text, uint32_t *number)
{
    uint64_t sum = 0;

    if (text.size > 2 && slice_lower(text.data[0]) == 'a' && slice_lower(text.data[1]) == 's')
        text = (struct slice){text.data + 2, text.size - 2};
    if (text.size == 0 || text.size > GEOIP_ASN_SIZE || text.data[0] == '0')
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        sum = sum * 10 + (uint64_t)(text.data[i] - '0');
    }
    *number = (uint32_t)sum;
    return sum <= UINT32_MAX;
}

size_t geoip_print_asn(uint32_t number, char text[GEOIP_ASN_SIZE])
{
    char digits[GEOIP_ASN_SIZE];
    size_t count = 0;

    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    for (size_t i = 0; i < count; i++)
        text[i] = digits[count - 1 - i];
    return count;
}

#ifdef HAVE_MAXMINDDB

#include <maxminddb.h>

struct geoip {
    MMDB_s database;
};

bool geoip_is_built_in(void)
{
    return true;
}

struct geoip *geoip_open(const char *path, const char *name, struct failure *failure)
{
    struct geoip *geoip = calloc(1, sizeof(*geoip));
    int error = geoip ? MMDB_open(path, MMDB_MODE_MMAP, &geoip->database) : MMDB_OUT_OF_MEMORY_ERROR;

    if (error == MMDB_SUCCESS)
        return geoip;
    free(geoip);
    failure_set(failure, error == MMDB_OUT_OF_MEMORY_ERROR ? EXIT_CODE_OS : EXIT_CODE_BAD_CONFIG,
                "the database %s cannot be used: %s; download it again, in the MaxMind DB format (.mmdb)", name,
                MMDB_strerror(error));
    return NULL;
}

void geoip_close(struct geoip *geoip)
{
    if (!geoip)
        return;
    MMDB_close(&geoip->database);
    free(geoip);
}

/* ---- records ----------------------------------------------------------------------------------------------------- */

static bool get(const MMDB_entry_s *entry, const char *const *path, MMDB_entry_data_s *data)
{
    MMDB_entry_s copy = *entry;

    return MMDB_aget_value(&copy, data, path) == MMDB_SUCCESS && data->has_data;
}

static bool read_country(const MMDB_entry_s *entry, char country[GEOIP_COUNTRY_SIZE])
{
    static const char *const paths[][3] = {{"country", "iso_code"}, {"country_code"}, {"country"}};
    MMDB_entry_data_s data;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (get(entry, paths[i], &data) && data.type == MMDB_DATA_TYPE_UTF8_STRING &&
            geoip_parse_country((struct slice){data.utf8_string, data.data_size}, country))
            return true;
    return false;
}

static bool take_number(const MMDB_entry_data_s *data, uint32_t *number)
{
    switch (data->type) {
    case MMDB_DATA_TYPE_UINT16:
        *number = data->uint16;
        break;
    case MMDB_DATA_TYPE_UINT32:
        *number = data->uint32;
        break;
    case MMDB_DATA_TYPE_UINT64:
        *number = (uint32_t)data->uint64;
        return data->uint64 > 0 && data->uint64 <= UINT32_MAX;
    case MMDB_DATA_TYPE_UTF8_STRING:
        return geoip_parse_asn((struct slice){data->utf8_string, data->data_size}, number);
    default:
        return false;
    }
    return *number > 0;
}

static bool read_asn(const MMDB_entry_s *entry, uint32_t *number)
{
    static const char *const paths[][2] = {{"autonomous_system_number"}, {"asn"}};
    MMDB_entry_data_s data;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        if (get(entry, paths[i], &data) && take_number(&data, number))
            return true;
    return false;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static bool find(const struct geoip *geoip, const struct address *address, MMDB_entry_s *entry)
{
    struct sockaddr_storage asked;
    MMDB_lookup_result_s result;
    int error;

    if (!address_to_sockaddr(address, &asked))
        return false;
    result = MMDB_lookup_sockaddr(&geoip->database, (const struct sockaddr *)&asked, &error);
    *entry = result.entry;
    return error == MMDB_SUCCESS && result.found_entry;
}

bool geoip_find_country(const struct geoip *geoip, const struct address *address, char country[GEOIP_COUNTRY_SIZE])
{
    MMDB_entry_s entry;

    return find(geoip, address, &entry) && read_country(&entry, country);
}

bool geoip_find_asn(const struct geoip *geoip, const struct address *address, uint32_t *number)
{
    MMDB_entry_s entry;

    return find(geoip, address, &entry) && read_asn(&entry, number);
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

/* One walk over all nodes; records that many nodes point to are read once. */
struct check {
    const struct geoip *geoip;
    enum geoip_content content;
    uint8_t *seen;  /* one bit for each byte of the data section */
    uint64_t known; /* records with what is looked for */
    bool is_damaged;
};

static void check_record(struct check *check, uint8_t type, const MMDB_entry_s *entry)
{
    MMDB_entry_s copy = *entry;
    MMDB_entry_data_list_s *all = NULL;
    char country[GEOIP_COUNTRY_SIZE];
    uint32_t number;
    bool is_known;

    if (type == MMDB_RECORD_TYPE_INVALID ||
        (type == MMDB_RECORD_TYPE_DATA && entry->offset >= check->geoip->database.data_section_size)) {
        check->is_damaged = true;
        return;
    }
    if (type != MMDB_RECORD_TYPE_DATA || (check->seen[entry->offset / 8] >> entry->offset % 8 & 1) != 0)
        return;
    check->seen[entry->offset / 8] |= (uint8_t)(1 << entry->offset % 8);
    check->is_damaged |= MMDB_get_entry_data_list(&copy, &all) != MMDB_SUCCESS;
    MMDB_free_entry_data_list(all);
    is_known = check->content == GEOIP_COUNTRIES ? read_country(entry, country) : read_asn(entry, &number);
    check->known += is_known;
}

static void check_nodes(struct check *check)
{
    const MMDB_s *database = &check->geoip->database;

    for (uint32_t i = 0; i < database->metadata.node_count && !check->is_damaged; i++) {
        MMDB_search_node_s node;

        if (MMDB_read_node(database, i, &node) != MMDB_SUCCESS) {
            check->is_damaged = true;
            return;
        }
        check_record(check, node.left_record_type, &node.left_record_entry);
        check_record(check, node.right_record_type, &node.right_record_entry);
    }
}

bool geoip_check(const struct geoip *geoip, enum geoip_content content, const char *name, struct failure *failure)
{
    struct check check = {.geoip = geoip, .content = content};

    check.seen = calloc((size_t)geoip->database.data_section_size / 8 + 1, 1);
    if (!check.seen)
        return failure_set(failure, EXIT_CODE_OS, "there is no memory to check the database %s", name);
    check_nodes(&check);
    free(check.seen);
    if (check.is_damaged)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG, "the database %s is damaged; download it again", name);
    if (check.known > 0)
        return true;
    if (content == GEOIP_COUNTRIES)
        return failure_set(failure, EXIT_CODE_BAD_CONFIG,
                           "the database %s knows no country (neither country.iso_code nor country_code); its type is "
                           "%.64s",
                           name, geoip->database.metadata.database_type);
    return failure_set(
        failure, EXIT_CODE_BAD_CONFIG,
        "the database %s knows no autonomous system (neither autonomous_system_number nor asn); its type "
        "is %.64s",
        name, geoip->database.metadata.database_type);
}

#else

bool geoip_is_built_in(void)
{
    return false;
}

struct geoip *geoip_open(const char *path, const char *name, struct failure *failure)
{
    (void)path;
    failure_set(failure, EXIT_CODE_BAD_CONFIG,
                "the database %s cannot be read, for this program was built without "
                "libmaxminddb: " GEOIP_CURE,
                name);
    return NULL;
}

void geoip_close(struct geoip *geoip)
{
    (void)geoip;
}

bool geoip_check(const struct geoip *geoip, enum geoip_content content, const char *name, struct failure *failure)
{
    (void)geoip;
    (void)content;
    return failure_set(failure, EXIT_CODE_BAD_CONFIG, "the database %s cannot be checked without libmaxminddb", name);
}

bool geoip_find_country(const struct geoip *geoip, const struct address *address, char country[GEOIP_COUNTRY_SIZE])
{
    (void)geoip;
    (void)address;
    (void)country;
    return false;
}

bool geoip_find_asn(const struct geoip *geoip, const struct address *address, uint32_t *number)
{
    (void)geoip;
    (void)address;
    (void)number;
    return false;
}

#endif
