/* The role's state: opening, logins and certificates as the administrator changes them. */
#include "keys/inner.h"
#include "keys/strength.h"
#include <sqlite3.h>
#include <stdlib.h>

/*
 * A login row's secret: version, length and octets of the Argon2 hash, then the SCRAM keys; since version 2 also epoch, time
 * and whether it has to be changed.
 */
#define SECRET_VERSION 2

static void login_put(const struct login *l, struct buf *out)
{
	const struct login_secret *s = &l->secret;
	size_t n = strlen(s->hash);
	buf_putc(out, SECRET_VERSION);
	buf_putc(out, (char)n);
	buf_put(out, slice_of(s->hash, n));
	buf_put(out, slice_of(&s->scram, sizeof s->scram));
	buf_put(out, slice_of(&l->epoch, sizeof l->epoch));
	buf_put(out, slice_of(&l->made_ms, sizeof l->made_ms));
	buf_putc(out, (char)l->change);
}

static void login_more_read(struct cursor *c, struct login *l)
{
	struct slice epoch = cursor_bytes(c, sizeof l->epoch), made = cursor_bytes(c, sizeof l->made_ms);
	l->change = cursor_take(c) == 1;
	if (c->err != OK)
		return;
	memcpy(&l->epoch, epoch.p, epoch.n);
	memcpy(&l->made_ms, made.p, made.n);
}

static enum result login_read(struct slice text, struct login *l)
{
	struct login_secret *out = &l->secret;
	struct cursor c = cursor_of(text);
	int version = cursor_take(&c);
	if (version != 1 && version != SECRET_VERSION)
		return BAD;
	size_t n = (unsigned char)cursor_take(&c);
	struct slice hash = cursor_bytes(&c, MIN(n, sizeof out->hash - 1));
	struct slice scram = cursor_bytes(&c, sizeof out->scram);
	if (version == SECRET_VERSION)
		login_more_read(&c, l);
	if (cursor_done(&c) != OK)
		return BAD;
	*out = (struct login_secret){0};
	memcpy(out->hash, hash.p, hash.n);
	memcpy(&out->scram, scram.p, scram.n);
	return OK;
}

/* What a row is sealed for. */
static void login_place(struct slice name, struct buf *out)
{
	buf_puts(out, "login ");
	buf_put(out, name);
}

enum result login_find(struct keys *k, struct slice name, struct arena *a, struct login *out)
{
	struct book_login row;
	*out = (struct login){.name = arena_dup(a, name)};
	enum result r = book_login_get(k->book, name, a, &row);
	if (r != OK)
		return r;
	BUF_LOCAL(place, 1024);
	SECRET_LOCAL(text, 1024);
	login_place(name, &place);
	r = vault_unseal(k->vault, VAULT_ROWS, buf_slice(&place), row.sealed, &text);
	if (r == OK)
		r = login_read(buf_slice(&text), out);
	if (r != OK) {
		EVENT(STORE_ERROR, KZ("what", "keys.db"), KZ("why", "a login row does not open"));
		return LATER;
	}
	out->account = row.account;
	out->version = row.version;
	out->spelled = row.spelled;
	return OK;
}

static void login_seal(struct keys *k, struct slice name, const struct login *l, struct buf *sealed)
{
	BUF_LOCAL(place, 1024);
	SECRET_LOCAL(text, 1024);
	login_place(name, &place);
	login_put(l, &text);
	vault_seal(k->vault, VAULT_ROWS, buf_slice(&place), buf_slice(&text), sealed);
}

void login_secret_make(struct slice password, const struct login_secret *keep, struct login_secret *out)
{
	struct login_secret made = {.scram.iterations = SCRAM_ITERATIONS};
	password_hash(password, made.hash);
	if (keep)
		memcpy(made.scram.salt, keep->scram.salt, SCRAM_SALT);
	else
		vault_random(made.scram.salt, SCRAM_SALT);
	*out = made;
	explicit_bzero(&made, sizeof made);
	scram_derive(password, slice_of(out->scram.salt, SCRAM_SALT), &out->scram);
}

enum result login_store(struct keys *k, const struct login *l)
{
	BUF_LOCAL(sealed, 2048);
	login_seal(k, l->name, l, &sealed);
	struct book_login row = {.account = l->account, .spelled = l->spelled, .sealed = buf_slice(&sealed)};
	vault_random(&row.version, sizeof row.version);
	return book_login_put(k->book, l->name, &row);
}

/* ---- the administrator ---- */

