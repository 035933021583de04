/*
 * sieve: users' filters, RFC 5228 and its family. The one door of the room.
 *
 *   lex.c parse.c    octets to a tree              caps.def verbs.def tags.def  the language as tables (verbs.c)
 *   compile.c check.c text.c  the tree against the tables, strings with variables   run.c  walking the tree
 *   match.c regex.c unicode.c comparators and match types    message.c  fields as scripts see them, edited or not
 *   score.c          what a spam or virus filter in front wrote into the header
 *   core.c action.c  require, header, envelope; keep, fileinto, redirect        reply.c  the messages that actions send
 *   body.c date.c dovecot.c editheader.c enclose.c flags.c include.c mailbox.c mime.c misc.c notify.c vacation.c
 *   variables.c extensions
 *
 * Pure: a script, a message and what is known of its delivery go in, a list of actions comes out. Nothing is opened,
 * asked or written here; it runs in `scan`, which could not. What only others know (does a mailbox exist, has this been
 * seen before, what does an included script say) is asked through sieve_env.ask. It may answer UNKNOWN: then the run ends
 * with SIEVE_ASKS and the question, and the caller runs again from the start when it knows. A run with the same answers
 * is the same run, so this ends; the caller bounds the rounds by LIMIT_SIEVE_ROUNDS.
 *
 * A script that does not compile does not run. An error at run time ends the run with SIEVE_FAILED: `actions` then holds
 * the implicit keep only, `errors` says why, and the message is never lost (RFC 5228 2.10.6). Errors beside SIEVE_DONE are
 * complaints: a test that could not be made was false. All memory comes from the caller's arena (one that holds the
 * message twice is enough; when it is full the run has failed), texts of the result point into it, into the script and
 * into the message. Everything counted has its limit in base/limits.def.
 */
#ifndef SIEVE_H
#define SIEVE_H

#include "mail/mail.h"

/* ---- compiling ---- */

struct sieve_error {
	struct sieve_error *next;
	bool warning;
	struct slice script;   /* its name, "" for the main one */
	uint32_t line, column; /* from 1; 0: concerns the whole script */
	struct slice text;     /* one English sentence without a full stop */
};

struct sieve_errors {
	struct sieve_error *first, *last;
	size_t count; /* without warnings */
	bool cut;     /* more than LIMIT_SIEVE_ERRORS */
};

/* What a capability string of ManageSieve or `require` may name: X(ID, name) in caps.def, announced ones. */
struct sieve_script;
struct sieve_ext; /* more verbs, for the conformance test's runner only (inside.h) */

enum sieve_known { SIEVE_UNKNOWN, SIEVE_NO, SIEVE_YES };

enum sieve_ask {
	SIEVE_ASK_MAILBOX,     /* a: is there a mailbox of this name the user may put mail into? */
	SIEVE_ASK_MAILBOX_ID,  /* a: a mailbox id, RFC 9042 */
	SIEVE_ASK_SPECIAL_USE, /* a: flag "\Junk"; b: only this mailbox, or empty. value: the mailbox's name */
	SIEVE_ASK_METADATA,    /* a: mailbox, b: annotation. value */
	SIEVE_ASK_SERVER_METADATA, /* a: annotation. value */
	SIEVE_ASK_DUPLICATE, /* a: key, which never repeats for other meanings; YES: marked and not expired */
	SIEVE_ASK_INCLUDE,   /* a: name of a script; global: the site's. value: its text */
	SIEVE_ASK_LIST,      /* a: list's name, b: values with zero octets between: is one in? value: which */
	SIEVE_ASK_LIST_NAME, /* a: list's name: is there such a list? */
};

struct sieve_question {
	enum sieve_ask what;
	struct slice a, b;
	bool global;
};

/* *value_out may be left alone; it must live as long as the arena of the run. */
typedef enum sieve_known sieve_asker(void *ctx, const struct sieve_question *q, struct slice *value_out);

/* Defaults by sieve_limits_default(); an administrator may set lower or higher ones. */
struct sieve_limits {
	size_t actions, redirects, notifications, includes, include_depth, variable, variables;
	uint64_t steps; /* one is about 20 ns of work */
};
struct sieve_limits sieve_limits_default(void);

struct sieve_options {
	struct slice name; /* for errors; empty for the main script */
	struct sieve_limits limits;
	/*
	 * When given, included scripts are compiled along and a missing one is an error; without, they are asked for by the
	 * run: what PUTSCRIPT wants, RFC 6609 3.2.
	 */
	sieve_asker *ask;
	void *ask_ctx;
	size_t header_most;           /* octets of a value that addheader adds; 0: no limit of its own */
	const struct sieve_ext *more; /* NULL */
};

