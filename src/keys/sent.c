/*
 * Codes that are sent, by mail or SMS, to an address that its owner has confirmed. A credential of that kind holds
 * the address, the MAC of the code that was sent last with its end and the tries that are left, and when codes
 * were sent, so that nobody's telephone rings all night and nobody's bill runs up. The code itself goes to store,
 * which sends it, and is kept nowhere.
 */
#include "keys/inner.h"

#define CODE_DIGITS 6
#define CODE_MS (10 * MINUTE_MS)
#define CODE_TRIES 5
#define CODE_AGAIN_MS (30 * SECOND_MS) /* between two codes */
#define TO_MOST 320

struct sent {
	char mac[CREDENTIAL_MAC];
	int64_t until_ms, tries;
	int64_t sent_ms[LIMIT_CODE_SENDS]; /* the newest first */
	struct slice to;
};

enum credential_kind sent_kind(unsigned factor)
{
	return factor == FACTOR_MAIL ? CREDENTIAL_MAIL : factor == FACTOR_SMS ? CREDENTIAL_SMS : 0;
}

static enum result sent_read(const struct credential *c, struct sent *out)
{
	size_t head = sizeof *out - sizeof out->to;
	if (c->secret.n < head || c->secret.n > head + TO_MOST)
		return BAD;
	memcpy(out, c->secret.p, head);
	out->to = slice_sub(c->secret, head, c->secret.n);
	return OK;
}

/* `room` holds the secret that c points to from now on. */
static void sent_write(const struct sent *s, struct buf *room, struct credential *c)
{
	buf_clear(room);
	buf_put(room, slice_of(s, sizeof *s - sizeof s->to));
	buf_put(room, s->to);
	c->secret = buf_slice(room);
}

enum result sent_check(struct keys *k, struct credential *c, struct slice code, int64_t now_ms)
{
	SECRET_LOCAL(room, LIMIT_CREDENTIAL);
	char mac[CREDENTIAL_MAC];
	struct sent s;
	if (sent_read(c, &s) != OK || s.tries <= 0 || now_ms >= s.until_ms || now_ms < s.until_ms - CODE_MS)
		return DENY;
	code_mac(k, c->account, code, mac);
	bool right = slice_eq_secret(slice_of(mac, sizeof mac), slice_of(s.mac, sizeof s.mac));
	s.tries = right ? 0 : s.tries - 1;
	if (right)
		c->used_ms = now_ms;
	sent_write(&s, &room, c);
	enum result r = credential_put(k, c);
	return r == OK && !right ? DENY : r;
}

/* How long until the next one may be sent. What lies ahead was sent before the clock was set back. */
static int64_t wait_of(const struct sent *s, int64_t now)
{
	static const struct {
		size_t sends;
		int64_t within_ms;
	} limits[] = {{1, CODE_AGAIN_MS}, {LIMIT_CODE_SENDS / 4, HOUR_MS}, {LIMIT_CODE_SENDS, DAY_MS}};
	int64_t wait = 0;
	for (size_t i = 0; i < COUNT(limits); i++) {
		int64_t at = s->sent_ms[limits[i].sends - 1];
		if (at && now - at < limits[i].within_ms)
			wait = MAX(wait, MIN(at + limits[i].within_ms - now, limits[i].within_ms));
	}
	return wait;
}

static void make_code(struct buf *out)
{
	uint32_t v;
	do
		vault_random(&v, sizeof v);
	while (v >= 4000000000u); /* above it codes would not be equally likely */
	buf_printf(out, "%0*u", CODE_DIGITS, v % 1000000);
}

/* The one that is confirmed, or (a new address is given) the one that waits to be; id 0: it is to be made. */
static enum result find(struct keys *k, const Sekisho__CodeAsk *ask, struct arena *a, struct credential *out)
{
	struct credentials all;
	bool fresh = *ask->to != '\0';
	enum result r = credentials_of(k, ask->account, a, &all);
	*out = (struct credential){.account = ask->account,
	    .kind = sent_kind(ask->factor),
	    .waits = fresh,
	    .epoch = ask->epoch,
	    .made_ms = clock_utc_ms()};
	for (size_t i = 0; i < all.n && r == OK; i++)
		if (all.at[i].kind == out->kind && all.at[i].waits == fresh) {
			*out = all.at[i];
			return OK;
		}
	return r == OK && !fresh ? GONE : r;
}

/* With the lock. */
static enum result make(
    struct ipc_turn *t, const Sekisho__CodeAsk *ask, Sekisho__CodeAnswer *answer, int64_t *wait_out)
{
	struct keys *k = ipc_server_context(t);
	SECRET_LOCAL(room, LIMIT_CREDENTIAL);
	SECRET_LOCAL(code, 16);
	struct credential c;
	struct sent s = {0};
	int64_t now = clock_utc_ms();
	enum result r = find(k, ask, &t->arena, &c);
	if (r != OK || (c.id && sent_read(&c, &s) != OK))
		return r == OK ? LATER : r;
	*wait_out = wait_of(&s, now);
	if (*wait_out)
		return LATER;
	if (*ask->to) {
		s.to = slice_str(ask->to);
		c.name = slice_str(ask->shown);
		c.epoch = ask->epoch;
	}
	make_code(&code);
	code_mac(k, c.account, buf_slice(&code), s.mac);
	s.until_ms = now + CODE_MS;
	s.tries = CODE_TRIES;
	memmove(&s.sent_ms[1], &s.sent_ms[0], sizeof s.sent_ms - sizeof s.sent_ms[0]);
	s.sent_ms[0] = now;
	answer->code = arena_z(&t->arena, buf_slice(&code));
	answer->to = arena_z(&t->arena, s.to);
	answer->shown = arena_z(&t->arena, c.name);
	sent_write(&s, &room, &c);
	return credential_put(k, &c);
}

void keys_on_code(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	const Sekisho__CodeAsk *ask = t->ask;
	Sekisho__CodeAnswer answer = SEKISHO__CODE_ANSWER__INIT;
	int64_t wait = 0;
	enum result r = BAD;
	pthread_mutex_lock(&k->credentials_lock);
	if (sent_kind(ask->factor) && ask->account && strlen(ask->to) <= TO_MOST)
		r = make(t, ask, &answer, &wait);
	pthread_mutex_unlock(&k->credentials_lock);
	if (r == OK)
		ipc_answer(t, &answer, NULL);
	else if (wait)
		ipc_refuse(t, LATER, "the next code can be sent in %lld s", (long long)((wait + 999) / 1000));
	else
		ipc_refuse(t, r,
		    r == GONE   ? "there is no such factor"
		    : r == FULL ? "there are too many; remove one first"
				: "no code can be made now");
}
