#include "assist_inner.h"
#include "trust/dns_update.h"

#define TTL 3600
#define TTL_MOST 86400 /* above it a mistake hurts for more than a day */
#define TIMEOUTS 3

static const struct {
	const char *name, *subject;
	Sekisho__AssistState state;
	const char *en, *en_do, *ja, *ja_do;
} texts[] = {
#define X(code, subject, state, en, en_do, ja, ja_do)                                                        \
	{#code, subject, SEKISHO__ASSIST_STATE__##state, en, en_do, ja, ja_do},
#include "trust/assist_texts.def"
#undef X
};

/* ---- what is said ---- */

static void put_word(const struct assist_words *w, struct slice word, struct buf *b)
{
	if (slice_eq(word, SLICE("n")))
		buf_printf(b, "%llu", (unsigned long long)w->n);
	else if (slice_eq(word, SLICE("name")))
		buf_puts(b, w->name ? w->name : "");
	else if (slice_eq(word, SLICE("seen")))
		buf_puts(b, w->seen ? w->seen : "");
	else
		buf_puts(b, w->want ? w->want : "");
}

static char *fill(struct assist *a, const char *text, const struct assist_words *w)
{
	struct slice rest = slice_str(text);
	BUF_LOCAL(b, 65536);
	while (rest.n) {
		buf_put(&b, slice_split(&rest, '{'));
		if (rest.n)
			put_word(w, slice_split(&rest, '}'), &b);
	}
	return arena_z(a->arena, buf_slice(&b));
}

static char *code_name(struct assist *a, const char *name)
{
	char *z = arena_z(a->arena, slice_str(name));
	for (char *p = z; p && *p; p++)
		*p = ascii_lower(*p);
	return z;
}

static char *text_of(const char *z)
{
	return (char *)(uintptr_t)(z ? z : "");
}

void assist_say(
    struct assist *a, enum assist_code code, Sekisho__AssistRecord *r, const struct assist_words *w)
{
	Sekisho__AssistFinding *f = arena_new(a->arena, Sekisho__AssistFinding);
	if (r && texts[code].state > r->state)
		r->state = texts[code].state;
	if (texts[code].state > a->out->worst)
		a->out->worst = texts[code].state;
	if (!f || a->out->n_findings == LIMIT_ASSIST_FINDINGS)
		return;
	sekisho__assist_finding__init(f);
	f->code = code_name(a, texts[code].name);
	f->subject = text_of(texts[code].subject);
	f->state = texts[code].state;
	f->name = text_of(w->name ? w->name : r ? r->name : "");
	f->seen = text_of(w->seen);
	f->en = fill(a, texts[code].en, w);
	f->en_do = fill(a, texts[code].en_do, w);
	f->ja = fill(a, texts[code].ja, w);
	f->ja_do = fill(a, texts[code].ja_do, w);
	a->out->findings[a->out->n_findings++] = f;
}

Sekisho__AssistRecord *assist_want(
    struct assist *a, const char *subject, const char *name, unsigned type, const char *value)
{
	static _Thread_local Sekisho__AssistRecord spare; /* the arena is full, and the answer will be NULL */
	Sekisho__AssistRecord *r = arena_new(a->arena, Sekisho__AssistRecord);
	bool room = r && name && value && a->out->n_records < LIMIT_ASSIST_RECORDS;
	if (!room)
		r = &spare;
	sekisho__assist_record__init(r);
	r->subject = text_of(subject);
	r->name = text_of(name);
	r->type = text_of(dns_type_name(type));
	r->value = text_of(value);
	r->ttl = TTL;
	if (room)
		a->out->records[a->out->n_records++] = r;
	return r;
}

/* ---- asking ---- */

static void ask_in_time(
    struct dns *d, struct slice name, unsigned type, struct arena *arena, struct dns_answer *out)
{
	struct assist_dns *g = (struct assist_dns *)d;
	if (g->timeouts >= TIMEOUTS || clock_mono_ms() > g->until_ms) {
		*out = (struct dns_answer){.status = DNS_TIMEOUT, .canonical = arena_z(arena, name)};
		return;
	}
	dns_ask(g->inner, name, type, arena, out);
	if (out->status == DNS_TIMEOUT)
		g->timeouts++;
}

bool assist_ask(struct assist *a, const char *name, unsigned type, struct dns_answer *out)
{
	dns_ask(&a->dns.dns, slice_str(name), type, a->arena, out);
	if (out->status == DNS_BOGUS)
		ASSIST_SAY(a, BOGUS, NULL, .name = name);
	else if (dns_is_temporary(out->status))
		ASSIST_SAY(a, UNANSWERED, NULL, .name = name, .seen = dns_status_name(out->status));
	else if (out->status == DNS_FOUND && out->ttl > TTL_MOST)
		ASSIST_SAY(a, TTL_LONG, NULL, .name = name, .n = out->ttl / 3600);
	return !dns_is_temporary(out->status) && !arena_full(a->arena);
}

bool assist_look(struct assist *a, Sekisho__AssistRecord *r, struct dns_answer *out)
{
	unsigned type = dns_type_read(slice_str(r->type));
	if (!assist_ask(a, r->name, type, out)) {
		r->state = SEKISHO__ASSIST_STATE__UNKNOWN;
		return false;
	}
	r->seen = arena_array(a->arena, out->n + 1, sizeof *r->seen);
	for (size_t i = 0; r->seen && i < out->n; i++)
		r->seen[r->n_seen++] = text_of(trust_rdata_text(type, out->rdata[i], a->arena));
	return !arena_full(a->arena);
}

static struct slice joined(struct slice rdata, struct arena *arena)
{
	BUF_LOCAL(b, 65536);
	while (rdata.n) {
		struct slice s = slice_sub(rdata, 1, (unsigned char)rdata.p[0]);
		buf_put(&b, s);
		rdata = slice_sub(rdata, 1 + s.n, rdata.n);
	}
	return arena_dup(arena, buf_slice(&b));
}

size_t assist_texts(struct assist *a, const struct dns_answer *answer, const char *begin, struct slice **out)
{
	size_t n = 0;
	*out = arena_array(a->arena, answer->n + 1, sizeof **out);
	for (size_t i = 0; *out && i < answer->n; i++) {
		struct slice text = joined(answer->rdata[i], a->arena);
		if (slice_istarts(text, slice_str(begin)))
			(*out)[n++] = text;
	}
	return n;
}

/* ---- names ---- */

bool assist_same_name(struct slice x, struct slice y)
{
	x.n -= x.n && x.p[x.n - 1] == '.';
	y.n -= y.n && y.p[y.n - 1] == '.';
	return slice_ieq(x, y);
}

const char *assist_dotted(struct assist *a, const char *name)
{
	return arena_printf(a->arena, "%s.", name);
}

const char *assist_below(struct assist *a, const char *label)
{
	return arena_printf(a->arena, "%s." SLICE_FMT, label, SLICE_ARG(a->domain));
}

bool assist_is_ours(const struct assist *a, const struct dns_ip *ip)
{
	for (size_t i = 0; i < a->n_ip; i++)
		if (a->ip[i].family == ip->family && memcmp(a->ip[i].octets, ip->octets, 16) == 0)
			return true;
	return a->n_ip == 0;
}

bool assist_leads_here(struct assist *a, const char *name, const char **seen_out)
{
	struct dns_answer answer;
	struct dns_ip_list list;
	*seen_out = name;
	if (assist_same_name(slice_str(name), a->host))
		return true;
	dns_ask(&a->dns.dns, slice_str(name), DNS_A, a->arena, &answer);
	if (answer.canonical && assist_same_name(slice_str(answer.canonical), a->host))
		return true;
	dns_ips(&a->dns.dns, slice_str(name), a->arena, &list);
	for (size_t i = 0; i < list.n; i++)
		if (!assist_is_ours(a, &list.ip[i])) {
			char text[DNS_IP_TEXT];
			*seen_out = arena_z(a->arena, slice_str(dns_ip_text(&list.ip[i], text)));
			return false;
		}
	return list.n && a->n_ip;
}

static void find_zone(struct assist *a)
{
	bool secure = false;
	const char *zone = trust_dns_zone(&a->dns.dns, a->domain, a->arena, &secure);
	if (zone)
		a->out->zone = (char *)(uintptr_t)zone;
	a->out->dnssec = secure;
}

/* ---- for people ---- */

static char *label_of(struct assist *a, const char *name)
{
	struct slice n = slice_str(name), zone = slice_str(*a->out->zone ? a->out->zone : a->self->domain);
	if (slice_ieq(n, zone))
		return text_of("@");
	bool below = n.n > zone.n + 1 && slice_iends(n, zone) && n.p[n.n - zone.n - 1] == '.';
	return below ? arena_z(a->arena, slice_sub(n, 0, n.n - zone.n - 1)) : text_of(name);
}

static void put_quoted(const char *text, struct buf *b)
{
	buf_putc(b, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(b, '\\');
		buf_putc(b, *text);
	}
	buf_putc(b, '"');
}

static void dress(struct assist *a, Sekisho__AssistRecord *r)
{
	BUF_LOCAL(line, 65536);
	r->label = label_of(a, r->name);
	buf_printf(&line, "%s. %u IN %s", r->name, r->ttl, r->type);
	if (strcmp(r->type, "TXT") == 0) {
		char **parts;
		size_t n = trust_txt_parts(slice_str(r->value), a->arena, &parts);
		for (size_t i = 0; i < n; i++) {
			buf_putc(&line, ' ');
			put_quoted(parts[i], &line);
		}
		r->parts = parts;
		r->n_parts = n > 1 ? n : 0;
	} else {
		buf_printf(&line, " %s", r->value);
	}
	r->line = arena_z(a->arena, buf_slice(&line));
}

/* ---- all of it ---- */

static bool take_addresses(struct assist *a)
{
	a->ip = arena_array(a->arena, a->self->n_addresses + 1, sizeof *a->ip);
	for (size_t i = 0; a->ip && i < a->self->n_addresses; i++)
		if (dns_ip_read(slice_str(a->self->addresses[i]), &a->ip[a->n_ip]) == OK)
			a->n_ip++;
	return a->ip != NULL;
}

static bool begin(struct assist *a)
{
	a->out = arena_new(a->arena, Sekisho__AssistAnswer);
	if (!a->out || !take_addresses(a))
		return false;
	sekisho__assist_answer__init(a->out);
	a->out->records = arena_array(a->arena, LIMIT_ASSIST_RECORDS, sizeof *a->out->records);
	a->out->findings = arena_array(a->arena, LIMIT_ASSIST_FINDINGS, sizeof *a->out->findings);
	return a->out->records && a->out->findings;
}

static void check_domain(struct assist *a)
{
	struct dns_answer answer;
	find_zone(a);
	dns_ask(&a->dns.dns, a->domain, DNS_NS, a->arena, &answer);
	if (answer.status == DNS_NXDOMAIN)
		ASSIST_SAY(a, DOMAIN_MISSING, NULL, .name = a->self->domain);
	else if (a->self->unused && !a->self->silent)
		ASSIST_SAY(a, UNUSED, NULL, .name = a->self->domain);
}

static void check_all(struct assist *a)
{
	check_domain(a);
	if (!a->self->silent) {
		assist_host(a);
		assist_ptr(a);
	}
	assist_mx(a);
	assist_spf(a);
	assist_dkim(a);
	assist_dmarc(a);
	if (a->self->silent)
		return;
	assist_sts(a);
	assist_rpt(a);
	assist_tlsa(a);
	assist_clients(a);
	assist_caa(a);
	assist_bimi(a);
}

Sekisho__AssistAnswer *trust_assist(
    const Sekisho__AssistAsk *self, struct dns *dns, int64_t ms, struct arena *arena)
{
	struct assist a = {
	    .self = self,
	    .dns = {.dns.ask = ask_in_time, .inner = dns, .until_ms = clock_mono_ms() + ms},
	    .arena = arena,
	    .domain = slice_str(self->domain),
	    .host = slice_str(self->host),
	};
	if (!begin(&a))
		return NULL;
	check_all(&a);
	for (size_t i = 0; i < a.out->n_records; i++)
		dress(&a, a.out->records[i]);
	return arena_full(arena) ? NULL : a.out;
}
