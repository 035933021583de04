/*
 * Verbs that need a secret: they answer with a warrant, which the front takes to keys together with the secret (ipc/grant.h);
 * it is shown to nobody.
 */
#include "ipc/grant.h"
#include "store/admin/admin.h"
#include "store/queue/resolve.h"

#define WARRANT_MS MINUTE_MS
#define CEREMONY_MS (5 * MINUTE_MS) /* somebody looks for his key */
#define NAME_MOST 100
#define DAYS_MOST 3650

struct person {
	int64_t id, epoch;
	struct slice login, name;
};

static enum result find_person(struct admin *a, struct db *db, int64_t id, struct person *out)
{
	DB_ROWS q = DB_QUERY(db, ACCOUNT_SIGNIN, DI(id));
	if (!db_next(&q))
		return GONE;
	*out = (struct person){
	    .id = id,
	    .epoch = db_int(&q, 1),
	    .login = slice_str(arena_printf(
		a->arena, SLICE_FMT "@" SLICE_FMT, SLICE_ARG(db_octets(&q, 2)), SLICE_ARG(db_octets(&q, 3)))),
	    .name = arena_dup(a->arena, db_octets(&q, 4)),
	};
	return OK;
}

/* a->answer: the warrant with what the caller has to know. */
static enum result give(struct admin *a, const struct person *p, struct ipc_warrant *w)
{
	const struct store_settings *s = a->store->settings;
	BUF_LOCAL(sealed, WARRANT_MOST);
	BUF_LOCAL(text, WARRANT_MOST * 2);
	w->account = (uint64_t)p->id;
	w->epoch = (uint64_t)p->epoch;
	w->session = (uint64_t)a->actor->session;
	w->login = p->login;
	if (!w->until_ms)
		w->until_ms = clock_utc_ms() + WARRANT_MS;
	if (ipc_warrant_seal(slice_of(s->login_grant, GRANT_KEY), w, false, &sealed) != OK)
		return admin_refuse(a, DENY, "a name is too long");
	buf_base64(&text, buf_slice(&sealed));
	a->answer = json_pack("{s:o,s:I,s:o,s:s}", "warrant", admin_string(buf_slice(&text)), "account",
	    (json_int_t)p->id, "address", admin_string(p->login), "organisation",
	    *s->organisation ? s->organisation : s->hostname);
	return OK;
}

static enum result give_mine(struct admin *a, struct db *db, struct ipc_warrant *w)
{
	struct person p;
	enum result r = find_person(a, db, a->actor->account, &p);
	return r == OK ? give(a, &p, w) : r;
}

/* Words that are no part of a good password: who it is for, and where. */
static struct slice words_for(struct admin *a, const struct person *p)
{
	return slice_str(arena_printf(a->arena, SLICE_FMT "\n%s\n%s", SLICE_ARG(slice_sub(p->name, 0, 300)),
	    a->store->settings->organisation, a->store->settings->hostname));
}

enum result admin_me_factor(struct admin *a, struct db *db)
{
	return give_mine(a, db,
	    &(struct ipc_warrant){.act = WARRANT_FACTOR_CHECK, .until_ms = clock_utc_ms() + CEREMONY_MS});
}

enum result admin_me_password(struct admin *a, struct db *db)
{
	struct person p;
	enum result r = find_person(a, db, a->actor->account, &p);
	if (r != OK)
		return r;
	return give(a, &p, &(struct ipc_warrant){.act = WARRANT_PASSWORD_SET, .text = words_for(a, &p)});
}

/* Whoever sets a password can be that person: so it takes the power to give all of his roles. */
static enum result check_roles(struct admin *a, struct db *db, int64_t account)
{
	struct powers his;
	if (a->powers->root)
		return OK;
	if (powers_of_account(db, account, a->arena, &his) != OK)
		return LATER;
	for (size_t i = 1; i < his.n; i++) /* the first is everybody's */
		if (!powers_may_give(db, a->powers, his.grants[i].role, &his.grants[i].scope))
			return admin_refuse(
			    a, DENY, "only who may give the role %s may do this", his.grants[i].role->name);
	return OK;
}

