/*
 * eml: files *.eml, one message each, in folders. An export of ours has a file "index.jsonl" beside them with what the
 * messages themselves do not carry; without it the date is the file's and the message counts as read.
 */
#include "ferry/inner.h"
#include <fcntl.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#define LEVELS_MOST 64

struct eml {
	struct ferry *ferry;
	const char *into;
	struct slice level[LEVELS_MOST];
	size_t n_levels;
	struct arena names;
	bool counting;
};

/* What index.jsonl says of this file; false when it says nothing. */
static bool from_index(const json_t *index, const char *name, struct ferry_message *m)
{
	const json_t *row = json_object_get(index, name);
	size_t i;
	const json_t *keyword;
	if (!row)
		return false;
	m->flags = ferry_info_flags(slice_str(json_string_value(json_object_get(row, "flags"))));
	m->internal_ms = json_integer_value(json_object_get(row, "internal_ms"));
	json_array_foreach(json_object_get(row, "keywords"), i, keyword)
	{
		if (json_is_string(keyword) && m->n_keywords < FERRY_KEYWORDS)
			m->keywords[m->n_keywords++] = (char *)(uintptr_t)json_string_value(keyword);
	}
	return true;
}

/* Lines of JSON objects, each with a "file". */
static json_t *read_index(struct ferry *f, int dir)
{
	struct slice text;
	int64_t mtime;
	json_t *index = json_object();
	if (ferry_read(f, dir, "index.jsonl", &text, &mtime) != OK)
		return index;
	while (text.n) {
		struct slice line = slice_trim(slice_split(&text, '\n'));
		json_t *row = line.n ? json_loadb(line.p, line.n, JSON_REJECT_DUPLICATES, NULL) : NULL;
		const char *file = json_string_value(json_object_get(row, "file"));
		if (file)
			json_object_set(index, file, row);
		json_decref(row);
	}
	return index;
}

static enum result take_file(
    struct eml *e, int dir, const char *mailbox, const char *name, const json_t *index)
{
	struct ferry *f = e->ferry;
	struct ferry_message m = {.mailbox = mailbox, .flags = SEKISHO__FLAG__FLAG_SEEN};
	uint8_t digest[SHA256_DIGEST_LENGTH];
	BUF_LOCAL(where, 4096);
	buf_printf(&where, "%s: %s", mailbox, name);
	m.where = buf_z(&where);
	enum result r = ferry_read(f, dir, name, &m.body, &m.internal_ms);
	if (r != OK) {
		ferry_refused(f, m.where, "%s", r == FULL ? "too large" : "cannot be read");
		return OK;
	}
	from_index(index, name, &m);
	SHA256((const uint8_t *)m.body.p, m.body.n, digest);
	const struct slice parts[] = {
	    SLICE("eml"), slice_str(mailbox), slice_str(name), slice_of(digest, sizeof digest)};
	ferry_key(m.key, parts, COUNT(parts));
	return ferry_put(f, &m);
}

static bool is_eml(const char *name)
{
	return slice_iends(slice_str(name), SLICE(".eml"));
}

static enum result take_files(struct eml *e, int dir, const struct ferry_names *names)
{
	BUF_LOCAL(name, 4096);
	size_t n = 0;
	for (size_t i = 0; i < names->n; i++)
		n += is_eml(names->name[i]);
	if (e->counting)
		e->ferry->n.messages += n;
	if (e->counting || !n)
		return OK;
	ferry_name(&name, e->into, e->level, e->n_levels);
	enum result r = ferry_mailbox(e->ferry, buf_z(&name));
	json_t *index = read_index(e->ferry, dir);
	for (size_t i = 0; i < names->n && r == OK; i++)
		if (is_eml(names->name[i]))
			r = take_file(e, dir, buf_z(&name), names->name[i], index);
	json_decref(index);
	return r;
}

static enum result walk(struct eml *e, int dir)
{
	struct ferry_names names;
	if (ferry_list(dir, &names) != OK)
		return OK;
	enum result r = take_files(e, dir, &names);
	for (size_t i = 0; i < names.n && r == OK && e->n_levels < LEVELS_MOST; i++) {
		FD_LOCAL sub = is_eml(names.name[i]) ? -1
						     : openat(dir, names.name[i],
							   O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (sub < 0)
			continue;
		BUF_LOCAL(level, 4096);
		ferry_get_file_name(slice_str(names.name[i]), &level);
		e->level[e->n_levels++] = arena_dup(&e->names, buf_slice(&level));
		r = walk(e, sub);
		e->n_levels--;
	}
	ferry_list_free(&names);
	return r;
}

static enum result take_one(struct eml *e, const char *path)
{
	struct ferry *f = e->ferry;
	BUF_LOCAL(name, 4096);
	const char *file = strrchr(path, '/');
	BUF_LOCAL(above, 4096);
	buf_put(&above, slice_of(path, file ? (size_t)(file - path) + 1 : 0));
	FD_LOCAL dir = open(file ? buf_z(&above) : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ferry_name(&name, e->into, NULL, 0);
	f->n.messages = 1;
	enum result r = ferry_mailbox(f, buf_z(&name));
	return r == OK ? take_file(e, dir, buf_z(&name), file ? file + 1 : path, NULL) : r;
}

enum result ferry_from_eml(struct ferry *f, const char *path, const char *into)
{
	struct eml e = {.ferry = f, .into = into, .counting = true};
	struct stat st;
	if (stat(path, &st) != 0)
		return ferry_fail(f, GONE, "%s: no such file or directory", path);
	arena_init(&e.names, (size_t)64 << 20);
	enum result r;
	if (S_ISDIR(st.st_mode)) {
		FD_LOCAL dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		r = dir >= 0 ? walk(&e, dir) : ferry_fail(f, LATER, "%s: cannot be read", path);
		e.counting = false;
		if (r == OK)
			r = walk(&e, dir);
	} else {
		r = take_one(&e, path);
	}
	arena_free(&e.names);
	enum result settled = ferry_settle(f);
	return r == OK ? settled : r;
}
