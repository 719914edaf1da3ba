/* SPDX-License-Identifier: MPL-2.0
 *
 * A writer of small databases in MaxMind's format (MaxMind DB File Format Specification 2.0), for tests: a binary tree
 * of 24-bit records, a data section of maps, strings and numbers, and the metadata. Written to a temporary file.
 */
#ifndef FAIRVISOR_TESTS_POLICY_MMDB_H
#define FAIRVISOR_TESTS_POLICY_MMDB_H

#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/address.h"

#define MMDB_MAX_NODES 4096
#define MMDB_MAX_DATA  4096
#define MMDB_PATH_SIZE 64
#define MMDB_NOTHING   UINT32_MAX

struct mmdb {
    unsigned ip_version; /* 4 or 6 */
    uint32_t node_count;
    uint32_t nodes[MMDB_MAX_NODES][2]; /* a node, MMDB_NOTHING, or 1 << 31 | offset of data */
    uint8_t data[MMDB_MAX_DATA];
    size_t data_size;
};

static inline void mmdb_init(struct mmdb *mmdb, unsigned ip_version)
{
    memset(mmdb, 0, sizeof(*mmdb));
    mmdb->ip_version = ip_version;
    mmdb->node_count = 1;
    mmdb->nodes[0][0] = mmdb->nodes[0][1] = MMDB_NOTHING;
}

static inline void mmdb_byte(struct mmdb *mmdb, unsigned byte)
{
    ck_assert_uint_lt(mmdb->data_size, MMDB_MAX_DATA);
    mmdb->data[mmdb->data_size++] = (uint8_t)byte;
}

static inline void mmdb_string(struct mmdb *mmdb, const char *text)
{
    ck_assert_uint_lt(strlen(text), 29 + 256);
    if (strlen(text) < 29) {
        mmdb_byte(mmdb, 2u << 5 | (unsigned)strlen(text));
    } else {
        mmdb_byte(mmdb, 2u << 5 | 29);
        mmdb_byte(mmdb, (unsigned)strlen(text) - 29);
    }
    for (; *text; text++)
        mmdb_byte(mmdb, (uint8_t)*text);
}

/* Types of the specification: 5 (16 bits), 6 (32 bits), and, extended, 9 (64 bits). */
static inline void mmdb_number(struct mmdb *mmdb, unsigned type, uint64_t number)
{
    unsigned size = type == 5 ? 2 : type == 6 ? 4 : 8;

    mmdb_byte(mmdb, (type < 8 ? type << 5 : 0) | size);
    if (type >= 8)
        mmdb_byte(mmdb, type - 7);
    while (size-- > 0)
        mmdb_byte(mmdb, (unsigned)(number >> (8 * size)) & 0xff);
}

static inline void mmdb_map(struct mmdb *mmdb, unsigned pairs)
{
    mmdb_byte(mmdb, 7u << 5 | pairs);
}

/* The network NETWORK, "ADDRESS/BITS", gets the data at OFFSET. IPv4 networks of a version 6 tree stand under ::/96. */
static inline void mmdb_insert(struct mmdb *mmdb, const char *network, size_t offset)
{
    struct network parsed;
    uint8_t bytes[16] = {0};
    unsigned skipped = 0, bits;
    uint32_t node = 0;

    ck_assert(address_parse_network(slice_of(network), &parsed));
    if (parsed.address.family == ADDRESS_IPV4 && mmdb->ip_version == 6)
        skipped = 96;
    memcpy(bytes + skipped / 8, parsed.address.bytes, parsed.address.family == ADDRESS_IPV4 ? 4 : 16);
    bits = skipped + parsed.prefix_bits;
    for (unsigned bit = 0; bit < bits; bit++) {
        uint32_t *record = &mmdb->nodes[node][bytes[bit / 8] >> (7 - bit % 8) & 1];

        if (bit + 1 == bits) {
            *record = UINT32_C(1) << 31 | (uint32_t)offset;
            break;
        }
        if (*record == MMDB_NOTHING) {
            ck_assert_uint_lt(mmdb->node_count, MMDB_MAX_NODES);
            mmdb->nodes[mmdb->node_count][0] = mmdb->nodes[mmdb->node_count][1] = MMDB_NOTHING;
            *record = mmdb->node_count++;
        }
        node = *record;
    }
}

static inline void mmdb_write_tree(const struct mmdb *mmdb, FILE *file)
{
    for (uint32_t i = 0; i < mmdb->node_count; i++)
        for (int side = 0; side < 2; side++) {
            uint32_t record = mmdb->nodes[i][side];

            if (record == MMDB_NOTHING)
                record = mmdb->node_count;
            else if (record >> 31)
                record = mmdb->node_count + 16 + (record & ~(UINT32_C(1) << 31));
            fputc((int)(record >> 16 & 0xff), file);
            fputc((int)(record >> 8 & 0xff), file);
            fputc((int)(record & 0xff), file);
        }
}

/* Writes a temporary file and its name to PATH; the caller unlinks it. */
static inline void mmdb_write(const struct mmdb *mmdb, char path[MMDB_PATH_SIZE])
{
    static struct mmdb metadata; /* only its data section is used */
    FILE *file;
    int fd;

    snprintf(path, MMDB_PATH_SIZE, "/tmp/fairvisor-test-mmdb-XXXXXX");
    fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    file = fdopen(fd, "wb");
    ck_assert_ptr_nonnull(file);
    mmdb_write_tree(mmdb, file);
    for (int i = 0; i < 16; i++)
        fputc(0, file);
    fwrite(mmdb->data, 1, mmdb->data_size, file);
    fwrite("\xab\xcd\xefMaxMind.com", 1, 14, file);
    mmdb_init(&metadata, 6);
    mmdb_map(&metadata, 9);
    mmdb_string(&metadata, "binary_format_major_version");
    mmdb_number(&metadata, 5, 2);
    mmdb_string(&metadata, "binary_format_minor_version");
    mmdb_number(&metadata, 5, 0);
    mmdb_string(&metadata, "build_epoch");
    mmdb_number(&metadata, 9, 1767225600);
    mmdb_string(&metadata, "database_type");
    mmdb_string(&metadata, "Test-Database");
    mmdb_string(&metadata, "description");
    mmdb_map(&metadata, 0);
    mmdb_string(&metadata, "ip_version");
    mmdb_number(&metadata, 5, mmdb->ip_version);
    mmdb_string(&metadata, "languages");
    mmdb_byte(&metadata, 0);
    mmdb_byte(&metadata, 11 - 7);
    mmdb_string(&metadata, "node_count");
    mmdb_number(&metadata, 6, mmdb->node_count);
    mmdb_string(&metadata, "record_size");
    mmdb_number(&metadata, 5, 24);
    fwrite(metadata.data, 1, metadata.data_size, file);
    ck_assert_int_eq(fclose(file), 0);
}

#endif
