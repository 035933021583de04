/* envelope: ENVELOPE (RFC 3501 7.4.2). */
#include "fetch.h"

/* (name adl mailbox host); a group begins with its name as mailbox and ends with NIL, both without a host. */
static void put_address(struct stream *out, const Sekisho__Address *a)
{
	struct slice name = imap_octets(a->name), local = imap_octets(a->local),
		     domain = imap_octets(a->domain);
	switch (a->kind) {
	case SEKISHO__ADDRESS__KIND__GROUP_START:
		stream_put(out, SLICE("(NIL NIL "));
		imap_put_string(out, name);
		stream_put(out, SLICE(" NIL)"));
		return;
	case SEKISHO__ADDRESS__KIND__GROUP_END:
		stream_put(out, SLICE("(NIL NIL NIL NIL)"));
		return;
	default:
		if (!name.n && !domain.n && slice_find(local, ' ') >= 0) { /* words, and no address to them */
			name = local;
			local = SLICE_NONE;
		}
		stream_put(out, SLICE("("));
		imap_put_nstring(out, name, name.n);
		stream_put(out, SLICE(" "));
		imap_put_nstring(out, imap_octets(a->route), a->route.len);
		stream_put(out, SLICE(" "));
		/* NIL would make it a group; for what is missing clients know the words that other servers use. */
		imap_put_string(out, local.n ? local : SLICE("MISSING_MAILBOX"));
		stream_put(out, SLICE(" "));
		imap_put_string(out, domain.n ? domain : SLICE("MISSING_DOMAIN"));
		stream_put(out, SLICE(")"));
	}
}

static void put_addresses(struct stream *out, Sekisho__Address *const *v, size_t n)
{
	stream_put(out, SLICE(" "));
	if (!n) {
		stream_put(out, SLICE("NIL"));
		return;
	}
	stream_put(out, SLICE("("));
	for (size_t i = 0; i < n; i++)
		put_address(out, v[i]);
	stream_put(out, SLICE(")"));
}

void imap_put_envelope(struct stream *out, const Sekisho__Envelope *e)
{
	Sekisho__Envelope none = SEKISHO__ENVELOPE__INIT;
	if (!e)
		e = &none;
	stream_put(out, SLICE("("));
	imap_put_nstring(out, imap_octets(e->date), e->has_date);
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, slice_trim_blank(imap_octets(e->subject)), e->has_subject);
	put_addresses(out, e->from, e->n_from);
	/* Absent or empty, both default to From (RFC 3501 7.4.2). */
	put_addresses(out, e->n_sender ? e->sender : e->from, e->n_sender ? e->n_sender : e->n_from);
	put_addresses(out, e->n_reply_to ? e->reply_to : e->from, e->n_reply_to ? e->n_reply_to : e->n_from);
	put_addresses(out, e->to, e->n_to);
	put_addresses(out, e->cc, e->n_cc);
	put_addresses(out, e->bcc, e->n_bcc);
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, imap_octets(e->in_reply_to), e->has_in_reply_to);
	stream_put(out, SLICE(" "));
	imap_put_nstring(out, imap_octets(e->message_id), e->has_message_id);
	stream_put(out, SLICE(")"));
}
