#include "store/audit/audit.h"
#include <openssl/evp.h>
#include <stdlib.h>

#define TEXT_MOST ((size_t)1 << 20) /* octets of one row's text */
#define VERIFY_ROWS 500             /* in one query */

struct audit_actor audit_actor_of(struct ipc_turn *t)
{
	return (struct audit_actor){
	    .who = arena_printf(&t->arena, "uid %u", (unsigned)ipc_conn_uid(t->conn)),
	    .role = "system",
	    .from = "command",
	};
}

/* Members of arguments that are nobody's business afterwards. */
static const char *const secrets[] = {"password", "secret", "token", "code", "key", "warrant"};

static bool is_secret(const char *name)
{
	for (size_t i = 0; i < COUNT(secrets); i++)
		if (strcmp(name, secrets[i]) == 0)
			return true;
	return false;
}

static json_t *without_secrets(const json_t *args)
{
	if (!json_is_object(args))
		return json_incref((json_t *)(uintptr_t)args);
	json_t *out = json_object();
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)args, name, value)
	    json_object_set_new(out, name, is_secret(name) ? json_string("(secret)") : json_incref(value));
	return out;
}

void audit_link(const uint8_t previous[AUDIT_LINK], struct slice text, uint8_t out[AUDIT_LINK])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	if (!c || !EVP_DigestInit_ex(c, EVP_sha256(), NULL) || !EVP_DigestUpdate(c, previous, AUDIT_LINK) ||
	    !EVP_DigestUpdate(c, text.p, text.n) || !EVP_DigestFinal_ex(c, out, NULL))
		abort();
	EVP_MD_CTX_free(c);
}

/* Number and link of the last row; zeros before the first. */
static int64_t last_row(struct db *db, uint8_t link_out[AUDIT_LINK])
{
	memset(link_out, 0, AUDIT_LINK);
	DB_ROWS q = DB_QUERY0(db, AUDIT_LAST);
	if (!db_next(&q))
		return 0;
	struct slice link = db_octets(&q, 1);
	if (link.n == AUDIT_LINK)
		memcpy(link_out, link.p, AUDIT_LINK);
	return db_int(&q, 0);
}

static void set(json_t *row, const char *name, const json_t *value)
{
	if (value)
		json_object_set_new(row, name, without_secrets(value));
}

static json_t *text_json(struct slice s)
{
	json_t *v = json_stringn(s.p ? s.p : "", s.n);
	return v ? v : json_string("(not UTF-8)");
}

static json_t *row_json(const struct audit_act *act, int64_t number, int64_t at_ms)
{
	json_t *row = json_pack("{s:I,s:I,s:s,s:s,s:s,s:s,s:o}", "number", (json_int_t)number, "at_ms",
	    (json_int_t)at_ms, "who", act->actor->who, "role", act->actor->role, "from", act->actor->from,
	    "act", act->act, "object", text_json(act->object));
	if (json_object_size(act->args))
		set(row, "args", act->args);
	set(row, "before", act->before);
	set(row, "after", act->after);
	json_object_set_new(row, "result", json_string(result_name(act->result)));
	if (act->reason)
		json_object_set_new(row, "reason", text_json(slice_str(act->reason)));
	return row;
}

/* What would make a row too long (a list of ten thousand) is said to have been there, no more. */
static char *row_text(const struct audit_act *act, int64_t number, int64_t at_ms)
{
	json_t *row = row_json(act, number, at_ms);
	char *text = json_dumps(row, JSON_COMPACT);
	static const char *const large[] = {"before", "after", "args"};
	for (size_t i = 0; i < COUNT(large) && text && strlen(text) > TEXT_MOST; i++) {
		free(text);
		if (json_object_get(row, large[i]))
			json_object_set_new(row, large[i], json_string("(too large)"));
		text = json_dumps(row, JSON_COMPACT);
	}
	json_decref(row);
	if (!text)
		abort();
	return text;
}

static void put_bound(struct buf *b, int64_t number)
{
	buf_printf(b, "audit:%lld", (long long)number);
}

