/* SPDX-License-Identifier: MPL-2.0
 *
 * Hosts: one form for every spelling.
 */
#include "policy/facts.h"

#include <check.h>
#include <stdlib.h>

static const struct {
    const char *value, *host;
} rows[] = {
    {"", ""},
    {"example.com", "example.com"},
    {"EXAMPLE.Com", "example.com"},
    {"example.com:8080", "example.com"},
    {"example.com:", "example.com"},
    {"example.com.", "example.com"},
    {"example.com.:443", "example.com"},
    {"192.0.2.1:80", "192.0.2.1"},
    {"[2001:DB8::1]", "[2001:db8::1]"},
    {"[2001:DB8::1]:443", "[2001:db8::1]"},
    {"example.com:x", "example.com:x"},
    {":80", ""},
    {".", ""},
    {"[", "["},
    {"example.com:80:80", "example.com"},
    {"example.com.:80.:443", "example.com"},
    {"[2001:DB8::1]:80:443", "[2001:db8::1]"},
    {"::", ""},
};

START_TEST(hosts_are_canonical)
{
    size_t size = strlen(rows[_i].value);
    char *out = malloc(size > 0 ? size : 1);
    struct slice host = facts_host(slice_of(rows[_i].value), out);

    ck_assert_msg(slice_equal(host, slice_of(rows[_i].host)), "%s: %.*s", rows[_i].value, (int)host.size, host.data);
    free(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("facts");
    TCase *tcase = tcase_create("facts");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tcase);
    tcase_add_loop_test(tcase, hosts_are_canonical, 0, sizeof(rows) / sizeof(rows[0]));
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed > 0;
}
