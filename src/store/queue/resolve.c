#include "store/queue/resolve.h"
#include "mail/address.h"
#include "store/domain/reports.h"
#include "store/queue/srs.h"

static const struct verdict fine = {OK, 250, "2.1.5", "OK"};
static const struct verdict unknown = {DENY, 550, "5.1.1", "No such user here"};
static const struct verdict suspended = {LATER, 450, "4.2.1", "This mailbox takes no mail for now"};
static const struct verdict no_relay = {DENY, 550, "5.7.1", "We do not relay for you"};
static const struct verdict bad_domain = {DENY, 550, "5.1.2", "Not a domain name"};
static const struct verdict too_deep = {DENY, 550, "5.4.6", "Aliases lead in a circle or too far"};
static const struct verdict too_many = {DENY, 550, "5.3.4", "Too many people behind this address"};
static const struct verdict no_store = {LATER, 451, "4.3.0", "The store cannot answer now"};

struct slice resolve_domain(struct slice domain, struct arena *a)
{
	struct slice out;
	if (!mail_domain_valid(domain))
		return SLICE_NONE;
	if (domain.p[0] == '[')
		return domain;
	return mail_domain_ascii(domain, a, &out) == OK ? out : SLICE_NONE;
}

struct slice resolve_local(struct slice local, struct arena *a)
{
	struct slice out = arena_dup(a, local);
	char *p = (char *)(uintptr_t)out.p;
	for (size_t i = 0; i < out.n; i++)
		p[i] = ascii_lower(p[i]);
	return out;
}

bool resolve_is_ours(struct db *db, struct slice domain)
{
	return DB_NUMBER(db, 0, DOMAIN_IS_OURS, DT(domain)) != 0;
}

void resolve_start(struct resolving *r, struct store *s, struct db *db, struct arena *a, bool may_relay)
{
	*r = (struct resolving){.store = s, .db = db, .arena = a, .may_relay = may_relay};
	r->last = &r->first;
}

/* ---- what was met before ---- */

static uint64_t hash(struct slice s)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3u;
	return h ^ h >> 31;
}

struct seen {
	struct slice key;
	unsigned rcpt; /* whose resolving came across it first */
};

static struct seen *seen_slot(struct seen *table, size_t cap, struct slice key)
{
	size_t i = hash(key) & (cap - 1);
	while (table[i].key.n && !slice_eq(table[i].key, key))
		i = (i + 1) & (cap - 1);
	return &table[i];
}

static void seen_grow(struct resolving *r)
{
	size_t cap = r->cap_seen ? r->cap_seen * 2 : 16;
	struct seen *table = arena_array(r->arena, cap, sizeof *table);
	if (!table)
		return;
	for (size_t i = 0; i < r->cap_seen; i++)
		if (r->seen[i].key.n)
			*seen_slot(table, cap, r->seen[i].key) = r->seen[i];
	r->seen = table;
	r->cap_seen = cap;
}

/* True the first time. `kind` keeps people, addresses elsewhere and aliases apart. */
static bool first_time(struct resolving *r, char kind, struct slice local, struct slice domain, unsigned rcpt)
{
	if (r->n_seen * 2 >= r->cap_seen)
		seen_grow(r);
	char *key =
	    arena_printf(r->arena, "%c" SLICE_FMT "@" SLICE_FMT, kind, SLICE_ARG(local), SLICE_ARG(domain));
	if (!key || r->n_seen >= r->cap_seen)
		return false;
	struct seen *slot = seen_slot(r->seen, r->cap_seen, slice_str(key));
	if (slot->key.n) {
		/* What an earlier recipient led to is in the list; the same within one recipient is a circle. */
		r->met += slot->rcpt != rcpt;
		return false;
	}
	*slot = (struct seen){slice_str(key), rcpt};
	r->n_seen++;
	return true;
}

static char kind_of(const struct target *t)
{
	return t->report ? 'p' : t->account ? 'a' : 'r';
}

/* Forgets what a failed recipient has left behind. */
static void take_back(struct resolving *r, struct target **last, unsigned n)
{
	r->last = last;
	*last = NULL;
	r->n = n;
	r->n_seen = r->cap_seen = 0;
	for (const struct target *t = r->first; t; t = t->next)
		first_time(r, kind_of(t), t->local, t->domain, t->rcpt);
}

/* ---- following ---- */

struct address {
	int64_t kind, account;
};

static bool find_address(struct db *db, struct slice local, struct slice domain, struct address *out)
{
	DB_ROWS q = DB_QUERY(db, ADDRESS_FIND, DT(domain), DT(local));
	if (!db_next(&q))
		return false;
	*out = (struct address){db_int(&q, 0), db_int(&q, 1)};
	return true;
}

static struct verdict add_target(struct resolving *r, struct target t)
{
	r->met++;
	if (!first_time(r, kind_of(&t), t.local, t.domain, t.rcpt))
		return fine;
	struct target *keep = arena_new(r->arena, struct target);
	if (!keep || r->n >= LIMIT_ALIAS_TARGETS)
		return too_many;
	*keep = t;
	keep->local = arena_dup(r->arena, t.local);
	keep->domain = arena_dup(r->arena, t.domain);
	*r->last = keep;
	r->last = &keep->next;
	r->n++;
	return fine;
}

