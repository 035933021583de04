/* What a report says, into the tables. */
#include "store/mailbox/fields.h"
#include "store/domain/reports.h"
#include <stdlib.h>

#define HOSTS_MOST ((size_t)1000) /* sources of one report that are kept apart; the rest is added up */
#define OTHERS "*"
#define AGE_MOST_MS (370 * DAY_MS)
#define AHEAD_MOST_MS (2 * DAY_MS)
#define PACKED_MOST ((size_t)64 << 20)

enum kept_field { KEPT_AUTHOR = 1, KEPT_MAIL, KEPT_REPORT };

/* ---- sealed columns ---- */

static struct slice bound_to(int64_t id, char room[40])
{
	int n = snprintf(room, 40, "report %lld", (long long)id);
	return slice_of(room, (size_t)n);
}

static void seal_report(struct store *s, int64_t id, const struct report_mail_row *row,
    const Sekisho__Report *report, struct buf *out)
{
	char room[40];
	BUF_LOCAL(packed, PACKED_MOST);
	BUF_LOCAL(fields, PACKED_MOST);
	ipc_pack(report, &packed);
	fields_put(&fields, KEPT_AUTHOR, row->author);
	fields_put(&fields, KEPT_MAIL, row->mail);
	fields_put(&fields, KEPT_REPORT, buf_slice(&packed));
	seal_put(s->seal, buf_slice(&fields), bound_to(id, room), out);
}

Sekisho__Report *reports_open(struct store *s, int64_t id, struct slice sealed, struct arena *a,
    struct slice *author_out, struct slice *mail_out)
{
	char room[40];
	BUF_LOCAL(fields, PACKED_MOST);
	if (seal_get(s->seal, sealed, bound_to(id, room), &fields) != OK)
		return NULL;
	struct slice all = buf_slice(&fields), packed = fields_find(all, KEPT_REPORT);
	struct ipc_allocator al = ipc_allocator(a);
	*author_out = arena_dup(a, fields_find(all, KEPT_AUTHOR));
	*mail_out = arena_dup(a, fields_find(all, KEPT_MAIL));
	return sekisho__report__unpack(&al.pb, packed.n, (const uint8_t *)packed.p);
}

static void bound_to_host(struct slice domain, struct slice source, struct buf *out)
{
	buf_printf(out, "dmarc host " SLICE_FMT " " SLICE_FMT, SLICE_ARG(domain), SLICE_ARG(source));
}

Sekisho__DmarcSource *reports_open_host(
    struct store *s, struct slice domain, struct slice source, struct slice sealed, struct arena *a)
{
	BUF_LOCAL(bound, 1000);
	BUF_LOCAL(packed, 65536);
	struct ipc_allocator al = ipc_allocator(a);
	bound_to_host(domain, source, &bound);
	return seal_get(s->seal, sealed, buf_slice(&bound), &packed) == OK
		   ? sekisho__dmarc_source__unpack(&al.pb, packed.n, (const uint8_t *)packed.p)
		   : NULL;
}

/* ---- who sent how much ---- */

/* All of one address in one report. */
struct host {
	const char *ip;
	const Sekisho__DmarcSource *says; /* the one that tells most: of the worst outcome, the largest */
	uint64_t aligned, failed, spf, dkim, quarantined, rejected;
};

static bool passes(const Sekisho__DmarcSource *s)
{
	return s->spf_aligned || s->dkim_aligned;
}

static bool says_more(const Sekisho__DmarcSource *s, const Sekisho__DmarcSource *than)
{
	return !than || (passes(than) && !passes(s)) ||
	       (passes(than) == passes(s) && s->messages > than->messages);
}

static void add_to_host(struct host *h, const Sekisho__DmarcSource *s)
{
	*(passes(s) ? &h->aligned : &h->failed) += s->messages;
	h->spf += s->spf_aligned ? s->messages : 0;
	h->dkim += s->dkim_aligned ? s->messages : 0;
	h->quarantined += s->disposition == SEKISHO__TRUST_DMARC__POLICY__QUARANTINE ? s->messages : 0;
	h->rejected += s->disposition == SEKISHO__TRUST_DMARC__POLICY__REJECT ? s->messages : 0;
	if (says_more(s, h->says))
		h->says = s;
}

static int by_ip(const void *a, const void *b)
{
	return strcmp((*(Sekisho__DmarcSource *const *)a)->ip, (*(Sekisho__DmarcSource *const *)b)->ip);
}

