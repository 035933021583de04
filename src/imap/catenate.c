/* catenate: a message made of literals and of parts of other messages (RFC 4469, URLs as in url.h). */
#include "append.h"
#include "rows.h"
#include "url.h"

/* A partial's octets on their way into the draft. */
struct copying {
	struct imap_append *append;
	uint64_t skip, left;
	bool over; /* larger than a message may be */
};

static enum result copy_piece(void *context, struct slice piece)
{
	struct copying *c = context;
	struct imap_draft *d = &c->append->draft;
	uint64_t pass = MIN(c->skip, piece.n);
	c->skip -= pass;
	piece = slice_sub(piece, (size_t)pass, (size_t)MIN(piece.n - pass, c->left));
	c->left -= piece.n;
	c->over = d->octets + piece.n > c->append->s->service->message_size;
	if (c->over)
		return FULL;
	imap_draft_put(d, piece, false);
	return OK;
}

/* BADURL with the URL, which must not end the code it stands in. */
static bool bad_url(struct imap_append *a, struct slice url)
{
	struct slice shown = arena_dup(&a->s->arena, slice_sub(url, 0, 1000));
	char *p = (char *)(uintptr_t)shown.p;
	for (size_t i = 0; i < shown.n; i++)
		if (p[i] < 0x20 || p[i] == 0x7f || p[i] == ']' || p[i] == '"' || p[i] == '\\')
			p[i] = '?';
	char *code = arena_printf(&a->s->arena, "BADURL \"" SLICE_FMT "\"", SLICE_ARG(shown));
	return imap_append_stop(a, imap_no(a->s, code ? code : "BADURL \"\"", "Nothing is there"));
}

static bool put_url(struct imap_append *a, struct slice text)
{
	struct imap *s = a->s;
	struct imap_url url;
	struct imap_row row;
	ARENA_LOCAL(arena, (size_t)64 << 20);
	if (imap_url_parse(text, slice_str(s->service->hostname), slice_str(s->user), &arena, &url) != OK ||
	    (!url.mailbox.n && !s->box))
		return bad_url(a, text);
	char *mailbox = arena_z(&arena, url.mailbox);
	enum result r = mailbox ? imap_row_of(s, mailbox, url.uidvalidity, url.uid, &arena, &row) : FULL;
	if (r == GONE && s->store.fd >= 0)
		return bad_url(a, text);
	if (r != OK)
		return imap_append_stop(a, imap_refused(s, r, &s->store, "NONEXISTENT"));
	struct imap_message m = {
	    .s = s, .arena = &arena, .row = row.row, .packed = row.facts, .mailbox = mailbox};
	struct copying c = {.append = a, .left = UINT64_MAX};
	if (url.section.partial) {
		c.skip = url.section.offset;
		c.left = url.section.length;
	}
	r = imap_section_copy(&m, &url.section, copy_piece, &c);
	if (c.over)
		return imap_append_stop(a, imap_no(s, "TOOBIG", "Larger than this server takes"));
	if (r == GONE)
		return bad_url(a, text);
	return r == OK || imap_append_stop(a, imap_no(s, "UNAVAILABLE", "Please try again later"));
}

/* Before anything is collected: a mailbox that is not there is said to be so, whatever else is wrong. */
static bool check_mailbox(struct imap_append *a)
{
	Sekisho__NameAsk ask = SEKISHO__NAME_ASK__INIT;
	Sekisho__StatusAnswer *answer = NULL;
	ask.name = arena_z(&a->s->arena, a->mailbox);
	enum result r = a->checked ? OK : ask.name ? imap_ask(a->s, ASK_STORE_STATUS, &ask, &answer) : FULL;
	a->checked = true;
	return r == OK || imap_append_stop(a, imap_refused(a->s, r, &a->s->store, "TRYCREATE"));
}

static bool one_part(struct imap_append *a)
{
	struct slice url;
	if (cursor_try_word(&a->args->c, SLICE("TEXT ")))
		return imap_append_literal(a);
	if (!cursor_try_word(&a->args->c, SLICE("URL ")))
		return imap_append_bad(a, "TEXT or URL was expected");
	return imap_append_astring(a, &url) && put_url(a, url);
}

bool imap_append_catenate(struct imap_append *a)
{
	if (!check_mailbox(a))
		return false;
	do {
		if (!one_part(a))
			return false;
	} while (imap_args_try(a->args, ' '));
	return imap_args_try(a->args, ')') || imap_append_bad(a, "A parenthesis was expected");
}
