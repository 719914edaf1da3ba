/* SPDX-License-Identifier: MPL-2.0
 *
 * The configuration of one instance: names and defaults of fairvisor.conf(5), read by the master and the command line,
 * handed to workers as bytes. Plain data without pointers, so that it can travel in a memfd.
 */
#ifndef FAIRVISOR_SHM_SETTINGS_H
#define FAIRVISOR_SHM_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "shm/address.h"
#include "shm/failure.h"
#include "shm/log.h"

#define SETTINGS_PATH_SIZE   1024 /* of a file name, with its NUL */
#define SETTINGS_NAME_SIZE   64   /* of instance, user, group */
#define SETTINGS_TEXT_SIZE   256  /* of jwt_issuer, jwt_audience and backend_url */
#define SETTINGS_UNIX_SIZE   108  /* sizeof(sun_path) */
#define SETTINGS_MAX_LISTEN  16   /* addresses of listen and ops_listen together */
#define SETTINGS_MAX_TRUSTED 64
#define SETTINGS_MAX_WORKERS 64

/* The files that keys of a policy look answers up in, the keys that verify tokens, and what TLS needs: ROW(symbol,
 * setting). */
#define SETTINGS_REFERENCE_ROWS(ROW)  \
    ROW(COUNTRIES, geoip_country_db) \
    ROW(NUMBERS, geoip_asn_db)       \
    ROW(TYPES, asn_type_map)         \
    ROW(TOR, tor_exit_list)          \
    ROW(BOTS, bot_list)              \
    ROW(TOKEN_KEYS, jwt_keys_file)   \
    ROW(TLS_CERT, tls_cert)          \
    ROW(TLS_KEY, tls_key)            \
    ROW(BACKEND_CA, backend_ca_file)

enum settings_reference {
#define SETTINGS_REFERENCE_SYMBOL(symbol, setting) SETTINGS_REFERENCE_##symbol,
    SETTINGS_REFERENCE_ROWS(SETTINGS_REFERENCE_SYMBOL)
#undef SETTINGS_REFERENCE_SYMBOL
    SETTINGS_REFERENCES,
    SETTINGS_LOOKUPS = SETTINGS_REFERENCE_TLS_CERT /* those before it are policy/references.h's */
};

enum settings_mode { SETTINGS_MODE_DECISION_SERVICE, SETTINGS_MODE_REVERSE_PROXY };
enum settings_jwt_on_invalid { SETTINGS_JWT_REJECT, SETTINGS_JWT_ANONYMOUS };
enum settings_log { SETTINGS_LOG_STDERR, SETTINGS_LOG_SYSLOG, SETTINGS_LOG_FILE };
/* Credentials: values of headers and parameters whose names sound like keys, tokens, cookies and the like. */
enum settings_redact { SETTINGS_REDACT_CREDENTIALS, SETTINGS_REDACT_ALL, SETTINGS_REDACT_NONE };
enum settings_decision_log { SETTINGS_DECISION_LOG_REJECT, SETTINGS_DECISION_LOG_ALL, SETTINGS_DECISION_LOG_OFF };

struct settings_listen {
    bool is_ops;  /* from ops_listen */
    bool is_unix; /* then path is meant, else address and port */
    struct address address;
    uint16_t port;
    char path[SETTINGS_UNIX_SIZE];
};

/* Text of a struct settings_listen with its NUL: "unix:" and a path, or "[address]:port". */
#define SETTINGS_LISTEN_TEXT_SIZE (SETTINGS_UNIX_SIZE + 8)

struct settings {
    enum settings_mode mode;
    char config_file[SETTINGS_PATH_SIZE]; /* the policy bundle */
    bool config_watch;
    struct settings_listen listen[SETTINGS_MAX_LISTEN];
    uint32_t listen_count;
    uint32_t socket_mode;      /* of unix sockets */
    uint32_t worker_processes; /* resolved: `auto` is the number of cores */
    uint64_t shared_dict_size; /* bytes */
    char instance[SETTINGS_NAME_SIZE];
    char runtime_dir[SETTINGS_PATH_SIZE];
    char state_dir[SETTINGS_PATH_SIZE];
    char pidfile[SETTINGS_PATH_SIZE]; /* default: <runtime_dir>/<instance>.pid */
    uint64_t snapshot_interval_ms;    /* 0 = off */
    char user[SETTINGS_NAME_SIZE];    /* empty: stay who we are */
    char group[SETTINGS_NAME_SIZE];
    uint64_t worker_hang_timeout_ms; /* 0 = off */
    bool worker_sandbox;
    struct network trusted[SETTINGS_MAX_TRUSTED];
    uint32_t trusted_count;
    bool trusted_unix; /* "unix" is in trusted_proxies */
    char references[SETTINGS_REFERENCES][SETTINGS_PATH_SIZE]; /* empty: not set; see settings_reference_path */
    char jwt_issuer[SETTINGS_TEXT_SIZE];   /* empty: any */
    char jwt_audience[SETTINGS_TEXT_SIZE]; /* empty: any */
    uint64_t jwt_leeway_ms;
    enum settings_jwt_on_invalid jwt_on_invalid;
    uint32_t allow_status;
    uint32_t reject_status;
    bool expose_reason;
    uint64_t max_header_bytes;
    uint64_t max_headers;
    uint64_t max_body_bytes;
    uint64_t header_timeout_ms;
    uint64_t body_timeout_ms;
    uint64_t idle_timeout_ms;
    uint64_t min_rate; /* bytes in a second */
    uint64_t max_connections;
    uint64_t drain_timeout_ms;
    char backend_url[SETTINGS_TEXT_SIZE]; /* empty in decision service mode */
    uint64_t backend_connect_timeout_ms;
    uint64_t backend_timeout_ms;
    uint64_t backend_keepalive;
    uint64_t backend_keepalive_timeout_ms;
    enum settings_log log;
    char log_file[SETTINGS_PATH_SIZE];
    enum log_level log_level;
    bool log_json;
    enum settings_decision_log decision_log;
    uint64_t decision_log_rate; /* lines in a second; 0 = no limit */
    enum settings_redact redact;
    char debug_session_secret[SETTINGS_TEXT_SIZE]; /* empty: no debug sessions */
};