static struct verdict add_account(struct resolving *r, int64_t account, unsigned rcpt)
{
	DB_ROWS q = DB_QUERY(r->db, ACCOUNT_TARGET, DI(account));
	if (!db_next(&q))
		return unknown;
	if (db_int(&q, 0) == ACCOUNT_SUSPENDED)
		return suspended;
	struct target t = {
	    .rcpt = rcpt,
	    .account = account,
	    .inbox = db_int(&q, 1),
	    .local = db_octets(&q, 2),
	    .domain = db_octets(&q, 3),
	};
	return add_target(r, t);
}

static struct verdict follow(
    struct resolving *r, struct slice local, struct slice domain, unsigned rcpt, unsigned depth);

struct member {
	struct member *next;
	struct slice local, domain;
};

/* Copied out of the rows: following a member may ask the same statement. */
static struct member *members_of(struct resolving *r, struct slice local, struct slice domain)
{
	struct member *first = NULL, **last = &first;
	DB_ROWS q = DB_QUERY(r->db, MEMBERS, DT(domain), DT(local));
	for (unsigned n = 0; n <= LIMIT_ALIAS_TARGETS && db_next(&q); n++) {
		struct member *m = arena_new(r->arena, struct member);
		if (!m)
			break;
		m->domain = arena_dup(r->arena, db_octets(&q, 0));
		m->local = arena_dup(r->arena, db_octets(&q, 1));
		*last = m;
		last = &m->next;
	}
	return first;
}

/*
 * Members that cannot be reached are left out as long as one can; limits fail the whole address, since a part of a
 * group would not know that the others got nothing.
 */
static struct verdict follow_members(
    struct resolving *r, struct slice local, struct slice domain, unsigned rcpt, unsigned depth)
{
	if (!first_time(r, 'v', local, domain, rcpt))
		return fine;
	if (depth >= LIMIT_ALIAS_DEPTH)
		return too_deep;
	struct verdict best = unknown;
	for (const struct member *m = members_of(r, local, domain); m; m = m->next) {
		struct verdict v = follow(r, m->local, m->domain, rcpt, depth + 1);
		if (v.status == too_deep.status || v.status == too_many.status)
			return v;
		if (v.result == OK || best.result == DENY)
			best = v;
	}
	return best;
}

static struct verdict follow_remote(
    struct resolving *r, struct slice local, struct slice domain, unsigned rcpt)
{
	return add_target(r, (struct target){.rcpt = rcpt, .local = local, .domain = domain});
}

static bool is_role_name(struct slice local)
{
	return slice_eq(local, SLICE("postmaster")) || slice_eq(local, SLICE("abuse"));
}

/* RFC 5321 4.5.1, RFC 2142: somebody reads these, whatever was forgotten in the configuration. */
static struct verdict follow_role_name(struct resolving *r, unsigned rcpt, unsigned depth)
{
	struct slice rest = slice_str(r->store->settings->postmaster);
	struct slice local = resolve_local(slice_split(&rest, '@'), r->arena);
	if (rest.n && !is_role_name(local)) {
		struct verdict v = follow(r, local, resolve_domain(rest, r->arena), rcpt, depth + 1);
		if (v.result == OK)
			return v;
	}
	int64_t account = DB_NUMBER(r->db, 0, ACCOUNT_FIRST, DI(ORGANISATION));
	return account ? add_account(r, account, rcpt) : unknown;
}

static struct verdict follow_catch_all(
    struct resolving *r, struct slice domain, unsigned rcpt, unsigned depth)
{
	struct slice to = SLICE_NONE;
	{
		DB_ROWS q = DB_QUERY(r->db, DOMAIN_CATCH_ALL, DT(domain));
		if (db_next(&q))
			to = arena_dup(r->arena, db_octets(&q, 0));
	}
	ptrdiff_t at = slice_rfind(to, '@');
	if (at < 0)
		return unknown;
	if (depth >= LIMIT_ALIAS_DEPTH)
		return too_deep;
	struct slice local = slice_sub(to, 0, (size_t)at), to_domain = slice_sub(to, (size_t)at + 1, to.n);
	if (!first_time(r, 'c', local, to_domain, rcpt))
		return fine;
	return follow(r, local, to_domain, rcpt, depth + 1);
}

static struct verdict follow_address(struct resolving *r, const struct address *found, struct slice local,
    struct slice domain, unsigned rcpt, unsigned depth)
{
	if (found->kind == ADDRESS_ACCOUNT)
		return add_account(r, found->account, rcpt);
	return follow_members(r, local, domain, rcpt, depth);
}

struct slice resolve_without_detail(const struct store *s, struct slice local)
{
	const char *delimiters = s->settings->delimiters;
	for (size_t i = 1; i < local.n; i++)
		if (strchr(delimiters, local.p[i]) && local.p[i])
			return slice_sub(local, 0, i);
	return local;
}

