/* What lasts: accounts and wanted certificates, in one sealed row; and how long installed certificates last. */
#include "keys/acme.h"
#include "keys/inner.h"
#include "keys/jose.h"
#include <openssl/x509.h>
#include <stdlib.h>

#define MEMORY_MOST ((size_t)8 << 20)
#define MARK "acme"

static char *copy(const char *z)
{
	char *c = strdup(z);
	if (!c)
		abort();
	return c;
}

/* ---- accounts ---- */

struct acme_account *acme_account(struct acme *a)
{
	for (size_t i = 0; i < a->accounts_n; i++)
		if (strcmp(a->accounts[i].directory, a->settings->directory) == 0)
			return &a->accounts[i];
	return NULL;
}

struct acme_account *acme_account_new(struct acme *a)
{
	if (a->accounts_n == ACME_ACCOUNTS)
		return NULL;
	struct acme_account *one = &a->accounts[a->accounts_n++];
	*one = (struct acme_account){
	    .directory = copy(a->settings->directory), .url = copy(""), .key = jose_key_new()};
	return one;
}

static void account_clear(struct acme_account *one)
{
	free(one->directory);
	free(one->url);
	EVP_PKEY_free(one->key);
	EVP_PKEY_free(one->next);
}

void acme_account_forget(struct acme *a)
{
	struct acme_account *one = acme_account(a);
	if (!one)
		return;
	account_clear(one);
	*one = a->accounts[--a->accounts_n];
}

/* ---- wanted certificates ---- */

static void set_names_clear(struct acme_set *s)
{
	for (size_t i = 0; i < s->names_n; i++)
		free(s->names[i]);
	free(s->names);
	s->names = NULL;
	s->names_n = 0;
}

static void set_free(struct acme_set *s)
{
	set_names_clear(s);
	free(s->label);
	free(s);
}

static void set_names(struct acme_set *s, char *const *names, size_t n)
{
	set_names_clear(s);
	s->names = calloc(n, sizeof *s->names);
	if (!s->names)
		abort();
	for (; s->names_n < n; s->names_n++)
		s->names[s->names_n] = copy(names[s->names_n]);
}

static bool names_equal(const struct acme_set *s, char *const *names, size_t n)
{
	bool equal = s->names_n == n;
	for (size_t i = 0; equal && i < n; i++)
		equal = strcmp(s->names[i], names[i]) == 0;
	return equal;
}

struct acme_set *acme_set_find(struct acme *a, const char *label)
{
	for (size_t i = 0; i < a->sets_n; i++)
		if (strcmp(a->sets[i]->label, label) == 0)
			return a->sets[i];
	return NULL;
}

static bool names_are_good(char *const *names, size_t n)
{
	if (n == 0 || n > LIMIT_ACME_NAMES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!csr_is_name(slice_str(names[i]), true))
			return false;
	return true;
}

struct acme_set *acme_set_put(
    struct acme *a, Sekisho__AcmeSet__Origin origin, char *const *names, size_t n, bool *changed_out)
{
	*changed_out = false;
	if (!names_are_good(names, n))
		return NULL;
	struct acme_set *s = acme_set_find(a, names[0]);
	if (!s) {
		if (a->sets_n == ACME_SETS || !(s = calloc(1, sizeof *s)))
			return NULL;
		s->label = copy(names[0]);
		a->sets[a->sets_n++] = s;
	}
	*changed_out = s->origin != origin || !names_equal(s, names, n);
	if (!names_equal(s, names, n)) {
		set_names(s, names, n);
		s->next_ms = s->renew_ms = 0;
		s->failures = 0;
	}
	s->origin = origin;
	return s;
}

void acme_set_remove(struct acme *a, struct acme_set *s)
{
	for (size_t i = 0; i < a->sets_n; i++)
		if (a->sets[i] == s) {
			a->sets[i] = a->sets[--a->sets_n];
			break;
		}
	if (a->task.set == s)
		acme_task_end(a, GONE, "this certificate is no longer wanted", 0);
	set_free(s);
}

static bool is_installed(struct keys *k, const char *id)
{
	bool found = false;
	pthread_rwlock_rdlock(&k->certificates_lock);
	for (size_t i = 0; i < k->certificates_n && !found; i++)
		found = strcmp(k->certificates[i]->id, id) == 0;
	pthread_rwlock_unlock(&k->certificates_lock);
	return found;
}

int64_t acme_set_due(struct acme *a, const struct acme_set *s)
{
	if (!*s->certificate || !is_installed(a->keys, s->certificate))
		return s->next_ms;
	return MAX(s->renew_ms, s->next_ms);
}

