/* Following messages: rows found by a token, their steps in words. */
#include "store/admin/admin.h"
#include "store/mailbox/fields.h"
#include "store/domain/tls.h"
#include "store/queue/trace.h"

#define MAILS_MOST 1000
#define ROWS_MOST 1000 /* of one message */

static const struct step {
	enum trace_step number;
	const char *name, *en, *ja;
} steps[] = {
#define X(NAME, number, name, en, ja) {STEP_##NAME, name, en, ja},
#include "store/db/steps.def"
#undef X
};

static const struct {
	enum trace_tag number;
	const char *json;
} tags[] = {
#define X(name, number, json) {TRACE_##name, json},
#include "store/queue/trace.def"
#undef X
};

static const struct step *find_step(uint64_t number)
{
	for (size_t i = 0; i < COUNT(steps); i++)
		if (steps[i].number == number)
			return &steps[i];
	return NULL;
}

static const char *tag_name(uint8_t tag)
{
	for (size_t i = 0; i < COUNT(tags); i++)
		if (tags[i].number == tag)
			return tags[i].json;
	return NULL;
}

static bool is_number(uint8_t tag)
{
	return tag == TRACE_SIZE || tag == TRACE_CODE || tag == TRACE_ATTEMPT || tag == TRACE_MS ||
	       tag == TRACE_LINE;
}

/* The template with the step's fields put in; what is missing is a dash. */
static json_t *words(const char *template, const json_t *fields, bool ja)
{
	BUF_LOCAL(b, 16384);
	struct slice rest = slice_str(template);
	while (rest.n) {
		struct slice text = slice_split(&rest, '{');
		buf_put(&b, text);
		if (!rest.n)
			break;
		BUF_LOCAL(name, 32);
		buf_put(&name, slice_split(&rest, '}'));
		const json_t *v = json_object_get(fields, buf_z(&name));
		if (json_is_string(v) && slice_eq(buf_slice(&name), SLICE("secured")))
			buf_puts(&b, tls_secured_text(json_string_value(v), ja));
		else if (json_is_integer(v))
			buf_printf(&b, "%lld", (long long)json_integer_value(v));
		else
			buf_puts(&b, json_is_string(v) ? json_string_value(v) : "-");
	}
	return admin_string(buf_slice(&b));
}

static void end_step(json_t *list, json_t *fields, const struct step *step)
{
	if (!fields)
		return;
	json_object_set_new(fields, "text", words(step->en, fields, false));
	json_object_set_new(fields, "text_ja", words(step->ja, fields, true));
	json_array_append_new(list, fields);
}

/* One row holds one step after another, each beginning with TRACE_STEP. */
static void add_steps(json_t *list, int64_t at, struct slice detail)
{
	struct cursor c = cursor_of(detail);
	uint8_t tag;
	struct slice value;
	json_t *fields = NULL;
	const struct step *step = NULL;
	while (fields_next(&c, &tag, &value)) {
		if (tag == TRACE_STEP) {
			end_step(list, fields, step);
			step = find_step(fields_number(value));
			fields =
			    step ? json_pack("{s:I,s:s}", "at_ms", (json_int_t)at, "step", step->name) : NULL;
			continue;
		}
		const char *name = tag_name(tag);
		if (fields && name)
			json_object_set_new(fields, name,
			    is_number(tag) ? json_integer((json_int_t)fields_number(value))
					   : admin_string(value));
	}
	end_step(list, fields, step);
}

/* ---- finding ---- */

struct wanted {
	int64_t tokens[8];
	unsigned n;
	int64_t since;
};

static bool has_token(struct slice tokens, int64_t token)
{
	for (size_t i = 0; i + 8 <= tokens.n; i += 8)
		if (memcmp(tokens.p + i, &token, 8) == 0)
			return true;
	return false;
}

static bool matches(const struct wanted *w, int64_t at, struct slice tokens)
{
	for (unsigned i = 0; i < w->n; i++)
		if (!has_token(tokens, w->tokens[i]))
			return false;
	return at >= w->since;
}

static void want(struct admin *a, struct wanted *w, const char *key, const char *kind)
{
	struct slice text = admin_text(a, key);
	if (text.n && slice_eq(slice_str(kind), SLICE("id"))) {
		if (text.p[0] == '<' && text.p[text.n - 1] == '>')
			text = slice_sub(text, 1, text.n - 2);
	}
	if (text.n)
		w->tokens[w->n++] = seal_token(a->store->seal, kind, text);
}

