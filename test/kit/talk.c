#include "talk.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TALK_MOST ((size_t)64 * 1024 * 1024)
#define PARTS 200000
#define RANDOM_REPLAYS 8

struct line {
	enum { SAY, SAY_ON, EXPECT, HOLD, DIRECTIVE, GOT, NOT, COUNT_OF } kind;
	struct slice text;
	unsigned times; /* SAY, EXPECT: repeated; COUNT_OF: how often */
	unsigned number;
};

struct talk {
	const char *name;
	char *file;
	struct line *lines;
	size_t n;
	struct arena arena;
};

static struct slice slices[PARTS];

bool talk_match(struct slice pattern, struct slice line)
{
	while (pattern.n && pattern.p[0] != '*') {
		if (!line.n || line.p[0] != pattern.p[0])
			return false;
		pattern = slice_sub(pattern, 1, pattern.n);
		line = slice_sub(line, 1, line.n);
	}
	if (!pattern.n)
		return line.n == 0;
	pattern = slice_sub(pattern, 1, pattern.n);
	for (size_t i = 0; i <= line.n; i++)
		if (talk_match(pattern, slice_sub(line, i, line.n)))
			return true;
	return false;
}

/* ---- reading ---- */

static void die(const struct talk *t, unsigned number, const char *why)
{
	fprintf(stderr, "%s:%u: %s\n", t->name, number, why);
	exit(2);
}

/* \r \n \0 \\ \xHH and \{N}c, which is N times c. */
static struct slice unescape(const struct talk *t, unsigned number, struct arena *a, struct slice text)
{
	BUF_LOCAL(out, TALK_MOST);
	for (struct cursor c = cursor_of(text); !cursor_end(&c);) {
		char ch = (char)cursor_take(&c);
		if (ch != '\\') {
			buf_putc(&out, ch);
			continue;
		}
		switch (cursor_take(&c)) {
		case 'r':
			buf_putc(&out, '\r');
			break;
		case 'n':
			buf_putc(&out, '\n');
			break;
		case '0':
			buf_putc(&out, '\0');
			break;
		case '\\':
			buf_putc(&out, '\\');
			break;
		case 'x':
			if (hex_decode(cursor_bytes(&c, 2), &out) != OK)
				die(t, number, "bad \\x");
			break;
		case '{': {
			uint64_t times = cursor_u64(&c, TALK_MOST);
			cursor_need(&c, '}');
			char fill = (char)cursor_take(&c);
			while (times--)
				buf_putc(&out, fill);
			break;
		}
		default:
			die(t, number, "unknown escape");
		}
		if (c.err != OK)
			die(t, number, "broken escape");
	}
	return arena_dup(a, buf_slice(&out));
}

/* "C:" and "S:" lines: what stands behind the colon, which a blank may follow. */
static struct slice behind_colon(struct slice line)
{
	ptrdiff_t colon = slice_find(line, ':');
	struct slice text = slice_sub(line, (size_t)colon + 1, line.n);
	return text.n && text.p[0] == ' ' ? slice_sub(text, 1, text.n) : text;
}

/* "C*20: text" */
static unsigned times_of(const struct talk *t, unsigned number, struct slice line)
{
	uint32_t n = 1;
	ptrdiff_t star = slice_find(line, '*'), colon = slice_find(line, ':');
	if (star >= 0 && star < colon &&
	    num_u32(slice_sub(line, (size_t)star + 1, (size_t)(colon - star - 1)), 100000, &n) != OK)
		die(t, number, "bad count");
	return n;
}

/* The client's line as octets: CRLF is added, but for "C-". */
static struct slice said(struct talk *t, unsigned number, struct slice line)
{
	struct slice text = unescape(t, number, &t->arena, behind_colon(line));
	if (slice_starts(line, SLICE("C-")))
		return text;
	BUF_LOCAL(out, TALK_MOST);
	buf_put(&out, text);
	buf_puts(&out, "\r\n");
	return arena_dup(&t->arena, buf_slice(&out));
}

