#include "keys/credential.h"
#include "keys/inner.h"
#include <stdlib.h>

#define VERSION 1
#define WAITS 1u

static void place_of(const struct book_credential *row, struct buf *out)
{
	buf_printf(out, "credential %llu %llu %u", (unsigned long long)row->account,
	    (unsigned long long)row->id, row->kind);
}

static void put_number(struct buf *b, uint64_t v)
{
	buf_put(b, slice_of(&v, sizeof v));
}

static uint64_t take_number(struct cursor *c)
{
	uint64_t v = 0;
	struct slice s = cursor_bytes(c, sizeof v);
	if (s.n)
		memcpy(&v, s.p, sizeof v);
	return v;
}

static void put(const struct credential *c, struct buf *b)
{
	buf_putc(b, VERSION);
	put_number(b, c->waits ? WAITS : 0);
	put_number(b, c->epoch);
	put_number(b, c->counter);
	put_number(b, (uint64_t)c->made_ms);
	put_number(b, (uint64_t)c->used_ms);
	put_number(b, (uint64_t)c->ends_ms);
	put_number(b, c->bits);
	put_number(b, c->name.n);
	buf_put(b, c->name);
	put_number(b, c->secret.n);
	buf_put(b, c->secret);
}

static enum result read(struct slice text, struct credential *c)
{
	struct cursor in = cursor_of(text);
	if (cursor_take(&in) != VERSION)
		return BAD;
	c->waits = take_number(&in) & WAITS;
	c->epoch = take_number(&in);
	c->counter = take_number(&in);
	c->made_ms = (int64_t)take_number(&in);
	c->used_ms = (int64_t)take_number(&in);
	c->ends_ms = (int64_t)take_number(&in);
	c->bits = (unsigned)take_number(&in);
	c->name = cursor_bytes(&in, (size_t)take_number(&in));
	c->secret = cursor_bytes(&in, (size_t)take_number(&in));
	return cursor_done(&in);
}

struct reading {
	struct keys *keys;
	credential_each *each;
	void *context;
};

static enum result read_row(void *context, const struct book_credential *row)
{
	const struct reading *reading = context;
	struct credential c = {
	    .account = row->account, .id = row->id, .kind = (enum credential_kind)row->kind};
	BUF_LOCAL(place, 128);
	SECRET_LOCAL(text, LIMIT_CREDENTIAL);
	place_of(row, &place);
	enum result r = vault_unseal(reading->keys->vault, VAULT_ROWS, buf_slice(&place), row->sealed, &text);
	if (r == OK)
		r = read(buf_slice(&text), &c);
	if (r != OK) {
		EVENT(STORE_ERROR, KZ("what", "keys.db"), KZ("why", "a credential does not open"));
		return LATER;
	}
	return reading->each(reading->context, &c);
}

enum result credentials_all(struct keys *k, uint64_t account, credential_each *each, void *context)
{
	struct reading reading = {k, each, context};
	return book_credentials(k->book, account, read_row, &reading);
}

struct collecting {
	struct arena *arena;
	struct credentials *out;
};

static enum result collect(void *context, const struct credential *c)
{
	const struct collecting *in = context;
	struct credentials *all = in->out;
	if (all->n == LIMIT_CREDENTIALS)
		return FULL;
	if (!all->at)
		all->at = arena_array(in->arena, LIMIT_CREDENTIALS, sizeof *all->at);
	if (!all->at)
		return LATER;
	struct credential *kept = &all->at[all->n++];
	*kept = *c;
	kept->name = arena_dup(in->arena, c->name);
	kept->secret = arena_dup(in->arena, c->secret);
	return arena_full(in->arena) ? LATER : OK;
}

enum result credentials_of(struct keys *k, uint64_t account, struct arena *a, struct credentials *out)
{
	struct collecting in = {a, out};
	*out = (struct credentials){0};
	return account ? credentials_all(k, account, collect, &in) : OK;
}

static enum result count_one(void *context, const struct credential *c)
{
	size_t *n = context;
	return ++*n < LIMIT_CREDENTIALS ? OK : FULL;
}

enum result credential_put(struct keys *k, struct credential *c)
{
	size_t n = 0;
	enum result r = c->id ? OK : credentials_all(k, c->account, count_one, &n);
	if (r == OK && !c->id)
		r = book_credential_id(k->book, &c->id);
	if (r != OK)
		return r;
	struct book_credential row = {c->account, c->id, c->kind, SLICE_NONE};
	BUF_LOCAL(place, 128);
	BUF_LOCAL(sealed, LIMIT_CREDENTIAL + VAULT_MORE);
	SECRET_LOCAL(text, LIMIT_CREDENTIAL);
	place_of(&row, &place);
	put(c, &text);
	if (buf_result(&text) != OK)
		return FULL;
	vault_seal(k->vault, VAULT_ROWS, buf_slice(&place), buf_slice(&text), &sealed);
	row.sealed = buf_slice(&sealed);
	return book_credential_put(k->book, &row);
}

static bool has_codes(const struct credential *c)
{
	for (size_t i = 0; i < c->secret.n; i++)
		if (c->secret.p[i])
			return true;
	return false;
}

unsigned credentials_factors(const struct credentials *all)
{
	unsigned factors = 0;
	for (size_t i = 0; i < all->n; i++) {
		const struct credential *c = &all->at[i];
		if (c->waits)
			continue;
		if (c->kind == CREDENTIAL_TOTP)
			factors |= FACTOR_TOTP;
		else if (c->kind == CREDENTIAL_PASSKEY)
			factors |= FACTOR_PASSKEY;
		else if (c->kind == CREDENTIAL_RECOVERY && has_codes(c))
			factors |= FACTOR_RECOVERY;
		else if (c->kind == CREDENTIAL_MAIL)
			factors |= FACTOR_MAIL;
		else if (c->kind == CREDENTIAL_SMS)
			factors |= FACTOR_SMS;
	}
	return factors;
}
