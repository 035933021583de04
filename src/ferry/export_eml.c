/* export_eml: a folder of NNNNNNNN.eml for each mailbox, octet by octet as they are kept, and index.jsonl beside them. */
#include "ferry/export.h"
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct eml_out {
	int root, dir;
	FILE *index;
};

static enum result begin(struct ferry *f, void *to, struct slice mailbox)
{
	struct eml_out *e = to;
	enum result r = out_tree(f, e->root, mailbox, true, &e->dir, NULL);
	int fd = r == OK ? openat(e->dir, "index.jsonl", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
	e->index = fd >= 0 ? fdopen(fd, "w") : NULL;
	return e->index ? OK : r != OK ? r : ferry_fail(f, LATER, "index.jsonl cannot be made");
}

static enum result put(struct ferry *f, void *to, const struct out_message *m)
{
	struct eml_out *e = to;
	char name[32];
	BUF_LOCAL(flags, 16);
	snprintf(name, sizeof name, "%010u.eml", m->uid);
	ferry_put_info(&flags, m->flags);
	json_t *keywords = json_array();
	for (size_t i = 0; i < m->n_keywords; i++)
		json_array_append_new(keywords, json_string(m->keywords[i]));
	json_t *row = json_pack("{s:s,s:s,s:o,s:I}", "file", name, "flags", buf_z(&flags), "keywords",
	    keywords, "internal_ms", (json_int_t)m->internal_ms);
	bool good = row && json_dumpf(row, e->index, JSON_COMPACT) == 0 && fputc('\n', e->index) != EOF;
	json_decref(row);
	return good ? out_file(f, e->dir, name, m->body, m->internal_ms)
		    : ferry_fail(f, LATER, "index.jsonl cannot be written");
}

static enum result end(struct ferry *f, void *to)
{
	struct eml_out *e = to;
	bool good = fclose(e->index) == 0;
	e->index = NULL;
	fd_close(&e->dir);
	return good ? OK : ferry_fail(f, LATER, "index.jsonl cannot be written");
}

enum result ferry_to_eml(struct ferry *f, const char *path, const char *folder)
{
	static const struct out_ops ops = {begin, put, end};
	struct eml_out e = {.root = -1, .dir = -1};
	enum result r = out_directory(f, path, &e.root);
	if (r == OK)
		r = out_all(f, folder, &ops, &e);
	if (e.index)
		fclose(e.index);
	fd_close(&e.dir);
	if (e.root >= 0 && syncfs(e.root) != 0 && r == OK)
		r = ferry_fail(f, LATER, "%s: could not be flushed", path);
	fd_close(&e.root);
	return r;
}
