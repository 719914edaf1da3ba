/* SPDX-License-Identifier: MPL-2.0
 *
 * Addresses and networks from text and back: tables of what is taken, and of what must not be.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "shm/address.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const struct {
    const char *text, *canonical;
} good[] = {
    {"0.0.0.0", "0.0.0.0"},
    {"255.255.255.255", "255.255.255.255"},
    {"10.0.99.100", "10.0.99.100"},
    {"::", "::"},
    {"::1", "::1"},
    {"1::", "1::"},
    {"2001:DB8::1", "2001:db8::1"},
    {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
    {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
    {"0:0:1:0:0:0:1:0", "0:0:1::1:0"},
    {"fe80:0000:0000:0000:0202:b3ff:fe1e:8329", "fe80::202:b3ff:fe1e:8329"},
    {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
    {"::ffff:1.2.3.4", "1.2.3.4"},
    {"::FFFF:0102:0304", "1.2.3.4"},
    {"0:0:0:0:0:ffff:127.0.0.1", "127.0.0.1"},
    {"::1.2.3.4", "::102:304"},
};

START_TEST(prints_what_it_parses)
{
    struct address address, again;
    char text[ADDRESS_TEXT_SIZE];

    ck_assert_msg(address_parse(slice_of(good[_i].text), &address), "%s", good[_i].text);
    ck_assert_uint_eq(address_print(&address, text), strlen(good[_i].canonical));
    ck_assert_str_eq(text, good[_i].canonical);
    ck_assert(address_parse(slice_of(text), &again));
    ck_assert_mem_eq(&address, &again, sizeof(address));
}
END_TEST

/* Every address in the forms of inet_ntop(3), which is not ours, comes back as the same bytes. */
START_TEST(agrees_with_the_library)
{
    unsigned seed = 12345;

    for (int i = 0; i < 20000; i++) {
        unsigned char bytes[16];
        char library[INET6_ADDRSTRLEN], ours[ADDRESS_TEXT_SIZE];
        struct address address;

        for (int j = 0; j < 16; j++) {
            seed = seed * 1103515245u + 12345u;
            bytes[j] = (seed >> 16) % 3 ? 0 : (unsigned char)(seed >> 20);
        }
        bytes[0] |= 0x20; /* neither mapped nor compatible: those the library prints in another way */
        ck_assert_ptr_nonnull(inet_ntop(AF_INET6, bytes, library, sizeof(library)));
        ck_assert(address_parse(slice_of(library), &address));
        ck_assert_mem_eq(address.bytes, bytes, 16);
        address_print(&address, ours);
        ck_assert_str_eq(ours, library);
    }
}
END_TEST

/* What looks like an address of four numbers is one exactly when inet_pton(3) says so. */
START_TEST(takes_four_numbers_as_the_library_does)
{
    static const char digits[] = "0001122255569.";
    unsigned seed = 4711, taken = 0;

    for (int i = 0; i < 20000; i++) {
        char text[16] = "";
        size_t size = 0;
        unsigned char bytes[4];
        struct address address;
        bool is_one;

        for (int part = 0; part < 4; part++) {
            unsigned length = (unsigned)rand_r(&seed) % 16 ? 1 + (unsigned)rand_r(&seed) % 3 : 0;

            for (; length > 0; length--)
                text[size++] = digits[(unsigned)rand_r(&seed) % (i % 8 ? sizeof(digits) - 2 : sizeof(digits) - 1)];
            if (part < 3)
                text[size++] = '.';
        }
        text[size] = '\0';
        is_one = inet_pton(AF_INET, text, bytes) == 1;
        ck_assert_msg(address_parse(slice_of(text), &address) == is_one, "%s", text);
        if (is_one)
            ck_assert_mem_eq(address.bytes, bytes, 4);
        taken += is_one;
    }
    ck_assert_uint_gt(taken, 1000);
}
END_TEST

static const char *const bad[] = {
    "",
    " ",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    " 1.2.3.4",
    "1.2.3.-4",
    "0x1.2.3.4",
    "1.2.3.4:80",
    "[::1]",
    "::1%eth0",
    "fe80::1%1",
    ":::",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "::1.2.3",
    "::ffff:1.2.3.256",
    "localhost",
    "1.2.3.4/8",
    "g::",
    "::ffff:1.2.3.4.5",
    "unix",
    "unknown",
    "_hidden",
    "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
};

