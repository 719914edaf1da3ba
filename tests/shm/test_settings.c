/* SPDX-License-Identifier: MPL-2.0
 *
 * Settings from files and the environment: each row is a file, and either lines of what is printed back or the sentence
 * that refuses it. And what holds for every name of the table.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "shm/setting.h"
#include "shm/settings.h"

#define LENGTH(table) ((int)(sizeof(table) / sizeof((table)[0])))

static struct settings settings;
static struct failure failure;
static char path[] = "/tmp/test_settings.XXXXXX";

static void make_file(void)
{
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    close(fd);
    settings_default(&settings);
    memset(&failure, 0, sizeof(failure));
}

static void remove_file(void)
{
    unlink(path);
}

static bool read_bytes(const char *bytes, size_t size)
{
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return settings_read_file(&settings, path, &failure);
}

static bool read_text(const char *text)
{
    return read_bytes(text, strlen(text));
}

/* The settings as settings_print writes them; the caller frees it. */
static char *printed(const struct settings *all)
{
    char *text = NULL;
    size_t size;
    FILE *memory = open_memstream(&text, &size);

    ck_assert_ptr_nonnull(memory);
    settings_print(all, memory);
    ck_assert_int_eq(fclose(memory), 0);
    return text;
}

/* ---- files that are taken ---------------------------------------------------------------------------------------- */

static const struct {
    const char *file, *line; /* a line of what is printed back */
} taken[] = {
    {"", "listen = 127.0.0.1:8080\n"},
    {"mode = decision_service", "mode = decision_service\n"},
    {"mode=decision_service\r\n# c\r\n\r\n", "mode = decision_service\n"},
    {"\t config_file\t =  /etc/a b#c.json \t\n", "config_file = /etc/a b#c.json\n"},
    {"config_file = /a=b", "config_file = /a=b\n"},
    {"# listen = nonsense\n  # mode = x\n", "mode = decision_service\n"},
    {"listen = 0.0.0.0:80,[::1]:443 , unix:/run/f.sock", "listen = 0.0.0.0:80, [::1]:443, unix:/run/f.sock\n"},
    {"listen = [::ffff:127.0.0.1]:81", "listen = 127.0.0.1:81\n"},
    {"ops_listen = 127.0.0.1:9\nlisten = 127.0.0.1:8", "listen = 127.0.0.1:8\nops_listen = 127.0.0.1:9\n"},
    {"", "# ops_listen is not set\n"},
    {"socket_mode = 600", "socket_mode = 0600\n"},
    {"socket_mode = 0777", "socket_mode = 0777\n"},
    {"worker_processes = 64", "worker_processes = 64\n"},
    {"worker_processes = auto", "worker_processes = "},
    {"shared_dict_size = 8m", "shared_dict_size = 8m\n"},
    {"shm_size = 1G", "shared_dict_size = 1g\n"},
    {"shared_dict_size = 8388609", "shared_dict_size = 8388609\n"},
    {"instance = A-z_0.9", "instance = A-z_0.9\n"},
    {"instance = refused", "instance = refused\n"},
    {"snapshot_interval = 0", "snapshot_interval = 0\n"},
    {"snapshot_interval = 90s", "snapshot_interval = 90s\n"},
    {"snapshot_interval = 120", "snapshot_interval = 2m\n"},
    {"header_timeout = 500ms", "header_timeout = 500ms\n"},
    {"trusted_proxies = none", "trusted_proxies = none\n"},
    {"trusted_proxies = unix", "trusted_proxies = unix\n"},
    {"trusted_proxies = 10.0.0.0/8,2001:db8::/32, ::1", "trusted_proxies = 10.0.0.0/8, 2001:db8::/32, ::1\n"},
    {"allow_status = 204", "allow_status = 204\n"},
    {"reject_status = 403", "reject_status = 403\n"},
    {"expose_reason = off", "expose_reason = off\n"},
    {"max_body_bytes = 0", "max_body_bytes = 0\n"},
    {"max_headers = 1000", "max_headers = 1000\n"},
    {"log = /var/log/fairvisor.log", "log = /var/log/fairvisor.log\n"},
    {"log = syslog", "log = syslog\n"},
    {"log_level = debug\nlog_format = json", "log_level = debug\nlog_format = json\n"},
    {"mode = reverse_proxy", "mode = reverse_proxy\n"},
    {"", "# backend_url is not set\nbackend_connect_timeout = 2s\nbackend_timeout = 1m\nbackend_keepalive = 64\n"
         "backend_keepalive_timeout = 1m\n"},
    {"backend_url = https://api.example:8443/", "backend_url = https://api.example:8443/\n"},
    {"backend_url = http://unix:8000", "backend_url = http://unix:8000\n"},
    {"backend_url = http://[::1]:8000", "backend_url = http://[::1]:8000\n"},
    {"", "drain_timeout = 35s\n"},
    {"", "decision_log = off\n"},
    {"decision_log = all\ndecision_log_rate = 0", "decision_log = all\ndecision_log_rate = 0\n"},
    {"", "redact = credentials\n"},
    {"redact = none", "redact = none\n"},
    {"user = www-data\ngroup = www-data", "user = www-data\ngroup = www-data\n"},
    {"", "# jwt_keys_file is not set\n# jwt_issuer is not set\n# jwt_audience is not set\njwt_leeway = 1m\n"
         "jwt_on_invalid = reject\n"},
    {"jwt_keys_file = /etc/keys.json", "jwt_keys_file = /etc/keys.json\n"},
    {"jwt_issuer = https://id.example/a?b=c d", "jwt_issuer = https://id.example/a?b=c d\n"},
    {"jwt_audience = \xC3\xA9", "jwt_audience = \xC3\xA9\n"},
    {"jwt_leeway = 0", "jwt_leeway = 0\n"},
    {"jwt_leeway = 1h\njwt_on_invalid = anonymous", "jwt_leeway = 1h\njwt_on_invalid = anonymous\n"},
};