/* The built-in defaults, for this user. An unprivileged one gets folders of his own: $XDG_RUNTIME_DIR/fairvisor (or
 * /tmp/fairvisor-<uid>) and $XDG_STATE_HOME/fairvisor (or ~/.local/state/fairvisor). Nothing is made or checked here:
 * who uses a folder under /tmp must see that it is a folder of his own and no link. Zeroes every byte first. */
void settings_default(struct settings *settings);

/* Reads `name = value` lines. A '#' that begins a line makes it a comment; elsewhere it is part of the value. A line
 * may end in CRLF. A missing file is EXIT_CODE_NO_INPUT; an unknown name or a bad value EXIT_CODE_BAD_CONFIG with file,
 * line, the allowed values and, where one is near, the name that was meant; a secret's file that cannot be opened is
 * EXIT_CODE_NO_INPUT or EXIT_CODE_PERMISSION, too. SETTINGS may be half changed after false. */
bool settings_read_file(struct settings *settings, const char *path, struct failure *failure);

/* Likewise, but where there is no PATH nothing is read, and that is told by IS_THERE: for the file that nobody named. */
bool settings_read_file_if_there(struct settings *settings, const char *path, bool *is_there, struct failure *failure);

/* Likewise, of TEXT, which stands in PATH. */
bool settings_read_text(struct settings *settings, const char *path, struct slice text, struct failure *failure);

/* Tells every mistake in the lines of PATH, of which settings_read_file tells the first. */
void settings_read_mistakes(const char *path, void (*tell)(void *context, const char *sentence), void *context);

/* Reads FAIRVISOR_<NAME> variables; an unknown FAIRVISOR_ name is an error as in a file. (What the programs tell each
 * other by the environment begins otherwise.) */
bool settings_read_environment(struct settings *settings, char *const *environment, struct failure *failure);

/* Reads PATH, which may be missing if it MAY_LACK, and then ENVIRONMENT, for those who look for an instance that runs: what
 * is wrong is passed over, unless it says where an instance is (instance, runtime_dir, state_dir, user) or is near
 * to such a name. The first thing passed over is told in PASSED_OVER, whose code is EXIT_CODE_OK when there was none. */
bool settings_read_where(struct settings *settings, const char *path, bool may_lack, char *const *environment,
                         struct failure *passed_over, struct failure *failure);

/* Checks what no single line can tell (config_file is there, every listen address once, ...) and resolves what depends
 * on several (pidfile). Call once after all sources are read. */
bool settings_finish(struct settings *settings, struct failure *failure);

/* Only resolves pidfile: all that is needed to find an instance. */
bool settings_finish_pidfile(struct settings *settings, struct failure *failure);

/* Prints every setting as a file that settings_read_file takes; and, as comments,
 * what is unset, which secrets are set, and what this release does not enforce. */
void settings_print(const struct settings *settings, FILE *out);

/* How many descriptors the connections of one worker take at most: a client that is proxied has an upstream connection
 * besides its own, and backend_keepalive idle ones may wait. */
uint64_t settings_descriptors(const struct settings *settings);

/* Name of the setting of a reference. */
const char *settings_reference_name(enum settings_reference which);

/* The file of a reference: the one that is set, else the one that comes with the program, for which *IS_PACKAGED is set;
 * NULL when there is neither. */
const char *settings_reference_path(const struct settings *settings, enum settings_reference which, bool *is_packaged);

/* The files of all references, as sentences call them. They live as long as SETTINGS. */
void settings_reference_names(const struct settings *settings, const char *names[SETTINGS_REFERENCES]);

/* Writes one address as listen takes it. */
void settings_print_listen(const struct settings_listen *listen, char text[SETTINGS_LISTEN_TEXT_SIZE]);

#endif