static void read_line(struct talk *t, unsigned number, struct slice line)
{
	struct line l = {.number = number, .times = 1};
	if (line.n == 0 || line.p[0] == '#')
		return;
	if (line.p[0] == 'C' && line.n > 1 && strchr(":+-*", line.p[1]) && slice_find(line, ':') > 0) {
		l.kind = line.p[1] == '+' || line.p[1] == '-' ? SAY_ON : SAY;
		l.times = times_of(t, number, line);
		l.text = said(t, number, line);
	} else if (slice_starts(line, SLICE("S:")) || slice_starts(line, SLICE("S*"))) {
		l.kind = EXPECT;
		l.times = times_of(t, number, line);
		l.text = behind_colon(line);
	} else if (slice_eq(line, SLICE("HOLD")) || slice_eq(line, SLICE("TLS"))) {
		l.kind = HOLD;
	} else if (slice_starts(line, SLICE("GOT:")) || slice_starts(line, SLICE("NOT:"))) {
		l.kind = line.p[0] == 'G' ? GOT : NOT;
		l.text = behind_colon(line);
	} else if (slice_starts(line, SLICE("COUNT*"))) {
		l.kind = COUNT_OF;
		l.times = times_of(t, number, line);
		l.text = behind_colon(line);
	} else {
		l.kind = DIRECTIVE;
		l.text = line;
	}
	t->lines[t->n++] = l;
}

static void talk_read(struct talk *t, const char *name, struct slice file)
{
	*t = (struct talk){.name = name};
	arena_init(&t->arena, TALK_MOST);
	size_t most = 1;
	for (size_t i = 0; i < file.n; i++)
		most += file.p[i] == '\n';
	t->lines = arena_array(&t->arena, most, sizeof *t->lines);
	for (unsigned number = 1; file.n; number++)
		read_line(t, number, slice_split(&file, '\n'));
}

/* ---- replaying ---- */

enum mode { POLITE, WHOLE, OCTETS, CUTS };