START_TEST(takes_a_file)
{
    char *text;

    ck_assert_msg(read_text(taken[_i].file), "%s", failure.sentence);
    text = printed(&settings);
    ck_assert_msg(strstr(text, taken[_i].line) != NULL, "'%s' is not in:\n%s", taken[_i].line, text);
    free(text);
}
END_TEST

/* What -T prints is a file that gives the same settings. */
START_TEST(prints_a_file_that_reads_back)
{
    char *first, *second;

    ck_assert_msg(read_text(taken[_i].file), "%s", failure.sentence);
    first = printed(&settings);
    settings_default(&settings);
    ck_assert_msg(read_text(first), "%s", failure.sentence);
    second = printed(&settings);
    ck_assert_str_eq(first, second);
    free(first);
    free(second);
}
END_TEST

/* ---- files that are refused -------------------------------------------------------------------------------------- */

static const struct {
    const char *file, *sentence; /* behind "<path>:" */
} refused[] = {
    {"mdoe = x", "1: there is no setting \"mdoe\"; did you mean \"mode\"?"},
    {"\n\nworker_proceses = 2", "3: there is no setting \"worker_proceses\"; did you mean \"worker_processes\"?"},
    {"quux = 1", "1: there is no setting \"quux\"; fairvisor.conf(5) lists all of them, and limits stand in the policy, the file of "
                 "config_file"},
    {"policy_file = /p", "1: there is no setting \"policy_file\"; did you mean \"config_file\"?"},
    {"port = 80", "1: there is no setting \"port\"; did you mean \"listen\"?"},
    {"workers = 4", "1: there is no setting \"workers\"; did you mean \"worker_processes\"?"},
    {"{\n  \"bundle_version\": 1", "1: settings are no JSON, as a policy is, which the setting config_file names; write name = value"},
    {"[server]", "1: settings have no sections; write name = value"},
    {"Mode = decision_service", "1: there is no setting \"Mode\"; did you mean \"mode\"?"},
    {"jwt_issuer =", "1: jwt_issuer = : the value is missing; leave the whole setting out to unset it"},
    {"jwt_leeway = 61m", "1: jwt_leeway = 61m: allowed is a time from 0 to 1h (ms, s, m, h, d; none means seconds)"},
    {"jwt_on_invalid = allow", "1: jwt_on_invalid = allow: allowed is reject or anonymous"},
    {"jwt_keys_file = keys.json", "1: jwt_keys_file = keys.json: allowed is an absolute path, which begins with '/'"},
    {"mode decision_service", "1: the line has no '='; write name = value"},
    {"= 1", "1: the name before '=' is missing"},
    {"mode =", "1: mode = : the value is missing; leave the whole setting out to unset it"},
    {"mode = proxy", "1: mode = proxy: allowed is decision_service or reverse_proxy"},
    {"backend_url = ftp://a", "1: backend_url = ftp://a: the URL must begin with http:// or https://"},
    {"backend_url = http://", "1: backend_url = http://: the URL names no host"},
    {"backend_url = http://u@h", "1: backend_url = http://u@h: behind the host only a port may stand: requests go on "
                                 "with paths of their own"},
    {"backend_url = http://h/v1", "1: backend_url = http://h/v1: behind the host only a port may stand: requests go on "
                                  "with paths of their own"},
    {"backend_url = http://h:", "1: backend_url = http://h:: behind the host only a port may stand: requests go on with "
                                "paths of their own"},
    {"backend_url = http://h:0", "1: backend_url = http://h:0: the port must be from 1 to 65535"},
    {"backend_url = http://h:65536", "1: backend_url = http://h:65536: the port must be from 1 to 65535"},
    {"backend_url = http://unix:/run/app.sock", "1: backend_url = http://unix:/run/app.sock: the upstream must have a TCP address; "
                                                "unix sockets are not asked"},
    {"backend_url = http://[fe80::1%eth0]:80", "1: backend_url = http://[fe80::1%eth0]:80: addresses with a zone, of one link only, are "
                                               "not asked; give the upstream's global address or its name"},
    {"backend_url = http://[h]", "1: backend_url = http://[h]: in brackets an IPv6 address must stand"},
    {"backend_url = http://[1.2.3.4]", "1: backend_url = http://[1.2.3.4]: in brackets an IPv6 address must stand"},
    {"backend_url = http://-h", "1: backend_url = http://-h: the URL names no host"},
    {"drain_timeout = 0", "1: drain_timeout = 0: allowed is a time from 1s to 1h (ms, s, m, h, d; none means seconds)"},
    {"mode = \"decision_service\"",
     "1: mode = \"decision_service\": allowed is decision_service or reverse_proxy; values stand without quotes"},
    {"log_level = info # quiet", "1: log_level = info # quiet: allowed is error, warning, notice, info or debug; a "
                                 "comment needs a line of its own"},
    {"debug_session_secret = short and wrong",
     "1: debug_session_secret: allowed is a secret of 16 to 255 bytes, without spaces and control bytes"},
    {"debug_session_secret_file = /", "1: debug_session_secret_file = /: it is no regular file"},
    {"debug_session_secret_file =",
     "1: debug_session_secret_file = : allowed is an absolute path, which begins with '/'"},
    {"debug_session_secret_file = secret",
     "1: debug_session_secret_file = secret: allowed is an absolute path, which begins with '/'"},
    {"debug_session_secret = 0123456789abcdef\ndebug_session_secret_file = /x",
     "2: debug_session_secret_file is given again; line 1 gave debug_session_secret already"},
    {"decision_log = some", "1: decision_log = some: allowed is reject, all or off"},
    {"listen = 127.0.0.1:1\nmode = decision_service\nlisten = 127.0.0.1:2",
     "3: listen is given again; line 1 gave listen already"},
    {"shared_dict_size = 8m\nshm_size = 8m", "2: shm_size is given again; line 1 gave shared_dict_size already"},
    {"config_file = policy.json", "1: config_file = policy.json: allowed is an absolute path, which begins with '/'"},
    {"shared_dict_size = 7m",
     "1: shared_dict_size = 7m: allowed is a size from 8m to 1024g (k, m, g; none means bytes)"},
    {"shared_dict_size = 128mb",
     "1: shared_dict_size = 128mb: allowed is a size from 8m to 1024g (k, m, g; none means bytes)"},
    {"shared_dict_size = 99999999999999999999g",
     "1: shared_dict_size = 99999999999999999999g: allowed is a size from 8m to 1024g (k, m, g; none means bytes)"},
    {"worker_processes = 0", "1: worker_processes = 0: allowed is auto or a whole number from 1 to 64"},
    {"worker_processes = 65", "1: worker_processes = 65: allowed is auto or a whole number from 1 to 64"},
    {"worker_processes = 2.0", "1: worker_processes = 2.0: allowed is auto or a whole number from 1 to 64"},
    {"max_headers = 18446744073709551617",
     "1: max_headers = 18446744073709551617: allowed is a whole number from 1 to 1000"},
    {"snapshot_interval = 99ms", "1: snapshot_interval = 99ms: allowed is 0 for off, or a time from 100ms to 1d (ms, "
                                 "s, m, h, d; none means seconds)"},
    {"idle_timeout = 0", "1: idle_timeout = 0: allowed is a time from 10ms to 1d (ms, s, m, h, d; none means seconds)"},
    {"socket_mode = 0888", "1: socket_mode = 0888: allowed is octal permissions from 0000 to 0777"},
    {"socket_mode = 1777", "1: socket_mode = 1777: allowed is octal permissions from 0000 to 0777"},
    {"socket_mode = 6", "1: socket_mode = 6: allowed is octal permissions from 0000 to 0777"},
    {"expose_reason = yes", "1: expose_reason = yes: allowed is off or on"},
    {"expose_reason = ON", "1: expose_reason = ON: allowed is off or on"},
    {"allow_status = 201", "1: allow_status = 201: allowed is 200 or 204"},
    {"instance = a/b", "1: instance = a/b: allowed is 1 to 48 of the letters A-Z a-z 0-9 _ . -, and no .refused at "
                       "the end, which names what was set aside"},
    {"instance = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
     "1: instance = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: allowed is 1 to 48 of the letters "
     "A-Z a-z 0-9 _ . -, and no .refused at the end, which names what was set aside"},
    {"instance = a.refused", "1: instance = a.refused: allowed is 1 to 48 of the letters A-Z a-z 0-9 _ . -, and no .refused "
                             "at the end, which names what was set aside"},
    {"user = a b", "1: user = a b: allowed is the name of an account or group, at most 63 bytes"},
    {"log = fairvisor.log", "1: log = fairvisor.log: allowed is stderr, syslog or the absolute path of a file"},
    {"trusted_proxies = 10.0.0.1/8",
     "1: trusted_proxies = 10.0.0.1/8: \"10.0.0.1/8\" is not a network; allowed are ADDRESS, ADDRESS/BITS without bits "
     "set behind the prefix as in 10.0.0.0/8, unix, and none alone"},
    {"trusted_proxies = ::1,,unix",
     "1: trusted_proxies = ::1,,unix: \"\" is not a network; allowed are ADDRESS, ADDRESS/BITS without bits set behind "
     "the prefix as in 10.0.0.0/8, unix, and none alone"},
    {"a\001b = 1", "1: byte 2 of the line is the control byte 0x01; the file must be plain text"},
    {"mode = decision_service\rlisten = x",
     "1: byte 24 of the line is the control byte 0x0d; the file must be plain text"},
};

