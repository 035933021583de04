/* Codes that are sent, by mail to the second address or by SMS: asking for one, and for a new address to send them to. */
#include "mail/address.h"
#include "store/account/factors.h"
#include "store/account/sms.h"
#include "store/account/tell.h"
#include "store/admin/admin.h"
#include "store/queue/notice.h"

#define CODE_ARENA ((size_t)65536)
#define MINUTES 10
#define DIGITS_LEAST 8
#define DIGITS_MOST 15 /* ITU-T E.164 */

static enum result take_kind(struct admin *a, unsigned *factor_out)
{
	struct slice kind = admin_text(a, "kind");
	*factor_out = slice_eq(kind, SLICE("mail"))  ? FACTOR_MAIL
		      : slice_eq(kind, SLICE("sms")) ? FACTOR_SMS
						     : 0;
	if (!*factor_out)
		return admin_refuse(a, DENY, "the kind is mail or sms");
	if (*factor_out == FACTOR_SMS && !a->store->settings->sms_per_hour)
		return admin_refuse(a, DENY, "no gateway for short messages is configured (sms_url)");
	return OK;
}

/* ---- sending ---- */

static enum result send_mail(struct admin *a, const Sekisho__CodeAnswer *code, struct slice language)
{
	struct mail_addr to;
	BUF_LOCAL(text, 8192);
	struct tell t = {.en = slice_str(arena_printf(a->arena,
			     "Your code for signing in\n\n%s\n\nis the code for signing in to %s. It is good "
			     "for %d minutes, once. Tell it to "
			     "nobody: whoever asks you for it wants to get into your account. If you are not "
			     "signing in just now, somebody "
			     "knows your password: change it, and tell your administrators.\n",
			     code->code, a->store->settings->hostname, MINUTES)),
	    .ja = slice_str(arena_printf(a->arena,
		"サインインの確認コード\n\n%s\n\nは %s へのサインインの確認コードです。有効期間は %d "
		"分、一回限りです。誰にも教えないで"
		"ください。コードを尋ねる者は、あなたのアカウントに侵入しようとしています。今サインインの操作"
		"をしていない場合は、パスワードを知られて"
		"います。パスワードを変更し、管理者へ連絡してください。\n",
		code->code, a->store->settings->hostname, MINUTES))};
	if (mail_addr_parse(slice_str(code->to), a->arena, &to) != OK)
		return admin_refuse(a, DENY, "this address cannot be written to any more");
	struct notice n = {.local = to.local, .domain = to.domain, .service = "code"};
	n.subject = tell_text(a->store, language, &t, &text);
	n.text = buf_slice(&text);
	enum result r = notice_send(a->store, &n);
	return r == OK ? OK : admin_refuse(a, LATER, "the mail cannot be sent now");
}

static enum result send_sms(struct admin *a, const Sekisho__CodeAnswer *code, struct slice language)
{
	if (!language.n)
		language = slice_str(a->store->settings->languages);
	bool ja = slice_starts(language, SLICE("ja"));
	struct slice text = slice_str(
	    ja ? arena_printf(a->arena, "確認コード %s(%d分間有効)。誰にも教えないでください。%s", code->code,
		     MINUTES, a->store->settings->hostname)
	       : arena_printf(a->arena, "%s is your code for %s, good for %d minutes. Tell it to nobody.",
		     code->code, a->store->settings->hostname, MINUTES));
	enum result r = sms_send(a->store, a->actor->account, slice_str(code->to), text);
	return r == FULL
		   ? admin_refuse(a, LATER, "too many short messages were sent this hour, try again later")
		   : r;
}

struct asking {
	unsigned factor;
	struct slice to, shown; /* a new address; empty: the one there is */
	int64_t epoch;
	struct slice language;
};

static enum result ask_code(struct admin *a, const struct asking *q)
{
	ARENA_LOCAL(arena, CODE_ARENA);
	struct ipc *keys = ipc_thread(a->store->settings->keys);
	Sekisho__CodeAsk ask = SEKISHO__CODE_ASK__INIT;
	Sekisho__CodeAnswer *code = NULL;
	ask.account = (uint64_t)a->actor->account;
	ask.factor = q->factor;
	ask.epoch = (uint64_t)q->epoch;
	ask.to = arena_z(&arena, q->to);
	ask.shown = arena_z(&arena, q->shown);
	enum result r = keys && ask.to && ask.shown
			    ? ipc_call(keys, ASK_KEYS_CODE, &ask, NULL, &arena, &code, NULL)
			    : LATER;
	if (r != OK)
		return admin_refuse(
		    a, r, "%s", keys && *keys->why ? keys->why : "the key store does not answer");
	r = q->factor == FACTOR_MAIL ? send_mail(a, code, q->language) : send_sms(a, code, q->language);
	a->answer =
	    json_pack("{s:o,s:i}", "sent_to", admin_string(slice_str(code->shown)), "minutes", MINUTES);
	explicit_bzero(code->code, strlen(code->code));
	return r;
}

