#include "store/account/entry.h"
#include "store/account/signins_inside.h"
#include <stdlib.h>

#define JUDGED_MS (5 * MINUTE_MS) /* so long a judgement holds */
#define REMEMBER_DAYS 90
#define FAMILIAR_DAYS 3
#define COUNTRY_DAYS 14 /* a thief, too, comes back day after day: another country takes longer */
#define YOUNG_DAYS 14
#define HOURS_DAYS 20 /* so many days must be known before an hour can be odd */

static const struct {
	enum signin_outcome outcome;
	const char *name;
} outcomes[] = {
#define X(name, number, good, word, en, ja) {SIGNIN_##name, word},
#include "store/account/signins.def"
#undef X
};

const char *signin_outcome_name(enum signin_outcome o)
{
	for (size_t i = 0; i < COUNT(outcomes); i++)
		if (outcomes[i].outcome == o)
			return outcomes[i].name;
	return "?";
}

const char *signin_familiarity_name(enum signin_familiarity f)
{
	static const char *const names[] = {"familiar", "new-network", "new-country"};
	return names[f];
}

enum signin_outcome signin_outcome_of(const struct ipc_grant *g)
{
	static const enum signin_outcome of[GRANT_VERDICTS] = {
	    [GRANT_RIGHT] = SIGNIN_IN,
	    [GRANT_WRONG] = SIGNIN_WRONG,
	    [GRANT_NO_LOGIN] = SIGNIN_NO_LOGIN,
	    [GRANT_WAITS] = SIGNIN_WAITS,
	    [GRANT_BLOCKED] = SIGNIN_BLOCKED,
	    [GRANT_FACTOR] = SIGNIN_FACTOR,
	};
	return of[g->verdict];
}

enum door signin_door(const char *service)
{
	static const struct {
		const char *service;
		enum door door;
	} doors[] = {
	    {"imap", DOOR_IMAP},
	    {"imaps", DOOR_IMAP},
	    {"pop3", DOOR_POP3},
	    {"pop3s", DOOR_POP3},
	    {"sieve", DOOR_SIEVE},
	    {"submission", DOOR_SMTP_AUTH},
	    {"submissions", DOOR_SMTP_AUTH},
	    {"web", DOOR_WEB},
	    {"api", DOOR_API},
	};
	for (size_t i = 0; service && i < COUNT(doors); i++)
		if (strcmp(service, doors[i].service) == 0)
			return doors[i].door;
	return DOORS;
}

struct signins *signins_new(struct store *s)
{
	struct signins *all = calloc(1, sizeof *all);
	if (!all)
		abort();
	pthread_mutex_init(&all->lock, NULL);
	seal_random(&all->seed, sizeof all->seed);
	return all;
}

void signins_free(struct signins *all)
{
	if (!all)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}

/* ---- who is who ---- */

struct slice signins_agent(const struct signin *in)
{
	const Sekisho__Client *c = in->client;
	struct slice agent = slice_str(c ? c->agent : "");
	if (!agent.n && c)
		agent = slice_str(c->helo);
	size_t n = MIN(agent.n, (size_t)LIMIT_SIGNIN_AGENT);
	while (n && n < agent.n && ((unsigned char)agent.p[n] & 0xc0) == 0x80)
		n--;
	return slice_sub(agent, 0, n);
}

/* Digits go: versions change with every update, and an address literal with every network. */
void signins_client(const struct signin *in, struct buf *out)
{
	struct slice agent = signins_agent(in);
	buf_printf(out, "%s ", in->door < DOORS ? door_name(in->door) : "");
	if (agent.n && agent.p[0] == '[') {
		buf_puts(out, "[]");
		return;
	}
	for (size_t i = 0; i < agent.n; i++)
		if (!ascii_digit(agent.p[i]) && agent.p[i] != '.' && agent.p[i] != '_')
			buf_putc(out, ascii_lower(agent.p[i]));
}

static int64_t device_of(const struct store *s, const struct signin *in)
{
	BUF_LOCAL(text, LIMIT_SIGNIN_AGENT + 40);
	signins_client(in, &text);
	return seal_token(s->seal, "device", buf_slice(&text));
}

int64_t signins_prefix_token(const struct store *s, const struct ip_net *prefix)
{
	char z[IP_NET_TEXT];
	return seal_token(s->seal, "prefix", slice_str(ip_net_text(prefix, z)));
}

struct alike signins_alike(const struct store *s, const struct signin *in, enum signin_outcome outcome)
{
	struct alike k;
	memset(&k, 0, sizeof k);
	k.account = in->account;
	k.login = in->account ? 0 : seal_token(s->seal, "login", in->login);
	k.credential = in->credential;
	k.device = in->context.device;
	k.rule = in->rule;
	k.browser = in->browser;
	memcpy(k.ip, in->context.ip.octets, sizeof k.ip);
	k.v4 = in->context.ip.v4;
	k.door = in->door;
	k.outcome = outcome;
	k.flags = in->flags;
	return k;
}