START_TEST(refuses_a_file)
{
    char expected[2048];

    snprintf(expected, sizeof(expected), "%s:%s", path, refused[_i].sentence);
    ck_assert_msg(!read_text(refused[_i].file), "taken: %s", refused[_i].file);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_str_eq(failure.sentence, expected);
}
END_TEST

static const char *const bad_listens[] = {
    "8080",
    ":8080",
    "*:8080",
    "localhost:8080",
    "127.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:80x",
    "127.0.0.1:-1",
    "::1:80",
    "[::1]",
    "[::1]80",
    "[127.0.0.1]:80",
    "[]:80",
    "[:80",
    "]:80",
    "unix:",
    "unix:run/f.sock",
    "127.0.0.1:1,",
    ",127.0.0.1:1",
    ",",
    "127.0.0.1:99999999999999999999",
    "unix:/"
    "aaaaaaa0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345",
    "1.1.1.1:1,1.1.1.1:2,1.1.1.1:3,1.1.1.1:4,1.1.1.1:5,1.1.1.1:6,1.1.1.1:7,1.1.1.1:8,1.1.1.1:9,1.1.1.1:10,1.1.1.1:11,"
    "1.1.1.1:12,1.1.1.1:13,1.1.1.1:14,1.1.1.1:15,1.1.1.1:16,1.1.1.1:17",
};

