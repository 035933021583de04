/* What the files of the room share; nobody outside includes this. */
#ifndef RELAY_INNER_H
#define RELAY_INNER_H

#include "mail/address.h"
#include "relay/relay.h"
#include "relay/reply.h"
#include "trust/trust.h"
#include <pthread.h>

/* ---- outcomes ---- */

/* Why something was not done; what a recipient's outcome says. */
struct why {
	bool permanent;
	unsigned code; /* of the remote reply, 0: ours */
	char status[STATUS_TEXT];
	char text[REPLY_TEXT];
};

void why_set(struct why *w, bool permanent, const char *status, const char *fmt, ...) PRINTF(4, 5);
void why_reply(struct why *w, const struct reply *r);

#define TLS_TEXT 120

/* One recipient's, on its way to store. */
struct outcome {
	struct outcome *next;
	uint64_t row;
	Sekisho__Attempt__Outcome kind;
	struct why why; /* SENT: the reply */
	char host[LIMIT_DNS_NAME + 1], ip[DNS_IP_TEXT], tls[TLS_TEXT];
	Sekisho__Attempt__Secured secured;
	int64_t ms;
	bool remote_dsn;
};

/* ---- jobs ---- */

/* Jobs that came in one packet share its arena. */
struct batch {
	struct arena arena;
	_Atomic unsigned jobs;
};

enum rcpt_state { RCPT_OPEN, RCPT_ACCEPTED, RCPT_DONE };

struct rcpt {
	const Sekisho__JobRcpt *msg;
	enum rcpt_state state; /* ACCEPTED: in the transaction under way */
	bool tried;            /* over the connection in hand */
	struct why why;        /* of the last refusal that left it open; status[0] == 0: none yet */
};

struct job {
	struct job *next;
	struct batch *batch;
	const Sekisho__Job *msg;
	struct rcpt *rcpts;
	size_t rcpts_n;
	int64_t begun_ms; /* mono */
};

/* ---- whom a domain's mail goes to ---- */

struct target {
	const char *host;
	uint16_t port;
	bool implicit_tls;
	bool routed; /* configured: may be anywhere, may be named like us */
	enum relay_tls tls;
	const char *user, *password;
};

struct plan {
	struct target *targets;
	size_t n;
	/* The domain whose hosts the DNS names, A-labels: what it publishes counts. NULL: a route or a literal. */
	const char *domain;
	bool secure; /* DNSSEC says who its hosts are */
};

/* What names a destination: "route:host:port", or the domain. */
void route_key(const struct relay_settings *s, struct slice domain, struct buf *out);
/* OK; DENY or LATER with the reason. Everything lives in the arena. */
NODISCARD enum result route_plan(
    const struct relay_settings *s, struct slice domain, struct arena *a, struct plan *out, struct why *why);
/* May mail go there, when somebody else's DNS says so? */
bool route_may_reach(const struct relay_settings *s, const struct dns_ip *ip);
/* The addresses of a target, those we do not connect to left out. As above. */
NODISCARD enum result route_addresses(const struct relay_settings *s, const struct target *t, struct arena *a,
    struct dns_ip_list *out, struct why *why);

/* ---- policies of MTA-STS ---- sts.c */

/* What a domain's mail servers have to be; everything in the delivery's arena. */
struct sts {
	bool found;
	struct sts_policy policy;
	struct slice text;
	enum tlsrpt_result problem; /* why there is none, or no newer one; TLSRPT_OK: nothing is wrong */
	const char *reason;
};
struct sts_cache;
struct sts_cache *sts_cache_new(void);
void sts_cache_free(struct sts_cache *c);
/* Next time every domain is asked about again. */
void sts_cache_doubt(struct sts_cache *c);
struct delivery;
/* May wait for the DNS, store, and the domain's web server. */
void sts_find(struct delivery *d, const char *domain, struct sts *out);

/* ---- what TLS has to be ---- guard.c */

#define GUARD_NAMES 16

/* Towards one host, for one message. What it points to lives as long as the delivery. */
struct guard {
	enum relay_tls tls;
	const char *name; /* of the host: SNI, and what a certificate may be for */
	const char *names[GUARD_NAMES];
	size_t names_n; /* VERIFIED: what the certificate must be for; DANE: further names for it */
	struct dns_tlsa *tlsa;
	size_t tlsa_n; /* DANE: usable ones */
	bool require;  /* the host must announce REQUIRETLS */
	bool test;     /* it would have to be verified if MTA-STS were not being tested */
	enum tlsrpt_policy policy;
	const char *who; /* demands it, for people */
	char key[64];    /* tells it from other guards of the same link key: for sessions to resume */
};

