#include "ferry/export.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW 256       /* messages of one ask */
#define BODY_MOST 98304u /* octets of a body that come with its row, and of a part of one */

/* ---- files ---- */

enum result out_directory(struct ferry *f, const char *path, int *dir_out)
{
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return ferry_fail(f, LATER, "%s: %s", path, strerrordesc_np(errno));
	*dir_out = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct ferry_names names;
	if (*dir_out < 0 || ferry_list(*dir_out, &names) != OK)
		return ferry_fail(f, LATER, "%s: not a directory that can be used", path);
	size_t n = names.n;
	ferry_list_free(&names);
	if (!n)
		return OK;
	fd_close(dir_out);
	return ferry_fail(f, DENY, "%s: there is something in it already", path);
}

enum result out_file(struct ferry *f, int dir, const char *name, struct slice text, int64_t mtime_ms)
{
	FD_LOCAL fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct timespec times[2] = {
	    {.tv_nsec = UTIME_OMIT}, {.tv_sec = mtime_ms / 1000, .tv_nsec = mtime_ms % 1000 * 1000000}};
	if (fd < 0 || fd_write_all(fd, text) != OK || futimens(fd, times) != 0)
		return ferry_fail(f, LATER, "%s: %s", name, strerrordesc_np(errno));
	return OK;
}

