/* mailbox: commands about mailboxes that need not be selected (RFC 3501 6.3). */
#include "mailbox.h"
#include "verbs.h"

/* A name that can be made: levels that hold something, not too many of them. */
static bool can_exist(struct slice name)
{
	unsigned levels = 0;
	if (!name.n || slice_eq(name, IMAP_NO_NAME))
		return false;
	struct slice rest = name;
	while (rest.n) {
		struct slice level = slice_split(&rest, '/');
		if (!level.n || ++levels > LIMIT_MAILBOX_LEVELS || slice_find(level, '%') >= 0 ||
		    slice_find(level, '*') >= 0)
			return false;
	}
	return name.p[name.n - 1] != '/';
}

static enum result cannot_exist(struct imap *s)
{
	return imap_no(s, "CANNOT", "No mailbox can have that name");
}

static char *zed(struct imap *s, struct slice name)
{
	char *z = arena_z(&s->arena, name);
	return z ? z : (char *)"";
}

/* "a/b/" announces that children will follow (RFC 3501 6.3.3); all our mailboxes may have them. */
static struct slice without_last_divider(struct slice name)
{
	if (name.n > 1 && name.p[name.n - 1] == '/')
		name.n--;
	return name;
}

static const char *const special_uses[] = {
    "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash"};

/* "(USE (\Sent))", RFC 6154 section 3. NULL (and code said) when it is not one we can give. */
static const char *special_use(struct imap_args *p)
{
	imap_args_need(p, '(');
	if (!cursor_try_word(&p->c, SLICE("USE")))
		imap_args_fail(p, "Unknown CREATE parameter");
	imap_args_space(p);
	imap_args_need(p, '(');
	const char *use = "";
	if (!imap_args_try(p, ')')) {
		do {
			imap_args_need(p, '\\');
			struct slice word = imap_args_atom(p);
			bool known = false;
			for (size_t i = 0; i < COUNT(special_uses); i++)
				if (slice_ieq(slice_str(special_uses[i] + 1), word)) {
					known = !*use; /* one to a mailbox */
					use = special_uses[i];
				}
			if (!known)
				use = "?";
		} while (imap_args_try(p, ' '));
		imap_args_need(p, ')');
	}
	imap_args_need(p, ')');
	return use;
}

static enum result created(struct imap *s, const char *name)
{
	Sekisho__NameAsk ask = SEKISHO__NAME_ASK__INIT;
	Sekisho__StatusAnswer *answer = NULL;
	ask.name = (char *)name;
	if (imap_ask(s, ASK_STORE_STATUS, &ask, &answer) != OK || !answer->mailbox)
		return imap_ok(s, "Created");
	return imap_ok_code(s,
	    arena_printf(&s->arena, "MAILBOXID (F%llu)", (unsigned long long)answer->mailbox->id), "Created");
}

enum result imap_create(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice name = without_last_divider(imap_args_mailbox(p));
	const char *use = imap_args_try(p, ' ') ? special_use(p) : "";
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (!can_exist(name))
		return cannot_exist(s);
	if (*use == '?')
		return imap_no(s, "USEATTR", "Not a use this server gives");
	Sekisho__CreateAsk ask = SEKISHO__CREATE_ASK__INIT;
	ask.name = zed(s, name);
	ask.special_use = (char *)use;
	enum result r = imap_ask(s, ASK_STORE_CREATE, &ask, NULL);
	imap_notify_own(s, name, name);
	return r == OK ? created(s, ask.name) : imap_refused(s, r, &s->store, "NONEXISTENT");
}

/* DELETE, SUBSCRIBE, UNSUBSCRIBE: one name. */
static enum result by_name(struct imap *s, struct imap_args *p, enum ipc_ask kind, const char *done)
{
	imap_args_space(p);
	struct slice name = without_last_divider(imap_args_mailbox(p));
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (!name.n || slice_eq(name, IMAP_NO_NAME))
		return cannot_exist(s);
	Sekisho__NameAsk ask = SEKISHO__NAME_ASK__INIT;
	ask.name = zed(s, name);
	enum result r = imap_ask(s, kind, &ask, NULL);
	imap_notify_own(s, name, name);
	return r == OK ? imap_ok(s, done) : imap_refused(s, r, &s->store, "NONEXISTENT");
}

enum result imap_delete(struct imap *s, struct imap_args *p)
{
	return by_name(s, p, ASK_STORE_DELETE, "Deleted");
}

enum result imap_subscribe(struct imap *s, struct imap_args *p)
{
	return by_name(s, p, ASK_STORE_SUBSCRIBE, "Subscribed");
}

enum result imap_unsubscribe(struct imap *s, struct imap_args *p)
{
	return by_name(s, p, ASK_STORE_UNSUBSCRIBE, "Unsubscribed");
}

enum result imap_rename(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice from = without_last_divider(imap_args_mailbox(p));
	imap_args_space(p);
	struct slice to = without_last_divider(imap_args_mailbox(p));
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	if (!can_exist(to))
		return cannot_exist(s);
	Sekisho__RenameAsk ask = SEKISHO__RENAME_ASK__INIT;
	ask.from = zed(s, from);
	ask.to = zed(s, to);
	enum result r = imap_ask(s, ASK_STORE_RENAME, &ask, NULL);
	imap_notify_own(s, from, to);
	return r == OK ? imap_ok(s, "Renamed") : imap_refused(s, r, &s->store, "NONEXISTENT");
}