struct delivery;
struct link;
/* OK; LATER with the reason: mail cannot go to this host as it has to. */
NODISCARD enum result guard_make(struct delivery *d, const struct target *t, const struct dns_ip_list *ips,
    struct guard *g, struct why *why);
/* What of a message and its destination decides on a guard, for the keys of connections. */
void guard_class(const struct delivery *d, struct buf *out);
/* The same for a message alone: over a connection that was made for another one of the destination it may go too. */
uint64_t guard_need(const struct delivery *d);

/* ---- connections ---- */

#define LINK_KEY (2 * LIMIT_DNS_NAME + 64)

struct link {
	struct link *next; /* in the pool */
	struct stream *stream;
	struct caps caps;
	char key[LINK_KEY]; /* "host:port" and guard_class() */
	uint64_t need;      /* guard_need() */
	char host[LIMIT_DNS_NAME + 1], ip[DNS_IP_TEXT], tls[TLS_TEXT];
	Sekisho__Attempt__Secured secured;
	unsigned mails;    /* transactions begun */
	bool dirty;        /* RSET before the next transaction */
	bool broken;       /* not to be used any more */
	int64_t idle_from; /* in the pool, mono ms */
};

/* How TLS went, for the reports of RFC 8460. */
struct trial {
	bool tried; /* the connection came so far that TLS could be negotiated */
	bool failed;
	bool without; /* it failed in such a way that it may work without TLS */
	enum tlsrpt_result result;
	char reason[120];
	char helo[LIMIT_DNS_NAME + 1];
};

/* ---- trials.c ---- */

/* A kind of end of sessions, on its way to store. */
struct session_count {
	struct session_count *next;
	enum tlsrpt_policy policy;
	enum tlsrpt_result result;
	uint32_t times;
	char *domain, *text, *host;
	char ip[DNS_IP_TEXT], helo[LIMIT_DNS_NAME + 1], reason[120];
};
struct guard;
/* One session with a host of the plan's domain; ip NULL: it did not come to one. */
void trial_count(struct delivery *d, const struct guard *g, const char *host, const struct dns_ip *ip,
    const struct trial *t);
/* Takes what has been counted, some of it at a time; the caller frees each with session_free(). */
struct relay;
struct session_count *trials_take(struct relay *r, size_t most);
void session_free(struct session_count *s);

/* A connected socket, or -1 and *err_out. */
int link_connect(const struct dns_ip *ip, uint16_t port, int64_t ms, int *err_out);
/* Connects and greets; plain: STARTTLS is not tried. OK; LATER or DENY with the reason. */
NODISCARD enum result link_open(const struct delivery *d, const struct target *t, const struct dns_ip *ip,
    const struct guard *g, bool plain, struct link **out, struct trial *trial, struct why *why);
/* Says QUIT where that makes sense, waits for nothing, and frees. */
void link_close(struct link *l);

struct pool {
	pthread_mutex_t lock;
	struct link *first;
	unsigned n;
};
void pool_init(struct pool *p);
struct link *pool_take(struct pool *p, const char *key); /* one that still stands, or NULL */
void pool_give(struct pool *p, struct link *l, unsigned most);
void pool_sweep(struct pool *p, int64_t idle_ms); /* closes what waited longer; 0: everything */
void pool_free(struct pool *p);

/* ---- sending ---- */

/*
 * Offers the message for the recipients that are open, over this connection. Recipients that are decided go to DONE (see
 * deliver_*); the others stay open with a reason: another host may take them. Marks the link broken when it is.
 */
void send_message(struct delivery *d, struct link *l);

struct relay;
struct delivery {
	struct relay *relay;
	const struct relay_settings *settings;
	struct job *job;
	struct arena arena;     /* of this delivery */
	struct slice signature; /* what stands before the message, in the arena: finished header fields */
	bool seven;             /* this server gets `converted`, with the signature of that */
	struct slice
	    converted; /* mapped: the message for servers without 8BITMIME; p NULL: not asked for yet */
	struct slice converted_signature;
	struct plan plan;
	struct sts sts;    /* of the plan's domain */
	struct link *link; /* kept between jobs of a destination; NULL: none */
	struct outcome *outcomes, **outcomes_end;
	size_t outcomes_n;
	char tried[LINK_KEY]; /* the host that has had its say already; "": none */
	bool unreachable;     /* no host could be connected to */
	struct why why;       /* the last reason that concerned all; status[0] == 0: none yet */
};

/* One recipient is decided: kind and reason become its outcome, with the host of `l` (may be NULL). */
void deliver_decide(struct delivery *d, struct rcpt *r, Sekisho__Attempt__Outcome kind, const struct why *why,
    const struct link *l);