static uint32_t dice(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Adds what was collected as one part, or cut at random. */
static size_t part_end(size_t n, struct slice *open, enum mode mode, uint32_t *seed)
{
	while (open->n) {
		size_t take = mode == CUTS ? 1 + dice(seed) % (dice(seed) % 4 ? 40 : 4000) : open->n;
		take = MIN(take, open->n);
		if (n == PARTS)
			abort();
		slices[n++] = slice_sub(*open, 0, take);
		*open = slice_sub(*open, take, open->n);
	}
	return n;
}

/* What the client says, in the parts between which it waits. `all` holds the octets. */
static size_t make_parts(const struct talk *t, enum mode mode, uint32_t seed, struct buf *all)
{
	size_t n = 0, *ends = calloc(t->n + 1, sizeof *ends), count = 0, from = 0;
	bool answered = false;
	for (size_t i = 0; i < t->n; i++) {
		const struct line *l = &t->lines[i];
		answered |= l->kind == EXPECT;
		if (l->kind == HOLD || (l->kind == SAY && answered && mode == POLITE))
			ends[count++] = all->n;
		if (l->kind == SAY || l->kind == SAY_ON) {
			answered = false;
			for (unsigned k = 0; k < l->times; k++)
				buf_put(all, l->text);
		}
	}
	ends[count++] = all->n;
	for (size_t i = 0; i < count; i++) {
		struct slice open = slice_sub(buf_slice(all), from, ends[i] - from);
		n = part_end(n, &open, mode, &seed);
		from = ends[i];
	}
	free(ends);
	return n;
}

static bool differs(
    const struct talk *t, enum mode mode, unsigned number, struct slice expected, struct slice got)
{
	static const char *const names[] = {"politely", "all at once", "octet by octet", "cut at random"};
	printf("    %s:%u: %s\n      expected: " SLICE_FMT "\n      got:      " SLICE_FMT "\n", t->name,
	    number, names[mode], SLICE_ARG(expected), SLICE_ARG(got));
	return false;
}

static bool check_answers(const struct talk *t, enum mode mode, struct slice output)
{
	unsigned last = 0;
	for (size_t i = 0; i < t->n; i++) {
		const struct line *l = &t->lines[i];
		for (unsigned k = 0; l->kind == EXPECT && k < l->times; k++) {
			struct slice line = slice_split(&output, '\n');
			if (line.n && line.p[line.n - 1] == '\r')
				line.n--;
			if (!talk_match(l->text, line))
				return differs(t, mode, l->number, l->text, line);
		}
		last = l->number;
	}
	return output.n == 0 || differs(t, mode, last, SLICE("(the end)"), output);
}

static unsigned count_matches(struct slice log, struct slice pattern)
{
	unsigned n = 0;
	while (log.n)
		n += talk_match(pattern, slice_split(&log, '\n'));
	return n;
}

static bool check_log(const struct talk *t, enum mode mode, struct slice log)
{
	struct slice rest = log;
	for (size_t i = 0; i < t->n; i++) {
		const struct line *l = &t->lines[i];
		bool found = false;
		while (l->kind == GOT && rest.n && !found)
			found = talk_match(l->text, slice_split(&rest, '\n'));
		if ((l->kind == GOT && !found) || (l->kind == NOT && count_matches(log, l->text)) ||
		    (l->kind == COUNT_OF && count_matches(log, l->text) != l->times))
			return differs(t, mode, l->number, l->text, log);
	}
	return true;
}

static bool replay(const struct talk *t, const struct talk_service *service, enum mode mode, uint32_t seed)
{
	BUF_LOCAL(all, TALK_MOST);
	BUF_LOCAL(output, TALK_MOST);
	service->reset(service->context);
	for (size_t i = 0; i < t->n; i++)
		if (t->lines[i].kind == DIRECTIVE && !service->directive(service->context, t->lines[i].text))
			die(t, t->lines[i].number, "not understood");
	size_t n = make_parts(t, mode, seed, &all);
	struct stream *stream = stream_memory_parts(slices, n, mode == OCTETS, &output);
	struct session *session = service->open(service->context, stream);
	while (session->ops->run(session) == SESSION_SLEEP)
		;
	session->ops->end(session);
	return check_answers(t, mode, buf_slice(&output)) &&
	       check_log(t, mode, service->log(service->context));
}

static bool talk_run(const struct talk *t, const struct talk_service *service)
{
	bool ok =
	    replay(t, service, POLITE, 0) && replay(t, service, WHOLE, 0) && replay(t, service, OCTETS, 0);
	for (uint32_t seed = 1; ok && seed <= RANDOM_REPLAYS; seed++)
		ok = replay(t, service, CUTS, seed * 2654435761u);
	return ok;
}

static bool run_file(const char *folder, const char *name, const struct talk_service *service)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FD_LOCAL fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t size = 0;
	if (fd < 0 || fd_size(fd, &size) != OK || size > TALK_MOST) {
		fprintf(stderr, "cannot read %s\n", path);
		exit(2);
	}
	char *file = malloc(size + 1);
	if (!file || fd_pread_all(fd, file, size, 0) != OK)
		abort();
	struct talk t;
	talk_read(&t, name, slice_of(file, size));
	bool ok = talk_run(&t, service);
	arena_free(&t.arena);
	free(file);
	printf("%s %s\n", ok ? "ok" : "not ok", name);
	return ok;
}

static int is_talk(const struct dirent *d)
{
	return slice_iends(slice_str(d->d_name), SLICE(".talk"));
}

int talk_folder(const char *folder, const struct talk_service *service, int *count_out)
{
	struct dirent **names;
	int failed = 0, n = scandir(folder, &names, is_talk, alphasort);
	*count_out = MAX(n, 0);
	for (int i = 0; i < n; i++) {
		failed += !run_file(folder, names[i]->d_name, service);
		free(names[i]);
	}
	if (n > 0)
		free(names);
	return failed;
}
