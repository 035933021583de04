#include "trust/sts.h"
#include "base/base.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_name_char(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '-' || c == '.';
}

/* sts-ext-value of the record: neither blanks nor what divides fields. */
static bool is_value_char(char c)
{
	return c > ' ' && c <= '~' && c != ';' && c != '=';
}

const char *sts_mode_name(enum sts_mode m)
{
	static const char *const names[] = {"none", "testing", "enforce"};
	return names[m];
}

/* ---- the record ---- */

static bool is_id(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]))
			return false;
	return s.n > 0 && s.n <= STS_ID;
}

static bool is_extension_name(struct slice s)
{
	return s.n > 0 && s.n <= 32 && (ascii_alpha(s.p[0]) || ascii_digit(s.p[0]));
}

/* *(field-delim field) [field-delim] after "v=STSv1". */
static enum result record_parse(struct slice text, struct slice *id_out)
{
	struct cursor c = cursor_of(text);
	*id_out = SLICE_NONE;
	while (!cursor_end(&c)) {
		(void)cursor_while(&c, is_blank);
		cursor_need(&c, ';');
		(void)cursor_while(&c, is_blank);
		if (cursor_end(&c))
			break;
		struct slice name = cursor_while1(&c, is_name_char);
		cursor_need(&c, '=');
		struct slice value = cursor_while1(&c, is_value_char);
		if (c.err != OK || !is_extension_name(name))
			return BAD;
		if (!slice_eq(name, SLICE("id")))
			continue;
		if (id_out->n || !is_id(value))
			return BAD;
		*id_out = value;
	}
	return c.err == OK && id_out->n ? OK : BAD;
}

enum result sts_record_find(const struct dns_text_list *texts, char id[STS_ID + 1])
{
	static const struct slice version = {"v=STSv1", 7};
	struct slice found = SLICE_NONE;
	size_t n = 0;
	for (size_t i = 0; i < texts->n; i++) {
		struct slice after = slice_sub(texts->text[i], version.n, texts->text[i].n);
		if (!slice_starts(texts->text[i], version) ||
		    !slice_starts(slice_trim_blank(after), SLICE(";")))
			continue;
		n++;
		if (record_parse(after, &found) != OK)
			return GONE;
	}
	if (n != 1)
		return GONE;
	memcpy(id, found.p, found.n);
	id[found.n] = '\0';
	return OK;
}

/* ---- the policy ---- */

struct policy {
	struct sts_policy *out;
	struct arena *arena;
	size_t room; /* of out->mx */
	bool version, mode, max_age;
};

/* A host name in A-labels, or "*." and one. */
static bool is_pattern(struct slice s)
{
	if (slice_starts(s, SLICE("*.")))
		s = slice_sub(s, 2, s.n);
	if (s.n == 0 || s.n > LIMIT_DNS_NAME)
		return false;
	while (s.n) {
		bool more = slice_find(s, '.') >= 0;
		struct slice label = slice_split(&s, '.');
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-' ||
		    (more && s.n == 0))
			return false;
		for (size_t i = 0; i < label.n; i++)
			if (!ascii_alpha(label.p[i]) && !ascii_digit(label.p[i]) && label.p[i] != '-')
				return false;
	}
	return true;
}

static const char *take_mx(struct policy *p, struct slice value)
{
	if (!is_pattern(value))
		return "an mx is not a host name";
	if (p->out->n == p->room)
		return "too many mx lines";
	char *z = arena_z(p->arena, value);
	if (!z)
		return "too long";
	for (char *c = z; *c; c++)
		*c = ascii_lower(*c);
	p->out->mx[p->out->n++] = z;
	return NULL;
}

static const char *take_mode(struct policy *p, struct slice value)
{
	for (enum sts_mode m = STS_NONE; m <= STS_ENFORCE; m++)
		if (slice_eq(value, slice_str(sts_mode_name(m)))) {
			p->out->mode = m;
			return NULL;
		}
	return "the mode is not known";
}

/* Of what may stand once, the first counts (3.2). NULL, or what is wrong. */
static const char *take_field(struct policy *p, struct slice name, struct slice value)
{
	bool *seen = slice_eq(name, SLICE("version"))   ? &p->version
		     : slice_eq(name, SLICE("mode"))    ? &p->mode
		     : slice_eq(name, SLICE("max_age")) ? &p->max_age
							: NULL;
	if (slice_eq(name, SLICE("mx")))
		return take_mx(p, value);
	if (!seen || *seen)
		return NULL;
	*seen = true;
	if (seen == &p->mode)
		return take_mode(p, value);
	if (seen == &p->version)
		return slice_eq(value, SLICE("STSv1")) ? NULL : "the version is not STSv1";
	return value.n <= 10 && num_u32(value, STS_MAX_AGE, &p->out->max_age) == OK ? NULL
										    : "the max_age is wrong";
}

static const char *take_line(struct policy *p, struct slice line)
{
	struct cursor c = cursor_of(line);
	struct slice name = cursor_while1(&c, is_name_char);
	cursor_need(&c, ':');
	struct slice value = slice_trim_blank(c.rest);
	if (c.err != OK || !is_extension_name(name) || !value.n || !slice_is_utf8(value))
		return "a line is not \"name: value\"";
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] < ' ' || value.p[i] == 0x7f)
			return "a value has control characters";
	return take_field(p, name, value);
}

enum result sts_policy_parse(struct slice text, struct arena *a, struct sts_policy *out, const char **why_out)
{
	struct policy p = {.out = out, .arena = a, .room = LIMIT_STS_MX};
	*out = (struct sts_policy){.mx = arena_array(a, LIMIT_STS_MX, sizeof *out->mx)};
	*why_out = !out->mx ? "too long" : text.n > LIMIT_STS_POLICY ? "the policy is too long" : NULL;
	while (!*why_out && text.n) {
		struct slice line = slice_split(&text, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		line = slice_trim_blank(line);
		if (line.n)
			*why_out = take_line(&p, line);
	}
	if (!*why_out && !(p.version && p.mode && p.max_age))
		*why_out = "version, mode or max_age is missing";
	if (!*why_out && out->mode != STS_NONE && !out->n)
		*why_out = "there is no mx";
	return *why_out ? BAD : OK;
}

bool sts_names(const struct sts_policy *p, const char *host)
{
	const char *dot = strchr(host, '.');
	for (size_t i = 0; i < p->n; i++) {
		bool wild = p->mx[i][0] == '*';
		const char *against = wild ? (dot && dot != host ? dot : "") : host;
		if (*against && strcasecmp(p->mx[i] + wild, against) == 0)
			return true;
	}
	return false;
}