enum result out_tree(
    struct ferry *f, int root, struct slice mailbox, bool all, int *dir_out, struct buf *last)
{
	int dir = fcntl(root, F_DUPFD_CLOEXEC, 0);
	while (mailbox.n && dir >= 0) {
		BUF_LOCAL(name, 8192);
		ferry_put_file_name(&name, slice_split(&mailbox, '/'));
		if (!mailbox.n && !all) {
			buf_put(last, buf_slice(&name));
			break;
		}
		int below =
		    mkdirat(dir, buf_z(&name), 0700) == 0 || faccessat(dir, buf_z(&name), X_OK, 0) == 0
			? openat(dir, buf_z(&name), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
			: -1;
		fd_close(&dir);
		dir = below;
	}
	*dir_out = dir;
	return dir >= 0
		   ? OK
		   : ferry_fail(f, LATER, "a directory for " SLICE_FMT " cannot be made", SLICE_ARG(mailbox));
}

/* ---- reading ---- */

struct reading {
	struct ferry *ferry;
	const struct out_ops *ops;
	void *to;
	char **keywords; /* of the mailbox, by bit */
	size_t n_keywords;
	struct arena names;
	struct buf large;
};

static enum result session_failed(struct ferry *f, enum result r, const char *mailbox)
{
	return ferry_fail(f, r, "%s: %s", mailbox, f->session.why[0] ? f->session.why : result_name(r));
}

/* A body in parts. */
static enum result read_large(struct reading *r, const Sekisho__Row *row)
{
	struct ferry *f = r->ferry;
	buf_clear(&r->large);
	while (r->large.n < row->size) {
		ARENA_LOCAL(a, LIMIT_IPC_PACKET * 2);
		Sekisho__BodyAsk ask = SEKISHO__BODY_ASK__INIT;
		Sekisho__BodyAnswer *answer = NULL;
		ask.uid = row->uid;
		ask.offset = r->large.n;
		ask.length = BODY_MOST;
		enum result done = ipc_call(&f->session, ASK_STORE_BODY, &ask, NULL, &a, &answer, NULL);
		if (done != OK || !answer->data.len)
			return done == OK ? LATER : done;
		buf_put(&r->large, slice_of(answer->data.data, answer->data.len));
	}
	return buf_result(&r->large);
}

static enum result put_row(struct reading *r, const Sekisho__Row *row, struct slice body)
{
	struct out_message m = {
	    .uid = row->uid, .flags = row->flags, .internal_ms = row->internal_ms, .body = body};
	for (size_t i = 0; i < r->n_keywords && i < FERRY_KEYWORDS; i++)
		if (row->keywords >> i & 1)
			m.keywords[m.n_keywords++] = r->keywords[i];
	enum result done = r->ops->put(r->ferry, r->to, &m);
	if (done == OK)
		ferry_count_taken(r->ferry, body.n);
	return done;
}

/* Rows whose body did not come with them are done after the answer's last packet: a channel has one ask at a time. */
struct later {
	Sekisho__Row row[WINDOW];
	size_t n;
};

/* In order: once one must wait, those after it do too. */
static enum result take_rows(struct reading *r, const Sekisho__FetchAnswer *answer, struct later *later)
{
	enum result done = OK;
	for (size_t i = 0; i < answer->n_rows && done == OK; i++) {
		const Sekisho__Row *row = answer->rows[i];
		if (row->has_body && !later->n)
			done = put_row(r, row, slice_of(row->body.data, row->body.len));
		else if (later->n < WINDOW)
			later->row[later->n++] = *row;
	}
	return done;
}

static enum result read_window(struct reading *r, uint32_t first, uint32_t count, const char *mailbox)
{
	struct ferry *f = r->ferry;
	ARENA_LOCAL(a, (size_t)128 << 20);
	Sekisho__FetchAsk ask = SEKISHO__FETCH_ASK__INIT;
	Sekisho__FetchAnswer *answer = NULL;
	Sekisho__Run run = SEKISHO__RUN__INIT, *runs[1] = {&run};
	struct later *later = arena_new(&a, struct later);
	run.first = first;
	run.count = count;
	ask.uids = runs;
	ask.n_uids = 1;
	ask.want = SEKISHO__WANT__WANT_BODY;
	ask.body_max = BODY_MOST;
	enum result done = ipc_call(&f->session, ASK_STORE_FETCH, &ask, NULL, &a, &answer, NULL), wrote = OK;
	while (done == OK) {
		if (wrote == OK)
			wrote = take_rows(r, answer, later);
		if (!f->session.more)
			break;
		done = ipc_more(&f->session, &a, &answer, NULL);
	}
	if (done != OK)
		return session_failed(f, done, mailbox);
	for (size_t i = 0; i < later->n && wrote == OK; i++) {
		const Sekisho__Row *row = &later->row[i];
		done = row->has_body ? OK : read_large(r, row);
		if (done == OK)
			wrote = put_row(r, row,
			    row->has_body ? slice_of(row->body.data, row->body.len) : buf_slice(&r->large));
		else
			ferry_refused(
			    f, mailbox, "UID %u could not be read: %s", row->uid, result_name(done));
	}
	return wrote;
}

/* The runs of a SELECT's answer, which may come in several packets. */
struct uids {
	Sekisho__Run *run;
	size_t n, room;
};

static void add_runs(struct uids *u, Sekisho__Run *const *runs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (u->n == u->room) {
			u->room = u->room ? u->room * 2 : 256;
			u->run = reallocarray(u->run, u->room, sizeof *u->run);
			if (!u->run)
				abort();
		}
		u->run[u->n++] = *runs[i];
	}
}

static enum result select_box(struct reading *r, const char *mailbox, struct uids *uids)
{
	struct ferry *f = r->ferry;
	ARENA_LOCAL(a, (size_t)64 << 20);
	Sekisho__SelectAsk ask = SEKISHO__SELECT_ASK__INIT;
	Sekisho__SelectAnswer *answer = NULL;
	ask.name = (char *)(uintptr_t)mailbox;
	ask.examine = true;
	enum result done = ipc_call(&f->session, ASK_STORE_SELECT, &ask, NULL, &a, &answer, NULL);
	if (done != OK)
		return session_failed(f, done, mailbox);
	arena_reset(&r->names);
	r->n_keywords = answer->n_keywords;
	r->keywords = arena_array(&r->names, r->n_keywords + 1, sizeof *r->keywords);
	for (size_t i = 0; i < r->n_keywords; i++)
		r->keywords[i] = arena_z(&r->names, slice_str(answer->keywords[i]));
	for (;;) {
		add_runs(uids, answer->uids, answer->n_uids);
		if (!f->session.more)
			return OK;
		done = ipc_more(&f->session, &a, &answer, NULL);
		if (done != OK)
			return session_failed(f, done, mailbox);
	}
}

