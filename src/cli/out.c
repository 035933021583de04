#include "cli/cli.h"
#include <stdio.h>
#include <time.h>

int cli_exit_code(enum result r)
{
	switch (r) {
	case OK:
		return EX_OK;
	case BAD:
		return EX_DATAERR;
	case DENY:
		return EX_NOPERM;
	case LATER:
		return EX_TEMPFAIL;
	case FULL:
		return EX_CANTCREAT;
	case GONE:
		return EX_NOINPUT;
	case STOP:
		return EX_UNAVAILABLE;
	}
	return EX_SOFTWARE;
}

const char *cli_time(struct arena *a, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char text[40];
	if (!gmtime_r(&s, &tm) || !strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &tm))
		return "?";
	return arena_z(a, slice_str(text));
}

/* One UTF-8 character from *s; wide ones by the blocks of Unicode's East Asian Width that matter in mail. */
static size_t character_width(struct slice *s)
{
	unsigned char first = (unsigned char)s->p[0];
	size_t n = first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? first : first & (0xffu >> (n + 1));
	for (size_t i = 1; i < n && i < s->n; i++)
		c = c << 6 | ((unsigned char)s->p[i] & 0x3f);
	*s = slice_sub(*s, n, s->n);
	bool wide =
	    (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7a3) ||
	    (c >= 0xf900 && c <= 0xfaff) || (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
	    (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) || (c >= 0x20000 && c <= 0x3fffd);
	return wide ? 2 : 1;
}

size_t cli_width(struct slice s)
{
	size_t width = 0;
	while (s.n)
		width += character_width(&s);
	return width;
}

void cli_put_safe(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char ch = (unsigned char)s.p[i];
		bool c1 = ch == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0;
		if (c1)
			i++;
		buf_putc(b, c1 || ch < 32 || ch == 127 ? '?' : (char)ch);
	}
}

static void put_cell(struct buf *b, const char *key, const json_t *v);

static void put_items(struct buf *b, const json_t *v)
{
	const char *key;
	const json_t *item;
	size_t i;
	bool first = true;
	if (json_is_array(v)) {
		json_array_foreach(v, i, item)
		{
			buf_puts(b, first ? "" : ", ");
			put_cell(b, "", item);
			first = false;
		}
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, item)
	{
		buf_printf(b, "%s%s=", first ? "" : " ", key);
		put_cell(b, key, item);
		first = false;
	}
}

static void put_cell(struct buf *b, const char *key, const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_STRING:
		cli_put_safe(b, slice_of(json_string_value(v), json_string_length(v)));
		break;
	case JSON_INTEGER:
		if (slice_iends(slice_str(key), SLICE("at_ms"))) {
			ARENA_LOCAL(a, 256);
			buf_puts(b, json_integer_value(v) ? cli_time(&a, json_integer_value(v)) : "-");
		} else {
			buf_printf(b, "%lld", (long long)json_integer_value(v));
		}
		break;
	case JSON_REAL:
		buf_printf(b, "%.3f", json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_puts(b, json_is_true(v) ? "yes" : "no");
		break;
	case JSON_NULL:
		buf_puts(b, "-");
		break;
	default:
		put_items(b, v);
	}
}

static void put_fields(struct buf *b, const json_t *object)
{
	const char *key;
	json_t *v;
	size_t widest = 0;
	json_object_foreach((json_t *)(uintptr_t)object, key, v) widest = MAX(widest, strlen(key));
	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		buf_printf(b, "%s:%*s", key, (int)(widest - strlen(key) + 1), "");
		put_cell(b, key, v);
		buf_putc(b, '\n');
	}
}

#define COLUMNS_MOST 24

struct table {
	const char *key[COLUMNS_MOST];
	size_t width[COLUMNS_MOST];
	size_t n;
};

static size_t cell_width(const char *key, const json_t *v)
{
	BUF_LOCAL(cell, 65536);
	put_cell(&cell, key, v);
	return cli_width(buf_slice(&cell));
}

/* The columns are the keys of all rows, in the order they first come. */
static void measure(struct table *t, json_t *row)
{
	const char *key;
	json_t *v;
	json_object_foreach(row, key, v)
	{
		size_t i = 0;
		while (i < t->n && strcmp(t->key[i], key) != 0)
			i++;
		if (i == COLUMNS_MOST)
			continue;
		if (i == t->n) {
			t->key[t->n++] = key;
			t->width[i] = strlen(key);
		}
		t->width[i] = MAX(t->width[i], cell_width(key, v));
	}
}

static void put_padded(struct buf *b, struct slice text, size_t width, bool last)
{
	buf_put(b, text);
	size_t has = cli_width(text);
	if (last)
		buf_putc(b, '\n');
	else
		buf_printf(b, "%*s", (int)(width - MIN(width, has) + 2), "");
}

static void put_table(struct buf *b, const json_t *rows)
{
	struct table t = {0};
	size_t index;
	json_t *row;
	json_array_foreach(rows, index, row) measure(&t, row);
	for (size_t i = 0; i < t.n; i++)
		put_padded(b, slice_str(t.key[i]), t.width[i], i + 1 == t.n);
	json_array_foreach(rows, index, row)
	{
		for (size_t i = 0; i < t.n; i++) {
			BUF_LOCAL(cell, 65536);
			const json_t *v = json_object_get(row, t.key[i]);
			if (v)
				put_cell(&cell, t.key[i], v);
			put_padded(b, buf_slice(&cell), t.width[i], i + 1 == t.n);
		}
	}
}

#define OUT_MOST (256 * 1024 * 1024)

static void put_plain(const struct cli *c, struct buf *b, const json_t *value)
{
	if (json_is_object(value)) {
		put_fields(b, value);
	} else if (json_is_array(value) && json_is_object(json_array_get(value, 0))) {
		put_table(b, value);
	} else if (json_is_array(value) && json_array_size(value) == 0) {
		buf_puts(b, CLI_TEXT(c, "none\n", "ありません\n"));
	} else {
		put_cell(b, "", value);
		buf_putc(b, '\n');
	}
}

int cli_print(const struct cli *c, const json_t *value)
{
	if (c->json) {
		json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
		putchar('\n');
		return fflush(stdout) ? EX_IOERR : EX_OK;
	}
	BUF_LOCAL(text, OUT_MOST);
	put_plain(c, &text, value);
	size_t wrote = text.n ? fwrite(text.p, 1, text.n, stdout) : 0;
	return wrote == text.n && !fflush(stdout) ? EX_OK : EX_IOERR;
}

void cli_say(const struct cli *c, const char *fmt, ...)
{
	if (c->json)
		return;
	va_list ap;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	fflush(stdout);
}

int cli_fail(const struct cli *c, int code, const char *fmt, ...)
{
	BUF_LOCAL(raw, 65536);
	va_list ap;
	va_start(ap, fmt);
	buf_vprintf(&raw, fmt, ap);
	va_end(ap);
	struct slice text = slice_trim(buf_slice(&raw));
	if (c->json) {
		json_t *error =
		    json_pack("{s:{s:i,s:s%}}", "error", "code", code, "why", text.n ? text.p : "", text.n);
		json_dumpf(error, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(error);
	} else {
		fprintf(stderr, "sekisho: " SLICE_FMT "\n", SLICE_ARG(text));
	}
	return code;
}
