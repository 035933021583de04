/* What filters want to know of their account, answered from the tables. */
#include "mail/address.h"
#include "store/queue/filter.h"
#include "store/mailbox/metadata.h"

static void found(struct filter_run *run, Sekisho__SieveKnown *k, const struct db_rows *q)
{
	k->yes = true;
	k->value = octets_of(arena_dup(run->f->d->arena, db_octets(q, 0)));
}

static void find_mailbox_id(struct filter_run *run, Sekisho__SieveKnown *k)
{
	struct slice id = slice_of_octets(k->a);
	uint64_t number;
	if (!slice_starts(id, SLICE("F")) || num_u64(slice_sub(id, 1, id.n), INT64_MAX, &number) != OK)
		return;
	DB_ROWS q = DB_QUERY(run->f->db, MAILBOX_OWN_NAME, DI(number), DI(run->to->account));
	if (db_next(&q))
		found(run, k, &q);
}

static void find_special_use(struct filter_run *run, Sekisho__SieveKnown *k)
{
	struct slice only = slice_of_octets(k->b);
	DB_ROWS q = DB_QUERY(run->f->db, SPECIAL_USE_NAME, DI(run->to->account), DT(slice_of_octets(k->a)));
	if (db_next(&q) && (!only.n || slice_eq(only, db_octets(&q, 0))))
		found(run, k, &q);
}

static void find_script(struct filter_run *run, Sekisho__SieveKnown *k)
{
	struct filtering *f = run->f;
	struct script s;
	if (script_load(f->store, f->db, k->global ? 0 : run->to->account, slice_of_octets(k->a), f->d->arena,
		&s) != OK ||
	    s.broken)
		return;
	k->yes = true;
	k->value = octets_of(s.text);
}

static bool find_mailbox(struct filter_run *run, struct slice name)
{
	int64_t id = box_find(run->f->db, run->to->account, name);
	struct box b;
	return id && box_load(run->f->db, id, &b) && !b.noselect;
}

/* ---- annotations, RFC 5490 ---- */

/* Those that IMAP shows the user: private ones are his own. */
static void find_annotation(struct filter_run *run, Sekisho__SieveKnown *k)
{
	struct filtering *f = run->f;
	bool server = k->what == SEKISHO__SIEVE_KNOWN__WHAT__SERVER_METADATA;
	int64_t mailbox = server ? 0 : box_find(f->db, run->to->account, slice_of_octets(k->a));
	BUF_LOCAL(value, LIMIT_METADATA_VALUE + 256);
	if (!server && !mailbox)
		return;
	if (metadata_get(f->store, f->db, mailbox, run->to->account,
		server ? slice_of_octets(k->a) : slice_of_octets(k->b), f->d->arena, &value) != OK)
		return;
	k->yes = true;
	k->value = octets_of(arena_dup(f->d->arena, buf_slice(&value)));
}

/* ---- lists, RFC 6134 ---- */

enum list { LIST_NONE, LIST_BOOK, LIST_GROUP };

/* The organisation's address book, or "group:" and the address of a group. */
static enum list find_list(struct filter_run *run, struct slice name, struct mail_addr *group_out)
{
	struct filtering *f = run->f;
	struct slice rest = name, scheme = slice_split(&rest, ':');
	if (slice_ieq(name, SLICE("urn:ietf:params:sieve:addrbook:default")))
		return LIST_BOOK;
	if (!slice_ieq(scheme, SLICE("group")) || mail_addr_parse(rest, f->d->arena, group_out) != OK)
		return LIST_NONE;
	return resolve_kind(f->store, f->db, group_out->local, group_out->domain, f->d->arena) ==
		       ADDRESS_GROUP
		   ? LIST_GROUP
		   : LIST_NONE;
}

bool filter_list_address(struct filter_run *run, struct slice name, struct mail_addr *out)
{
	if (find_list(run, name, out) != LIST_GROUP)
		return false; /* nobody writes to the whole address book */
	out->domain = resolve_domain(out->domain, run->f->d->arena);
	return out->domain.n != 0;
}

/* Everybody behind an address; NULL: nobody. */
static const struct target *people(struct filter_run *run, struct mail_addr addr)
{
	struct filtering *f = run->f;
	struct resolving r;
	resolve_start(&r, f->store, f->db, f->d->arena, true);
	return resolve(&r, addr.local, addr.domain, 0).result == OK ? r.first : NULL;
}

/* Somebody of ours by whichever of his addresses, others by the one that the group has. */
static bool is_member(struct filter_run *run, const struct target *group, struct mail_addr who)
{
	const struct target *one = resolve_is_ours(run->f->db, who.domain) ? people(run, who) : NULL;
	for (const struct target *t = group; t; t = t->next)
		if (one ? !one->next && one->account && t->account == one->account
			: !t->account && slice_ieq(t->local, who.local) && slice_ieq(t->domain, who.domain))
			return true;
	return false;
}

/* The question has all values of the test, with zero octets between them; the answer is the first that is in. */
static void find_in_list(struct filter_run *run, Sekisho__SieveKnown *k)
{
	struct filtering *f = run->f;
	struct slice rest = slice_of_octets(k->b);
	struct mail_addr group, who;
	enum list list = find_list(run, slice_of_octets(k->a), &group);
	const struct target *members = list == LIST_GROUP ? people(run, group) : NULL;
	while (list != LIST_NONE && rest.n && !k->yes) {
		struct slice value = slice_split(&rest, '\0');
		if (mail_addr_parse(value, f->d->arena, &who) != OK)
			continue;
		who.domain = resolve_domain(who.domain, f->d->arena);
		if (!who.domain.n)
			continue;
		k->yes = list == LIST_BOOK
			     ? resolve_kind(f->store, f->db, who.local, who.domain, f->d->arena) != 0
			     : is_member(run, members, who);
		if (k->yes)
			k->value = octets_of(value);
	}
}

void filter_know(struct filter_run *run, Sekisho__SieveKnown *k)
{
	struct filtering *f = run->f;
	switch (k->what) {
	case SEKISHO__SIEVE_KNOWN__WHAT__MAILBOX:
		k->yes = find_mailbox(run, slice_of_octets(k->a));
		break;
	case SEKISHO__SIEVE_KNOWN__WHAT__MAILBOX_ID:
		find_mailbox_id(run, k);
		break;
	case SEKISHO__SIEVE_KNOWN__WHAT__SPECIAL_USE:
		find_special_use(run, k);
		break;
	case SEKISHO__SIEVE_KNOWN__WHAT__DUPLICATE:
		k->yes = DB_NUMBER(f->db, 0, FILTER_MARKED, DI(run->to->account), DI(FILTER_DUPLICATE),
			     DI(seal_token(f->store->seal, "duplicate", slice_of_octets(k->a))),
			     DI(f->d->now_ms)) != 0;
		break;
	case SEKISHO__SIEVE_KNOWN__WHAT__INCLUDE:
		find_script(run, k);
		break;
	case SEKISHO__SIEVE_KNOWN__WHAT__METADATA:
	case SEKISHO__SIEVE_KNOWN__WHAT__SERVER_METADATA:
		find_annotation(run, k);
		break;
	case SEKISHO__SIEVE_KNOWN__WHAT__LIST:
		find_in_list(run, k);
		break;
	case SEKISHO__SIEVE_KNOWN__WHAT__LIST_NAME:
		k->yes = find_list(run, slice_of_octets(k->a), &(struct mail_addr){0}) != LIST_NONE;
		break;
	default:
		break;
	}
}
