/*
 * config: what the administrator decided, read once and never changed.
 *
 * config.def is the table of all options; a field of struct config has the option's name. The file is read by
 * libconfuse: `name = value`, lists as {"a", "b"}, comments with #. Durations are written 30s, 5m, 4h, 5d and kept in
 * milliseconds; sizes 64K, 50M and kept in octets. An unknown or malformed option is an error with file, line and, when
 * one is near, a suggestion.
 *
 * A loaded configuration is immutable and lives until config_free(). Nothing in it is secret: passwords and keys are
 * named by file.
 */
#ifndef ROLE_CONFIG_H
#define ROLE_CONFIG_H

#include "base/base.h"

struct config_address {
	const char *host; /* name or literal, no brackets; "" when not set */
	uint16_t port;    /* 0: not given */
};
struct config_addresses {
	const struct config_address *at;
	size_t n;
};
struct config_route {
	const char *domain; /* lower case */
	struct config_address to;
};
struct config_routes {
	const struct config_route *at;
	size_t n;
};

struct config_item {
	const char *name, *value;
};
struct config_items {
	const struct config_item *at;
	size_t n;
};

/* In the order of the choices in config.def. */
enum config_log_format { CONFIG_LOGFMT, CONFIG_JSON };
enum config_log_level { CONFIG_DEBUG, CONFIG_INFO, CONFIG_WARN, CONFIG_ERROR };
enum config_dsn_language { CONFIG_BOTH, CONFIG_JA, CONFIG_EN };
enum config_database { CONFIG_SQLITE, CONFIG_POSTGRESQL };
enum config_directory_inactive { CONFIG_SUSPEND, CONFIG_OFFBOARD };
enum config_quota_full { CONFIG_TEMPORARY, CONFIG_PERMANENT };
enum config_bodies { CONFIG_FILES, CONFIG_S3 };
enum config_acme_challenge { CONFIG_HTTP_01, CONFIG_TLS_ALPN_01, CONFIG_DNS_01 };
enum config_acme_key { CONFIG_ECDSA, CONFIG_RSA };
enum config_relay_tls { CONFIG_OPPORTUNISTIC, CONFIG_REQUIRED, CONFIG_VERIFIED };
enum config_judge { CONFIG_ACCEPT, CONFIG_QUARANTINE, CONFIG_REFUSE };
enum config_publish_mta_sts { CONFIG_STS_NONE, CONFIG_STS_TESTING, CONFIG_STS_ENFORCE };

#define CONFIG_TYPE_TEXT const char *
#define CONFIG_TYPE_PATH const char * /* absolute, or "" */
#define CONFIG_TYPE_BOOL bool
#define CONFIG_TYPE_NUMBER uint64_t
#define CONFIG_TYPE_SIZE uint64_t  /* octets */
#define CONFIG_TYPE_TIME int64_t   /* milliseconds */
#define CONFIG_TYPE_OFFSET int64_t /* seconds, may be negative */
#define CONFIG_TYPE_CHOICE int
#define CONFIG_TYPE_LISTEN struct config_addresses
#define CONFIG_TYPE_ADDRESSES struct config_addresses
#define CONFIG_TYPE_HOSTPORT struct config_address
#define CONFIG_TYPE_ROUTES struct config_routes
#define CONFIG_TYPE_ITEMS struct config_items /* at most LIMIT_SIEVE_ENVIRONMENT */

struct config {
	struct arena arena;
#define X(name, type, ...) CONFIG_TYPE_##type name;
#define D X
#include "role/config.def"
#undef D
#undef X
};

enum config_type {
	CONFIG_TEXT,
	CONFIG_PATH,
	CONFIG_BOOL,
	CONFIG_NUMBER,
	CONFIG_SIZE,
	CONFIG_TIME,
	CONFIG_OFFSET,
	CONFIG_CHOICE,
	CONFIG_LISTEN,
	CONFIG_ADDRESSES,
	CONFIG_HOSTPORT,
	CONFIG_ROUTES,
	CONFIG_ITEMS,
};

struct config_option {
	const char *name;
	enum config_type type;
	const char *standard; /* the default, as it would stand in the file (lists: divided by commas) */
	int64_t least, most;
	const char *choices;
	bool demo_only;
	const char *english, *japanese;
	size_t offset; /* of the field in struct config */
};
extern const struct config_option config_options[];
extern const size_t config_option_count;

enum config_mode { CONFIG_PRODUCTION, CONFIG_DEMO };

/*
 * Reads text (named `file` in messages) as a configuration. On BAD, why has one line for each thing that is wrong.
 * CONFIG_PRODUCTION refuses `demo = yes` and the options of a demo; CONFIG_DEMO refuses to listen beyond loopback.
 */
NODISCARD enum result config_parse(
    struct slice text, const char *file, enum config_mode mode, struct buf *why, struct config **out);
/* The same from a file; GONE when it cannot be read. */
NODISCARD enum result config_load(
    const char *path, enum config_mode mode, struct buf *why, struct config **out);
/* Also gives the text that was judged (text: at least 1 MiB + 4 KiB), for a process that must parse the same. */
NODISCARD enum result config_load_text(
    const char *path, enum config_mode mode, struct buf *why, struct buf *text, struct config **out);
void config_free(struct config *c);

const struct config_option *config_option(struct slice name);  /* NULL: no such option */
const struct config_option *config_nearest(struct slice name); /* for "did you mean"; NULL: nothing is near */
const char *config_type_name(enum config_type t);
/* The issuer of tokens, https://hostname with the port unless it is 443; nothing when there is none. */
void config_put_issuer(struct buf *b, const struct config *c);
/* The allowed range or the choices in words; nothing when all is allowed. */
void config_put_range(struct buf *b, const struct config_option *o);
/* The value in c, written as in the file. */
void config_put_value(struct buf *b, const struct config *c, const struct config_option *o);

#endif