START_TEST(refuses_an_address_to_listen_on)
{
    char line[512];

    snprintf(line, sizeof(line), "listen = %s", bad_listens[_i]);
    ck_assert_msg(!read_text(line), "taken: %s", line);
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
}
END_TEST

static const char *const bad_ports[] = {"0", "65536", "99999999999999999999", "", "80x", "-1"};

START_TEST(says_that_it_is_the_port)
{
    static const char *const hosts[] = {"127.0.0.1", "[::1]"};

    for (size_t i = 0; i < 2; i++) {
        char line[128];

        snprintf(line, sizeof(line), "listen = %s:%s", hosts[i], bad_ports[_i]);
        ck_assert_msg(!read_text(line), "taken: %s", line);
        ck_assert_ptr_nonnull(strstr(failure.sentence, "needs a port from 1 to 65535"));
    }
    ck_assert(read_text("listen = 127.0.0.1:65535"));
    ck_assert(!read_text("listen = ::1:65536"));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "is not an address to listen on"));
}
END_TEST

START_TEST(takes_the_longest_path_and_no_longer)
{
    char line[SETTINGS_PATH_SIZE + 64] = "config_file = /";

    memset(line + 15, 'x', SETTINGS_PATH_SIZE - 2);
    ck_assert(read_text(line));
    ck_assert_uint_eq(strlen(settings.config_file), SETTINGS_PATH_SIZE - 1);
    strncat(line, "x", 2);
    ck_assert(!read_text(line));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "at most 1023 bytes"));
}
END_TEST

