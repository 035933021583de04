/* export_maildir: Maildir++ as Dovecot keeps it: flags in the names, keywords in dovecot-keywords, dates as mtime. */
#include "ferry/export.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LETTERS 26

struct maildir_out {
	int root, cur; /* -1: none */
	int folder;
	const char *mailbox;
	char *keyword[LETTERS];
	size_t n_keywords;
	struct arena arena;
	bool told; /* that there are more keywords than letters */
	uint64_t number;
};

static enum result make(struct ferry *f, int dir, const char *name, int *out)
{
	if (mkdirat(dir, name, 0700) != 0 ||
	    (*out = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		return ferry_fail(f, LATER, "%s: cannot be made", name);
	return OK;
}

static void folder_name(struct slice mailbox, struct buf *out)
{
	while (mailbox.n) {
		buf_putc(out, '.');
		ferry_put_maildir_level(out, slice_split(&mailbox, '/'));
	}
}

static enum result begin(struct ferry *f, void *to, struct slice mailbox)
{
	struct maildir_out *m = to;
	BUF_LOCAL(name, 8192);
	enum result r = OK;
	arena_reset(&m->arena);
	m->mailbox = arena_z(&m->arena, mailbox);
	m->n_keywords = 0;
	m->told = false;
	if (slice_eq(mailbox, SLICE("INBOX"))) {
		m->folder = fcntl(m->root, F_DUPFD_CLOEXEC, 0);
	} else {
		folder_name(mailbox, &name);
		r = make(f, m->root, buf_z(&name), &m->folder);
		if (r == OK)
			r = out_file(f, m->folder, "maildirfolder", SLICE_NONE, clock_utc_ms());
	}
	int other = -1;
	static const char *const beside[] = {"new", "tmp"};
	for (size_t i = 0; i < COUNT(beside) && r == OK; i++) {
		r = make(f, m->folder, beside[i], &other);
		fd_close(&other);
	}
	return r == OK ? make(f, m->folder, "cur", &m->cur) : r;
}

static int letter_of(struct maildir_out *m, const char *keyword)
{
	for (size_t i = 0; i < m->n_keywords; i++)
		if (strcmp(m->keyword[i], keyword) == 0)
			return 'a' + (int)i;
	if (m->n_keywords == LETTERS)
		return 0;
	m->keyword[m->n_keywords] = arena_z(&m->arena, slice_str(keyword));
	return 'a' + (int)m->n_keywords++;
}

static enum result put(struct ferry *f, void *to, const struct out_message *out)
{
	struct maildir_out *m = to;
	BUF_LOCAL(name, 512);
	buf_printf(&name, "%lld.M%010llu.sekisho,S=%zu:2,", (long long)(out->internal_ms / 1000),
	    (unsigned long long)++m->number, out->body.n);
	ferry_put_info(&name, out->flags);
	for (size_t i = 0; i < out->n_keywords; i++) {
		int letter = letter_of(m, out->keywords[i]);
		if (letter)
			buf_putc(&name, (char)letter);
		else if (!m->told)
			ferry_problem(f, m->mailbox,
			    "a Maildir has room for 26 keywords: %s and others are left out",
			    out->keywords[i]);
		m->told |= !letter;
	}
	buf_clear(&f->other);
	struct slice text = ferry_to_lf(out->body, &f->other) ? buf_slice(&f->other) : out->body;
	return out_file(f, m->cur, buf_z(&name), text, out->internal_ms);
}

static enum result end(struct ferry *f, void *to)
{
	struct maildir_out *m = to;
	BUF_LOCAL(text, 65536);
	for (size_t i = 0; i < m->n_keywords; i++)
		buf_printf(&text, "%zu %s\n", i, m->keyword[i]);
	enum result r =
	    text.n ? out_file(f, m->folder, "dovecot-keywords", buf_slice(&text), clock_utc_ms()) : OK;
	fd_close(&m->cur);
	fd_close(&m->folder);
	return r;
}

enum result ferry_to_maildir(struct ferry *f, const char *path, const char *folder)
{
	static const struct out_ops ops = {begin, put, end};
	struct maildir_out m = {.root = -1, .cur = -1, .folder = -1};
	arena_init(&m.arena, (size_t)1 << 20);
	enum result r = out_directory(f, path, &m.root);
	if (r == OK)
		r = out_all(f, folder, &ops, &m);
	fd_close(&m.cur);
	fd_close(&m.folder);
	if (m.root >= 0 && syncfs(m.root) != 0 && r == OK)
		r = ferry_fail(f, LATER, "%s: could not be flushed", path);
	fd_close(&m.root);
	arena_free(&m.arena);
	return r;
}