enum result imap_namespace(struct imap *s, struct imap_args *p)
{
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	stream_put(s->base.stream,
	    SLICE("* NAMESPACE ((\"\" \"/\")) ((\"Other Users/\" \"/\")) ((\"Shared/\" \"/\"))\r\n"));
	return imap_ok(s, "Done");
}

/* ---- STATUS, RFC 3501 6.3.10; RFC 7162 3.1.7, 7889, 8438, 8474 ---- */

enum status_item {
	ITEM_MESSAGES,
	ITEM_RECENT,
	ITEM_UIDNEXT,
	ITEM_UIDVALIDITY,
	ITEM_UNSEEN,
	ITEM_DELETED,
	ITEM_SIZE,
	ITEM_HIGHESTMODSEQ,
	ITEM_APPENDLIMIT,
	ITEM_MAILBOXID,
	ITEM_DELETED_STORAGE,
};
static_assert(
    IMAP_STATUS_MESSAGES == 1u << ITEM_MESSAGES && IMAP_STATUS_UIDNEXT == 1u << ITEM_UIDNEXT, "bits");
static_assert(
    IMAP_STATUS_MODSEQ == 1u << ITEM_HIGHESTMODSEQ && IMAP_STATUS_UNSEEN == 1u << ITEM_UNSEEN, "bits");
static_assert(IMAP_STATUS_UIDVALIDITY == 1u << ITEM_UIDVALIDITY, "bits");
static const char *const item_names[] = {"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "DELETED",
    "SIZE", "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID", "DELETED-STORAGE"};

unsigned imap_status_items(struct imap_args *p)
{
	unsigned items = 0;
	imap_args_need(p, '(');
	do {
		struct slice word = imap_args_word(p);
		size_t i = 0;
		while (i < COUNT(item_names) && !slice_ieq(word, slice_str(item_names[i])))
			i++;
		if (i == COUNT(item_names))
			imap_args_fail(p, "Unknown STATUS item");
		else
			items |= 1u << i;
	} while (imap_args_try(p, ' '));
	imap_args_need(p, ')');
	return items;
}

bool imap_status_wants_deleted_size(unsigned items)
{
	return items & 1u << ITEM_DELETED_STORAGE;
}

static uint64_t status_value(
    const struct imap *s, const Sekisho__Mailbox *m, const Sekisho__MailboxStatus *st, enum status_item item)
{
	switch (item) {
	case ITEM_MESSAGES:
		return st->messages;
	case ITEM_RECENT:
		return st->recent;
	case ITEM_UIDNEXT:
		return st->uidnext;
	case ITEM_UIDVALIDITY:
		return m->uidvalidity;
	case ITEM_UNSEEN:
		return st->unseen;
	case ITEM_DELETED:
		return st->deleted;
	case ITEM_SIZE:
		return st->size;
	case ITEM_HIGHESTMODSEQ:
		return st->highestmodseq;
	case ITEM_APPENDLIMIT:
		return s->service->message_size;
	case ITEM_MAILBOXID:
		return m->id;
	case ITEM_DELETED_STORAGE: /* RFC 9208 4.1.4 */
		return st->deleted_size;
	}
	return 0;
}

void imap_put_status_news(
    struct imap *s, const Sekisho__Mailbox *m, const Sekisho__MailboxStatus *st, unsigned items)
{
	struct stream *out = s->base.stream;
	bool first = true;
	stream_put(out, SLICE("* STATUS "));
	imap_put_mailbox(out, slice_str(m->name), s->enabled & IMAP_UTF8);
	stream_put(out, SLICE(" ("));
	for (unsigned i = 0; i < COUNT(item_names); i++) {
		if (!(items >> i & 1))
			continue;
		if (!first)
			stream_put(out, SLICE(" "));
		first = false;
		stream_puts(out, item_names[i]);
		stream_puts(out, i == ITEM_MAILBOXID ? " (F" : " ");
		imap_put_number(out, status_value(s, m, st, (enum status_item)i));
		stream_puts(out, i == ITEM_MAILBOXID ? ")" : "");
	}
	stream_put(out, SLICE(")\r\n"));
}

void imap_put_status(
    struct imap *s, const Sekisho__Mailbox *m, const Sekisho__MailboxStatus *st, unsigned items)
{
	if (items & 1u << ITEM_HIGHESTMODSEQ)
		imap_sync_condstore(s); /* RFC 7162 3.1 */
	imap_put_status_news(s, m, st, items);
}

enum result imap_status(struct imap *s, struct imap_args *p)
{
	imap_args_space(p);
	struct slice name = imap_args_mailbox(p);
	imap_args_space(p);
	unsigned items = imap_status_items(p);
	if (imap_args_done(p) != OK)
		return imap_bad(s, p);
	Sekisho__NameAsk ask = SEKISHO__NAME_ASK__INIT;
	Sekisho__StatusAnswer *answer = NULL;
	ask.name = zed(s, name);
	ask.with_deleted_size = imap_status_wants_deleted_size(items);
	enum result r = imap_ask(s, ASK_STORE_STATUS, &ask, &answer);
	if (r != OK)
		return imap_refused(s, r, &s->store, "NONEXISTENT");
	if (!answer->mailbox || !answer->status || answer->mailbox->noselect)
		return imap_no(s, "NONEXISTENT", "It holds no messages, only mailboxes");
	imap_put_status(s, answer->mailbox, answer->status, items);
	return imap_ok(s, "Done");
}