START_TEST(refuses_what_is_no_address)
{
    struct address address;

    ck_assert_msg(!address_parse(slice_of(bad[_i]), &address), "'%s'", bad[_i]);
}
END_TEST

START_TEST(refuses_a_nul_inside)
{
    struct address address;

    ck_assert(!address_parse((struct slice){"1.2.3.4\0", 8}, &address));
    ck_assert(!address_parse((struct slice){"\0", 1}, &address));
    ck_assert(!address_parse((struct slice){NULL, 0}, &address));
    ck_assert(address_parse((struct slice){"1.2.3.4567", 7}, &address));
}
END_TEST

static const struct {
    const char *text, *canonical; /* NULL: refused */
} forwarded[] = {
    {"1.2.3.4", "1.2.3.4"},
    {"1.2.3.4:5678", "1.2.3.4"},
    {" \t1.2.3.4 ", "1.2.3.4"},
    {"[::1]", "::1"},
    {"[2001:db8::1]:443", "2001:db8::1"},
    {"2001:db8::1", "2001:db8::1"},
    {"::ffff:9.8.7.6", "9.8.7.6"},
    {"[::ffff:9.8.7.6]:1", "9.8.7.6"},
    {"1.2.3.4:", NULL},
    {"1.2.3.4:65536", NULL},
    {"1.2.3.4:-1", NULL},
    {"1.2.3.4:80x", NULL},
    {"1.2.3.4:000080", NULL},
    {"[1.2.3.4]", NULL},
    {"[1.2.3.4]:80", NULL},
    {"[::1", NULL},
    {"::1]", NULL},
    {"[::1]80", NULL},
    {"[::1]:", NULL},
    {"[::1]:65536", NULL},
    {"[]", NULL},
    {"[", NULL},
    {"[:]", NULL},
    {"unknown", NULL},
    {"_SEVKISEK", NULL},
    {"\"1.2.3.4\"", NULL},
    {"1.2.3.4, 5.6.7.8", NULL},
    {"1.2.3.4\n", NULL},
    {"", NULL},
    {"  ", NULL},
    {":80", NULL},
};

START_TEST(reads_forwarded_elements)
{
    struct address address;
    char text[ADDRESS_TEXT_SIZE];
    bool is_taken = address_parse_forwarded(slice_of(forwarded[_i].text), &address);

    ck_assert_msg(is_taken == (forwarded[_i].canonical != NULL), "'%s'", forwarded[_i].text);
    if (!is_taken)
        return;
    address_print(&address, text);
    ck_assert_str_eq(text, forwarded[_i].canonical);
}
END_TEST

START_TEST(knows_peers)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    address_from_sockaddr((struct sockaddr *)&ipv4, &address);
    address_print(&address, text);
    ck_assert_str_eq(text, "127.0.0.1");
    address_from_sockaddr((struct sockaddr *)&ipv6, &address);
    address_print(&address, text);
    ck_assert_str_eq(text, "::1");
    ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:10.1.2.3", &ipv6.sin6_addr), 1);
    address_from_sockaddr((struct sockaddr *)&ipv6, &address);
    ck_assert_int_eq(address.family, ADDRESS_IPV4);
    address_print(&address, text);
    ck_assert_str_eq(text, "10.1.2.3");
    address_from_sockaddr((struct sockaddr *)&local, &address);
    ck_assert_int_eq(address.family, ADDRESS_NONE);
    ck_assert_uint_eq(address_print(&address, text), 0);
    ck_assert_str_eq(text, "");
}
END_TEST