static int by_size(const void *a, const void *b)
{
	const struct host *x = a, *y = b;
	uint64_t nx = x->aligned + x->failed, ny = y->aligned + y->failed;
	return nx < ny ? 1 : nx > ny ? -1 : strcmp(x->ip, y->ip);
}

/* The report's sources by address, the largest first; the report's list is sorted on the way. */
static size_t gather(const Sekisho__DmarcReport *d, struct host *hosts)
{
	size_t n = 0;
	if (!d->n_sources)
		return 0;
	qsort(d->sources, d->n_sources, sizeof *d->sources, by_ip);
	for (size_t i = 0; i < d->n_sources; i++) {
		if (!n || strcmp(hosts[n - 1].ip, d->sources[i]->ip) != 0)
			hosts[n++] = (struct host){.ip = d->sources[i]->ip};
		add_to_host(&hosts[n - 1], d->sources[i]);
	}
	qsort(hosts, n, sizeof *hosts, by_size);
	return n;
}

static void fold(struct host *into, const struct host *h)
{
	into->aligned += h->aligned;
	into->failed += h->failed;
	into->spf += h->spf;
	into->dkim += h->dkim;
	into->quarantined += h->quarantined;
	into->rejected += h->rejected;
}

static void keep_day(struct db *db, const char *domain, int64_t day, const struct host *h)
{
	const char *source = *h->ip ? h->ip : OTHERS;
	DB_RUN(db, DMARC_DAY_ADD, DZ(domain), DI(day), DZ(source), DI(h->aligned), DI(h->failed));
	DB_RUN(db, DMARC_DAY_MORE, DZ(domain), DI(day), DZ(source), DI(h->spf), DI(h->dkim),
	    DI(h->quarantined), DI(h->rejected));
}

/* What passes needs no telling; a source that once passed is known. */
static void keep_host(struct store *s, struct db *db, const char *domain, const struct host *h)
{
	BUF_LOCAL(bound, 1000);
	BUF_LOCAL(packed, 65536);
	BUF_LOCAL(sealed, 65536 + SEAL_OVERHEAD);
	if (!*h->ip)
		return;
	bound_to_host(slice_str(domain), slice_str(h->ip), &bound);
	ipc_pack(h->says, &packed);
	seal_put(s->seal, buf_slice(&packed), buf_slice(&bound), &sealed);
	DB_RUN(db, DMARC_HOST_ADD, DZ(domain), DZ(h->ip), DI(clock_utc_ms()), DI(h->aligned > 0),
	    DB(buf_slice(&sealed)));
}

static void keep_hosts(struct store *s, struct db *db, const char *domain, const Sekisho__DmarcReport *d)
{
	struct host *hosts = calloc(d->n_sources + 1, sizeof *hosts), others = {.ip = ""};
	int64_t day = (d->begin_s + (d->end_s - d->begin_s) / 2) * SECOND_MS / DAY_MS;
	if (!hosts)
		abort();
	size_t n = gather(d, hosts);
	for (size_t i = 0; i < n; i++) {
		if (i >= HOSTS_MOST || !*hosts[i].ip) {
			fold(&others, &hosts[i]);
			continue;
		}
		keep_day(db, domain, day, &hosts[i]);
		keep_host(s, db, domain, &hosts[i]);
	}
	if (others.aligned + others.failed)
		keep_day(db, domain, day, &others);
	free(hosts);
}

/* ---- one report ---- */

struct kept {
	int64_t kind, from_s, to_s;
	const char *domain, *org, *id;
	const char *own; /* the domain of ours that it is about; "": none */
	uint64_t good, bad;
	enum report_state state;
};

static void look_at_dmarc(const Sekisho__DmarcReport *d, struct kept *k)
{
	*k = (struct kept){.kind = REPORT_DMARC,
	    .from_s = d->begin_s,
	    .to_s = d->end_s,
	    .domain = d->domain,
	    .org = d->org,
	    .id = d->id,
	    .good = d->aligned,
	    .bad = d->messages - d->aligned};
}

/* Some reporters leave the domain out: whose address they wrote to is meant. */
static void look_at_tls(
    const struct report_mail_row *row, const Sekisho__TlsReport *t, struct arena *a, struct kept *k)
{
	*k = (struct kept){.kind = REPORT_TLS,
	    .from_s = t->begin_s,
	    .to_s = t->end_s,
	    .domain = "",
	    .org = t->org,
	    .id = t->id};
	for (size_t i = 0; i < t->n_policies; i++) {
		if (!*k->domain)
			k->domain = t->policies[i]->domain;
		k->good += t->policies[i]->good;
		k->bad += t->policies[i]->bad;
	}
	if (!*k->domain)
		k->domain = arena_z(a, row->rcpt_domain);
}