/* ---- the row ---- */

static ProtobufCBinaryData key_octets(EVP_PKEY *key)
{
	unsigned char *p = NULL;
	int n = key ? i2d_PrivateKey(key, &p) : 0;
	if (n < 0)
		abort();
	return (ProtobufCBinaryData){(size_t)n, p};
}

static void put_memory(const struct acme *a, struct buf *out)
{
	Sekisho__AcmeMemory m = SEKISHO__ACME_MEMORY__INIT;
	Sekisho__AcmeAccount accounts[ACME_ACCOUNTS], *account_at[ACME_ACCOUNTS];
	Sekisho__AcmeSet sets[ACME_SETS], *set_at[ACME_SETS];
	for (size_t i = 0; i < a->accounts_n; i++) {
		const struct acme_account *one = &a->accounts[i];
		account_at[i] = &accounts[i];
		accounts[i] = (Sekisho__AcmeAccount)SEKISHO__ACME_ACCOUNT__INIT;
		accounts[i].directory = one->directory;
		accounts[i].url = one->url;
		accounts[i].agreed = one->agreed;
		accounts[i].key = key_octets(one->key);
		accounts[i].next_key = key_octets(one->next);
	}
	for (size_t i = 0; i < a->sets_n; i++) {
		set_at[i] = &sets[i];
		acme_set_show(a->sets[i], &sets[i]);
	}
	m.accounts = account_at;
	m.n_accounts = a->accounts_n;
	m.sets = set_at;
	m.n_sets = a->sets_n;
	ipc_pack(&m, out);
	for (size_t i = 0; i < a->accounts_n; i++) {
		OPENSSL_clear_free(accounts[i].key.data, accounts[i].key.len);
		OPENSSL_clear_free(accounts[i].next_key.data, accounts[i].next_key.len);
	}
}

void acme_set_show(const struct acme_set *s, Sekisho__AcmeSet *out)
{
	*out = (Sekisho__AcmeSet)SEKISHO__ACME_SET__INIT;
	out->label = s->label;
	out->names = s->names;
	out->n_names = s->names_n;
	out->origin = s->origin;
	out->failures = s->failures;
	out->next_ms = s->next_ms;
	out->why = (char *)(uintptr_t)s->why;
	out->certificate = (char *)(uintptr_t)s->certificate;
	out->renew_ms = s->renew_ms;
	out->renewal_info_ms = s->info_ms;
}

enum result acme_save(struct acme *a)
{
	SECRET_LOCAL(text, MEMORY_MOST);
	BUF_LOCAL(sealed, MEMORY_MOST + VAULT_MORE);
	put_memory(a, &text);
	if (buf_result(&text) != OK)
		return FULL;
	vault_seal(a->keys->vault, VAULT_ROWS, SLICE(MARK), buf_slice(&text), &sealed);
	return book_mark_put(a->keys->book, SLICE(MARK), buf_slice(&sealed));
}

static EVP_PKEY *read_key(ProtobufCBinaryData d)
{
	const unsigned char *p = d.data;
	return d.len ? d2i_AutoPrivateKey(NULL, &p, (long)d.len) : NULL;
}

static bool take_memory(struct acme *a, const Sekisho__AcmeMemory *m)
{
	bool changed;
	for (size_t i = 0; i < m->n_accounts && i < ACME_ACCOUNTS; i++) {
		const Sekisho__AcmeAccount *from = m->accounts[i];
		struct acme_account *to = &a->accounts[a->accounts_n++];
		*to = (struct acme_account){.directory = copy(from->directory),
		    .url = copy(from->url),
		    .agreed = from->agreed,
		    .key = read_key(from->key),
		    .next = read_key(from->next_key)};
		if (!to->key)
			return false;
	}
	for (size_t i = 0; i < m->n_sets; i++) {
		const Sekisho__AcmeSet *from = m->sets[i];
		struct acme_set *to = acme_set_put(a, from->origin, from->names, from->n_names, &changed);
		if (!to)
			continue;
		to->failures = from->failures;
		to->next_ms = from->next_ms;
		to->renew_ms = from->renew_ms;
		to->info_ms = from->renewal_info_ms;
		snprintf(to->why, sizeof to->why, "%s", from->why);
		snprintf(to->certificate, sizeof to->certificate, "%s", from->certificate);
	}
	return true;
}

