/* Days of the audit, signed (ipc/digest.h). */
#include "ipc/digest.h"
#include "store/queue/notice.h"
#include "store/account/people.h"
#include <openssl/evp.h>
#include <stdlib.h>
#include <time.h>

#define LIST 100
#define LIST_MOST 1000

static void put_day(struct buf *b, int64_t day)
{
	time_t at = (time_t)(day * (DAY_MS / 1000));
	struct tm tm;
	char text[16];
	if (gmtime_r(&at, &tm) && strftime(text, sizeof text, "%Y-%m-%d", &tm))
		buf_puts(b, text);
}

/* ---- asking keys ---- */

static enum result ask_keys(const struct store *s, int64_t day, int64_t number,
    const uint8_t link[AUDIT_LINK], struct arena *a, Sekisho__DigestAnswer **out)
{
	Sekisho__DigestAsk ask = SEKISHO__DIGEST_ASK__INIT;
	struct ipc *keys = ipc_thread(s->settings->keys);
	ask.day = day;
	ask.number = number;
	if (number)
		ask.link = octets_of(slice_of(link, AUDIT_LINK));
	enum result r = keys ? ipc_call(keys, ASK_KEYS_DIGEST, &ask, NULL, a, out, NULL) : LATER;
	if (r != OK)
		return LATER;
	return (*out)->public_key.len == DIGEST_PUBLIC &&
		       (!number || (*out)->signature.len == DIGEST_SIGNATURE)
		   ? OK
		   : LATER;
}

enum result audit_key(const struct store *s, uint8_t out[AUDIT_KEY])
{
	ARENA_LOCAL(a, 65536);
	Sekisho__DigestAnswer *answer;
	enum result r = ask_keys(s, 0, 0, NULL, &a, &answer);
	if (r == OK)
		memcpy(out, answer->public_key.data, AUDIT_KEY);
	return r;
}

/* ---- signing ---- */

struct signed_day {
	struct job job;
	int64_t day, number;
	uint8_t link[AUDIT_LINK], signature[DIGEST_SIGNATURE], public[DIGEST_PUBLIC];
};

static enum result apply_day(struct job *j, struct db *db)
{
	const struct signed_day *d = (const struct signed_day *)j;
	DB_RUN(db, DIGEST_ADD, DI(d->day), DI(d->number), DB(slice_of(d->link, AUDIT_LINK)),
	    DB(slice_of(d->signature, DIGEST_SIGNATURE)), DB(slice_of(d->public, DIGEST_PUBLIC)));
	return db_changed(db) ? OK : GONE;
}

/* What is to be signed: the day before, when it has rows that no day has. */
static bool find_due(struct store *s, struct signed_day *d)
{
	int64_t today = clock_utc_ms() / DAY_MS, last_day = -1, last_number = 0;
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	{
		DB_ROWS q = DB_QUERY0(r.db, DIGEST_LAST);
		if (db_next(&q)) {
			last_day = db_int(&q, 0);
			last_number = db_int(&q, 1);
		}
	}
	if (last_day >= today - 1)
		return false;
	DB_ROWS q = DB_QUERY(r.db, AUDIT_LAST_BEFORE, DI(today * DAY_MS));
	if (!db_next(&q) || db_int(&q, 0) <= last_number || db_octets(&q, 1).n != AUDIT_LINK)
		return false;
	d->day = today - 1;
	d->number = db_int(&q, 0);
	memcpy(d->link, db_octets(&q, 1).p, AUDIT_LINK);
	return true;
}

static void put_digest(struct buf *b, const struct signed_day *d)
{
	digest_put(b, d->day, d->number, slice_of(d->link, AUDIT_LINK));
	buf_puts(b, "signature ");
	buf_hex(b, slice_of(d->signature, DIGEST_SIGNATURE));
	buf_puts(b, "\nkey ");
	buf_hex(b, slice_of(d->public, DIGEST_PUBLIC));
	buf_puts(b, "\n");
}

/* A copy with every auditor: whoever rewrites the past here does not reach it there. */
static void tell_auditors(struct store *s, const struct signed_day *d)
{
	ARENA_LOCAL(a, 262144);
	BUF_LOCAL(text, 4096);
	struct slice local[LIMIT_ROLES], domain[LIMIT_ROLES];
	size_t n = 0;
	{
		READER r = reader_begin(s);
		if (!r.db)
			return;
		DB_ROWS q = DB_QUERY(r.db, ROLE_PERSONS, DZ("auditor"), DI(LIMIT_ROLES));
		while (n < LIMIT_ROLES && db_next(&q)) {
			local[n] = arena_dup(&a, db_octets(&q, 0));
			domain[n++] = arena_dup(&a, db_octets(&q, 1));
		}
	}
	put_digest(&text, d);
	for (size_t i = 0; i < n; i++) {
		struct notice notice = {local[i], domain[i],
		    SLICE("監査記録の署名 / Signed day of the audit"), buf_slice(&text), "audit"};
		enum result r = notice_send(s, &notice);
		if (r != OK)
			EVENT(INTERNAL, KZ("where", "audit digest"), KZ("why", result_name(r)));
	}
}