/*
 * OK, or BAD with at least one error (and often all of them). Warnings come with OK too. `text` must live as long as the
 * script. FULL: the arena's cap.
 */
NODISCARD enum result sieve_compile(struct slice text, const struct sieve_options *how, struct arena *a,
    struct sieve_errors *errors, struct sieve_script **out);

/* The capabilities announced to ManageSieve, separated by blanks; lives for ever. */
struct slice sieve_capabilities(void);
/* The methods of enotify: "mailto". */
struct slice sieve_notify_methods(void);

/* ---- running ---- */

struct sieve_message {
	struct slice octets;
	const Sekisho__Facts *facts;
};

/* What is known of this delivery. Empty slices: not known. */
struct sieve_env {
	bool has_envelope;
	struct slice from, to; /* RFC 5321 paths without <>; from is empty for the null path */
	bool to_shared;        /* `to` is not the user's alone: a group's, or whatever nobody else has */
	struct slice orig_to;  /* the recipient before aliases */
	struct slice auth;     /* the submitter */
	struct slice notify, ret, envid, orcpt; /* RFC 3461, for envelope-dsn */
	const struct slice *own;                /* addresses of the user, the first one is used for sending */
	size_t own_count;
	struct slice user_name; /* display name */
	int64_t now_ms;
	int zone; /* minutes east, the user's clock */
	struct slice domain, host, remote_host, remote_ip, location, phase,
	    version;                          /* environment, RFC 5183 */
	const struct slice (*environment)[2]; /* further items: name, value */
	size_t environment_count;
	struct slice delimiters;  /* between user and detail, RFC 5233; "+" when not known */
	struct slice postmaster;  /* mailer-daemon's address of this organisation, for reject and notify */
	struct slice report_from; /* the author of reports; empty: postmaster */
	struct slice inbox;       /* "INBOX" when empty */
	bool has_spam;
	int spam_percent; /* 0-100, RFC 5235 */
	int virus;        /* 0-5; 0: not tested */
	uint64_t vacation_least, vacation_most,
	    vacation_default; /* seconds; 0: 1 day (or 0 with :seconds), 90 days, 7 days */
	const struct slice
	    *protected; /* fields that editheader may not delete, besides Received and Auto-Submitted */
	size_t protected_count;
	size_t header_most;             /* octets a value added by addheader; 0: LIMIT_SIEVE_VALUE */
	struct slice vacation_subject;  /* of replies to messages without one */
	struct slice vacation_template; /* with "%{subject}"; "Auto: %{subject}" when empty */
	bool vacation_unnamed;          /* reply though no recipient field names the user */
	bool vacation_to_header;        /* reply to the header's sender, not the envelope's */
	const struct slice *flags;      /* what the message has already: a script that runs on stored mail */
	size_t flag_count;
	struct sieve_limits limits;
	sieve_asker *ask;
	void *ask_ctx;
	bool trace; /* fill in sieve_result.trace */
};

enum sieve_act {
	SIEVE_KEEP,     /* into env.inbox. flags */
	SIEVE_FILEINTO, /* mailbox, or special_use / mailbox_id when found; create; flags */
	SIEVE_REDIRECT, /* address; notify, ret; list: address is the name of an external list */
	SIEVE_REJECT,   /* reason; at SMTP time when it can be, else a message by sieve_reply_put() */
	SIEVE_EREJECT,  /* reason; at SMTP time only */
	SIEVE_VACATION, /* reason, subject, from, addresses, mime, key and seconds: RFC 5230 4.2 */
	SIEVE_NOTIFY,   /* address: mailto URI; from, importance, options, reason: message, mailto */
	/* both: a copy into mailbox, if one is given, as by FILEINTO */
	SIEVE_REPORT,    /* address, feedback, headers_only; reason: the message (draft-bosch-sieve-report) */
	SIEVE_DUPLICATE, /* key, seconds: mark as seen when all else is done */
	SIEVE_DISCARD, /* only in the list for those who explain: the message goes nowhere when nothing else keeps it */
};

