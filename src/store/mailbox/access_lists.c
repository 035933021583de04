/* Access control lists as text, and their changes. */
#include "mail/address.h"
#include "store/mailbox/access.h"
#include "store/queue/resolve.h"

static const struct {
	char letter;
	unsigned bit;
} letters[] = {
#define X(name, letter, bit, en, ja) {letter, bit},
#include "store/mailbox/rights.def"
#undef X
};

/* RFC 2086 had "c" for creating and "d" for three kinds of deleting. */
#define RIGHTS_C RIGHT_CREATE
#define RIGHTS_D (RIGHT_EXPUNGE | RIGHT_TRASH | RIGHT_REMOVE)

void access_put_rights(struct buf *b, unsigned rights)
{
	for (size_t i = 0; i < COUNT(letters); i++)
		if (rights & letters[i].bit)
			buf_putc(b, letters[i].letter);
	if (rights & RIGHTS_C)
		buf_putc(b, 'c');
	if (rights & RIGHTS_D)
		buf_putc(b, 'd');
}

static unsigned bit_of(char c)
{
	for (size_t i = 0; i < COUNT(letters); i++)
		if (letters[i].letter == c)
			return letters[i].bit;
	return c == 'c' ? RIGHTS_C : c == 'd' ? RIGHTS_D : 0;
}

enum result access_parse_rights(struct slice text, unsigned *out)
{
	*out = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned bit = bit_of(text.p[i]);
		if (!bit)
			return BAD;
		*out |= bit;
	}
	return OK;
}

enum result access_parse_who(struct db *db, struct slice text, struct arena *a, struct who *out)
{
	struct mail_addr m;
	bool group = slice_istarts(text, SLICE("group:"));
	*out = (struct who){.kind = WHO_ANYONE};
	if (slice_eq(text, SLICE("anyone")))
		return OK;
	if (mail_addr_parse(group ? slice_sub(text, 6, text.n) : text, a, &m) != OK)
		return GONE;
	struct slice local = resolve_local(m.local, a), domain = arena_dup(a, resolve_domain(m.domain, a));
	if (!domain.n)
		return GONE;
	if (group) {
		*out = (struct who){.kind = WHO_GROUP, .domain = domain, .local = local};
		return DB_NUMBER(db, 0, ADDRESS_FIND, DT(domain), DT(local)) == ADDRESS_GROUP ? OK : GONE;
	}
	*out = (struct who){
	    .kind = WHO_ACCOUNT, .account = DB_NUMBER(db, 0, ADDRESS_ACCOUNT, DT(domain), DT(local))};
	return out->account ? OK : GONE;
}

void access_put_who(struct db *db, const struct who *w, struct buf *b)
{
	if (w->kind == WHO_ANYONE) {
		buf_puts(b, "anyone");
		return;
	}
	if (w->kind == WHO_GROUP) {
		buf_puts(b, "group:");
		mail_addr_put(b, (struct mail_addr){w->local, w->domain});
		return;
	}
	DB_ROWS q = DB_QUERY(db, ACCOUNT_OWNER, DI(w->account));
	if (db_next(&q))
		mail_addr_put(b, (struct mail_addr){db_octets(&q, 0), db_octets(&q, 1)});
}

static unsigned changed(unsigned old, enum access_change how, unsigned rights)
{
	return how == ACCESS_ADD ? old | rights : how == ACCESS_TAKE ? old & ~rights : rights;
}

enum result access_change(struct db *db, int64_t mailbox, const struct who *w, bool negative,
    enum access_change how, unsigned rights)
{
	unsigned granted = 0, denied = 0;
	bool there;
	{
		DB_ROWS q = DB_QUERY(
		    db, ACL_GET, DI(mailbox), DI(w->kind), DI(w->account), DT(w->domain), DT(w->local));
		there = db_next(&q);
		if (there) {
			granted = (unsigned)db_int(&q, 0);
			denied = (unsigned)db_int(&q, 1);
		}
	}
	if (negative)
		denied = changed(denied, how, rights);
	else
		granted = changed(granted, how, rights);
	if (!granted && !denied)
		DB_RUN(db, ACL_DROP, DI(mailbox), DI(w->kind), DI(w->account), DT(w->domain), DT(w->local));
	else if (!there && DB_NUMBER(db, 0, ACL_COUNT, DI(mailbox)) >= LIMIT_ACL)
		return FULL;
	else
		DB_RUN(db, ACL_SET, DI(mailbox), DI(w->kind), DI(w->account), DT(w->domain), DT(w->local),
		    DI(granted), DI(denied));
	return OK;
}