/* Runs are read in windows of about WINDOW messages, so that single UIDs with gaps between them do not cost an ask each. */
static enum result read_box(struct reading *r, const char *mailbox)
{
	struct uids uids = {0};
	enum result done = select_box(r, mailbox, &uids);
	if (done == OK)
		done = r->ops->begin(r->ferry, r->to, slice_str(mailbox));
	for (size_t i = 0; i < uids.n && done == OK;) {
		uint32_t first = uids.run[i].first, held = 0, last = first;
		while (i < uids.n && held < WINDOW) {
			uint32_t take = MIN(uids.run[i].count, WINDOW - held);
			held += take;
			last = uids.run[i].first + take - 1;
			uids.run[i].first += take;
			uids.run[i].count -= take;
			i += uids.run[i].count == 0;
		}
		done = read_window(r, first, last - first + 1, mailbox);
	}
	free(uids.run);
	enum result ended = done == OK ? r->ops->end(r->ferry, r->to) : OK;
	return done == OK ? ended : done;
}

struct boxes {
	char **name;
	size_t n;
	struct arena arena;
};

/* Mailboxes of others that the account may see are not its own. */
static bool is_others(struct slice name)
{
	return slice_starts(name, SLICE("Other Users/")) || slice_starts(name, SLICE("Shared/"));
}

static void add_boxes(
    struct ferry *f, struct boxes *b, const Sekisho__MailboxesAnswer *answer, const char *folder)
{
	for (size_t i = 0; i < answer->n_mailboxes && b->n < LIMIT_MAILBOXES; i++) {
		const Sekisho__Mailbox *m = answer->mailboxes[i];
		if (m->noselect || (folder ? strcmp(folder, m->name) != 0 : is_others(slice_str(m->name))))
			continue;
		b->name[b->n++] = arena_z(&b->arena, slice_str(m->name));
		if (i < answer->n_status) {
			f->n.messages += answer->status[i]->messages;
			f->n.all_octets += answer->status[i]->size;
		}
	}
}

static enum result list_boxes(struct ferry *f, const char *folder, struct boxes *b)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	Sekisho__MailboxesAsk ask = SEKISHO__MAILBOXES_ASK__INIT;
	Sekisho__MailboxesAnswer *answer = NULL;
	ask.with_status = true;
	b->name = arena_array(&b->arena, LIMIT_MAILBOXES, sizeof *b->name);
	enum result r = ipc_call(&f->session, ASK_STORE_MAILBOXES, &ask, NULL, &a, &answer, NULL);
	while (r == OK) {
		add_boxes(f, b, answer, folder);
		if (!f->session.more)
			break;
		r = ipc_more(&f->session, &a, &answer, NULL);
	}
	if (r != OK)
		return session_failed(f, r, "the list of mailboxes");
	return b->n ? OK : ferry_fail(f, GONE, "%s: no such mailbox", folder ? folder : "");
}

enum result out_all(struct ferry *f, const char *folder, const struct out_ops *ops, void *to)
{
	struct boxes boxes = {0};
	struct reading r = {.ferry = f, .ops = ops, .to = to};
	arena_init(&boxes.arena, (size_t)64 << 20);
	arena_init(&r.names, (size_t)1 << 20);
	buf_init(&r.large, FERRY_MESSAGE);
	enum result done = list_boxes(f, folder, &boxes);
	for (size_t i = 0; i < boxes.n && done == OK; i++)
		done = read_box(&r, boxes.name[i]);
	arena_free(&boxes.arena);
	arena_free(&r.names);
	buf_free(&r.large);
	return done;
}