/* With what second factors the account has, and what its login was before. */
static enum result set_prepared(struct keys *k, const struct keys_password *p, struct slice name,
    struct slice prepared, const char **why_out)
{
	ARENA_LOCAL(a, (size_t)1 << 20);
	struct credentials all;
	struct login old, l = {.account = p->account,
			      .name = name,
			      .spelled = p->login,
			      .epoch = p->epoch,
			      .made_ms = clock_utc_ms(),
			      .change = p->change};
	enum result r = credentials_of(k, p->account, &a, &all);
	enum result found = r == OK ? login_find(k, name, &a, &old) : r;
	*why_out = "the key store cannot be read";
	if (found != OK && found != GONE)
		return LATER;
	struct strength of = {p->login, p->words, (credentials_factors(&all) & FACTORS_PROVING) != 0};
	if ((*why_out = strength_fault(&of, prepared)))
		return DENY;
	/* What somebody else may know is not taken again. */
	*why_out = "this is the password that has to be changed";
	if (found == OK && (old.change || old.epoch != p->epoch) &&
	    password_verify(prepared, old.secret.hash) == OK)
		return DENY;
	login_secret_make(prepared, found == OK ? &old.secret : NULL, &l.secret);
	r = login_store(k, &l);
	explicit_bzero(&l, sizeof l);
	explicit_bzero(&old, sizeof old);
	*why_out = r == OK ? "" : "the key store cannot be written";
	return r;
}

enum result keys_set_password(struct keys *k, const struct keys_password *p, const char **why_out)
{
	BUF_LOCAL(name, 8192);
	SECRET_LOCAL(prepared, 8192);
	*why_out = "the login name cannot be used";
	if (p->account == 0 || p->login.n == 0 || login_prepare(p->login, &name) != OK)
		return DENY;
	*why_out = "the password is too long or holds characters that cannot be used";
	if (password_prepare(p->password, &prepared) != OK)
		return DENY;
	return set_prepared(k, p, buf_slice(&name), buf_slice(&prepared), why_out);
}

enum result keys_remove_login(struct keys *k, struct slice login)
{
	ARENA_LOCAL(a, 65536);
	BUF_LOCAL(name, 8192);
	struct login l;
	if (login_prepare(login, &name) != OK)
		return GONE;
	enum result r = login_find(k, buf_slice(&name), &a, &l);
	explicit_bzero(&l.secret, sizeof l.secret);
	if (r == OK)
		r = book_credentials_forget(k->book, l.account);
	return r == OK ? book_login_remove(k->book, buf_slice(&name)) : r;
}

enum result keys_rename_login(struct keys *k, struct slice login, struct slice to, const char **why_out)
{
	ARENA_LOCAL(a, 65536);
	BUF_LOCAL(from_name, 8192);
	BUF_LOCAL(to_name, 8192);
	struct login l;
	*why_out = "the login name cannot be used";
	if (to.n == 0 || login_prepare(login, &from_name) != OK || login_prepare(to, &to_name) != OK)
		return DENY;
	enum result r = login_find(k, buf_slice(&from_name), &a, &l);
	*why_out = "no such login";
	if (r != OK)
		return r;
	BUF_LOCAL(sealed, 2048);
	login_seal(k, buf_slice(&to_name), &l, &sealed);
	explicit_bzero(&l.secret, sizeof l.secret);
	struct book_login row = {.account = l.account, .spelled = to, .sealed = buf_slice(&sealed)};
	vault_random(&row.version, sizeof row.version);
	r = book_login_move(k->book, buf_slice(&from_name), buf_slice(&to_name), &row);
	*why_out = r == DENY ? "there is such a login already" : "the key store cannot be written";
	return r;
}

/* ---- certificates; the list's lock guards what follows ---- */

static void list_insert(struct keys *k, struct certificate *c)
{
	size_t at = k->certificates_n++;
	for (; at > 0 && k->certificates[at - 1]->place > c->place; at--)
		k->certificates[at] = k->certificates[at - 1];
	k->certificates[at] = c;
}

static void list_remove(struct keys *k, size_t at)
{
	certificate_free(k->certificates[at]);
	k->certificates_n--;
	for (; at < k->certificates_n; at++)
		k->certificates[at] = k->certificates[at + 1];
}

static bool takes_place(const struct certificate *c, const struct certificate *old, const char *former)
{
	return certificate_replaces(c, old) || strcmp(c->id, old->id) == 0 || strcmp(former, old->id) == 0;
}

/*
 * Stores c in the place of the first it replaces, or before the first it has a name in common with, or behind all others, and
 * removes those it replaces.
 */
static enum result list_replace(
    struct keys *k, struct certificate *c, const char *former, struct slice sealed)
{
	struct slice gone[KEYS_CERTIFICATES];
	size_t gone_n = 0;
	c->place = k->certificates_n ? k->certificates[k->certificates_n - 1]->place + 1 : 1;
	for (size_t i = k->certificates_n; i-- > 0;) {
		struct certificate *old = k->certificates[i];
		bool goes = takes_place(c, old, former);
		if (goes || certificate_overlaps(c, old))
			c->place = old->place - !goes;
		if (!goes)
			continue;
		gone[gone_n++] = slice_str(old->id);
	}
	if (k->certificates_n - gone_n == KEYS_CERTIFICATES)
		return FULL;
	struct book_certificate row = {slice_str(c->id), c->place, buf_slice(&c->chain_pem), sealed};
	enum result r = book_certificate_put(k->book, &row, gone, gone_n);
	if (r != OK)
		return r;
	for (size_t i = k->certificates_n; i-- > 0;)
		if (takes_place(c, k->certificates[i], former))
			list_remove(k, i);
	list_insert(k, c);
	return OK;
}

