/*
 * store: accounts, mailboxes, message bodies, the queue and the trace. The one door of the room.
 *
 * The store role opens it, serves its handlers and closes it:
 *
 *     store_open -> ipc_server_new(store_handlers, threads, store) -> store_serve -> ... -> store_close
 *
 * Asks arrive on the worker threads of the ipc server. Reading is done there, each thread with a connection of its own
 * (db/db.h) and the segment files (body/blob.h). Changing is prepared there and done by the one writer thread
 * (db/writer.h), which makes one transaction of whatever waits and answers after the flush: 250 means kept.
 *
 * Folders, each with what its name says; statements and tables of all of them are in db/:
 *
 *     db/        the database: SQLite or PostgreSQL (db.h), the writer, schema.def, sql*.def, moving between engines
 *     body/      message bodies: segments in files or an object store, sealed (seal.h), forgotten, moved
 *     queue/     mail on its way: resolve.c who is behind an address, judge*.c what becomes of it by who sent it,
 *                filter*.c users' Sieve scripts, deliver.c, queue*.c what leaves, dsn.c, bounce.c, trace.c
 *     mailbox/   the asks of IMAP and POP3; access*.c who may do what, cards*.c what SORT and SEARCH want to know,
 *                quota*.c, import.c
 *     search/    the full-text index
 *     account/   who signs in, from where, with what: login.c, signins.c, entry.c, factors.c, tokens.c, oauth*.c;
 *                roles*.c who may do what; people.c, offboard.c, breakglass.c what happens by itself to people's accounts;
 *                directory.c, scim*.c accounts that an outside directory keeps
 *     contain/   spend*.c what mail costs the account that sends it, contain*.c signs that somebody else uses an account
 *                and what is done about it, alarm.c who is told
 *     domain/    what our domains publish (domains*.c), sign (signing*.c), require (tls.c), report and are told (reports*.c)
 *     admin/     the administrator's verbs (admin.def), by command or API
 *     audit/     who did what: chain, alerts, signed days, the way to a log server
 *
 * Beside them: sessions.c channels bound to an account, nodes.c several servers on one database, keeper.c checkpoints and
 * reclaiming space, stats.c, rounds.c and tasks.c
 * threads.
 *
 * In the data directory: db, db-wal, db-shm (unless the database is PostgreSQL) and bodies/NNNNNNNN.seg.
 */
#ifndef STORE_H
#define STORE_H

#include "base/base.h"
#include "geo/geo.h"
#include "ipc/ipc.h"
#include "policy/budget.h"
#include "store/body/s3.h"
#include "store/db/db.h"

struct store;

/* What becomes of mail by who sent it (judge.h). */
enum store_judge { JUDGE_ACCEPT, JUDGE_JUNK, JUDGE_REFUSE };
/* What the DNS assistant has to know of this server. */
struct store_service {
	const char *name; /* "_imaps._tcp" */
	uint16_t port;
};
struct store_dns {
	const char *const *addresses; /* under which the world sees it; none: those in the DNS */
	size_t n_addresses;
	struct store_service services[8];
	size_t n_services;
	const char *sts_mode; /* "none", "testing", "enforce" */
	int64_t sts_max_age_ms;
	const char *ca;         /* as CAA names it; "": not known */
	const char *reports_to; /* "": dmarc-reports and tls-reports@ the domain */
	int64_t check_every_ms; /* 0: never */
	bool lookalikes;        /* names that look like ours are looked for as often */
	const char *update_key; /* name of the TSIG key; "" or NULL: nothing is published by us */
};

/* Reports about mail (RFC 9990, RFC 8460). */
struct store_reports {
	bool dmarc, tls;     /* are sent to the domains that ask for them */
	const char *contact; /* who answers for them; "": postmaster@ our domain */
	int64_t after_ms;    /* a day is reported so long after its end */
	int64_t gather_ms;   /* new sources are told so long after the first; 0: nothing is done by itself */
	int64_t keep_ms;     /* what reports say is kept so long */
};

/* What becomes of accounts by the word of an outside directory (account/directory.h). */
struct store_directory {
	bool inactive_leaves; /* who is inactive there is offboarded, not suspended */
	int64_t keep_days;    /* until the mail of who was offboarded is removed; 0: never */
	bool handover;        /* the manager may read it */
};

/* Of the environment of filters: vnd.dovecot.config.NAME. */
struct store_item {
	const char *name, *value;
};

/* Kept as it is, not copied: it outlives the store. */
struct store_settings {
	const char *dir; /* exists, writable, ours alone */
	struct db_place database;
	const char *hostname;
	const char
	    *postmaster; /* who gets mail to postmaster and abuse of every domain; "": the first account */
	const char *languages; /* of notices to senders: "ja en", "en"; the first comes first */
	uint64_t
	    message_size; /* octets, the largest that is kept: LIMIT_MESSAGE_ADDED above what clients may send */
	uint64_t disk_reserve; /* octets of the disk that new mail must leave free */

