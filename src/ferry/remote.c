/*
 * remote: mail from another IMAP server.
 *
 * Folders are examined one after another in windows of sequence numbers: first UID, flags, date and size, then, of those
 * that the store does not have, the messages. Folders that only show what lies elsewhere (All Mail, Starred) come last, and
 * of them only what no other folder had.
 */
#include "ferry/inner.h"
#include <openssl/sha.h>
#include <stdio.h>

#define WINDOW 500
#define AT_ONCE ((uint64_t)4 << 20) /* octets asked for at once */
#define FOLDERS_MOST 20000
#define LEVELS_MOST 64

struct folder {
	struct slice name;
	char divider;
	unsigned attributes;
};

struct row {
	uint32_t uid, flags;
	char *keywords[IMAPC_KEYWORDS];
	size_t n_keywords;
	int64_t internal_ms;
	uint64_t size;
	bool known, came;
};

struct remote {
	struct ferry *ferry;
	struct imapc *imap;
	const char *source, *into;
	struct folder *folder;
	size_t n_folders;
	bool views; /* there are folders that show what lies elsewhere */
	struct arena names, window;
	struct buf prefix;
	/* the folder in hand */
	const struct folder *at;
	const char *mailbox;
	uint32_t uidvalidity;
	struct row *row;
	size_t n_rows;
	enum result result;
};

static void on_folder(void *arg, const struct imapc_folder *f)
{
	struct remote *r = arg;
	if (r->n_folders == FOLDERS_MOST) {
		r->result = FULL;
		return;
	}
	struct folder *to = &r->folder[r->n_folders++];
	*to = (struct folder){arena_dup(&r->names, f->name), f->divider, f->attributes};
	r->views |= (f->attributes & (IMAPC_ALL | IMAPC_FLAGGED)) != 0;
}

static bool is_view(const struct folder *f)
{
	return f->attributes & (IMAPC_ALL | IMAPC_FLAGGED);
}

/* The mailbox that has the same use here, so that there are not two for what was sent. */
static const char *by_use(unsigned attributes)
{
	static const struct {
		unsigned bit;
		const char *name;
	} uses[] = {{IMAPC_SENT, "Sent"}, {IMAPC_DRAFTS, "Drafts"}, {IMAPC_JUNK, "Junk"},
	    {IMAPC_TRASH, "Trash"}, {IMAPC_ARCHIVE, "Archive"}, {IMAPC_ALL, "Archive"}};
	for (size_t i = 0; i < COUNT(uses); i++)
		if (attributes & uses[i].bit)
			return uses[i].name;
	return NULL;
}

/* The name without the prefix of the user's own folders, level by level. */
static void mailbox_name(struct remote *r, const struct folder *f, struct buf *out)
{
	struct slice level[LEVELS_MOST], rest = f->name;
	size_t n = 0;
	const char *use = by_use(f->attributes);
	ARENA_LOCAL(a, 65536);
	struct slice prefix = buf_slice(&r->prefix);
	if (use) {
		level[0] = slice_str(use);
		ferry_name(out, r->into, level, 1);
		return;
	}
	if (prefix.n && rest.n > prefix.n && slice_starts(rest, prefix))
		rest = slice_sub(rest, prefix.n, rest.n);
	while (rest.n && n < LEVELS_MOST) {
		BUF_LOCAL(utf8, 8192);
		bool last = n + 1 == LEVELS_MOST || !f->divider;
		ferry_utf7(last ? rest : slice_split(&rest, f->divider), &utf8);
		level[n++] = arena_dup(&a, buf_slice(&utf8));
		if (last)
			break;
	}
	ferry_name(out, r->into, level, n);
}

/* ---- one window ---- */

static void on_row(void *arg, const struct imapc_message *m)
{
	struct remote *r = arg;
	if (r->n_rows == WINDOW * 2)
		return;
	struct row *row = &r->row[r->n_rows++];
	*row = (struct row){.uid = m->uid, .flags = m->flags, .internal_ms = m->internal_ms, .size = m->size};
	for (size_t i = 0; i < m->n_keywords; i++)
		row->keywords[row->n_keywords++] = arena_z(&r->window, m->keywords[i]);
}

static void key_of(const struct remote *r, uint32_t uid, uint8_t out[FERRY_KEY])
{
	uint32_t numbers[2] = {r->uidvalidity, uid};
	const struct slice parts[] = {SLICE("imap"), slice_str(r->source), r->at->name, slice_str(r->mailbox),
	    slice_of(numbers, sizeof numbers)};
	ferry_key(out, parts, COUNT(parts));
}

static void content_key(const struct remote *r, struct slice body, uint8_t out[FERRY_KEY])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256((const uint8_t *)body.p, body.n, digest);
	const struct slice parts[] = {SLICE("imap content"), slice_str(r->source),
	    slice_str(r->into ? r->into : ""), slice_of(digest, sizeof digest)};
	ferry_key(out, parts, COUNT(parts));
}

static void on_body(void *arg, const struct imapc_message *m)
{
	struct remote *r = arg;
	struct row *row = NULL;
	for (size_t i = 0; i < r->n_rows && !row; i++)
		if (r->row[i].uid == m->uid)
			row = &r->row[i];
	if (!row || row->came || r->result != OK)
		return;
	BUF_LOCAL(where, 4096);
	buf_printf(&where, "%s: UID %u", r->mailbox, m->uid);
	struct ferry_message out = {.mailbox = r->mailbox,
	    .body = m->body,
	    .flags = row->flags,
	    .internal_ms = row->internal_ms,
	    .where = buf_z(&where)};
	memcpy(out.keywords, row->keywords, sizeof row->keywords);
	out.n_keywords = row->n_keywords;
	row->came = true;
	key_of(r, m->uid, out.key);
	if (r->views) {
		content_key(r, m->body, out.also);
		out.has_also = true;
	}
	if (is_view(r->at)) { /* its content is its name; that of the folder is the other one */
		uint8_t key[FERRY_KEY];
		memcpy(key, out.key, sizeof key);
		memcpy(out.key, out.also, sizeof key);
		memcpy(out.also, key, sizeof key);
	}
	r->result = ferry_put(r->ferry, &out);
}