struct found {
	struct slice *mails;
	size_t n, most;
	bool alone; /* only one row of a message has such a token */
};

static void add_mail(struct admin *a, struct found *f, struct slice mail)
{
	for (size_t i = 0; i < f->n && !f->alone; i++)
		if (slice_eq(f->mails[i], mail))
			return;
	if (f->n < f->most)
		f->mails[f->n++] = arena_dup(a->arena, mail);
}

/* The newest first: rows behind the index are looked through, then the index is asked. */
static void find_mails(struct admin *a, struct db *db, const struct wanted *w, struct found *f)
{
	int64_t indexed = DB_NUMBER(db, 0, NUMBER_GET, DZ("trace indexed"));
	{
		DB_ROWS q = DB_QUERY(db, TRACE_TAIL, DI(w->n ? indexed : 0));
		while (f->n < f->most && db_next(&q))
			if (matches(w, db_int(&q, 1), db_octets(&q, 2)))
				add_mail(a, f, db_octets(&q, 0));
	}
	if (!w->n)
		return;
	DB_ROWS q = DB_QUERY(db, TRACE_BY_TOKEN, DI(w->tokens[0]));
	while (f->n < f->most && db_next(&q))
		if (matches(w, db_int(&q, 1), db_octets(&q, 2)))
			add_mail(a, f, db_octets(&q, 0));
}

static void add_row(struct admin *a, json_t *list, struct slice mail, const struct db_rows *q)
{
	BUF_LOCAL(detail, TRACE_MOST);
	if (slice_eq(db_octets(q, 0), mail) && trace_open(a->store, mail, db_octets(q, 3), &detail) == OK)
		add_steps(list, db_int(q, 1), buf_slice(&detail));
}

/* All rows of a message, in the order they were written: those in the index first. */
static json_t *mail_json(struct admin *a, struct db *db, struct slice mail)
{
	json_t *list = json_array();
	int64_t token = seal_token(a->store->seal, "mail", mail);
	int64_t indexed = DB_NUMBER(db, 0, NUMBER_GET, DZ("trace indexed"));
	unsigned n = 0;
	{
		DB_ROWS q = DB_QUERY(db, TRACE_OF, DI(token));
		for (; n < ROWS_MOST && db_next(&q); n++)
			add_row(a, list, mail, &q);
	}
	DB_ROWS q = DB_QUERY(db, TRACE_TAIL_UP, DI(indexed));
	while (n < ROWS_MOST && db_next(&q)) {
		if (has_token(db_octets(&q, 2), token)) {
			add_row(a, list, mail, &q);
			n++;
		}
	}
	return json_pack("{s:o,s:o}", "mail", admin_string(mail), "steps", list);
}

json_t *admin_trace_since(struct admin *a, struct db *db, int64_t token, int64_t since, size_t most)
{
	struct wanted w = {.tokens = {token}, .n = 1, .since = since};
	struct found f = {.mails = arena_array(a->arena, most, sizeof *f.mails), .most = most, .alone = true};
	json_t *list = json_array();
	if (f.mails)
		find_mails(a, db, &w, &f);
	for (size_t i = 0; i < f.n; i++)
		json_array_append_new(list, mail_json(a, db, f.mails[i]));
	return list;
}

enum result admin_trace(struct admin *a, struct db *db)
{
	struct wanted w = {.since = admin_number(a, "since_ms", 0)};
	struct found f = {.most = (size_t)MIN(MAX(admin_number(a, "limit", 20), 1), MAILS_MOST)};
	f.mails = arena_array(a->arena, f.most, sizeof *f.mails);
	if (!f.mails)
		return LATER;
	want(a, &w, "mail", "mail");
	want(a, &w, "message_id", "id");
	want(a, &w, "to", "to");
	want(a, &w, "from", "from");
	want(a, &w, "subject", "subject");
	find_mails(a, db, &w, &f);
	a->answer = json_array();
	for (size_t i = 0; i < f.n; i++)
		json_array_append_new(a->answer, mail_json(a, db, f.mails[i]));
	return OK;
}