START_TEST(refuses_a_nul_and_a_long_line)
{
    char *line = malloc(6000);

    ck_assert(!read_bytes("mode = decision_service\0\n", 25));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "control byte 0x00"));
    ck_assert_ptr_nonnull(line);
    memset(line, '#', 6000);
    ck_assert(!read_bytes(line, 6000));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "longer than 4096 bytes"));
    ck_assert(read_bytes(line, 4096));
    free(line);
}
END_TEST

START_TEST(refuses_a_file_that_is_too_large)
{
    char *text = malloc(2u << 20);

    ck_assert_ptr_nonnull(text);
    memset(text, '\n', 2u << 20);
    ck_assert(!read_bytes(text, (1u << 20) + 1));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert(read_bytes(text, 1u << 20));
    free(text);
}
END_TEST

/* The file that nobody named may be missing; one that is there may not lack what it names. */
START_TEST(reads_a_file_that_may_be_missing)
{
    bool is_there = true;

    ck_assert(settings_read_file_if_there(&settings, "/nonexistent/fairvisor.conf", &is_there, &failure));
    ck_assert(!is_there);
    ck_assert(!read_text("debug_session_secret_file = /nowhere/to/be/found")); /* leaves the file */
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
    ck_assert_ptr_nonnull(strstr(failure.sentence, ":1: debug_session_secret_file = /nowhere/to/be/found: the file cannot be "
                                                   "read: No such file or directory"));
    ck_assert(!settings_read_file_if_there(&settings, path, &is_there, &failure));
    ck_assert(is_there);
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
    ck_assert(!settings_read_file_if_there(&settings, "/", &is_there, &failure));
    ck_assert(is_there);
}
END_TEST