struct sieve_action {
	struct sieve_action *next;
	enum sieve_act act;
	struct slice script;
	uint32_t line; /* 0: the implicit keep */
	bool implicit;
	bool done; /* by a script before this one: set by the caller when he runs several in a row */
	bool copy, create, mime, list;
	bool flags_set;       /* flags are given; else the message gets none (but \Recent) */
	struct slice mailbox; /* UTF-8 */
	struct slice special_use, mailbox_id;
	struct slice *flags;
	size_t flag_count;
	struct slice address;     /* canonical local@domain; NOTIFY: the URI as written */
	struct slice notify, ret; /* RFC 6009 */
	struct slice reason, subject, from, key;
	struct slice *list_items; /* VACATION: addresses; NOTIFY: options */
	size_t list_count;
	uint64_t seconds;
	struct slice feedback; /* REPORT: "abuse" or another type of RFC 5965 */
	bool headers_only;
	unsigned importance;               /* 1-3 */
	const struct sieve_mailto *mailto; /* NOTIFY: the URI taken apart */
	struct slice suppressed; /* VACATION, NOTIFY, REJECT, REPORT: why nothing is sent; empty: it is */
	size_t edits;            /* the message as it was after so many edits: sieve_message_put() */
};

/* A change of the header, RFC 5293, or of more, RFC 5703. Applied in order by sieve_message_put(). */
struct sieve_edit {
	struct sieve_edit *next;
	enum {
		SIEVE_EDIT_ADD_FIRST,
		SIEVE_EDIT_ADD_LAST,
		SIEVE_EDIT_DELETE,
		SIEVE_EDIT_REPLACE, /* a part of the message by `message`, header and all */
		SIEVE_EDIT_MESSAGE, /* the message is `message` from here on; name: the command that did it */
	} what;
	struct slice name, value;  /* of the field to be added, ready for the wire but not folded */
	size_t field;              /* to be deleted: its place in the header as it is now, from 0 */
	const Sekisho__Part *part; /* of the message as it is now */
	const struct sieve_message *message;
};

/* What the script wants to be written down (debug_log), also one that failed. */
struct sieve_log {
	struct sieve_log *next;
	struct slice script, text;
	uint32_t line;
};

struct sieve_trace {
	struct sieve_trace *next;
	struct slice script;
	uint32_t line;
	const char *verb;
	bool test, yes;    /* a test, and what it said */
	struct slice text; /* what was compared or done; may be empty */
};

enum sieve_end { SIEVE_DONE, SIEVE_FAILED, SIEVE_ASKS };

struct sieve_result {
	enum sieve_end end;
	struct sieve_action *actions; /* in order */
	size_t action_count;
	struct sieve_action keep; /* the implicit one, when it is among the actions */
	struct sieve_edit *edits;
	size_t edit_count;
	struct sieve_question question; /* SIEVE_ASKS */
	struct sieve_errors errors;
	struct sieve_log *logs; /* at most LIMIT_SIEVE_LOGS */
	struct sieve_trace *trace;
	uint64_t steps;
};

/* Header fields of a filter in front of this server: "Name" or "Name: expression" with one parenthesis; empty: none. */
struct sieve_scores {
	struct slice spam_field, virus_field, virus_words; /* five words, for 1 to 5 */
	unsigned spam_full;                                /* the score that is 100 % */
};
/* Fills in env's spam and virus from the message. */
void sieve_scores_read(
    const struct sieve_message *m, const struct sieve_scores *how, struct arena *a, struct sieve_env *env);

void sieve_run(const struct sieve_script *s, const struct sieve_message *m, const struct sieve_env *env,
    struct arena *a, struct sieve_result *out);

/* The message with the first n edits of the result. */
void sieve_message_put(
    const struct sieve_message *m, const struct sieve_edit *edits, size_t n, struct buf *out);

/* A message that an action sends. */
struct sieve_mail {
	struct slice from; /* of the envelope; empty: the null path */
	struct slice *to;
	size_t to_count;
	struct slice octets; /* in `text` */
};
/*
 * For REDIRECT, VACATION, NOTIFY, REJECT, EREJECT and REPORT: writes the message into text. DENY: nothing is to be sent (other
 * actions, suppressed ones). A redirect keeps the sender; SRS and loops are the caller's.
 */
NODISCARD enum result sieve_mail_make(const struct sieve_message *m, const struct sieve_env *env,
    const struct sieve_edit *edits, const struct sieve_action *x, struct arena *a, struct buf *text,
    struct sieve_mail *out);

/* mailto:, RFC 6068. */
struct sieve_recipient {
	struct slice address, written; /* canonical; and as written, with a name */
};
struct sieve_mailto {
	struct sieve_recipient *to, *cc;
	size_t to_count, cc_count;
	struct slice subject, body, headers[16][2];
	size_t header_count;
};

const char *sieve_act_name(enum sieve_act act);

#endif
