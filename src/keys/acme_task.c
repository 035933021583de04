/* One thing at a time is done with the authority: choosing it, signing for it, ending it. */
#include "keys/acme.h"
#include "keys/inner.h"
#include "keys/jose.h"
#include <stdlib.h>

#define WAIT_MS (10 * MINUTE_MS) /* relay looks in at least so often */
#define RETRY_LEAST MINUTE_MS    /* after a failure; doubled with each further one */
#define RETRY_MOST (12 * HOUR_MS)
#define JWS_MOST 120000
#define PAYLOAD_MOST 80000

#define KIND(k) SEKISHO__ACME_TASK__KIND__##k
#define STEP(s) (1u << SEKISHO__ACME_SIGN_ASK__STEP__##s)

/* What may be signed for which task. */
static const unsigned steps_of[] = {
    [KIND(REGISTER)] = STEP(ACCOUNT),
    [KIND(CONTACT)] = STEP(ACCOUNT) | STEP(CONTACT),
    [KIND(ROLLOVER)] = STEP(FIND_NEXT) | STEP(ROLLOVER),
    [KIND(DEACTIVATE)] = STEP(DEACTIVATE),
    [KIND(ISSUE)] = STEP(ACCOUNT) | STEP(ORDER) | STEP(FETCH) | STEP(READY) | STEP(FINALIZE),
    [KIND(REVOKE)] = STEP(ACCOUNT) | STEP(REVOKE),
    [KIND(RENEWAL_INFO)] = 0,
};

/* ---- ending ---- */

static int64_t retry_after(uint32_t failures)
{
	int64_t wait = RETRY_LEAST << MIN(failures ? failures - 1 : 0, (uint32_t)10);
	return MIN(wait, RETRY_MOST);
}

static void set_failed(struct acme *a, struct acme_set *s, const char *why, int64_t retry_ms)
{
	int64_t wait = MAX(retry_after(s->failures), MIN(retry_ms, RETRY_MOST));
	s->next_ms = clock_utc_ms() + wait;
	snprintf(s->why, sizeof s->why, "%s", why);
	EVENT(ACME_FAILED, KZ("name", s->label), KZ("why", why), KN("failures", s->failures),
	    KN("retry_s", wait / 1000));
	result_ignore(acme_save(a)); /* it is logged, and the worst is an attempt too early */
}

void acme_task_end(struct acme *a, enum result r, const char *why, int64_t retry_ms)
{
	struct acme_task *t = &a->task;
	if (t->request) {
		t->request->state = REQUEST_FINISHED;
		t->request->result = r;
		snprintf(t->request->why, sizeof t->request->why, "%s", why);
		buf_free_secret(&t->request->binding_key);
	}
	if (t->set && t->kind == KIND(ISSUE) && r != OK)
		set_failed(a, t->set, why, retry_ms);
	else if (r != OK && *why)
		EVENT(ACME_FAILED, KZ("name", t->set ? t->set->label : ""), KZ("why", why), KN("failures", 1),
		    KN("retry_s", 0));
	for (size_t i = 0; i < t->questions_n; i++)
		if (t->questions[i].alpn)
			certificate_free(t->questions[i].alpn);
	free(t->questions);
	EVP_PKEY_free(t->key);
	*t = (struct acme_task){0};
}

/* ---- choosing ---- */

static struct acme_request *next_request(struct acme *a)
{
	struct acme_request *first = NULL;
	for (size_t i = 0; i < ACME_REQUESTS; i++)
		if (a->requests[i].state == REQUEST_WAITING && (!first || a->requests[i].id < first->id))
			first = &a->requests[i];
	return first;
}

/* The set that should have been worked on for longest, and when. */
static struct acme_set *most_due(struct acme *a, int64_t *due_out)
{
	struct acme_set *first = NULL;
	for (size_t i = 0; i < a->sets_n; i++) {
		int64_t due = acme_set_due(a, a->sets[i]);
		if (first && due >= *due_out)
			continue;
		first = a->sets[i];
		*due_out = due;
	}
	return first;
}

static struct acme_set *renewal_info_due(struct acme *a, int64_t now)
{
	for (size_t i = 0; i < a->sets_n; i++)
		if (*a->sets[i]->certificate && a->sets[i]->info_ms <= now && a->sets[i]->renew_ms > now)
			return a->sets[i];
	return NULL;
}