START_TEST(says_what_file_cannot_be_read)
{
    ck_assert(!settings_read_file(&settings, "/nonexistent/fairvisor.conf", &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
    ck_assert_str_eq(failure.sentence,
                     "the configuration file /nonexistent/fairvisor.conf cannot be read: No such file or directory");
    unlink("settings-test.fifo"); /* of a run that was ended */
    ck_assert_int_eq(mkfifo("settings-test.fifo", 0600), 0);
    ck_assert(!settings_read_file(&settings, "settings-test.fifo", &failure));
    unlink("settings-test.fifo");
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "is a fifo"));
    ck_assert(!settings_read_file(&settings, "/", &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_OS);
}
END_TEST

/* ---- environment ------------------------------------------------------------------------------------------------- */

static const struct {
    const char *variables[3];
    const char *sentence; /* NULL: taken */
} environments[] = {
    {{"FAIRVISOR_CONFIG_FILE=/etc/fairvisor/policy.json", "FAIRVISOR_MODE=decision_service"}, NULL},
    {{"PATH=/bin", "FAIRVISOR=1", "fairvisor_mode=x"}, NULL},
    {{"FAIRVISORD_UPGRADE=3"}, NULL},
    {{"FAIRVISOR_SHM_SIZE=16m"}, NULL},
    {{"FAIRVISOR_MODE=proxy"},
     "environment variable FAIRVISOR_MODE: mode = proxy: allowed is decision_service or reverse_proxy"},
    {{"FAIRVISOR_MOED=decision_service"},
     "environment variable FAIRVISOR_MOED is no setting; did you mean FAIRVISOR_MODE?"},
    {{"FAIRVISOR_mode=decision_service"},
     "environment variable FAIRVISOR_mode is no setting; did you mean FAIRVISOR_MODE?"},
    {{"FAIRVISOR_ZZZZ=1"},
     "environment variable FAIRVISOR_ZZZZ is no setting; unset it, or see fairvisor.conf(5) for all of them"},
    {{"FAIRVISOR_=1"},
     "environment variable FAIRVISOR_ is no setting; unset it, or see fairvisor.conf(5) for all of them"},
    {{"FAIRVISOR_USER="},
     "environment variable FAIRVISOR_USER: user = : the value is missing; leave the whole setting out to unset it"},
    {{"FAIRVISOR_SHM_SIZE=16m", "FAIRVISOR_SHARED_DICT_SIZE=16m"},
     "environment variable FAIRVISOR_SHARED_DICT_SIZE: shared_dict_size is given twice; keep one of the two variables"},
    {{"FAIRVISOR_EDGE_TOKEN_FILE=/x"},
     "environment variable FAIRVISOR_EDGE_TOKEN_FILE: this release does not enforce edge_token yet; remove it"},
};

START_TEST(reads_the_environment)
{
    char *variables[4] = {NULL};
    bool is_taken;

    for (int i = 0; i < 3 && environments[_i].variables[i]; i++)
        ck_assert_ptr_nonnull(variables[i] = strdup(environments[_i].variables[i]));
    is_taken = settings_read_environment(&settings, variables, &failure);
    ck_assert_msg(is_taken == !environments[_i].sentence, "%s", failure.sentence);
    if (!is_taken) {
        ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
        ck_assert_str_eq(failure.sentence, environments[_i].sentence);
    }
    for (int i = 0; i < 3; i++)
        free(variables[i]);
}
END_TEST

START_TEST(the_environment_overrules_the_file)
{
    char listen[] = "FAIRVISOR_LISTEN=127.0.0.1:2", trusted[] = "FAIRVISOR_TRUSTED_PROXIES=none";
    char *variables[] = {listen, trusted, NULL};

    ck_assert(read_text("listen = 127.0.0.1:1, 127.0.0.1:3\nops_listen = 127.0.0.1:4\nmax_headers = 7"));
    ck_assert(settings_read_environment(&settings, variables, &failure));
    ck_assert_uint_eq(settings.listen_count, 2);
    ck_assert_uint_eq(settings.listen[0].port, 2);
    ck_assert(settings.listen[1].is_ops);
    ck_assert_uint_eq(settings.listen[1].port, 4);
    ck_assert_uint_eq(settings.trusted_count, 0);
    ck_assert(!settings.trusted_unix);
    ck_assert_uint_eq(settings.max_headers, 7);
}
END_TEST

#define ALL_SIZE 1024

static void append(void *context, const char *sentence)
{
    char *all = context;
    size_t used = strlen(all);

    snprintf(all + used, ALL_SIZE - used, "%s|", sentence + strlen(path)); /* behind the path: the line and what is wrong */
}

START_TEST(tells_every_mistake)
{
    char all[ALL_SIZE] = "";

    ck_assert(!read_text("moed = x\nlisten = 127.0.0.1:80\n\nworkers\n[a]\ninstance = a\ninstance = b\n"));
    settings_read_mistakes(path, append, all);
    ck_assert_str_eq(all, ":1: there is no setting \"moed\"; did you mean \"mode\"?|:4: the line has no '='; write name = value|"
                          ":5: settings have no sections; write name = value|"
                          ":7: instance is given again; line 6 gave instance already|");
    *all = '\0';
    ck_assert(!read_text("{\n  \"a\": 1,\n  \"b\": 2\n}\n"));
    settings_read_mistakes(path, append, all);
    ck_assert_str_eq(all, ":1: settings are no JSON, as a policy is, which the setting config_file names; write name = value|");
    *all = '\0';
    unlink(path);
    settings_read_mistakes(path, append, all);
    ck_assert_str_eq(all, ""); /* that there is none is told as the first */
}
END_TEST

/* Whoever looks for an instance needs to know where it is, and nothing else. */
START_TEST(passes_over_what_does_not_say_where)
{
    static const struct {
        const char *text, *variable;
        bool is_read;
        const char *passed_over; /* NULL: nothing */
    } rows[] = {
        {"instance = a\nmax_headers = 7", "PATH=/bin", true, NULL},
        {"lisen = x\nmoed = y\ninstance = a", "PATH=/bin", true, "there is no setting \"lisen\""},
        {"listen\ninstance = a", "PATH=/bin", true, "the line has no '='"},
        {"instance = a", "FAIRVISOR_LISEN=x", true, "environment variable FAIRVISOR_LISEN is no setting"},
        {"instance = a\nmax_headers = x", "FAIRVISOR_MOED=x", true, "max_headers = x"},
        {"instance = a\nruntime_dir /run/x", "PATH=/bin", false, NULL},
        {"instance = a\ninstance = b", "PATH=/bin", false, NULL},
        {"instance = a\nruntme_dir = /run/x", "PATH=/bin", false, NULL},
        {"instance = a", "FAIRVISOR_RUNTIME_DIR=relative", false, NULL},
        {"instance = a", "FAIRVISOR_INSTANSE=b", false, NULL},
    };
    char *variables[] = {strdup(rows[_i].variable), NULL};
    struct failure passed_over;

    read_text(rows[_i].text);
    settings_default(&settings);
    ck_assert(settings_read_where(&settings, path, false, variables, &passed_over, &failure) == rows[_i].is_read);
    ck_assert_int_eq(passed_over.code != EXIT_CODE_OK, rows[_i].passed_over != NULL);
    if (rows[_i].passed_over)
        ck_assert_ptr_nonnull(strstr(passed_over.sentence, rows[_i].passed_over));
    if (rows[_i].is_read)
        ck_assert_str_eq(settings.instance, "a");
    free(variables[0]);
    ck_assert(settings_read_where(&settings, "/nonexistent", true, variables + 1, &passed_over, &failure));
    ck_assert(!settings_read_where(&settings, "/nonexistent", false, variables + 1, &passed_over, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_NO_INPUT);
}
END_TEST

/* ---- the whole --------------------------------------------------------------------------------------------------- */

START_TEST(finishes_what_is_complete)
{
    ck_assert(!settings_finish(&settings, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "config_file is not set"));
    ck_assert(read_text("config_file = /p.json\ninstance = x\nruntime_dir = /run/y"));
    ck_assert(settings_finish(&settings, &failure));
    ck_assert_str_eq(settings.pidfile, "/run/y/x.pid");
}
END_TEST

START_TEST(keeps_a_pidfile_that_is_chosen)
{
    ck_assert(read_text("config_file = /p.json"));
    strncpy(settings.pidfile, "/my.pid", sizeof(settings.pidfile) - 1);
    ck_assert(settings_finish(&settings, &failure));
    ck_assert_str_eq(settings.pidfile, "/my.pid");
}
END_TEST

static const char *const doubles[] = {
    "listen = 127.0.0.1:1, 127.0.0.1:1",
    "listen = 127.0.0.1:1, [::ffff:127.0.0.1]:1",
    "listen = 127.0.0.1:1\nops_listen = 127.0.0.1:1",
    "listen = unix:/a, 127.0.0.1:1, unix:/a",
};

START_TEST(refuses_an_address_given_twice)
{
    ck_assert(read_text(doubles[_i]));
    strncpy(settings.config_file, "/p.json", sizeof(settings.config_file) - 1);
    ck_assert(!settings_finish(&settings, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "stands twice in listen and ops_listen"));
}
END_TEST

static const char *const token_rules[] = {"jwt_issuer = x", "jwt_audience = x", "jwt_on_invalid = anonymous"};

/* Nothing is taken and then ignored: rules for tokens need the keys that verify them. */
START_TEST(rules_for_tokens_need_keys)
{
    ck_assert(read_text("config_file = /p.json"));
    ck_assert(read_text(token_rules[_i]));
    ck_assert(!settings_finish(&settings, &failure));
    ck_assert_int_eq(failure.code, EXIT_CODE_BAD_CONFIG);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "has no effect without jwt_keys_file"));
    ck_assert(read_text("jwt_keys_file = /keys.json"));
    ck_assert(settings_finish(&settings, &failure));
}
END_TEST