static void look_at_failure(const Sekisho__FailureReport *f, struct kept *k)
{
	int64_t now = clock_utc_ms() / SECOND_MS;
	*k = (struct kept){.kind = REPORT_FAILURE,
	    .from_s = now,
	    .to_s = now,
	    .domain = f->domain,
	    .org = f->agent,
	    .id = f->arrived,
	    .bad = f->incidents};
}

/* The domain of ours that the name is, or lies below; "": none. It is the end of the name. */
static const char *own_domain(struct db *db, const char *name)
{
	struct slice rest = slice_str(name);
	while (rest.n && !resolve_is_ours(db, rest))
		slice_split(&rest, '.');
	return rest.n ? rest.p : "";
}

static enum report_state judge_report(const struct report_mail_row *row, const struct kept *k)
{
	int64_t now = clock_utc_ms();
	if (!*k->own)
		return REPORT_FOREIGN;
	if (!row->author.n)
		return REPORT_UNPROVEN;
	/* The limits come first: seconds from outside may be any number. */
	if (k->to_s > (now + AHEAD_MOST_MS) / SECOND_MS || k->from_s < (now - AGE_MOST_MS) / SECOND_MS)
		return REPORT_ODD;
	return REPORT_COUNTED;
}

/* Who proved to be the sender says it: nobody can take another's report's place. */
static int64_t token_of(struct store *s, const struct report_mail_row *row, const struct kept *k)
{
	BUF_LOCAL(text, 8192);
	if (k->kind == REPORT_FAILURE || k->state == REPORT_UNPROVEN || k->state == REPORT_REFUSED)
		buf_printf(&text, "mail " SLICE_FMT, SLICE_ARG(row->mail));
	else
		buf_printf(&text, "%lld\n" SLICE_FMT "\n%s\n%s\n%s\n%lld", (long long)k->kind,
		    SLICE_ARG(row->author), k->org, k->id, k->domain, (long long)k->from_s);
	return seal_token(s->seal, "report", buf_slice(&text));
}

static void tell(const struct kept *k, bool again)
{
	static const char *const kinds[] = {"none", "dmarc", "tls", "failure"};
	if (k->kind)
		EVENT(REPORT_RECEIVED, KZ("kind", kinds[k->kind]), KZ("domain", k->domain), KZ("org", k->org),
		    KZ("state", again ? "again" : report_state_name(k->state)),
		    KN("messages", k->good + k->bad), KN("failed", k->bad));
}

void reports_keep(
    struct store *s, struct db *db, const struct report_mail_row *row, const Sekisho__Report *report)
{
	struct kept k = {.domain = "", .org = "", .id = "", .state = REPORT_REFUSED};
	ARENA_LOCAL(a, 4096);
	BUF_LOCAL(sealed, PACKED_MOST + SEAL_OVERHEAD);
	if (report->kind == SEKISHO__REPORT__KIND__DMARC)
		look_at_dmarc(report->dmarc, &k);
	else if (report->kind == SEKISHO__REPORT__KIND__TLS)
		look_at_tls(row, report->tls, &a, &k);
	else if (report->kind == SEKISHO__REPORT__KIND__FAILURE)
		look_at_failure(report->failure, &k);
	else if (!*report->why)
		return; /* nobody meant it as a report */
	k.own = own_domain(db, k.domain);
	if (k.kind)
		k.state = judge_report(row, &k);
	int64_t token = token_of(s, row, &k);
	bool again = DB_NUMBER(db, 0, REPORT_KNOWN, DI(token)) != 0;
	tell(&k, again);
	if (again)
		return;
	int64_t id = writer_number(s->writer, SEQUENCE_QUEUE);
	if (k.kind == REPORT_DMARC && k.state == REPORT_COUNTED)
		keep_hosts(s, db, k.own, report->dmarc);
	seal_report(s, id, row, report, &sealed);
	DB_RUN(db, REPORT_ADD, DI(id), DI(k.kind), DZ(k.own), DI(token), DI(clock_utc_ms()), DI(k.from_s),
	    DI(k.to_s), DI(k.state), DI(k.good), DI(k.bad), DB(buf_slice(&sealed)));
}
