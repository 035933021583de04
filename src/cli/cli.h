/*
 * cli: the `sekisho` command. The one door of the room.
 *
 * verbs.def is the table of everything it can do: words, synopsis, explanation in two languages. The synopsis is not
 * only shown: args.c parses the command line by it into a JSON object, keys named after its words.
 *
 *   main.c    globals (--json, --lang, --data, --config), dispatch, help      args.c    arguments by synopsis
 *   out.c     results as JSON, as lists for people, and errors                admin.c   asking the running server
 *   account.c passwords                                                       init.c    a new server
 *   server.c  starting and stopping a server as a child                       demo.c    a small organisation to try
 *   config_verbs.c  the options and the manual pages                          explain.c reasoning without a server
 *   explain_sieve.c  a filter tried on a message      explain_trust.c  who a message is from
 *   explain_dkim.c   its signatures
 *   dns.c     somewhere to ask, without a server          dns_check.c  what a domain should publish
 *   sieve.c   users' filters
 *   acme.c    certificates from an authority, and those in use
 *   trace.c   one message's way in plain words        sample.c  the first mails of a demo
 *   man.c     the manual pages
 *
 * A verb returns its exit code (sysexits.h). It prints its result through out.h; only passwords that were just made,
 * and progress for people, go elsewhere.
 */
#ifndef CLI_H
#define CLI_H

#include "base/base.h"
#include "ipc/ipc.h"
#include "role/config.h"
#include <jansson.h>
#include <sysexits.h>

enum cli_lang { CLI_ENGLISH, CLI_JAPANESE };

struct cli_verb;
struct cli {
	const struct cli_verb *verb;
	json_t *args; /* by the verb's synopsis */
	enum cli_lang lang;
	bool json;
	const char *data;        /* --data, an absolute path; NULL: not given */
	const char *config_path; /* --config; NULL: not given */
	struct config *config;   /* once cli_config() was called */
	struct arena arena;      /* lives as long as the command */
};

typedef int cli_run(struct cli *c);
struct cli_verb {
	const char *words; /* "account add" */
	const char *synopsis;
	cli_run *run;
	const char *english, *japanese;
};
extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;

#define X(function, words, synopsis, english, japanese) cli_run function;
#include "cli/verbs.def"
#undef X

int cli_main(int argc, char **argv);

/* path as seen from here; lives as long as the command. */
const char *cli_absolute(struct cli *c, const char *path);

/* The text in the language of this command; a macro, so that the compiler checks both as formats. */
#define CLI_TEXT(c, english, japanese) ((c)->lang == CLI_JAPANESE ? (japanese) : (english))

/* ---- arguments (args.c) ---- */

/*
 * NAME a word that must be there, NAME... one or more, [NAME] and [NAME...] fewer; [--flag] true or absent,
 * [--option VALUE] text, [--option N] a number, [--option VALUE]... a list. Keys are lower case, "-" becomes "_".
 * BAD: *why says what is wrong.
 */
NODISCARD enum result cli_args(
    const char *synopsis, int argc, char *const argv[], struct buf *why, json_t **out);
const char *cli_arg(const struct cli *c, const char *key); /* NULL when absent */
bool cli_flag(const struct cli *c, const char *key);

/*
 * Puts what `how` makes of the message on stdin, or of each file of the folder in --each, as JSON.
 */
typedef enum result cli_explainer(void *context, struct slice message, struct buf *out);
int cli_explain(struct cli *c, cli_explainer *how, void *context);
/* The message that fd holds, its line ends made CRLF; EX_OK, or what the verb has to return. */
int cli_read_message(struct cli *c, int fd, const char *name, struct buf *message);

/* ---- the DNS (dns.c) ---- */

struct dns;
/* By --dns FILE, else the network; lives as long as the command. EX_OK, or what the verb has to return. */
int cli_dns(struct cli *c, struct dns **out);

/* ---- results (out.c) ---- */