static enum result mark_known(struct remote *r)
{
	uint8_t(*keys)[FERRY_KEY] = arena_array(&r->window, r->n_rows + 1, FERRY_KEY);
	bool *known = arena_array(&r->window, r->n_rows + 1, sizeof *known);
	if (!keys || !known)
		return ferry_fail(r->ferry, FULL, "too many keywords");
	uint64_t n = 0;
	for (size_t i = 0; i < r->n_rows; i++)
		key_of(r, r->row[i].uid, keys[i]);
	enum result done =
	    r->n_rows ? ferry_known(r->ferry, (const uint8_t(*)[FERRY_KEY])keys, r->n_rows, known) : OK;
	for (size_t i = 0; done == OK && i < r->n_rows; i++) {
		r->row[i].known = known[i];
		n += known[i];
	}
	ferry_count_known(r->ferry, n);
	return done;
}

static enum result imap_failed(struct remote *r, enum result why)
{
	return ferry_fail(r->ferry, why, "%s: %s", r->mailbox ? r->mailbox : r->source, imapc_why(r->imap));
}

/* Asks for the unknown ones from row *i on, as many as fit. */
static enum result fetch_some(struct remote *r, size_t *i)
{
	BUF_LOCAL(uids, 8192);
	uint64_t octets = 0;
	size_t from = *i;
	for (; *i < r->n_rows && uids.n < 7000; (*i)++) {
		const struct row *row = &r->row[*i];
		if (row->known)
			continue;
		if (row->size > FERRY_MESSAGE) {
			ferry_refused(r->ferry, r->mailbox,
			    "UID %u is larger than any message this server takes", row->uid);
			continue;
		}
		if (uids.n && octets + row->size > AT_ONCE)
			break;
		octets += row->size;
		buf_printf(&uids, "%s%u", uids.n ? "," : "", row->uid);
	}
	if (!uids.n)
		return OK;
	enum result done = imapc_bodies(r->imap, buf_z(&uids), on_body, r);
	if (done == OK)
		done = r->result;
	else
		imap_failed(r, done);
	for (size_t k = from; done == OK && k < *i; k++)
		if (!r->row[k].known && !r->row[k].came && r->row[k].size <= FERRY_MESSAGE)
			ferry_refused(r->ferry, r->mailbox,
			    "UID %u did not come: it may have been removed meanwhile", r->row[k].uid);
	return done;
}

static enum result take_window(struct remote *r, uint32_t first, uint32_t last)
{
	arena_reset(&r->window);
	r->n_rows = 0;
	r->row = arena_array(&r->window, WINDOW * 2, sizeof *r->row);
	if (!r->row)
		return FULL;
	enum result done = imapc_rows(r->imap, first, last, on_row, r);
	if (done != OK)
		return imap_failed(r, done);
	done = mark_known(r);
	for (size_t i = 0; i < r->n_rows && done == OK;)
		done = fetch_some(r, &i);
	return done;
}

static enum result take_folder(struct remote *r, const struct folder *f)
{
	struct imapc_box box;
	BUF_LOCAL(name, 4096);
	mailbox_name(r, f, &name);
	r->at = f;
	r->mailbox = buf_z(&name);
	enum result done = imapc_examine(r->imap, f->name, &box);
	if (done == DENY) {
		ferry_problem(r->ferry, r->mailbox, "%s", imapc_why(r->imap));
		return OK;
	}
	if (done != OK)
		return imap_failed(r, done);
	r->uidvalidity = box.uidvalidity;
	r->ferry->n.messages += box.exists;
	if (!is_view(f) || box.exists)
		done = ferry_mailbox(r->ferry, r->mailbox);
	for (uint32_t first = 1; done == OK && first <= box.exists;) {
		uint32_t last = MIN(box.exists, first + WINDOW - 1);
		done = take_window(r, first, last);
		/* Those below moved up when some were expunged; what comes twice is known. */
		uint32_t gone = imapc_expunged(r->imap);
		box.exists -= MIN(gone, box.exists);
		first = last + 1 > gone ? last + 1 - gone : 1;
	}
	return done;
}

enum result ferry_from_imap(struct ferry *f, struct imapc *c, const char *name, const char *into)
{
	struct remote r = {.ferry = f, .imap = c, .source = name, .into = into};
	arena_init(&r.names, (size_t)64 << 20);
	arena_init(&r.window, (size_t)64 << 20);
	buf_init(&r.prefix, 1024);
	r.folder = calloc(FOLDERS_MOST, sizeof *r.folder);
	if (!r.folder)
		abort();
	enum result done = imapc_prefix(c, &r.prefix);
	if (done == OK)
		done = imapc_list(c, on_folder, &r);
	if (done != OK)
		imap_failed(&r, done);
	else if (r.result != OK)
		done = ferry_fail(f, r.result, "%s has too many folders", name);
	for (unsigned views = 0; views < 2; views++)
		for (size_t i = 0; i < r.n_folders && done == OK; i++)
			if (!(r.folder[i].attributes & IMAPC_NOSELECT) &&
			    is_view(&r.folder[i]) == (views == 1))
				done = take_folder(&r, &r.folder[i]);
	free(r.folder);
	buf_free(&r.prefix);
	arena_free(&r.names);
	arena_free(&r.window);
	enum result settled = ferry_settle(f);
	return done == OK ? settled : done;
}
