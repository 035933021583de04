/*
 * export_mbox: one file NAME.mbox a mailbox, quoted as mboxrd. Each message begins with fields that say its flags and
 * keywords to other programs (Status, X-Status, X-Keywords), and to us its exact time and length (X-Sekisho-Export).
 */
#include "ferry/export.h"
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct mbox_out {
	int root;
	FILE *file;
	const char *mailbox;
	struct arena arena;
	struct buf text;
};

static enum result begin(struct ferry *f, void *to, struct slice mailbox)
{
	struct mbox_out *m = to;
	BUF_LOCAL(name, 8192);
	FD_LOCAL dir = -1;
	arena_reset(&m->arena);
	m->mailbox = arena_z(&m->arena, mailbox);
	enum result r = out_tree(f, m->root, mailbox, false, &dir, &name);
	if (r != OK)
		return r;
	buf_puts(&name, ".mbox");
	int fd = openat(dir, buf_z(&name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	m->file = fd >= 0 ? fdopen(fd, "w") : NULL;
	return m->file ? OK : ferry_fail(f, LATER, "%s: cannot be made", buf_z(&name));
}

static void put_letters(struct buf *b, uint32_t flags)
{
	buf_printf(b, "Status: %sO\n", flags & SEKISHO__FLAG__FLAG_SEEN ? "R" : "");
	buf_printf(b, "X-Status: %s%s%s%s\n", flags & SEKISHO__FLAG__FLAG_ANSWERED ? "A" : "",
	    flags & SEKISHO__FLAG__FLAG_DELETED ? "D" : "", flags & SEKISHO__FLAG__FLAG_FLAGGED ? "F" : "",
	    flags & SEKISHO__FLAG__FLAG_DRAFT ? "T" : "");
}

static void put_fields(struct buf *b, const struct out_message *m)
{
	static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char *const months[] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t at = m->internal_ms / 1000;
	struct tm tm;
	gmtime_r(&at, &tm);
	buf_printf(b, "From MAILER-DAEMON %s %s %2d %02d:%02d:%02d %d\n", days[tm.tm_wday], months[tm.tm_mon],
	    tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_year + 1900);
	buf_printf(b, "X-Sekisho-Export: %lld %zu\n", (long long)m->internal_ms, m->body.n);
	put_letters(b, m->flags);
	buf_puts(b, "X-Keywords:");
	for (size_t i = 0; i < m->n_keywords; i++)
		buf_printf(b, " %s", m->keywords[i]);
	buf_putc(b, '\n');
}

static enum result put(struct ferry *f, void *to, const struct out_message *out)
{
	struct mbox_out *m = to;
	buf_clear(&f->other);
	buf_clear(&m->text);
	put_fields(&m->text, out);
	struct slice text = ferry_to_lf(out->body, &f->other) ? buf_slice(&f->other) : out->body;
	mbox_put_quoted(&m->text, text);
	buf_puts(&m->text, text.n && text.p[text.n - 1] == '\n' ? "\n" : "\n\n");
	if (buf_result(&m->text) == OK && fwrite(m->text.p, 1, m->text.n, m->file) == m->text.n)
		return OK;
	return ferry_fail(f, LATER, "%s: cannot be written", m->mailbox);
}

static enum result end(struct ferry *f, void *to)
{
	struct mbox_out *m = to;
	bool good = fflush(m->file) == 0 && fsync(fileno(m->file)) == 0;
	good &= fclose(m->file) == 0;
	m->file = NULL;
	return good ? OK : ferry_fail(f, LATER, "%s: cannot be written", m->mailbox);
}

enum result ferry_to_mbox(struct ferry *f, const char *path, const char *folder)
{
	static const struct out_ops ops = {begin, put, end};
	struct mbox_out m = {.root = -1};
	arena_init(&m.arena, (size_t)1 << 20);
	buf_init(&m.text, FERRY_MESSAGE * 2);
	enum result r = out_directory(f, path, &m.root);
	if (r == OK)
		r = out_all(f, folder, &ops, &m);
	if (m.file)
		fclose(m.file);
	fd_close(&m.root);
	arena_free(&m.arena);
	buf_free(&m.text);
	return r;
}