enum result admin_account_password(struct admin *a, struct db *db)
{
	struct person p;
	int64_t id;
	enum result r = admin_find_account(a, db, &id);
	if (r == OK)
		r = check_roles(a, db, id);
	if (r == OK)
		r = find_person(a, db, id, &p);
	if (r != OK)
		return r;
	bool change = json_is_true(json_object_get(a->args, "change"));
	return give(a, &p,
	    &(struct ipc_warrant){.act = WARRANT_PASSWORD_RESET, .text = words_for(a, &p), .bits = change});
}

enum result admin_me_totp(struct admin *a, struct db *db)
{
	return give_mine(a, db, &(struct ipc_warrant){.act = WARRANT_TOTP_BEGIN});
}

enum result admin_me_totp_confirm(struct admin *a, struct db *db)
{
	return give_mine(a, db, &(struct ipc_warrant){.act = WARRANT_TOTP_CONFIRM});
}

enum result admin_me_recovery(struct admin *a, struct db *db)
{
	return give_mine(a, db, &(struct ipc_warrant){.act = WARRANT_RECOVERY_MAKE});
}

static enum result take_name(struct admin *a, struct ipc_warrant *w)
{
	w->text = admin_text(a, "name");
	if (!w->text.n || w->text.n > NAME_MOST)
		return admin_refuse(a, DENY, "a name of at most %d octets is needed", NAME_MOST);
	return OK;
}

static enum result take_protocols(struct admin *a, unsigned *bits_out)
{
	static const struct {
		const char *name;
		unsigned bit;
	} all[] = {{"imap", SERVICE_IMAP}, {"pop3", SERVICE_POP3}, {"submission", SERVICE_SUBMISSION},
	    {"sieve", SERVICE_SIEVE}};
	*bits_out = 0;
	for (size_t i = 0;; i++) {
		struct slice name = admin_item(a, "protocol", i);
		unsigned bit = 0;
		if (!name.n)
			break;
		for (size_t j = 0; j < COUNT(all); j++)
			if (slice_eq(name, slice_str(all[j].name)))
				bit = all[j].bit;
		if (!bit)
			return admin_refuse(a, DENY,
			    "no such protocol: " SLICE_FMT " (imap, pop3, submission, sieve)",
			    SLICE_ARG(name));
		*bits_out |= bit;
	}
	if (!*bits_out)
		*bits_out = SERVICE_IMAP | SERVICE_SUBMISSION;
	return OK;
}

enum result admin_me_app_add(struct admin *a, struct db *db)
{
	struct ipc_warrant w = {.act = WARRANT_APP_ADD};
	int64_t days = admin_number(a, "days", 0);
	enum result r = take_name(a, &w);
	if (r == OK)
		r = take_protocols(a, &w.bits);
	if (r == OK && (days < 0 || days > DAYS_MOST))
		r = admin_refuse(a, DENY, "it is good for 1 to %d days", DAYS_MOST);
	w.ends_ms = days ? clock_utc_ms() + days * DAY_MS : 0;
	return r == OK ? give_mine(a, db, &w) : r;
}

/* The browser's question is this warrant itself. */
enum result admin_me_passkey(struct admin *a, struct db *db)
{
	return give_mine(a, db,
	    &(struct ipc_warrant){.act = WARRANT_PASSKEY_ADD, .until_ms = clock_utc_ms() + CEREMONY_MS});
}

enum result admin_me_passkey_add(struct admin *a, struct db *db)
{
	struct ipc_warrant w = {.act = WARRANT_PASSKEY_ADD};
	enum result r = take_name(a, &w);
	return r == OK ? give_mine(a, db, &w) : r;
}

enum result admin_me_code_confirm(struct admin *a, struct db *db)
{
	struct slice kind = admin_text(a, "kind");
	unsigned factor = slice_eq(kind, SLICE("mail"))  ? FACTOR_MAIL
			  : slice_eq(kind, SLICE("sms")) ? FACTOR_SMS
							 : 0;
	if (!factor)
		return admin_refuse(a, DENY, "the kind is mail or sms");
	return give_mine(a, db, &(struct ipc_warrant){.act = WARRANT_CODE_CONFIRM, .bits = factor});
}