/* Prints a result: JSON with --json, else a list or key: value lines. Takes no reference. EX_OK. */
int cli_print(const struct cli *c, const json_t *value);
/* Lines for people only: nothing with --json. */
void cli_say(const struct cli *c, const char *fmt, ...) PRINTF(2, 3);
/* Says what went wrong: on stderr, or as {"error": ...} with --json; returns code. */
int cli_fail(const struct cli *c, int code, const char *fmt, ...) PRINTF(3, 4);
int cli_exit_code(enum result r);
/* Text of strangers does not move the terminal: control characters become '?'. */
void cli_put_safe(struct buf *b, struct slice s);
/* Columns a terminal needs for UTF-8 text: wide characters take two. */
size_t cli_width(struct slice s);
/* 2026-11-21 10:20:30 UTC */
const char *cli_time(struct arena *a, int64_t ms);

/* ---- the server (admin.c, server.c) ---- */

/* Reads the configuration once; EX_OK, or what the verb has to return. */
int cli_config(struct cli *c);
/* One ask to store's admin socket; *out is a new reference. Failures have been said; the code is to be returned. */
int cli_admin(struct cli *c, const char *verb, const json_t *args, json_t **out);
/* One ask to keys' admin socket, the answer in the arena; likewise. */
int cli_keys_ask(struct cli *c, enum ipc_ask kind, const void *ask, struct arena *a, void *answer_out);
/* The same for an answer of several packets. */
int cli_keys_ask_parts(struct cli *c, enum ipc_ask kind, const void *ask,
    void (*each)(void *arg, const void *answer), void *arg);
/* The certificates in use; *out is a new reference to a list. */
int cli_certificates(struct cli *c, json_t **out);
/* Store allows it, keys does it, store ends the sessions. */
int cli_set_password(struct cli *c, const char *address, struct slice password);
int cli_remove_login(struct cli *c, const char *login);
int cli_install_certificate(struct cli *c, struct slice chain_pem, struct slice key_pem);

/*
 * Starts `sekisho serve` for the configuration file as a child whose output goes to the file log. It ends with us,
 * unless it stays.
 */
int cli_server_start(const char *config_path, bool demo, const char *log, bool stays, pid_t *out);
/* Waits until the server answers on its sockets and its first SMTP port; false when it ended or after ms. */
bool cli_server_ready(const struct config *config, pid_t pid, int64_t ms);
/* SIGTERM, and SIGKILL after 20 s; true when the process has gone. */
bool cli_server_stop(pid_t pid);

/* ---- making a server (init.c, certificate.c, account.c) ---- */

/* data and what must be in it before a start, for the owner only. */
int cli_make_directories(struct cli *c, const char *data);
/* Writes a file anew, whole or not at all. */
int cli_write_file(struct cli *c, const char *path, struct slice text, unsigned mode);
/* The key that wraps all others, unless there is one. */
int cli_make_master_key(struct cli *c, const char *data);
/* Makes a certificate, gives it to the running server and leaves its authority's in data/ca.pem. */
int cli_give_certificate(struct cli *c, const char *data, const struct slice *names, size_t n);
/* Says that the server did not start, with the end of its log. */
int cli_log_tail(struct cli *c, const char *log);
/* 20 characters from an alphabet without look-alikes, about 114 bits. */
void cli_make_password(struct buf *b);
/* By --password-stdin, a prompt, or made; *made_out tells. */
int cli_new_password(struct cli *c, struct buf *password, bool *made_out);
/* All of stdin; false when it is longer than the buffer may be. */
bool cli_read_stdin(struct buf *text);
/* The code that opens the console's first run of a server without an administrator, and where: {"url", "code"}. */
int cli_setup_code(struct cli *c, unsigned https, json_t **out);
/* Gives an account a role for the whole organisation. */
int cli_give_role(struct cli *c, const char *address, const char *role);
/* An account in the running server, with its password. name may be NULL. */
int cli_add_account(struct cli *c, const char *address, const char *name, struct slice password);

#endif