START_TEST(takes_the_longest_text_and_no_longer)
{
    char line[SETTINGS_TEXT_SIZE + 64] = "jwt_issuer = ";

    memset(line + 13, 'x', SETTINGS_TEXT_SIZE - 1);
    ck_assert(read_text(line));
    ck_assert_uint_eq(strlen(settings.jwt_issuer), SETTINGS_TEXT_SIZE - 1);
    line[13 + SETTINGS_TEXT_SIZE - 1] = 'x';
    ck_assert(!read_text(line));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "a text of at most 255 bytes"));
}
END_TEST

START_TEST(refuses_a_pidfile_name_that_is_too_long)
{
    char line[SETTINGS_PATH_SIZE + 64] = "runtime_dir = /";

    memset(line + 15, 'x', SETTINGS_PATH_SIZE - 2);
    ck_assert(read_text(line));
    strncpy(settings.config_file, "/p.json", sizeof(settings.config_file) - 1);
    ck_assert(!settings_finish(&settings, &failure));
    ck_assert_ptr_nonnull(strstr(failure.sentence, "runtime_dir is too long"));
}
END_TEST

/* Check runs each test in a process of its own, so its user and environment may change. */
START_TEST(gives_an_unprivileged_user_folders_of_his_own)
{
    uid_t before = geteuid();

    if (before == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
    setenv("XDG_STATE_HOME", "/folk/x/state", 1);
    settings_default(&settings);
    ck_assert_str_eq(settings.runtime_dir, "/run/user/7/fairvisor");
    ck_assert_str_eq(settings.state_dir, "/folk/x/state/fairvisor");
    ck_assert_str_eq(settings.user, "");
    setenv("XDG_RUNTIME_DIR", "relative", 1);
    unsetenv("XDG_STATE_HOME");
    setenv("HOME", "/folk/x", 1);
    settings_default(&settings);
    ck_assert_int_eq(strncmp(settings.runtime_dir, "/tmp/fairvisor-", 15), 0);
    ck_assert_str_eq(settings.state_dir, "/folk/x/.local/state/fairvisor");
    /* The leak check of a sanitized build traces its own process, which losing the user forbids. */
    ck_assert_int_eq(seteuid(before), 0);
    ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}
END_TEST

START_TEST(a_secret_is_not_shown)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    ck_assert_msg(read_text("debug_session_secret = 0123456789abcdef"), "%s", failure.sentence);
    ck_assert_str_eq(settings.debug_session_secret, "0123456789abcdef");
    settings_print(&settings, out);
    fclose(out);
    ck_assert_ptr_nonnull(strstr(text, "# debug_session_secret is set, and not shown\n"));
    ck_assert_ptr_null(strstr(text, "0123456789abcdef"));
    free(text);
}
END_TEST