void audit_digest_round(struct store *s)
{
	ARENA_LOCAL(a, 65536);
	struct signed_day d = {.job = {.store = s, .apply = apply_day, .durable = true}};
	Sekisho__DigestAnswer *answer;
	if (!find_due(s, &d) || ask_keys(s, d.day, d.number, d.link, &a, &answer) != OK)
		return;
	memcpy(d.signature, answer->signature.data, DIGEST_SIGNATURE);
	memcpy(d.public, answer->public_key.data, DIGEST_PUBLIC);
	if (writer_wait(s->writer, &d.job) == OK)
		tell_auditors(s, &d);
}

/* ---- verifying ---- */

static bool signature_fits(struct slice public, struct slice text, struct slice signature)
{
	EVP_PKEY *key =
	    EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, (const unsigned char *)public.p, public.n);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = key && c && EVP_DigestVerifyInit(c, NULL, NULL, NULL, key) == 1 &&
		  EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.n,
		      (const unsigned char *)text.p, text.n) == 1;
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(key);
	return ok;
}

/* One row of DIGESTS against the row of the audit it speaks of. */
static bool day_fits(struct db *db, const struct db_rows *q, const uint8_t key[AUDIT_KEY])
{
	BUF_LOCAL(text, 256);
	struct slice link = db_octets(q, 2);
	digest_put(&text, db_int(q, 0), db_int(q, 1), link);
	if (!slice_eq(db_octets(q, 4), slice_of(key, AUDIT_KEY)) ||
	    !signature_fits(db_octets(q, 4), buf_slice(&text), db_octets(q, 3)))
		return false;
	DB_ROWS row = DB_QUERY(db, AUDIT_LINK_OF, DI(db_int(q, 1)));
	return db_next(&row) && slice_eq(db_octets(&row, 0), link);
}

enum result audit_digests_verify(const struct store *s, struct db *db, int64_t *n_out, struct buf *wrong_out)
{
	uint8_t key[AUDIT_KEY];
	*n_out = 0;
	if (db_number(db, -1, SQL_DIGEST_LAST, NULL, 0) < 0)
		return db_result(db); /* no day was signed so far */
	enum result r = audit_key(s, key);
	if (r != OK)
		return r;
	int64_t before = INT64_MAX;
	for (bool more = true; more && !wrong_out->n;) {
		more = false;
		DB_ROWS q = DB_QUERY(db, DIGESTS, DI(before), DI(LIST_MOST));
		while (!wrong_out->n && db_next(&q)) {
			more = true;
			before = db_int(&q, 0);
			if (day_fits(db, &q, key))
				*n_out += 1;
			else
				put_day(wrong_out, before);
		}
	}
	return db_result(db);
}

/* ---- the verbs ---- */

static json_t *hex(struct slice s)
{
	BUF_LOCAL(b, 200);
	buf_hex(&b, s);
	return json_string(buf_z(&b));
}

enum result admin_audit_digests(struct admin *a, struct db *db)
{
	a->answer = json_array();
	DB_ROWS q = DB_QUERY(db, DIGESTS, DI(admin_number(a, "before_day", INT64_MAX)),
	    DI(MAX(1, MIN(admin_number(a, "limit", LIST), LIST_MOST))));
	while (db_next(&q)) {
		BUF_LOCAL(date, 32);
		put_day(&date, db_int(&q, 0));
		json_array_append_new(
		    a->answer, json_pack("{s:I,s:o,s:I,s:o,s:o,s:o}", "day", (json_int_t)db_int(&q, 0),
				   "date", admin_string(buf_slice(&date)), "number",
				   (json_int_t)db_int(&q, 1), "link", hex(db_octets(&q, 2)), "signature",
				   hex(db_octets(&q, 3)), "public_key", hex(db_octets(&q, 4))));
	}
	return OK;
}

/* RFC 8410: what stands before the 32 octets of an Ed25519 key in DER. */
static const unsigned char der_head[] = {
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

enum result admin_audit_key(struct admin *a, struct db *db)
{
	uint8_t key[AUDIT_KEY];
	BUF_LOCAL(der, 64);
	BUF_LOCAL(pem, 256);
	enum result r = audit_key(a->store, key);
	if (r != OK)
		return r;
	buf_put(&der, slice_of(der_head, sizeof der_head));
	buf_put(&der, slice_of(key, AUDIT_KEY));
	buf_puts(&pem, "-----BEGIN PUBLIC KEY-----\n");
	buf_base64(&pem, buf_slice(&der));
	buf_puts(&pem, "\n-----END PUBLIC KEY-----\n");
	a->answer = json_pack("{s:s,s:o,s:o}", "algorithm", "ed25519", "public_key",
	    hex(slice_of(key, AUDIT_KEY)), "pem", admin_string(buf_slice(&pem)));
	return OK;
}
