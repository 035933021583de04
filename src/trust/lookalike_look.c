/* Which look-alikes there are: two questions to the DNS about each at most, and not for long. */
#include "mail/address.h"
#include "trust/assist.h"
#include "trust/lookalike.h"

#define TIMEOUTS 3 /* as many, and nothing more is asked: the rest is not known */
#define SEEN_MOST 3

struct looking {
	struct dns *dns;
	struct arena *arena;
	int64_t until_ms; /* mono */
	unsigned timeouts;
	Sekisho__LookalikeAnswer *out;
};

static void put_seen(struct looking *l, unsigned type, const struct dns_answer *answer, struct buf *b)
{
	for (size_t i = 0; i < MIN(answer->n, SEEN_MOST); i++) {
		const char *text = trust_rdata_text(type, answer->rdata[i], l->arena);
		buf_printf(b, "%s%s %s", b->n ? ", " : "", dns_type_name(type), text ? text : "");
	}
}

/* RFC 7505: a domain that takes no mail. */
static bool is_null_mx(const struct dns_answer *mx)
{
	return mx->n == 1 && mx->rdata[0].n == 3 && mx->rdata[0].p[2] == 0;
}

static bool asked(struct looking *l, const char *name, unsigned type, struct dns_answer *out)
{
	if (l->timeouts >= TIMEOUTS || clock_mono_ms() > l->until_ms)
		return false;
	dns_ask(l->dns, slice_str(name), type, l->arena, out);
	l->timeouts += out->status == DNS_TIMEOUT;
	return !dns_is_temporary(out->status);
}

static Sekisho__LookalikeState look_at(struct looking *l, const char *name, struct buf *seen)
{
	struct dns_answer mx, a;
	if (!asked(l, name, DNS_MX, &mx))
		return SEKISHO__LOOKALIKE_STATE__NOT_KNOWN;
	if (mx.status == DNS_NXDOMAIN)
		return SEKISHO__LOOKALIKE_STATE__NOT_THERE;
	put_seen(l, DNS_MX, &mx, seen);
	if (mx.status == DNS_FOUND && !is_null_mx(&mx))
		return SEKISHO__LOOKALIKE_STATE__TAKES_MAIL;
	if (!asked(l, name, DNS_A, &a))
		return SEKISHO__LOOKALIKE_STATE__NOT_KNOWN;
	put_seen(l, DNS_A, &a, seen);
	return a.status == DNS_FOUND ? SEKISHO__LOOKALIKE_STATE__HAS_ADDRESS
				     : SEKISHO__LOOKALIKE_STATE__REGISTERED;
}

static void look(struct looking *l, const char *name, const char *shown, enum lookalike_kind kind)
{
	BUF_LOCAL(seen, 4096);
	Sekisho__LookalikeSeen *s = arena_new(l->arena, Sekisho__LookalikeSeen);
	if (!s)
		return;
	sekisho__lookalike_seen__init(s);
	s->name = (char *)(uintptr_t)name;
	s->shown = (char *)(uintptr_t)shown;
	s->kind = (char *)(uintptr_t)lookalike_word(kind);
	s->state = look_at(l, name, &seen);
	s->seen = arena_z(l->arena, slice_sub(buf_slice(&seen), 0, 1000));
	l->out->seen[l->out->n_seen++] = s;
}

static void look_watched(struct looking *l, const Sekisho__LookalikeAsk *ask)
{
	for (size_t i = 0; i < MIN(ask->n_watched, LIMIT_LOOKALIKES_WATCHED); i++)
		if (mail_host_valid(slice_str(ask->watched[i])))
			look(l, ask->watched[i], ask->watched[i], LOOKALIKE_WATCHED);
}

Sekisho__LookalikeAnswer *trust_lookalikes_look(
    const Sekisho__LookalikeAsk *ask, struct dns *dns, int64_t ms, struct arena *arena)
{
	struct looking l = {.dns = dns, .arena = arena, .until_ms = clock_mono_ms() + ms};
	struct lookalike *list;
	size_t n = trust_lookalikes(slice_str(ask->domain), arena, &list);
	l.out = arena_new(arena, Sekisho__LookalikeAnswer);
	if (!list || !l.out)
		return NULL;
	sekisho__lookalike_answer__init(l.out);
	l.out->seen =
	    arena_array(arena, LIMIT_LOOKALIKES_AT_ONCE + LIMIT_LOOKALIKES_WATCHED, sizeof *l.out->seen);
	if (!l.out->seen)
		return NULL;
	size_t from = MIN(ask->from, n), to = MIN(n - from, LIMIT_LOOKALIKES_AT_ONCE) + from;
	for (size_t i = from; i < to; i++)
		look(&l, list[i].name, list[i].shown, list[i].kind);
	look_watched(&l, ask);
	l.out->total = (uint32_t)n;
	l.out->next = to < n ? (uint32_t)to : 0;
	return arena_full(arena) ? NULL : l.out;
}