size_t signins_slot(const struct signins *all, const struct alike *key)
{
	const unsigned char *p = (const void *)key;
	uint64_t h = all->seed;
	for (size_t i = 0; i < sizeof *key; i++)
		h = (h ^ p[i]) * 0x100000001b3u;
	return (h ^ h >> 29) % SIGNIN_SLOTS;
}

/* ---- how familiar ---- */

struct look {
	struct store *store;
	struct db *db;
	int64_t account, today;
};

static int64_t days_of(const struct look *l, enum day_kind kind, int64_t value)
{
	return DB_NUMBER(l->db, 0, SIGNIN_DAYS, DI(l->account), DI(kind), DI(value),
	    DI(l->today - REMEMBER_DAYS), DI(l->today));
}

static bool is_home(const struct store *s, const char *country)
{
	return *country && strcmp(country, s->settings->home_country) == 0;
}

static int64_t country_value(const char *country)
{
	return (int64_t)country[0] << 8 | country[1];
}

static bool is_confirmed(const struct look *l, const struct signin_context *c)
{
	if (ip_nets_have(&l->store->settings->office, &c->ip))
		return true;
	return DB_NUMBER(l->db, 0, SIGNIN_DAYS, DI(l->account), DI(DAY_CONFIRMED),
		   DI(signins_prefix_token(l->store, &c->prefix)), DI(l->today - REMEMBER_DAYS),
		   DI(l->today + 1)) > 0;
}

/* Nothing in the hours around this one, of an account that is known well. */
static bool hour_is_odd(const struct look *l, int64_t now)
{
	int64_t hour = now / HOUR_MS % 24;
	if (DB_NUMBER(l->db, 0, SIGNIN_DAYS_ANY, DI(l->account), DI(DAY_HOUR), DI(l->today - REMEMBER_DAYS),
		DI(l->today)) < HOURS_DAYS)
		return false;
	for (int64_t i = 23; i <= 25; i++)
		if (days_of(l, DAY_HOUR, (hour + i) % 24))
			return false;
	return true;
}

/* Another country than home: on COUNTRY_DAYS, or on all days of an account that is not used for so long, but three. */
static bool is_used_to(const struct look *l, const char *country)
{
	int64_t used = DB_NUMBER(l->db, 0, SIGNIN_DAYS_ANY, DI(l->account), DI(DAY_COUNTRY),
	    DI(l->today - REMEMBER_DAYS), DI(l->today));
	return days_of(l, DAY_COUNTRY, country_value(country)) >=
	       MIN(MAX(used, (int64_t)FAMILIAR_DAYS), (int64_t)COUNTRY_DAYS);
}

static unsigned place_reasons(const struct look *l, const struct signin_context *c, bool confirmed)
{
	static const struct {
		enum geo_kind kind;
		enum signin_reason reason;
	} kinds[] = {{GEO_HOSTING, SIGNIN_HOSTING}, {GEO_VPN, SIGNIN_VPN}, {GEO_TOR, SIGNIN_TOR},
	    {GEO_MOBILE, SIGNIN_MOBILE}};
	unsigned reasons = 0;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (c->place.kind & kinds[i].kind)
			reasons |= kinds[i].reason;
	if (confirmed)
		return reasons & SIGNIN_MOBILE;
	int64_t seen = c->place.asn ? days_of(l, DAY_ASN, c->place.asn)
				    : days_of(l, DAY_PREFIX, signins_prefix_token(l->store, &c->prefix));
	if (seen < FAMILIAR_DAYS)
		reasons |= SIGNIN_FIRST_ASN;
	if (!*c->place.country)
		reasons |= SIGNIN_NO_GEO;
	else if (!is_home(l->store, c->place.country) && !is_used_to(l, c->place.country))
		reasons |= SIGNIN_FIRST_COUNTRY;
	return reasons;
}

/* What may be seen from it alone: places where the organisation's people are not, and those from where others tried. */
#define STRANGE (SIGNIN_FIRST_COUNTRY | SIGNIN_HOSTING | SIGNIN_VPN | SIGNIN_TOR | SIGNIN_FLAGGED)
#define UNUSUAL (SIGNIN_FIRST_ASN | SIGNIN_FIRST_CREDENTIAL | SIGNIN_YOUNG | SIGNIN_FIRST_PREFIX)
/* Of a browser that is known: where it is carried in its own country says little. */
#define UNUSUAL_TRUSTED SIGNIN_FIRST_CREDENTIAL