void audit_put(struct store *s, struct db *db, const struct audit_act *act)
{
	uint8_t previous[AUDIT_LINK], link[AUDIT_LINK];
	int64_t number = last_row(db, previous) + 1, at_ms = clock_utc_ms();
	char *text = row_text(act, number, at_ms);
	audit_link(previous, slice_str(text), link);
	BUF_LOCAL(bound, 64);
	BUF_LOCAL(sealed, strlen(text) + SEAL_OVERHEAD);
	put_bound(&bound, number);
	seal_put(s->seal, slice_str(text), buf_slice(&bound), &sealed);
	DB_RUN(db, AUDIT_ADD, DI(number), DI(at_ms), DZ(act->act),
	    DI(seal_token(s->seal, "audit who", slice_str(act->actor->who))),
	    DI(seal_token(s->seal, "audit object", act->object)), DB(buf_slice(&sealed)),
	    DB(slice_of(link, AUDIT_LINK)));
	free(text);
}

/* The open columns say what the text says. */
static bool columns_agree(const struct store *s, const struct db_rows *q, struct slice text)
{
	json_t *row = json_loadb(text.p, text.n, 0, NULL);
	struct slice who = slice_str(json_string_value(json_object_get(row, "who")));
	struct slice object = slice_str(json_string_value(json_object_get(row, "object")));
	bool ok = json_integer_value(json_object_get(row, "number")) == db_int(q, 0) &&
		  json_integer_value(json_object_get(row, "at_ms")) == db_int(q, 1) &&
		  slice_eq(slice_str(json_string_value(json_object_get(row, "act"))), db_octets(q, 2)) &&
		  seal_token(s->seal, "audit who", who) == db_int(q, 3) &&
		  seal_token(s->seal, "audit object", object) == db_int(q, 4);
	json_decref(row);
	return ok;
}

enum result audit_read(
    const struct store *s, const struct db_rows *q, struct buf *text, struct audit_row *out)
{
	BUF_LOCAL(bound, 64);
	*out = (struct audit_row){.number = db_int(q, 0), .at_ms = db_int(q, 1)};
	put_bound(&bound, out->number);
	buf_clear(text);
	struct slice link = db_octets(q, 6);
	if (link.n != AUDIT_LINK || seal_get(s->seal, db_octets(q, 5), buf_slice(&bound), text) != OK)
		return BAD;
	memcpy(out->link, link.p, AUDIT_LINK);
	out->text = buf_slice(text);
	return columns_agree(s, q, out->text) ? OK : BAD;
}

/* One row against the one before it. */
static void verify_row(
    const struct store *s, const struct db_rows *q, struct buf *text, struct audit_verdict *v)
{
	struct audit_row row;
	uint8_t link[AUDIT_LINK];
	int64_t expected = v->rows + 1;
	const char *why = NULL;
	if (db_int(q, 0) != expected)
		why = "a row is missing";
	else if (audit_read(s, q, text, &row) != OK)
		why = "a row was changed";
	if (!why) {
		audit_link(v->link, row.text, link);
		if (memcmp(link, row.link, AUDIT_LINK) != 0)
			why = "a row does not follow from the one before it";
	}
	if (why) {
		v->whole = false;
		v->wrong = expected;
		v->why = why;
		return;
	}
	memcpy(v->link, link, AUDIT_LINK);
	v->rows = expected;
}

enum result audit_verify(const struct store *s, struct db *db, struct audit_verdict *v)
{
	BUF_LOCAL(text, TEXT_MOST * 2);
	*v = (struct audit_verdict){.whole = true, .why = ""};
	for (bool more = true; more && v->whole;) {
		more = false;
		DB_ROWS q = DB_QUERY(db, AUDIT_ROWS, DI(v->rows), DI(VERIFY_ROWS));
		while (v->whole && db_next(&q)) {
			verify_row(s, &q, &text, v);
			more = true;
		}
	}
	return db_result(db);
}