static void begin(struct acme *a, Sekisho__AcmeTask__Kind kind, struct acme_set *s, struct acme_request *r)
{
	a->task = (struct acme_task){.id = ++a->last_id, .kind = kind, .set = s, .request = r};
	if (r)
		r->state = REQUEST_WORKING;
	if (kind == KIND(ISSUE)) {
		/* Counted before it begins: an attempt that kills its role is not made again at once for ever. */
		s->failures++;
		s->next_ms = clock_utc_ms() + retry_after(s->failures);
		result_ignore(acme_save(a));
	}
}

/* NULL: it can begin. */
static const char *begin_request(struct acme *a, struct acme_request *r)
{
	struct acme_account *account = acme_account(a);
	struct acme_set *s = *r->label ? acme_set_find(a, r->label) : NULL;
	if (!*a->settings->directory)
		return "acme_directory is not set";
	if (r->kind == KIND(REGISTER)) {
		if (!account && !(account = acme_account_new(a)))
			return "there are accounts with too many authorities";
		account->agreed = account->agreed || r->agree;
		if (acme_save(a) != OK)
			return "the key store cannot be written";
	} else if (r->kind != KIND(LOOK) && (!account || !account->agreed)) {
		return "there is no account: sekisho acme account register --accept-terms";
	}
	if (r->kind == KIND(ISSUE) && !s)
		return "no such certificate is wanted";
	if ((r->kind == KIND(ROLLOVER) || r->kind == KIND(DEACTIVATE)) && !*account->url)
		return "the account is not registered yet";
	begin(a, r->kind, s, r);
	return NULL;
}

static bool begin_something(struct acme *a, int64_t *wait_out)
{
	int64_t now = clock_utc_ms(), due = INT64_MAX;
	struct acme_account *account = acme_account(a);
	for (struct acme_request *r; (r = next_request(a));) {
		const char *why = begin_request(a, r);
		if (!why)
			return true;
		r->state = REQUEST_FINISHED;
		r->result = DENY;
		snprintf(r->why, sizeof r->why, "%s", why);
	}
	*wait_out = WAIT_MS;
	if (!*a->settings->directory || !account || !account->agreed)
		return false;
	struct acme_set *s = most_due(a, &due), *info = renewal_info_due(a, now);
	if (s && due <= now)
		begin(a, KIND(ISSUE), s, NULL);
	else if (info)
		begin(a, KIND(RENEWAL_INFO), info, NULL);
	else if (s)
		*wait_out = MIN(WAIT_MS, due - now);
	return a->task.id != 0;
}

static struct certificate *installed(struct keys *k, const char *id)
{
	for (size_t i = 0; i < k->certificates_n; i++)
		if (strcmp(k->certificates[i]->id, id) == 0)
			return k->certificates[i];
	return NULL;
}

static const char *task_certificate(const struct acme *a)
{
	return a->task.request && *a->task.request->certificate ? a->task.request->certificate
	       : a->task.set                                    ? a->task.set->certificate
								: "";
}

/* RFC 9773's name of the certificate that this is about. */
static void put_renewal_id(struct acme *a, struct buf *out)
{
	pthread_rwlock_rdlock(&a->keys->certificates_lock);
	const struct certificate *c = installed(a->keys, task_certificate(a));
	if (c)
		certificate_renewal_id(c, out);
	pthread_rwlock_unlock(&a->keys->certificates_lock);
}

void acme_task_next(struct acme *a, struct arena *arena, Sekisho__AcmeTask *out)
{
	if (a->task.id)
		acme_task_end(a, GONE, "relay was started again meanwhile", 0);
	if (!begin_something(a, &out->wait_ms))
		return;
	const struct acme_task *t = &a->task;
	const struct acme_account *account = acme_account(a);
	BUF_LOCAL(id, 1024);
	put_renewal_id(a, &id);
	out->kind = t->kind;
	out->id = t->id;
	out->directory = arena_z(arena, slice_str(a->settings->directory));
	out->account = arena_z(arena, slice_str(account ? account->url : ""));
	out->challenge = a->settings->challenge;
	out->certificate = arena_z(arena, buf_slice(&id));
	out->resumed = account && account->next;
	if (!t->set)
		return;
	out->label = arena_z(arena, slice_str(t->set->label));
	out->names = arena_array(arena, t->set->names_n, sizeof *out->names);
	for (size_t i = 0; out->names && i < t->set->names_n; i++)
		out->names[out->n_names++] = arena_z(arena, slice_str(t->set->names[i]));
}

/* ---- payloads ---- */