static void judge(const struct look *l, const struct signin *in, struct signin_context *c, int64_t now)
{
	int64_t created = DB_NUMBER(l->db, 0, SIGNIN_CREATED, DI(l->account));
	bool confirmed = is_confirmed(l, c);
	c->reasons = place_reasons(l, c, confirmed);
	if (!confirmed) {
		if (days_of(l, DAY_CREDENTIAL, c->credential) < FAMILIAR_DAYS)
			c->reasons |= SIGNIN_FIRST_CREDENTIAL;
		if (now - created < YOUNG_DAYS * DAY_MS)
			c->reasons |= SIGNIN_YOUNG;
	}
	if (!in->browser && !days_of(l, DAY_DEVICE, c->device)) {
		c->reasons |= SIGNIN_FIRST_DEVICE;
		/* Half a country may be customers of one provider. */
		if (!confirmed && !days_of(l, DAY_PREFIX, signins_prefix_token(l->store, &c->prefix)))
			c->reasons |= SIGNIN_FIRST_PREFIX;
	}
	if (hour_is_odd(l, now))
		c->reasons |= SIGNIN_ODD_HOUR;
	if (in->flags & GRANT_FLAGGED)
		c->reasons |= SIGNIN_FLAGGED;
	if (in->flags & GRANT_GUESSED)
		c->reasons |= SIGNIN_GUESSED;
	unsigned unusual = in->trusted ? UNUSUAL_TRUSTED : UNUSUAL;
	c->familiarity = c->reasons & STRANGE   ? SIGNIN_NEW_COUNTRY
			 : c->reasons & unusual ? SIGNIN_NEW_ASN
						: SIGNIN_FAMILIAR;
}

static void locate(const struct store *s, struct signin *in)
{
	struct signin_context *c = &in->context;
	*c = (struct signin_context){.credential = in->credential};
	if (ip_read(slice_str(in->client ? in->client->ip : ""), &c->ip) == OK)
		geo_find(s->settings->geo, &c->ip, &c->place);
	c->prefix = ip_prefix(&c->ip);
	c->device = device_of(s, in);
}

static struct alike context_key(const struct store *s, const struct signin *in)
{
	struct alike key = signins_alike(s, in, 0);
	key.door = 0;
	key.rule = 0;
	return key;
}

static bool remembered(struct signins *all, const struct alike *key, int64_t now, struct signin_context *out)
{
	pthread_mutex_lock(&all->lock);
	const struct context_slot *slot = &all->contexts[signins_slot(all, key)];
	bool found = memcmp(&slot->key, key, sizeof *key) == 0 && now >= slot->judged_ms &&
		     now - slot->judged_ms < JUDGED_MS;
	if (found)
		*out = slot->context;
	pthread_mutex_unlock(&all->lock);
	return found;
}

static void remember(
    struct signins *all, const struct alike *key, int64_t now, const struct signin_context *c)
{
	pthread_mutex_lock(&all->lock);
	all->contexts[signins_slot(all, key)] = (struct context_slot){*key, now, *c};
	pthread_mutex_unlock(&all->lock);
}

enum result signin_judge(struct store *s, struct signin *in)
{
	int64_t now = clock_utc_ms();
	locate(s, in);
	in->context.familiarity = SIGNIN_NEW_COUNTRY;
	if (!in->account)
		return OK;
	struct alike key = context_key(s, in);
	if (remembered(s->signins, &key, now, &in->context))
		return OK;
	READER r = reader_begin(s);
	if (!r.db)
		return LATER;
	struct look l = {s, r.db, in->account, now / DAY_MS};
	judge(&l, in, &in->context, now);
	enum result done = db_result(r.db);
	if (done == OK)
		remember(s->signins, &key, now, &in->context);
	return done == OK ? OK : LATER;
}

bool signin_is_strange(const struct signin_context *c)
{
	return c->familiarity == SIGNIN_NEW_COUNTRY ||
	       (c->familiarity == SIGNIN_NEW_ASN && !(c->reasons & SIGNIN_YOUNG));
}

enum result signin_admit(struct store *s, struct signin *in)
{
	struct entry_verdict v;
	enum result r = entry_judge(s, in->account, in->door, &in->context.ip, &v);
	if (r != OK)
		return r;
	in->rule = v.preset ? -1 : v.rule;
	return v.allowed ? OK : DENY;
}

void signins_unjudge(struct store *s, int64_t account)
{
	pthread_mutex_lock(&s->signins->lock);
	for (size_t i = 0; i < SIGNIN_SLOTS; i++)
		if (s->signins->contexts[i].key.account == account)
			s->signins->contexts[i].judged_ms = 0;
	pthread_mutex_unlock(&s->signins->lock);
}

void signins_forget(struct db *db, int64_t account, int64_t since_ms)
{
	DB_RUN(db, SIGNIN_DAYS_SINCE, DI(account), DI(since_ms / DAY_MS));
}

void signins_confirm(
    struct store *s, struct db *db, int64_t account, const struct ip_net *prefix, int64_t now_ms)
{
	DB_RUN(db, SIGNIN_DAY, DI(account), DI(DAY_CONFIRMED), DI(signins_prefix_token(s, prefix)),
	    DI(now_ms / DAY_MS));
}