/* ---- every name of the table ------------------------------------------------------------------------------------- */

static const struct {
    const char *file;
    uint64_t expected;
} descriptors[] = {
    {"max_connections = 100\nbackend_keepalive = 7", 100},
    {"mode = reverse_proxy\nbackend_url = http://a\nmax_connections = 100\nbackend_keepalive = 7", 207},
    {"mode = reverse_proxy\nbackend_url = http://a\nmax_connections = 1000000\nbackend_keepalive = 100000", 2100000},
};

START_TEST(a_proxied_client_takes_two_descriptors)
{
    ck_assert_msg(read_text(descriptors[_i].file), "%s", failure.sentence);
    ck_assert_uint_eq(settings_descriptors(&settings), descriptors[_i].expected);
}
END_TEST

START_TEST(every_later_setting_is_refused_by_name)
{
    const struct setting_row *row = &setting_table[_i];
    char line[256];

    snprintf(line, sizeof(line), "%s = %s", row->name, row->fallback[0] ? row->fallback : "/x");
    if (!row->is_later) {
        ck_assert_msg(row->fallback[0] == '\0' || read_text(line), "%s", failure.sentence);
        return;
    }
    ck_assert_msg(!read_text(line), "taken: %s", line);
    ck_assert_ptr_nonnull(strstr(failure.sentence, "this release does not enforce "));
    ck_assert_ptr_nonnull(strstr(failure.sentence, row->name));
}
END_TEST

START_TEST(every_setting_is_described)
{
    const struct setting_row *row = &setting_table[_i];
    char text[SETTING_WHY_SIZE];

    setting_describe(row, text, sizeof(text));
    ck_assert_uint_ge(strlen(text), 3);
    ck_assert_uint_gt(strlen(row->help), 10);
    ck_assert_int_eq(row->help[strlen(row->help) - 1], '.');
    ck_assert_ptr_eq(setting_find(slice_of(row->name)), row);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_checked_fixture(tests, make_file, remove_file);
    tcase_add_loop_test(tests, takes_a_file, 0, LENGTH(taken));
    tcase_add_loop_test(tests, prints_a_file_that_reads_back, 0, LENGTH(taken));
    tcase_add_loop_test(tests, refuses_a_file, 0, LENGTH(refused));
    tcase_add_loop_test(tests, refuses_an_address_to_listen_on, 0, LENGTH(bad_listens));
    tcase_add_loop_test(tests, says_that_it_is_the_port, 0, LENGTH(bad_ports));
    tcase_add_test(tests, takes_the_longest_path_and_no_longer);
    tcase_add_test(tests, refuses_a_nul_and_a_long_line);
    tcase_add_test(tests, refuses_a_file_that_is_too_large);
    tcase_add_test(tests, reads_a_file_that_may_be_missing);
    tcase_add_test(tests, says_what_file_cannot_be_read);
    tcase_add_loop_test(tests, reads_the_environment, 0, LENGTH(environments));
    tcase_add_test(tests, the_environment_overrules_the_file);
    tcase_add_test(tests, tells_every_mistake);
    tcase_add_loop_test(tests, passes_over_what_does_not_say_where, 0, 10);
    tcase_add_test(tests, finishes_what_is_complete);
    tcase_add_test(tests, keeps_a_pidfile_that_is_chosen);
    tcase_add_loop_test(tests, refuses_an_address_given_twice, 0, LENGTH(doubles));
    tcase_add_loop_test(tests, rules_for_tokens_need_keys, 0, LENGTH(token_rules));
    tcase_add_test(tests, takes_the_longest_text_and_no_longer);
    tcase_add_test(tests, refuses_a_pidfile_name_that_is_too_long);
    tcase_add_test(tests, gives_an_unprivileged_user_folders_of_his_own);
    tcase_add_test(tests, a_secret_is_not_shown);
    tcase_add_loop_test(tests, a_proxied_client_takes_two_descriptors, 0, LENGTH(descriptors));
    tcase_add_loop_test(tests, every_later_setting_is_refused_by_name, 0, SETTING_COUNT);
    tcase_add_loop_test(tests, every_setting_is_described, 0, SETTING_COUNT);
}

int main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    SRunner *runner = srunner_create(suite);
    int failed;

    add_tests(tests);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