static void put_contact(const struct acme *a, struct buf *out)
{
	struct slice rest = slice_str(a->settings->contact);
	bool first = true;
	buf_puts(out, "\"contact\":[");
	while (rest.n) {
		struct slice one = slice_trim_blank(slice_split(&rest, ','));
		if (!one.n)
			continue;
		buf_printf(out, "%s\"mailto:" SLICE_FMT "\"", first ? "" : ",", SLICE_ARG(one));
		first = false;
	}
	buf_putc(out, ']');
}

static enum result put_account(
    struct acme *a, const struct acme_account *account, struct slice url, struct buf *out)
{
	const struct acme_request *r = a->task.request;
	buf_printf(out, "{\"termsOfServiceAgreed\":%s,", account->agreed ? "true" : "false");
	put_contact(a, out);
	if (r && r->binding_key.n) {
		BUF_LOCAL(jwk, 512);
		BUF_LOCAL(bound, 8192);
		jose_jwk_put(&jwk, account->key);
		enum result done = jose_bind(
		    buf_slice(&r->binding_key), slice_str(r->binding_id), url, buf_slice(&jwk), &bound);
		if (done != OK)
			return done;
		buf_puts(out, ",\"externalAccountBinding\":");
		buf_put(out, buf_slice(&bound));
	}
	buf_putc(out, '}');
	return OK;
}

static void put_order(struct acme *a, bool replaces, struct buf *out)
{
	const struct acme_set *s = a->task.set;
	buf_puts(out, "{\"identifiers\":[");
	for (size_t i = 0; i < s->names_n; i++)
		buf_printf(out, "%s{\"type\":\"dns\",\"value\":\"%s\"}", i ? "," : "", s->names[i]);
	buf_putc(out, ']');
	if (replaces) {
		BUF_LOCAL(id, 1024);
		put_renewal_id(a, &id);
		if (id.n)
			buf_printf(out, ",\"replaces\":\"%s\"", buf_z(&id));
	}
	buf_putc(out, '}');
}

static enum result put_request(struct acme *a, struct buf *out)
{
	BUF_LOCAL(der, PAYLOAD_MOST);
	struct acme_task *t = &a->task;
	if (!t->key)
		t->key = csr_key_new(a->settings->rsa);
	enum result r = csr_put(t->key, t->set->names, t->set->names_n, &der);
	buf_puts(out, "{\"csr\":\"");
	jose_base64url(out, buf_slice(&der));
	buf_puts(out, "\"}");
	return r;
}

static enum result put_revocation(struct acme *a, struct buf *out)
{
	BUF_LOCAL(der, PAYLOAD_MOST);
	pthread_rwlock_rdlock(&a->keys->certificates_lock);
	const struct certificate *c = installed(a->keys, task_certificate(a));
	if (c)
		certificate_leaf_put(c, &der);
	pthread_rwlock_unlock(&a->keys->certificates_lock);
	if (!der.n)
		return GONE;
	buf_puts(out, "{\"certificate\":\"");
	jose_base64url(out, buf_slice(&der));
	buf_printf(out, "\",\"reason\":%u}", a->task.request ? a->task.request->reason : 0);
	return OK;
}

/* The new key is kept before the authority hears of it (RFC 8555 7.3.5). */
static enum result put_rollover(
    struct acme *a, struct acme_account *account, struct slice url, struct buf *out)
{
	BUF_LOCAL(inner, 4096);
	struct jose_head head = {.url = url};
	if (!account->next) {
		account->next = jose_key_new();
		if (acme_save(a) != OK)
			return LATER;
	}
	buf_printf(&inner, "{\"account\":\"%s\",\"oldKey\":", account->url);
	jose_jwk_put(&inner, account->key);
	buf_putc(&inner, '}');
	return jose_sign(account->next, &head, buf_slice(&inner), out);
}

static enum result put_payload(
    struct acme *a, struct acme_account *account, const Sekisho__AcmeSignAsk *ask, struct buf *out)
{
	switch (ask->step) {
	case SEKISHO__ACME_SIGN_ASK__STEP__ACCOUNT:
		return put_account(a, account, slice_str(ask->url), out);
	case SEKISHO__ACME_SIGN_ASK__STEP__ORDER:
		put_order(a, ask->replaces, out);
		return OK;
	case SEKISHO__ACME_SIGN_ASK__STEP__FETCH:
		return OK;
	case SEKISHO__ACME_SIGN_ASK__STEP__READY:
		buf_puts(out, "{}");
		return OK;
	case SEKISHO__ACME_SIGN_ASK__STEP__FINALIZE:
		return put_request(a, out);
	case SEKISHO__ACME_SIGN_ASK__STEP__REVOKE:
		return put_revocation(a, out);
	case SEKISHO__ACME_SIGN_ASK__STEP__CONTACT:
		buf_putc(out, '{');
		put_contact(a, out);
		buf_putc(out, '}');
		return OK;
	case SEKISHO__ACME_SIGN_ASK__STEP__ROLLOVER:
		return put_rollover(a, account, slice_str(ask->url), out);
	case SEKISHO__ACME_SIGN_ASK__STEP__DEACTIVATE:
		buf_puts(out, "{\"status\":\"deactivated\"}");
		return OK;
	case SEKISHO__ACME_SIGN_ASK__STEP__FIND_NEXT:
		buf_puts(out, "{\"onlyReturnExisting\":true}");
		return account->next ? OK : GONE;
	default:
		return BAD;
	}
}