/* All that are open: failed or deferred, as why says. */
void deliver_decide_open(struct delivery *d, const struct why *why, const struct link *l);
bool deliver_has_open(const struct delivery *d);
/* The whole of a job: tries hosts until nothing is open. Leaves a connection in d->link. */
void deliver_job(struct delivery *d);

/* ---- body.c ---- */

/*
 * A server without 8BITMIME or BINARYMIME gets the message in octets that it takes (RFC 6152 3), where that can be done; the
 * reason where not. Sets d->seven.
 */
bool delivery_suit(struct delivery *d, const struct link *l, struct why *why);
/* Forgets that again. */
void delivery_unconvert(struct delivery *d);
/* The size of what is sent: the signature and the message. */
uint64_t delivery_size(const struct delivery *d);

/* Where octets come from: the signature, then the job's own data, or store. */
struct body {
	struct delivery *delivery;
	bool begun; /* the signature is through */
	uint64_t offset, size;
	struct arena arena; /* of the part in hand */
};
void body_open(struct body *b, struct delivery *d);
void body_close(struct body *b);
/* The next part; empty at the end. GONE: store is away. BAD: shorter than it should be. Lives until the next call. */
NODISCARD enum result body_next(struct body *b, struct slice *part_out);

/* Puts text in DATA's form: dots doubled. `state` is zero at first. BAD at a bare CR or LF: nothing more is put. */
struct stuffing {
	bool in_line; /* not at the beginning of a line */
	bool cr;      /* the last octet was CR */
};
NODISCARD enum result body_stuff(struct stream *s, struct stuffing *state, struct slice part);
/* No bare CR or LF anywhere, in parts as above. */
NODISCARD enum result body_check(struct stuffing *state, struct slice part);

/* ---- report.c ---- */

/* A set of queue rows. */
struct rows {
	uint64_t *slot; /* 0: free */
	size_t mask, n;
};
void rows_init(struct rows *r);
void rows_free(struct rows *r);
bool rows_add(struct rows *r, uint64_t row); /* false: it was there */
void rows_remove(struct rows *r, uint64_t row);

struct reports {
	pthread_mutex_t lock;
	pthread_cond_t wait, taken;
	struct outcome *first, **end;
	size_t n;
	int64_t offered_ms; /* since when a batch is offered to store, by the monotonic clock; 0: none is */
	bool stopping;
	pthread_t thread;
};
void reports_start(struct relay *r);
/* Takes the list. */
void reports_add(struct relay *r, struct outcome *list, size_t n);
/*
 * Waits as long as store takes no reports: what is sent meanwhile would be sent again if the relay died before they are
 * taken. False: the relay stops.
 */
bool reports_flow(struct relay *r);
void reports_stop(struct relay *r); /* after everything was reported */

/* ---- queue.c ---- */

struct destination {
	struct destination *next_bucket;
	struct destination *next_turn;
	char *key;
	struct job *jobs, **jobs_end;
	unsigned active, limit;
	bool in_turn;
	int64_t dead_until; /* mono ms */
	struct why dead;
};

#define DESTINATIONS 1024 /* buckets */

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct destination *buckets[DESTINATIONS];
	struct destination *turn, **turn_end;
	unsigned workers, sleeping; /* threads */
	unsigned waiting;           /* jobs not begun */
	unsigned out;               /* jobs claimed and not yet reported */
	unsigned claim_at;          /* when `out` falls to it, more is claimed */
	struct rows rows;           /* claimed and not yet reported */
	uint64_t retries;           /* the last ClaimAnswer's */
	bool stopping;
};

struct relay {
	const struct relay_settings *settings;
	struct queue queue;
	struct pool pool;
	struct tls_sessions *sessions;
	struct sts_cache *sts;
	struct {
		pthread_mutex_t lock;
		struct session_count *first;
		size_t n;
	} trials;
	struct reports reports;
	int wake; /* eventfd: the claimer looks again */
	_Atomic bool stopping;
	pthread_t claimer;
};

void queue_init(struct relay *r);
void relay_queue_free(struct relay *r);
/* Forgets destinations that were left alone long enough. */
void queue_sweep(struct relay *r);
/* What a claim says of retries: when it has changed, no destination counts as dead any more. */
void queue_heed(struct relay *r, uint64_t retries);
/* Takes the job. */
void queue_put(struct relay *r, struct job *j);
/* Their outcomes are known to store. */
void queue_reported(struct relay *r, const struct outcome *list);
void job_free(struct job *j);

/* ---- claim.c ---- */
void *claimer_main(void *relay);
/* Outcomes for all rows of a job that was not tried. */
void claim_release(struct relay *r, struct job *j);

#endif
