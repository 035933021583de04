/*
 * maildir: cur and new of a Maildir, its folders as Maildir++ (".A.B") and nested (A/B/cur), Dovecot's keywords (letters
 * a-z in the info, named in dovecot-keywords), compressed files.
 */
#include "ferry/inner.h"
#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEVELS_MOST 64

struct maildir {
	struct ferry *ferry;
	const char *into;
	struct slice level[LEVELS_MOST];
	size_t n_levels;
	char *keyword[26]; /* of the folder in hand */
	struct arena names;
	bool counting;
};

static int open_below(int dir, const char *name)
{
	return openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_maildir(int dir)
{
	struct stat st;
	return fstatat(dir, "cur", &st, 0) == 0 && S_ISDIR(st.st_mode);
}

/* Lines "0 name" to "25 name". */
static void read_keywords(struct maildir *m, int dir)
{
	struct slice text;
	int64_t mtime;
	memset(m->keyword, 0, sizeof m->keyword);
	if (ferry_read(m->ferry, dir, "dovecot-keywords", &text, &mtime) != OK)
		return;
	while (text.n) {
		struct slice line = slice_trim(slice_split(&text, '\n')), number = slice_split(&line, ' ');
		uint32_t i;
		if (line.n && num_u32(number, 25, &i) == OK)
			m->keyword[i] = arena_z(&m->names, line);
	}
}

static void take_info(const struct maildir *m, struct slice name, bool fresh, struct ferry_message *out)
{
	ptrdiff_t at = slice_search(name, SLICE(":2,"));
	struct slice info = at >= 0 ? slice_sub(name, (size_t)at + 3, name.n) : SLICE_NONE;
	out->flags = fresh ? 0 : ferry_info_flags(info);
	for (size_t i = 0; i < info.n; i++)
		if (info.p[i] >= 'a' && info.p[i] <= 'z' && m->keyword[info.p[i] - 'a'] &&
		    out->n_keywords < FERRY_KEYWORDS)
			out->keywords[out->n_keywords++] = m->keyword[info.p[i] - 'a'];
}

static enum result take_file(struct maildir *m, int dir, const char *mailbox, const char *name, bool fresh)
{
	struct ferry *f = m->ferry;
	struct ferry_message out = {.mailbox = mailbox};
	BUF_LOCAL(where, 4096);
	buf_printf(&where, "%s: %s", mailbox, name);
	out.where = buf_z(&where);
	enum result r = ferry_read(f, dir, name, &out.body, &out.internal_ms);
	if (r == GONE && !fresh)
		ferry_refused(f, out.where, "the file was renamed or removed meanwhile: import again");
	else if (r != OK)
		ferry_refused(f, out.where, "%s",
		    r == FULL  ? "too large"
		    : r == BAD ? "not a file that can be read"
			       : "cannot be read");
	if (r != OK)
		return OK;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	SHA256((const uint8_t *)out.body.p, out.body.n, digest);
	struct slice base = slice_str(name), info = base;
	base = slice_split(&info, ':');
	const struct slice parts[] = {
	    SLICE("maildir"), slice_str(mailbox), base, slice_of(digest, sizeof digest)};
	ferry_key(out.key, parts, COUNT(parts));
	take_info(m, slice_str(name), fresh, &out);
	return ferry_put(f, &out);
}

static enum result take_files(struct maildir *m, int maildir, const char *sub, const char *mailbox)
{
	struct ferry_names names;
	FD_LOCAL dir = open_below(maildir, sub);
	if (dir < 0)
		return OK;
	enum result r = ferry_list(dir, &names);
	if (r != OK) {
		ferry_refused(m->ferry, mailbox, "the folder cannot be read");
		return OK;
	}
	if (m->counting)
		m->ferry->n.messages += names.n;
	for (size_t i = 0; i < names.n && r == OK && !m->counting; i++)
		if (names.name[i][0] != '.')
			r = take_file(m, dir, mailbox, names.name[i], strcmp(sub, "new") == 0);
	ferry_list_free(&names);
	return r;
}

static enum result take_folder(struct maildir *m, int dir)
{
	BUF_LOCAL(name, 4096);
	ferry_name(&name, m->into, m->level, m->n_levels);
	const char *mailbox = buf_z(&name);
	enum result r = OK;
	if (!m->counting) {
		r = ferry_mailbox(m->ferry, mailbox);
		read_keywords(m, dir);
	}
	if (r == OK)
		r = take_files(m, dir, "cur", mailbox);
	return r == OK ? take_files(m, dir, "new", mailbox) : r;
}

/* Adds the levels that a directory's name stands for; their number. */
static size_t add_levels(struct maildir *m, const char *name)
{
	struct slice rest = slice_str(name);
	size_t before = m->n_levels;
	bool dotted = name[0] == '.';
	if (dotted)
		rest = slice_sub(rest, 1, rest.n);
	while (rest.n && m->n_levels < LEVELS_MOST) {
		struct slice level = dotted ? slice_split(&rest, '.') : rest;
		BUF_LOCAL(utf8, 8192);
		ferry_utf7(level, &utf8);
		m->level[m->n_levels++] = arena_dup(&m->names, buf_slice(&utf8));
		if (!dotted)
			break;
	}
	return m->n_levels - before;
}

static enum result walk(struct maildir *m, int dir, unsigned depth)
{
	struct ferry_names names;
	enum result r = is_maildir(dir) ? take_folder(m, dir) : OK;
	if (r != OK || depth > LEVELS_MOST || ferry_list(dir, &names) != OK)
		return r;
	for (size_t i = 0; i < names.n && r == OK; i++) {
		const char *name = names.name[i];
		FD_LOCAL sub = strcmp(name, "cur") && strcmp(name, "new") && strcmp(name, "tmp")
				   ? open_below(dir, name)
				   : -1;
		if (sub < 0)
			continue;
		size_t added = add_levels(m, name);
		r = walk(m, sub, depth + 1);
		m->n_levels -= added;
	}
	ferry_list_free(&names);
	return r;
}

enum result ferry_from_maildir(struct ferry *f, const char *path, const char *into)
{
	struct maildir m = {.ferry = f, .into = into, .counting = true};
	FD_LOCAL dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return ferry_fail(f, GONE, "%s: no such directory", path);
	arena_init(&m.names, (size_t)64 << 20);
	enum result r = walk(&m, dir, 0);
	m.counting = false;
	if (r == OK)
		r = walk(&m, dir, 0);
	arena_free(&m.names);
	enum result settled = ferry_settle(f);
	return r == OK ? settled : r;
}
