/* folders: LIST, NAMESPACE, EXAMINE, FETCH. */
#include "imapc/inner.h"

struct listing {
	void (*each)(void *arg, const struct imapc_folder *f);
	void *arg;
};

static enum result on_list(struct imapc *c, struct imapc_reply *r, void *arg)
{
	const struct listing *l = arg;
	struct imapc_folder f;
	if (r->numbered || (!slice_ieq(r->word, SLICE("LIST")) && !slice_ieq(r->word, SLICE("XLIST"))))
		return OK;
	if (imapc_list_parse(r->rest, &c->arena, &f) != OK)
		return imapc_fail(c, BAD, "the server lists a folder that cannot be understood");
	l->each(l->arg, &f);
	return OK;
}

enum result imapc_list(struct imapc *c, void (*each)(void *arg, const struct imapc_folder *f), void *arg)
{
	struct listing l = {each, arg};
	const char *ask = "LIST \"\" \"*\"\r\n";
	if (imapc_can(c, "LIST-EXTENDED") && imapc_can(c, "SPECIAL-USE"))
		ask = "LIST \"\" \"*\" RETURN (SPECIAL-USE SUBSCRIBED)\r\n";
	else if (!imapc_can(c, "SPECIAL-USE") && imapc_can(c, "XLIST"))
		ask = "XLIST \"\" \"*\"\r\n";
	imapc_begin(c);
	stream_puts(c->stream, ask);
	return imapc_finish(c, on_list, &l);
}

static enum result on_namespace(struct imapc *c, struct imapc_reply *r, void *arg)
{
	struct slice prefix;
	if (r->numbered || !slice_ieq(r->word, SLICE("NAMESPACE")))
		return OK;
	if (imapc_namespace_parse(r->rest, &c->arena, &prefix) == OK)
		buf_put(arg, prefix);
	return OK;
}

enum result imapc_prefix(struct imapc *c, struct buf *prefix)
{
	buf_clear(prefix);
	if (!imapc_can(c, "NAMESPACE"))
		return OK;
	imapc_begin(c);
	stream_puts(c->stream, "NAMESPACE\r\n");
	return imapc_finish(c, on_namespace, prefix);
}

static enum result on_examine(struct imapc *c, struct imapc_reply *r, void *arg)
{
	struct imapc_box *box = arg;
	struct slice code, argument;
	if (r->numbered && slice_ieq(r->word, SLICE("EXISTS")))
		box->exists = r->number;
	if (!r->numbered && slice_ieq(r->word, SLICE("OK")) && imapc_code(r->rest, &code, &argument) &&
	    slice_ieq(code, SLICE("UIDVALIDITY")) && num_u32(argument, UINT32_MAX, &box->uidvalidity) != OK)
		return imapc_fail(c, BAD, "a UIDVALIDITY that is no number");
	return OK;
}

enum result imapc_examine(struct imapc *c, struct slice name, struct imapc_box *out)
{
	*out = (struct imapc_box){0};
	c->expunged = 0;
	imapc_begin(c);
	stream_puts(c->stream, "EXAMINE ");
	enum result r = imapc_put_string(c, name);
	stream_puts(c->stream, "\r\n");
	return r == OK ? imapc_finish(c, on_examine, out) : r;
}

/* ---- messages ---- */

struct fetching {
	imapc_each *each;
	void *arg;
	bool bodies;
};

static enum result on_fetch(struct imapc *c, struct imapc_reply *r, void *arg)
{
	const struct fetching *f = arg;
	struct imapc_message m = {.seq = r->number};
	if (!r->numbered || !slice_ieq(r->word, SLICE("FETCH")))
		return OK;
	enum result parsed = imapc_fetch_parse(r->rest, &c->arena, &m);
	if (parsed != OK)
		return imapc_fail(c, parsed,
		    "the server describes message %u in a way that cannot be understood", r->number);
	/* Flags that somebody changes meanwhile come unasked for, without what was asked for. */
	if (m.has_uid && (f->bodies ? m.has_body : m.has_flags))
		f->each(f->arg, &m);
	return OK;
}

enum result imapc_rows(struct imapc *c, uint32_t first, uint32_t last, imapc_each *each, void *arg)
{
	struct fetching f = {each, arg, false};
	imapc_begin(c);
	stream_printf(c->stream, "FETCH %u:%u (UID FLAGS INTERNALDATE RFC822.SIZE)\r\n", first, last);
	return imapc_finish(c, on_fetch, &f);
}

enum result imapc_bodies(struct imapc *c, const char *uids, imapc_each *each, void *arg)
{
	struct fetching f = {each, arg, true};
	imapc_begin(c);
	stream_printf(c->stream, "UID FETCH %s (UID BODY.PEEK[])\r\n", uids);
	return imapc_finish(c, on_fetch, &f);
}

uint32_t imapc_expunged(struct imapc *c)
{
	uint32_t n = c->expunged;
	c->expunged = 0;
	return n;
}
