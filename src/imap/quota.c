/*
 * quota: GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). Each account is one quota root, called by its address, with STORAGE
 * (units of 1024 octets) and MESSAGE. Limits are the administrator's: SETQUOTA is known, and refused.
 */
#include "verbs.h"

static enum result ask_quota(
    struct imap *s, struct slice name, bool by_root, Sekisho__QuotaAnswer **answer_out)
{
	Sekisho__QuotaAsk ask = SEKISHO__QUOTA_ASK__INIT;
	ask.name = arena_z(&s->arena, name);
	ask.by_root = by_root;
	return ask.name ? imap_ask(s, ASK_STORE_QUOTA, &ask, answer_out) : FULL;
}

static void put_resource(struct imap *s, const char *name, uint64_t used, uint64_t limit, bool *first)
{
	if (!limit)
		return;
	stream_puts(s->base.stream, *first ? "" : " ");
	*first = false;
	stream_puts(s->base.stream, name);
	imap_put_number(s->base.stream, used);
	stream_put(s->base.stream, SLICE(" "));
	imap_put_number(s->base.stream, limit);
}

static uint64_t units(uint64_t octets)
{
	return octets / 1024 + (octets % 1024 != 0);
}

static void put_quota(struct imap *s, const Sekisho__QuotaAnswer *a)
{
	bool first = true;
	stream_put(s->base.stream, SLICE("* QUOTA "));
	imap_put_astring(s->base.stream, slice_str(a->root));
	stream_put(s->base.stream, SLICE(" ("));
	put_resource(s, "STORAGE ", units(a->storage), units(a->storage_limit), &first);
	put_resource(s, "MESSAGE ", a->messages, a->messages_limit, &first);
	stream_put(s->base.stream, SLICE(")\r\n"));
}

enum result imap_getquota(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice root = imap_args_astring(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	Sekisho__QuotaAnswer *answer = NULL;
	enum result r = slice_is_utf8(root) ? ask_quota(s, root, true, &answer) : GONE;
	if (r == GONE && s->store.fd >= 0)
		return imap_no(s, "NONEXISTENT", "No such quota root");
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	put_quota(s, answer);
	return imap_ok(s, "Done");
}

enum result imap_getquotaroot(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice mailbox = imap_args_mailbox(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	Sekisho__QuotaAnswer *answer = NULL;
	enum result r = ask_quota(s, mailbox, false, &answer);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	stream_put(s->base.stream, SLICE("* QUOTAROOT "));
	imap_put_mailbox(s->base.stream, mailbox, s->enabled & IMAP_UTF8);
	/* What nothing limits has no root: clients (Thunderbird) leave at a root with an empty list. */
	bool limited = answer->storage_limit || answer->messages_limit;
	if (limited) {
		stream_put(s->base.stream, SLICE(" "));
		imap_put_astring(s->base.stream, slice_str(answer->root));
	}
	stream_put(s->base.stream, SLICE("\r\n"));
	if (limited)
		put_quota(s, answer);
	return imap_ok(s, "Done");
}

enum result imap_setquota(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	imap_args_astring(p);
	imap_args_space(p);
	imap_args_need(p, '(');
	if (!imap_args_try(p, ')')) {
		do {
			imap_args_atom(p);
			imap_args_space(p);
			imap_args_number64(p);
		} while (imap_args_try(p, ' '));
		imap_args_need(p, ')');
	}
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	return imap_no(s, "NOPERM", "Limits are set by the administrator");
}