enum result acme_task_sign(
    struct acme *a, const Sekisho__AcmeSignAsk *ask, struct buf *out, const char **why_out)
{
	struct acme_account *account = acme_account(a);
	BUF_LOCAL(payload, PAYLOAD_MOST);
	bool find = ask->step == SEKISHO__ACME_SIGN_ASK__STEP__FIND_NEXT;
	bool by_key = find || ask->step == SEKISHO__ACME_SIGN_ASK__STEP__ACCOUNT;
	*why_out = "this is not signed for this task";
	if (!account || (unsigned)ask->step >= 32 || !(steps_of[a->task.kind] & 1u << ask->step))
		return DENY;
	*why_out = "without a nonce, or an address that is none";
	if (!*ask->nonce || strlen(ask->nonce) > LIMIT_ACME_TOKEN || !*ask->url ||
	    strlen(ask->url) > LIMIT_HTTPS_URL || !jose_is_clean(slice_str(ask->url)) ||
	    !jose_is_clean(slice_str(ask->nonce)))
		return BAD;
	*why_out = "the account's address is not known";
	if (!by_key && !*account->url)
		return LATER;
	*why_out = "this cannot be made";
	enum result r = put_payload(a, account, ask, &payload);
	if (r != OK || buf_result(&payload) != OK)
		return r != OK ? r : FULL;
	struct jose_head head = {.url = slice_str(ask->url),
	    .nonce = slice_str(ask->nonce),
	    .account = slice_str(by_key ? "" : account->url)};
	return jose_sign(find ? account->next : account->key, &head, buf_slice(&payload), out);
}

void acme_authorization(struct acme *a, const char *token, struct buf *out)
{
	struct acme_account *account = acme_account(a);
	buf_printf(out, "%s.", token);
	if (account)
		jose_thumbprint(account->key, out);
}

/* ---- the certificate ---- */

static bool has_all_names(const struct certificate *c, const struct acme_set *s)
{
	for (size_t i = 0; i < s->names_n; i++) {
		bool found = false;
		for (size_t j = 0; j < c->names_n && !found; j++)
			found = strcmp(c->names[j], s->names[i]) == 0;
		if (!found)
			return false;
	}
	return true;
}

enum result acme_task_install(struct acme *a, struct slice chain_pem, const char **why_out)
{
	struct acme_task *t = &a->task;
	struct acme_set *s = t->set;
	struct certificate *c;
	unsigned char *der = NULL;
	int64_t from, to;
	*why_out = "no certificate was asked for";
	if (t->kind != KIND(ISSUE) || !t->key)
		return DENY;
	int n = i2d_PrivateKey(t->key, &der);
	if (n <= 0)
		abort();
	enum result r = certificate_read(chain_pem, slice_of(der, (size_t)n), true, &c, why_out);
	OPENSSL_clear_free(der, (size_t)n);
	if (r != OK)
		return r;
	certificate_validity(c, &from, &to);
	*why_out = "the certificate is not for these names, or not valid now";
	if (!has_all_names(c, s) || to <= from || to <= clock_utc_ms()) {
		certificate_free(c);
		return DENY;
	}
	char id[PEM_ID + 1];
	memcpy(id, c->id, sizeof id);
	r = keys_install(a->keys, c, s->certificate, why_out);
	if (r != OK)
		return r;
	memcpy(s->certificate, id, sizeof id);
	s->renew_ms = from + (to - from) / 3 * 2;
	s->info_ms = 0;
	s->failures = 0;
	s->next_ms = 0;
	s->why[0] = '\0';
	EVENT(ACME_ISSUED, KZ("name", s->label), KN("names", s->names_n),
	    KN("days", (to - clock_utc_ms()) / DAY_MS), KZ("key", id));
	*why_out = "the key store cannot be written";
	return acme_save(a);
}