	uint64_t quota_storage,
	    quota_messages; /* what an account may keep unless said otherwise; 0: no limit */
	bool quota_refuses; /* mail for a full mailbox is refused for good (5xx), not put off */

	int64_t retry_first_ms, retry_most_ms; /* the wait doubles from the first to the most */
	int64_t delay_notice_ms;               /* the sender is told that it takes long */
	int64_t give_up_ms;
	int64_t trace_keep_ms; /* 90 days or more */
	int64_t node_lease_ms; /* after so long without a sign of life another node takes over; 0: 30 s */

	const char *delimiters;        /* between user and detail in local parts; "": there is no detail */
	uint32_t sieve_redirects;      /* of one script for one message */
	uint64_t sieve_sends_per_hour; /* of one account's filter */
	const char *sieve_spam_field, *sieve_virus_field, *sieve_virus_words; /* config.def */
	uint32_t sieve_spam_full;
	const struct store_item *sieve_items;
	size_t n_sieve_items;
	struct s3_settings objects; /* endpoint NULL: none */
	bool bodies_in_objects;     /* new ones; the others stay where they are */
	int64_t object_rest_ms;     /* so long an object is left alone that no row points to */

	/* What becomes of mail whose author's domain asks to refuse it or to set it aside, and of mail from ourselves that
	 * proves nothing. */
	enum store_judge dmarc_reject, dmarc_quarantine, own_unproven;
	const char *arc_trusted; /* domains, with blanks between: whose word on mail they pass on counts */
	struct store_dns dns;
	struct store_reports reports;
	struct budget_rules budget; /* for first-time recipients */
	const char *alarm_mail;     /* addresses with blanks between; "": postmaster */
	bool alarm_webhook;         /* relay posts alarms somewhere */
	uint64_t sms_per_hour;      /* codes that go out as short messages; 0: there is no gateway */

	const char *oauth_issuer;                 /* of tokens (RFC 8414); NULL: none are given out */
	int64_t session_idle_ms, session_most_ms; /* a session of the web ends unused, and at the latest */
	struct store_directory directory;
	int64_t administrator_grace_ms; /* from an account's making until it has to have a second factor */
	const char *organisation;       /* its name; "": not said */
	const struct geo *geo;          /* where addresses are; NULL: nobody knows */
	const char *home_country;       /* "JP"; "": not said */
	struct ip_nets office;          /* networks of our own */
	int64_t signin_keep_ms;         /* how long the sign-in log goes back */
	int64_t
	    access_confirm_ms; /* a change of access rules that shuts people out is taken back after that */
	bool dkim_sign;        /* what leaves is signed, and keys are made for it */
	const char *dkim_service; /* the domain of third-party signatures; "": none */
	int64_t dkim_rotate_ms;   /* a key signs so long before the next one is made; 0: for ever */
	int64_t dkim_overlap_ms;  /* a retired key's record stays published so long */

	char *
	    shown; /* the configuration as JSON, for whoever may see it (settings.list); nothing in it is secret; NULL: none */

	uint8_t scan_seal[32];   /* scan's seal on facts */
	uint8_t login_grant[32]; /* keys' seal on grants */
	struct ipc_trunk *keys, *scan;
	void (*broken)(
	    void *arg); /* the disk cannot be trusted any more: the process should end and start again */
	void *broken_arg;
};
/* Times and sizes as the manual promises them; the rest is zero. */
void store_settings_default(struct store_settings *s);

/*
 * Reads the configured connection string of PostgreSQL and looks up its servers' addresses: before the jail, where that
 * cannot be done any more. The result goes into settings.database.url. TLS with a verified name is asked of servers on
 * other machines unless the string says otherwise. DENY: *why_out says what is wrong with it, or that it holds a
 * password.
 */
struct store_ports {
	uint16_t at[16];
	size_t n;
};
NODISCARD enum result store_database_url(
    const char *configured, struct buf *out, struct store_ports *ports_out, const char **why_out);

/*
 * Waits for keys to open the data key, up to 30 s. LATER: keys is not there, or the disk failed; DENY: the data belongs
 * to a newer version, or the data key does not open.
 */
NODISCARD enum result store_open(const struct store_settings *settings, struct store **store_out);
extern ipc_handler *const store_handlers[ASK_MAX];
/* Logins from now on become channels of this server. */
void store_serve(struct store *s, struct ipc_server *server);
/* Every channel must have ended. Finishes what was put to the writer. */
void store_close(struct store *s);

#endif