/* ---- who asks ---- */

struct self {
	bool administrator;
	int64_t epoch;
	struct slice second, language;
};

static enum result find_self(struct admin *a, struct self *out)
{
	READER r = reader_begin(a->store);
	*out = (struct self){0};
	if (!r.db)
		return LATER;
	out->administrator = factors_administrator(r.db, a->actor->account);
	out->epoch = DB_NUMBER(r.db, 0, EPOCH_OF, DI(a->actor->account));
	DB_ROWS q = DB_QUERY(r.db, PERSON_GET, DI(a->actor->account));
	if (db_next(&q)) {
		out->language = arena_dup(a->arena, db_octets(&q, 3));
		out->second = arena_dup(a->arena, db_octets(&q, 4));
	}
	return db_result(r.db) == OK ? OK : LATER;
}

enum result admin_me_factor_send(struct admin *a, struct db *db)
{
	struct self me;
	struct asking q = {0};
	enum result r = take_kind(a, &q.factor);
	if (r == OK && a->actor->state != SESSION_FACTOR)
		r = admin_refuse(a, DENY, "no second factor is asked for");
	if (r == OK)
		r = find_self(a, &me);
	if (r == OK && me.administrator && admin_has_strong(a, a->actor->account))
		r = admin_refuse(a, DENY, "whoever has a role shows his authenticator or passkey");
	q.language = r == OK ? me.language : SLICE_NONE;
	return r == OK ? ask_code(a, &q) : r;
}

/* ---- a new address ---- */

/* "h***@other.example" */
static enum result take_address(struct admin *a, const struct self *me, struct asking *q)
{
	struct mail_addr m;
	if (!me->second.n || mail_addr_parse(me->second, a->arena, &m) != OK)
		return admin_refuse(
		    a, DENY, "no second address of yours is registered; your administrators do that");
	struct slice domain = resolve_domain(m.domain, a->arena);
	READER r = reader_begin(a->store);
	if (!r.db)
		return LATER;
	if (!domain.n || resolve_is_ours(r.db, domain))
		return admin_refuse(
		    a, DENY, "your second address lies on this server: a code has to go elsewhere");
	q->to = me->second;
	q->shown = slice_str(arena_printf(
	    a->arena, SLICE_FMT "***@" SLICE_FMT, SLICE_ARG(slice_sub(m.local, 0, 1)), SLICE_ARG(domain)));
	return OK;
}

static enum result take_number(struct admin *a, struct asking *q)
{
	struct slice typed = admin_text(a, "number");
	BUF_LOCAL(number, 32);
	for (size_t i = 0; i < typed.n; i++)
		if (!strchr(" -()", typed.p[i]))
			buf_putc(&number, typed.p[i]);
	bool good = buf_result(&number) == OK && number.n > DIGITS_LEAST && number.n <= DIGITS_MOST + 1 &&
		    number.p[0] == '+' && number.p[1] != '0';
	for (size_t i = 1; good && i < number.n; i++)
		good = ascii_digit(number.p[i]);
	if (!good)
		return admin_refuse(
		    a, DENY, "a telephone number with its country is needed: +81 90 1234 5678");
	q->to = arena_dup(a->arena, buf_slice(&number));
	q->shown = slice_str(
	    arena_printf(a->arena, "***" SLICE_FMT, SLICE_ARG(slice_sub(q->to, q->to.n - 3, q->to.n))));
	return OK;
}

enum result admin_me_code(struct admin *a, struct db *db)
{
	struct self me;
	struct asking q = {0};
	enum result r = take_kind(a, &q.factor);
	if (r == OK)
		r = find_self(a, &me);
	if (r == OK && me.administrator)
		r = admin_refuse(a, DENY,
		    "a code that is sent is too weak for whoever has a role: use an authenticator or a "
		    "passkey");
	if (r == OK)
		r = q.factor == FACTOR_MAIL ? take_address(a, &me, &q) : take_number(a, &q);
	if (r != OK)
		return r;
	q.epoch = me.epoch;
	q.language = me.language;
	return ask_code(a, &q);
}