/* No such address: some work all the same. */
static struct verdict follow_nobody(
    struct resolving *r, struct slice user, struct slice domain, unsigned rcpt, unsigned depth)
{
	if (is_role_name(user))
		return follow_role_name(r, rcpt, depth);
	return follow_catch_all(r, domain, rcpt, depth);
}

static struct verdict follow_report(
    struct resolving *r, struct slice local, struct slice domain, unsigned rcpt)
{
	return add_target(r, (struct target){.rcpt = rcpt, .report = true, .local = local, .domain = domain});
}

/* local and domain are folded already. */
static struct verdict follow(
    struct resolving *r, struct slice local, struct slice domain, unsigned rcpt, unsigned depth)
{
	if (!resolve_is_ours(r->db, domain))
		return depth || r->may_relay ? follow_remote(r, local, domain, rcpt) : no_relay;
	struct address found;
	struct slice user = resolve_without_detail(r->store, local);
	bool report = reports_is_address(r->store, user, domain);
	struct verdict taken = report ? follow_report(r, user, domain, rcpt) : unknown, v;
	if (find_address(r->db, local, domain, &found))
		v = follow_address(r, &found, local, domain, rcpt, depth);
	else if (user.n < local.n && find_address(r->db, user, domain, &found))
		v = follow_address(r, &found, user, domain, rcpt, depth);
	else
		return report ? taken : follow_nobody(r, user, domain, rcpt, depth);
	return report && v.result != OK ? taken : v;
}

/* A bounce to a sender that was rewritten here goes to who it was before. */
static bool follow_rewritten(
    struct resolving *r, struct slice local, struct slice domain, unsigned rcpt, struct verdict *out)
{
	BUF_LOCAL(room, SRS_MOST);
	struct slice from_local, from_domain;
	if (!srs_is(local) || !resolve_is_ours(r->db, domain) ||
	    srs_reverse(r->store->seal, local, clock_utc_ms(), &room, &from_local, &from_domain) != OK)
		return false;
	struct slice at = resolve_domain(from_domain, r->arena);
	if (!at.n)
		return false;
	*out = resolve_is_ours(r->db, at) ? follow(r, resolve_local(from_local, r->arena), at, rcpt, 1)
					  : follow_remote(r, from_local, at, rcpt);
	return true;
}

struct verdict resolve(struct resolving *r, struct slice local, struct slice domain, unsigned rcpt)
{
	struct target **last = r->last;
	unsigned n = r->n, met = r->met;
	struct slice folded = resolve_local(local, r->arena), at = resolve_domain(domain, r->arena);
	struct verdict v = bad_domain;
	if (!domain.n && slice_eq(folded, SLICE("postmaster")))
		v = follow_role_name(r, rcpt, 0);
	else if (at.n && local.n && !follow_rewritten(r, local, at, rcpt, &v))
		/* Elsewhere the case of a local part may matter: RFC 5321 2.4. */
		v = follow(r, resolve_is_ours(r->db, at) ? folded : local, at, rcpt, 0);
	if (db_result(r->db) != OK || arena_full(r->arena))
		v = no_store;
	if (v.result == OK && r->met == met)
		v = too_deep; /* a circle with nobody in it */
	if (v.result != OK) {
		take_back(r, last, n);
		return v;
	}
	for (struct target *t = *last; t; t = t->next)
		t->spread = r->n - n > 1;
	return v;
}

/* ---- senders ---- */

struct search {
	struct resolving *r;
	int64_t account;
};

/* Looks through aliases (not groups: a member does not speak for the group) for the account. */
static bool leads_to(const struct search *s, struct slice local, struct slice domain, unsigned depth)
{
	struct address found;
	if (depth > LIMIT_ALIAS_DEPTH || !find_address(s->r->db, local, domain, &found))
		return false;
	if (found.kind == ADDRESS_ACCOUNT)
		return found.account == s->account;
	if (found.kind != ADDRESS_ALIAS || !first_time(s->r, 's', local, domain, 0))
		return false;
	for (const struct member *m = members_of(s->r, local, domain); m; m = m->next)
		if (leads_to(s, m->local, m->domain, depth + 1))
			return true;
	return false;
}

bool resolve_may_send_as(struct store *store, struct db *db, int64_t account, struct slice local,
    struct slice domain, struct arena *a)
{
	struct resolving r;
	resolve_start(&r, store, db, a, false);
	struct search s = {&r, account};
	struct slice folded = resolve_local(local, a), at = resolve_domain(domain, a);
	if (leads_to(&s, folded, at, 0))
		return true;
	struct slice user = resolve_without_detail(store, folded);
	return user.n < folded.n && leads_to(&s, user, at, 0);
}

int64_t resolve_kind(
    const struct store *s, struct db *db, struct slice local, struct slice domain, struct arena *a)
{
	struct slice folded = resolve_local(local, a), at = resolve_domain(domain, a);
	struct address found;
	if (!at.n)
		return 0;
	if (!find_address(db, folded, at, &found) &&
	    !find_address(db, resolve_without_detail(s, folded), at, &found))
		return 0;
	return found.kind;
}