enum result keys_install(struct keys *k, struct certificate *c, const char *former, const char **why_out)
{
	SECRET_LOCAL(der, PEM_OCTETS);
	BUF_LOCAL(sealed, PEM_OCTETS + VAULT_MORE);
	certificate_key_put(c, &der);
	vault_seal(k->vault, VAULT_ROWS, slice_str(c->id), buf_slice(&der), &sealed);
	pthread_rwlock_wrlock(&k->certificates_lock);
	enum result r = list_replace(k, c, former, buf_slice(&sealed));
	pthread_rwlock_unlock(&k->certificates_lock);
	if (r != OK) {
		certificate_free(c);
		*why_out = r == FULL ? "there are too many certificates" : "the key store cannot be written";
		return r;
	}
	*why_out = "";
	if (k->certificates_changed)
		k->certificates_changed(k->context);
	return OK;
}

enum result keys_install_certificate(
    struct keys *k, struct slice chain_pem, struct slice key_pem, const char **why_out)
{
	struct certificate *c;
	enum result r = certificate_read(chain_pem, key_pem, false, &c, why_out);
	return r == OK ? keys_install(k, c, "", why_out) : r;
}

/* ---- opening ---- */

static const struct keys_acme no_authority = {.directory = "", .contact = "", .hostname = "", .hosts = ""};

static enum result load_certificate(void *context, const struct book_certificate *row)
{
	struct keys *k = context;
	struct certificate *c;
	const char *why = "its private key does not open";
	SECRET_LOCAL(der, PEM_OCTETS);
	if (k->certificates_n == KEYS_CERTIFICATES)
		return FULL;
	if (vault_unseal(k->vault, VAULT_ROWS, row->id, row->sealed, &der) != OK ||
	    certificate_read(row->chain_pem, buf_slice(&der), true, &c, &why) != OK) {
		EVENT(STORE_ERROR, KZ("what", "certificate"), KZ("why", why));
		return OK; /* the others can still be served */
	}
	c->place = row->place;
	k->certificates[k->certificates_n++] = c;
	return OK;
}

/* Is this the master key that the book was begun with? */
static enum result check_master(struct keys *k)
{
	BUF_LOCAL(sealed, 256);
	BUF_LOCAL(text, 256);
	enum result r = book_mark_get(k->book, SLICE("master"), &sealed);
	if (r == OK)
		return vault_unseal(k->vault, VAULT_ROWS, SLICE("master"), buf_slice(&sealed), &text);
	if (r != GONE)
		return r;
	buf_clear(&sealed);
	vault_seal(k->vault, VAULT_ROWS, SLICE("master"), SLICE("sekisho"), &sealed);
	return book_mark_put(k->book, SLICE("master"), buf_slice(&sealed));
}

enum result keys_open(const struct keys_settings *settings, struct keys **out)
{
	char once[8];
	sqlite3_randomness(sizeof once, once); /* opens /dev/urandom, while that is possible */
	password_open();
	struct book *book;
	enum result r = book_open(settings->dir, &book);
	if (r != OK)
		return r;
	struct keys *k = calloc(1, sizeof *k);
	if (!k || settings->grant.n != GRANT_KEY)
		abort();
	k->book = book;
	k->vault = vault_new(settings->master);
	memcpy(k->grant, settings->grant.p, GRANT_KEY);
	k->tsig = settings->tsig;
	k->certificates_changed = settings->certificates_changed;
	k->acme_wanted = settings->acme_wanted;
	k->context = settings->context;
	pthread_rwlock_init(&k->certificates_lock, NULL);
	pthread_mutex_init(&k->credentials_lock, NULL);
	k->office = settings->office;
	verdicts_init(&k->verdicts);
	login_secret_make(SLICE("nobody's password"), NULL, &k->nobody);
	r = check_master(k);
	if (r == OK)
		r = attempts_open(k->vault, k->book, &k->office, &k->attempts);
	if (r == OK)
		r = book_certificates(k->book, load_certificate, k);
	if (r == OK)
		r = acme_open(k, settings->acme ? settings->acme : &no_authority, &k->acme);
	hashers_start(k);
	if (r != OK) {
		keys_close(k);
		return r;
	}
	*out = k;
	return OK;
}

void keys_close(struct keys *k)
{
	hashers_stop(k);
	acme_close(k->acme);
	attempts_close(k->attempts);
	for (size_t i = 0; i < k->certificates_n; i++)
		certificate_free(k->certificates[i]);
	book_close(k->book);
	verdicts_free(&k->verdicts);
	dkim_cache_free(k->dkim);
	vault_free(k->vault);
	pthread_rwlock_destroy(&k->certificates_lock);
	pthread_mutex_destroy(&k->credentials_lock);
	explicit_bzero(k, sizeof *k);
	free(k);
}