static enum result load(struct acme *a)
{
	BUF_LOCAL(sealed, MEMORY_MOST + VAULT_MORE);
	SECRET_LOCAL(text, MEMORY_MOST);
	enum result r = book_mark_get(a->keys->book, SLICE(MARK), &sealed);
	if (r != OK)
		return r == GONE ? OK : r;
	Sekisho__AcmeMemory *m = NULL;
	if (vault_unseal(a->keys->vault, VAULT_ROWS, SLICE(MARK), buf_slice(&sealed), &text) == OK)
		m = sekisho__acme_memory__unpack(NULL, text.n, (const uint8_t *)text.p);
	bool good = m && take_memory(a, m);
	if (m)
		sekisho__acme_memory__free_unpacked(m, NULL);
	if (good)
		return OK;
	EVENT(STORE_ERROR, KZ("what", "keys.db"),
	    KZ("why", "what is known of certificate authorities does not open"));
	return LATER;
}

/* ---- the configured ones: "a.example, b.example; c.example" is two certificates ---- */

static bool is_listed(const struct acme_set *s, struct acme_set *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == s)
			return true;
	return false;
}

static struct acme_set *put_group(struct acme *a, struct slice group)
{
	ARENA_LOCAL(arena, 1 << 20);
	char *names[LIMIT_ACME_NAMES];
	size_t n = 0;
	bool changed;
	while (group.n && n < LIMIT_ACME_NAMES) {
		struct slice name = slice_trim_blank(slice_split(&group, ','));
		if (!name.n || !(names[n] = arena_z(&arena, name)))
			continue;
		for (char *p = names[n]; *p; p++)
			*p = ascii_lower(*p);
		n++;
	}
	struct acme_set *s = acme_set_put(a, SEKISHO__ACME_SET__ORIGIN__CONFIGURED, names, n, &changed);
	if (!s)
		EVENT(CONFIG_BAD, KZ("file", "acme_hosts"), KN("line", 0),
		    KZ("why", "these are not names that a certificate can be had for"));
	return s;
}

static void sync_configured(struct acme *a)
{
	struct acme_set *kept[ACME_SETS];
	size_t n = 0;
	struct slice rest = slice_str(*a->settings->hosts ? a->settings->hosts : a->settings->hostname);
	while (rest.n && n < ACME_SETS) {
		struct acme_set *s = put_group(a, slice_split(&rest, ';'));
		if (s)
			kept[n++] = s;
	}
	for (size_t i = a->sets_n; i-- > 0;)
		if (a->sets[i]->origin == SEKISHO__ACME_SET__ORIGIN__CONFIGURED &&
		    !is_listed(a->sets[i], kept, n))
			acme_set_remove(a, a->sets[i]);
}

enum result acme_open(struct keys *k, const struct keys_acme *settings, struct acme **out)
{
	struct acme *a = calloc(1, sizeof *a);
	if (!a)
		abort();
	a->keys = k;
	a->settings = settings;
	pthread_mutex_init(&a->lock, NULL);
	vault_random(&a->last_id, sizeof a->last_id);
	a->last_id >>= 16; /* ids of a former life mean nothing in this one */
	enum result r = load(a);
	if (r != OK) {
		acme_close(a);
		return r;
	}
	if (*settings->directory)
		sync_configured(a);
	*out = a;
	return OK;
}

void acme_close(struct acme *a)
{
	if (!a)
		return;
	if (a->task.id)
		acme_task_end(a, GONE, "", 0);
	for (size_t i = 0; i < a->accounts_n; i++)
		account_clear(&a->accounts[i]);
	for (size_t i = 0; i < a->sets_n; i++)
		set_free(a->sets[i]);
	for (size_t i = 0; i < ACME_REQUESTS; i++)
		buf_free_secret(&a->requests[i].binding_key);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

/* ---- alarms ---- */

static unsigned step_of(int64_t left_ms)
{
	static const int64_t days[] = {21, 7, 1, 0};
	unsigned step = 0;
	while (step < COUNT(days) && left_ms <= days[step] * DAY_MS)
		step++;
	return step;
}

void acme_watch_expiry(struct keys *k)
{
	pthread_rwlock_wrlock(&k->certificates_lock);
	for (size_t i = 0; i < k->certificates_n; i++) {
		struct certificate *c = k->certificates[i];
		int64_t from, to;
		certificate_validity(c, &from, &to);
		int64_t left = to - clock_utc_ms();
		unsigned step = step_of(left);
		if (step > c->alarm)
			EVENT(CERTIFICATE_EXPIRES, KZ("name", c->names[0]), KN("days", left / DAY_MS),
			    KZ("key", c->id));
		c->alarm = step;
	}
	pthread_rwlock_unlock(&k->certificates_lock);
}
