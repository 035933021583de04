/* acl: GETACL, SETACL, DELETEACL, LISTRIGHTS, MYRIGHTS (RFC 4314). Store has the lists and decides. */
#include "mailbox.h"
#include "verbs.h"

/* Every right that can be given by itself, and the two that RFC 2086 had. */
static const char all_rights[] = "lrswipkxteacd";

static struct slice mailbox_arg(struct imap_args *p)
{
	imap_args_space(p);
	struct slice name = imap_args_mailbox(p);
	if (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	return name;
}

/* An identifier: an address, which may have UTF-8 in it, or a group. */
static struct slice who_arg(struct imap_args *p)
{
	imap_args_space(p);
	struct slice who = imap_args_astring(p);
	if (p->c.err == OK && (!who.n || who.n > LIMIT_ADDRESS || !slice_is_utf8(who)))
		imap_args_fail(p, "Not an identifier");
	return who;
}

static char *zed(struct imap *s, struct slice text)
{
	char *z = arena_z(&s->arena, text);
	return z ? z : (char *)"";
}

static enum result ask_rights(struct imap *s, Sekisho__RightsAsk__What what, struct slice mailbox,
    struct slice who, Sekisho__RightsAnswer **out)
{
	Sekisho__RightsAsk ask = SEKISHO__RIGHTS_ASK__INIT;
	ask.what = what;
	ask.mailbox = zed(s, mailbox);
	ask.who = zed(s, who);
	return imap_ask(s, ASK_STORE_RIGHTS, &ask, out);
}

static void put_mailbox(struct imap *s, const char *word, struct slice mailbox)
{
	stream_puts(s->base.stream, word);
	imap_put_mailbox(s->base.stream, mailbox, s->enabled & IMAP_UTF8);
}

enum result imap_getacl(struct imap *s, struct imap_args *p)
{
	struct slice mailbox = mailbox_arg(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	Sekisho__RightsAnswer *answer = NULL;
	enum result r = ask_rights(s, SEKISHO__RIGHTS_ASK__WHAT__LIST, mailbox, SLICE_NONE, &answer);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	put_mailbox(s, "* ACL ", mailbox);
	for (size_t i = 0; i < answer->n_entries; i++) {
		stream_put(s->base.stream, SLICE(" "));
		imap_put_astring(s->base.stream, slice_str(answer->entries[i]->who));
		stream_put(s->base.stream, SLICE(" "));
		imap_put_astring(s->base.stream, slice_str(answer->entries[i]->rights));
	}
	stream_put(s->base.stream, SLICE("\r\n"));
	return imap_ok(s, "Done");
}

void imap_put_myrights(struct imap *s, struct slice mailbox, const char *rights)
{
	put_mailbox(s, "* MYRIGHTS ", mailbox);
	stream_put(s->base.stream, SLICE(" "));
	imap_put_astring(s->base.stream, slice_str(rights));
	stream_put(s->base.stream, SLICE("\r\n"));
}

enum result imap_myrights(struct imap *s, struct imap_args *p)
{
	struct slice mailbox = mailbox_arg(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	Sekisho__RightsAnswer *answer = NULL;
	enum result r = ask_rights(s, SEKISHO__RIGHTS_ASK__WHAT__MINE, mailbox, SLICE_NONE, &answer);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	imap_put_myrights(s, mailbox, answer->n_entries ? answer->entries[0]->rights : "");
	return imap_ok(s, "Done");
}

/* First what somebody has in any case, then each right that can be given or taken. */
enum result imap_listrights(struct imap *s, struct imap_args *p)
{
	struct slice mailbox = mailbox_arg(p), who = who_arg(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	Sekisho__RightsAnswer *answer = NULL;
	enum result r = ask_rights(s, SEKISHO__RIGHTS_ASK__WHAT__MAY, mailbox, who, &answer);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	const char *sure = answer->n_entries ? answer->entries[0]->rights : "";
	put_mailbox(s, "* LISTRIGHTS ", mailbox);
	stream_put(s->base.stream, SLICE(" "));
	imap_put_astring(s->base.stream, who);
	stream_put(s->base.stream, SLICE(" "));
	imap_put_astring(s->base.stream, slice_str(sure));
	for (size_t i = 0; !*sure && i < sizeof all_rights - 1; i++) {
		stream_put(s->base.stream, SLICE(" "));
		stream_put(s->base.stream, slice_of(all_rights + i, 1));
	}
	stream_put(s->base.stream, SLICE("\r\n"));
	return imap_ok(s, "Done");
}

static enum result set_rights(struct imap *s, struct slice mailbox, struct slice who,
    Sekisho__SetRightsAsk__Change change, struct slice rights)
{
	Sekisho__SetRightsAsk ask = SEKISHO__SET_RIGHTS_ASK__INIT;
	ask.mailbox = zed(s, mailbox);
	ask.who = zed(s, who);
	ask.change = change;
	ask.rights = zed(s, rights);
	enum result r = imap_ask(s, ASK_STORE_SET_RIGHTS, &ask, NULL);
	return r == OK ? imap_ok(s, "Done") : imap_refused(s, r, &s->store, "NONEXISTENT");
}

/* "+rights", "-rights" or "rights", all of them lower case (RFC 4314 section 3.1). */
enum result imap_setacl(struct imap *s, struct imap_args *p)
{
	struct slice mailbox = mailbox_arg(p), who = who_arg(p);
	Sekisho__SetRightsAsk__Change change = SEKISHO__SET_RIGHTS_ASK__CHANGE__REPLACE;
	imap_args_space(p);
	struct slice rights = imap_args_astring(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (slice_starts(rights, SLICE("+")) || slice_starts(rights, SLICE("-"))) {
		change = rights.p[0] == '+' ? SEKISHO__SET_RIGHTS_ASK__CHANGE__ADD
					    : SEKISHO__SET_RIGHTS_ASK__CHANGE__TAKE;
		rights = slice_sub(rights, 1, rights.n);
	}
	for (size_t i = 0; i < rights.n; i++)
		if (!strchr(all_rights, rights.p[i]))
			return imap_bad(s, &(struct imap_args){.why = "No such right"});
	return set_rights(s, mailbox, who, change, rights);
}

enum result imap_deleteacl(struct imap *s, struct imap_args *p)
{
	struct slice mailbox = mailbox_arg(p), who = who_arg(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	return set_rights(s, mailbox, who, SEKISHO__SET_RIGHTS_ASK__CHANGE__REPLACE, SLICE_NONE);
}