static const struct {
    const char *network; /* NULL address: the network must be refused */
    const char *address;
    bool is_inside;
} networks[] = {
    {"10.0.0.0/8", "10.255.255.255", true},
    {"10.0.0.0/8", "11.0.0.0", false},
    {"10.0.0.0/8", "a00::", false},
    {"127.0.0.0/8", "::ffff:127.0.0.1", true},
    {"192.168.1.128/25", "192.168.1.128", true},
    {"192.168.1.128/25", "192.168.1.127", false},
    {"1.2.3.4", "1.2.3.4", true},
    {"1.2.3.4/32", "1.2.3.5", false},
    {"0.0.0.0/0", "255.1.2.3", true},
    {"0.0.0.0/0", "::1", false},
    {"::/0", "2001:db8::1", true},
    {"::/0", "1.2.3.4", false},
    {"::1", "::1", true},
    {"2001:db8::/33", "2001:db8:7fff::1", true},
    {"2001:db8::/33", "2001:db8:8000::1", false},
    {"2001:db8::/128", "2001:db8::", true},
    {"::ffff:10.0.0.0/104", "10.9.9.9", true},
    {"::ffff:10.0.0.0/104", "11.9.9.9", false},
    {"::ffff:1.2.3.4", "1.2.3.4", true},
    {"::ffff:0:0/96", "9.9.9.9", true},
    {"10.0.0.1/8", NULL, false},
    {"10.0.0.0/33", NULL, false},
    {"10.0.0.0/08", NULL, false},
    {"10.0.0.0/", NULL, false},
    {"10.0.0.0/-1", NULL, false},
    {"10.0.0.0/8/8", NULL, false},
    {"10.0.0.0/8 ", NULL, false},
    {"/8", NULL, false},
    {"", NULL, false},
    {"2001:db8::1/64", NULL, false},
    {"::/129", NULL, false},
    {"::/100000000000", NULL, false},
    {"::ffff:0:0/80", NULL, false},
    {"::ffff:10.0.0.1/104", NULL, false},
    {"10.0.0.0/255.0.0.0", NULL, false},
};

START_TEST(knows_networks)
{
    struct network network;
    struct address address;
    bool is_taken = address_parse_network(slice_of(networks[_i].network), &network);

    ck_assert_msg(is_taken == (networks[_i].address != NULL), "'%s'", networks[_i].network);
    if (!is_taken)
        return;
    ck_assert(address_parse(slice_of(networks[_i].address), &address));
    ck_assert_msg(address_in_network(&address, &network) == networks[_i].is_inside, "%s in %s", networks[_i].address,
                  networks[_i].network);
}
END_TEST

START_TEST(nobody_is_in_a_network_of_nothing)
{
    struct address nobody = {.family = ADDRESS_NONE}, odd = {.family = 77};
    struct network empty = {.prefix_bits = 0}, broken = {.address.family = ADDRESS_IPV4, .prefix_bits = 255};
    struct address address;
    char text[ADDRESS_TEXT_SIZE];

    ck_assert(!address_in_network(&nobody, &empty));
    ck_assert(address_parse(SLICE("1.2.3.4"), &address));
    ck_assert(!address_in_network(&address, &broken));
    ck_assert_uint_eq(address_print(&odd, text), 0);
}
END_TEST

static const struct {
    const char *address;
    bool is_loopback;
} machines[] = {
    {"127.0.0.1", true}, {"127.255.255.255", true}, {"::1", true},     {"::ffff:127.0.0.1", true},
    {"126.0.0.1", false}, {"128.0.0.1", false},     {"::", false},     {"0.0.0.0", false},
    {"::2", false},       {"7f00::1", false},       {"fe80::1", false},
};

START_TEST(knows_this_machine)
{
    struct address address;

    ck_assert(address_parse(slice_of(machines[_i].address), &address));
    ck_assert_msg(address_is_loopback(&address) == machines[_i].is_loopback, "%s", machines[_i].address);
}
END_TEST

START_TEST(addresses_become_sockets_addresses_again)
{
    static const char *const texts[] = {"192.0.2.7", "2001:db8::7", "::", "255.255.255.255"};
    struct address none = {.family = ADDRESS_NONE};
    struct sockaddr_storage peer;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct address address, again;

        ck_assert(address_parse(slice_of(texts[i]), &address));
        ck_assert(address_to_sockaddr(&address, &peer));
        address_from_sockaddr((struct sockaddr *)&peer, &again);
        ck_assert_mem_eq(&again, &address, sizeof(address));
    }
    ck_assert(!address_to_sockaddr(&none, &peer));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address");
    TCase *tests = tcase_create("address");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tests, prints_what_it_parses, 0, LENGTH(good));
    tcase_add_test(tests, agrees_with_the_library);
    tcase_add_test(tests, takes_four_numbers_as_the_library_does);
    tcase_add_loop_test(tests, refuses_what_is_no_address, 0, LENGTH(bad));
    tcase_add_test(tests, refuses_a_nul_inside);
    tcase_add_loop_test(tests, reads_forwarded_elements, 0, LENGTH(forwarded));
    tcase_add_test(tests, knows_peers);
    tcase_add_loop_test(tests, knows_networks, 0, LENGTH(networks));
    tcase_add_loop_test(tests, knows_this_machine, 0, LENGTH(machines));
    tcase_add_test(tests, nobody_is_in_a_network_of_nothing);
    tcase_add_test(tests, addresses_become_sockets_addresses_again);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
