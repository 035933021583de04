/* What is asked about certificates from an authority: by relay, by web, by the administrator. */
#include "keys/acme.h"
#include "keys/inner.h"
#include "keys/jose.h"
#include <openssl/sha.h>
#include <stdlib.h>

#define KIND(k) SEKISHO__ACME_TASK__KIND__##k
#define VERB(v) SEKISHO__ACME_ADMIN_ASK__VERB__##v

static struct acme *acme_of(struct ipc_turn *t)
{
	struct keys *k = ipc_server_context(t);
	return k->acme;
}

static ProtobufCBinaryData bytes_of(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static void end(struct ipc_turn *t, enum result r, const char *why)
{
	Sekisho__Empty empty = SEKISHO__EMPTY__INIT;
	if (r == OK)
		ipc_answer(t, &empty, NULL);
	else
		ipc_refuse(t, r, "%s", why);
}

/* ---- relay ---- */

/* What the domain's certificate was called when other names of it led here. */
static void remove_former(struct acme *a, const char *domain, const char *label)
{
	for (size_t i = a->sets_n; i-- > 0;) {
		struct acme_set *s = a->sets[i];
		const char *dot = strchr(s->label, '.');
		if (s->origin == SEKISHO__ACME_SET__ORIGIN__SERVED && dot && strcmp(dot + 1, domain) == 0 &&
		    strcmp(s->label, label) != 0)
			acme_set_remove(a, s);
	}
}

/* Names of mail domains that lead here: a certificate for each domain. */
static void take_served(struct acme *a, const Sekisho__AcmeNextAsk *ask)
{
	bool any = false;
	if (!*a->settings->directory)
		return;
	for (size_t i = 0; i < ask->n_served; i++) {
		const Sekisho__AcmeServed *one = ask->served[i];
		const struct acme_set *s = one->n_names ? acme_set_find(a, one->names[0]) : NULL;
		bool changed = false;
		if (one->n_names && (!s || s->origin == SEKISHO__ACME_SET__ORIGIN__SERVED))
			acme_set_put(
			    a, SEKISHO__ACME_SET__ORIGIN__SERVED, one->names, one->n_names, &changed);
		if (changed)
			remove_former(a, one->domain, one->names[0]);
		any = any || changed;
	}
	if (any)
		result_ignore(acme_save(a)); /* it is logged; relay tells them again */
}

void keys_on_acme_next(struct ipc_turn *t)
{
	struct acme *a = acme_of(t);
	Sekisho__AcmeTask task = SEKISHO__ACME_TASK__INIT;
	acme_watch_expiry(a->keys);
	pthread_mutex_lock(&a->lock);
	take_served(a, t->ask);
	acme_task_next(a, &t->arena, &task);
	pthread_mutex_unlock(&a->lock);
	if (arena_full(&t->arena))
		ipc_refuse(t, FULL, "too many names");
	else
		ipc_answer(t, &task, NULL);
}

/* The task is still the one in hand. */
static bool is_current(struct ipc_turn *t, const struct acme *a, uint64_t id)
{
	return a->task.id && a->task.id == id;
}

static void not_current(struct ipc_turn *t)
{
	ipc_refuse(t, GONE, "this task has ended");
}

void keys_on_acme_sign(struct ipc_turn *t)
{
	struct acme *a = acme_of(t);
	const Sekisho__AcmeSignAsk *ask = t->ask;
	const char *why = "";
	BUF_LOCAL(body, LIMIT_IPC_PACKET - 1024);
	pthread_mutex_lock(&a->lock);
	bool current = is_current(t, a, ask->task);
	enum result r = current ? acme_task_sign(a, ask, &body, &why) : GONE;
	pthread_mutex_unlock(&a->lock);
	Sekisho__AcmeSignAnswer answer = SEKISHO__ACME_SIGN_ANSWER__INIT;
	answer.body = bytes_of(buf_slice(&body));
	if (!current)
		not_current(t);
	else if (r != OK)
		ipc_refuse(t, r, "%s", why);
	else
		ipc_answer(t, &answer, NULL);
}

static bool is_token(const char *z)
{
	size_t n = strlen(z);
	if (n == 0 || n > LIMIT_ACME_TOKEN)
		return false;
	for (; *z; z++)
		if (!ascii_alpha(*z) && !ascii_digit(*z) && *z != '-' && *z != '_')
			return false;
	return true;
}

static bool set_has(const struct acme_set *s, const char *name)
{
	for (size_t i = 0; i < s->names_n; i++) {
		const char *one = s->names[i];
		if (strcmp(one[0] == '*' ? one + 2 : one, name) == 0)
			return true;
	}
	return false;
}

/* The TXT record of a dns-01 answer (RFC 8555 8.4). */
static void put_record(struct acme *a, const struct acme_question *q, struct buf *name, struct buf *value)
{
	BUF_LOCAL(text, 512);
	unsigned char digest[SHA256_DIGEST_LENGTH];
	acme_authorization(a, q->token, &text);
	SHA256((const unsigned char *)text.p, text.n, digest);
	buf_printf(name, "_acme-challenge.%s", q->name);
	jose_base64url(value, slice_of(digest, sizeof digest));
}

static struct acme_question *question_put(struct acme *a, const char *name, const char *token)
{
	struct acme_task *t = &a->task;
	for (size_t i = 0; i < t->questions_n; i++)
		if (strcmp(t->questions[i].name, name) == 0 && strcmp(t->questions[i].token, token) == 0)
			return &t->questions[i];
	if (!t->questions && !(t->questions = calloc(LIMIT_ACME_NAMES, sizeof *t->questions)))
		abort();
	if (t->questions_n == LIMIT_ACME_NAMES)
		return NULL;
	struct acme_question *q = &t->questions[t->questions_n];
	snprintf(q->name, sizeof q->name, "%s", name);
	snprintf(q->token, sizeof q->token, "%s", token);
	if (a->settings->challenge == SEKISHO__ACME_CHALLENGE__TLS_ALPN_01) {
		BUF_LOCAL(text, 512);
		acme_authorization(a, token, &text);
		if (csr_alpn_certificate(name, buf_slice(&text), &q->alpn) != OK)
			return NULL;
	}
	t->questions_n++;
	return q;
}

void keys_on_acme_challenge(struct ipc_turn *t)
{
	struct acme *a = acme_of(t);
	const Sekisho__AcmeChallengeAsk *ask = t->ask;
	BUF_LOCAL(name, 512);
	BUF_LOCAL(value, 128);
	const struct acme_question *q = NULL;
	bool published = false;
	pthread_mutex_lock(&a->lock);
	bool current = is_current(t, a, ask->task) && a->task.kind == KIND(ISSUE);
	if (current && is_token(ask->token) && set_has(a->task.set, ask->name))
		q = question_put(a, ask->name, ask->token);
	if (q) {
		put_record(a, q, &name, &value);
		published = a->task.published;
	}
	pthread_mutex_unlock(&a->lock);
	Sekisho__AcmeChallengeAnswer answer = SEKISHO__ACME_CHALLENGE_ANSWER__INIT;
	answer.record_name = (char *)(uintptr_t)buf_z(&name);
	answer.record_value = (char *)(uintptr_t)buf_z(&value);
	answer.published = published;
	if (!current)
		not_current(t);
	else if (!q)
		ipc_refuse(t, DENY, "not a question about a name that is wanted");
	else
		ipc_answer(t, &answer, NULL);
}

void keys_on_acme_install(struct ipc_turn *t)
{
	struct acme *a = acme_of(t);
	const Sekisho__AcmeInstallAsk *ask = t->ask;
	const char *why = "this task has ended";
	pthread_mutex_lock(&a->lock);
	enum result r = GONE;
	if (is_current(t, a, ask->task))
		r = acme_task_install(a, slice_of(ask->chain_pem.data, ask->chain_pem.len), &why);
	pthread_mutex_unlock(&a->lock);
	end(t, r, why);
}

static void account_told(struct acme *a, const char *url)
{
	struct acme_account *account = acme_account(a);
	if (!account || !jose_is_clean(slice_str(url)) || strlen(url) > LIMIT_HTTPS_URL)
		return;
	free(account->url);
	account->url = strdup(url);
	if (!account->url)
		abort();
	/* What failed for want of an account need not wait. */
	for (size_t i = 0; i < a->sets_n && a->task.kind == KIND(REGISTER); i++) {
		a->sets[i]->failures = 0;
		a->sets[i]->next_ms = 0;
	}
	result_ignore(acme_save(a)); /* it is logged; the authority tells it again */
}

static void rolled(struct acme *a)
{
	struct acme_account *account = acme_account(a);
	if (!account || !account->next)
		return;
	EVP_PKEY_free(account->key);
	account->key = account->next;
	account->next = NULL;
	result_ignore(acme_save(a)); /* the new key is in the row either way */
}

/* A moment within the authority's window (RFC 9773 4.2), the same wish for all it serves: not all at once. */
/* A tenth of its life is left then: no window may lead beyond it. 0: it is not installed. */
static int64_t latest_renewal(struct acme *a, const struct acme_set *s)
{
	int64_t from, to, latest = 0;
	pthread_rwlock_rdlock(&a->keys->certificates_lock);
	for (size_t i = 0; i < a->keys->certificates_n && !latest; i++) {
		if (strcmp(a->keys->certificates[i]->id, s->certificate) != 0)
			continue;
		certificate_validity(a->keys->certificates[i], &from, &to);
		latest = to - (to - from) / 10;
	}
	pthread_rwlock_unlock(&a->keys->certificates_lock);
	return latest;
}

static void renewal_told(struct acme *a, struct acme_set *s, const Sekisho__AcmeReportAsk *ask)
{
	uint32_t chance;
	int64_t now = clock_utc_ms();
	s->info_ms = now + MAX(HOUR_MS, MIN(ask->retry_ms, 7 * DAY_MS));
	if (ask->to_ms <= ask->from_ms || ask->to_ms <= 0)
		return;
	vault_random(&chance, sizeof chance);
	int64_t latest = latest_renewal(a, s);
	int64_t at = ask->from_ms + (int64_t)((double)(ask->to_ms - ask->from_ms) * chance / 4294967296.0);
	if (s->renew_ms < ask->from_ms || s->renew_ms > ask->to_ms)
		s->renew_ms = latest ? MIN(at, latest) : at;
}

static void done(struct acme *a)
{
	struct acme_task *t = &a->task;
	if (t->kind == KIND(REVOKE) && t->request)
		for (size_t i = 0; i < a->sets_n; i++)
			if (strcmp(a->sets[i]->certificate, t->request->certificate) == 0)
				a->sets[i]->certificate[0] = '\0';
	if (t->kind == KIND(DEACTIVATE))
		acme_account_forget(a);
	if (t->kind == KIND(REVOKE) || t->kind == KIND(DEACTIVATE) || t->kind == KIND(RENEWAL_INFO))
		result_ignore(acme_save(a)); /* it is logged */
	acme_task_end(a, OK, "", 0);
}

static void directory_told(struct acme *a, const Sekisho__AcmeReportAsk *ask)
{
	if (jose_is_clean(slice_str(ask->text)))
		snprintf(a->terms, sizeof a->terms, "%s", ask->text);
	if (jose_is_clean(slice_str(ask->caa)))
		snprintf(a->caa, sizeof a->caa, "%s", ask->caa);
	a->binding = ask->binding;
}

void keys_on_acme_report(struct ipc_turn *t)
{
	struct acme *a = acme_of(t);
	const Sekisho__AcmeReportAsk *ask = t->ask;
	pthread_mutex_lock(&a->lock);
	bool current = is_current(t, a, ask->task);
	if (current)
		switch (ask->kind) {
		case SEKISHO__ACME_REPORT_ASK__KIND__DONE:
			done(a);
			break;
		case SEKISHO__ACME_REPORT_ASK__KIND__ACCOUNT:
			account_told(a, ask->text);
			break;
		case SEKISHO__ACME_REPORT_ASK__KIND__DIRECTORY:
			directory_told(a, ask);
			break;
		case SEKISHO__ACME_REPORT_ASK__KIND__ROLLED:
			rolled(a);
			break;
		case SEKISHO__ACME_REPORT_ASK__KIND__RENEWAL:
			if (a->task.set)
				renewal_told(a, a->task.set, ask);
			break;
		case SEKISHO__ACME_REPORT_ASK__KIND__WAITING:
			snprintf(a->task.doing, sizeof a->task.doing, "%s", ask->text);
			break;
		default:
			acme_task_end(a, LATER, ask->text, ask->retry_ms);
		}
	pthread_mutex_unlock(&a->lock);
	end(t, current ? OK : GONE, "this task has ended");
}

/* ---- web ---- */

void keys_on_acme_answer(struct ipc_turn *t)
{
	struct acme *a = acme_of(t);
	const Sekisho__AcmeAnswerAsk *ask = t->ask;
	Sekisho__AcmeAnswerAnswer answer = SEKISHO__ACME_ANSWER_ANSWER__INIT;
	BUF_LOCAL(text, 512);
	bool found = false;
	pthread_mutex_lock(&a->lock);
	for (size_t i = 0; i < a->task.questions_n && !found; i++) {
		const struct acme_question *q = &a->task.questions[i];
		if (q->alpn && *ask->name && strcmp(q->name, ask->name) == 0) {
			answer.certificate_pem =
			    bytes_of(arena_dup(&t->arena, buf_slice(&q->alpn->chain_pem)));
			answer.key = arena_z(&t->arena, slice_str(q->alpn->id));
			found = true;
		} else if (a->settings->challenge == SEKISHO__ACME_CHALLENGE__HTTP_01 && *ask->token &&
			   strcmp(q->token, ask->token) == 0) {
			acme_authorization(a, q->token, &text);
			answer.authorization = arena_z(&t->arena, buf_slice(&text));
			found = true;
		}
	}
	pthread_mutex_unlock(&a->lock);
	if (found && !arena_full(&t->arena))
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, GONE, "nobody was asked this");
}

const struct certificate *acme_alpn_key(struct acme *a, const char *id)
{
	for (size_t i = 0; i < a->task.questions_n; i++)
		if (a->task.questions[i].alpn && strcmp(a->task.questions[i].alpn->id, id) == 0)
			return a->task.questions[i].alpn;
	return NULL;
}

/* ---- the administrator ---- */

static struct acme_request *request_new(struct acme *a, Sekisho__AcmeTask__Kind kind, const char *label)
{
	struct acme_request *free_one = NULL;
	for (size_t i = 0; i < ACME_REQUESTS; i++) {
		struct acme_request *r = &a->requests[i];
		bool usable = r->state == REQUEST_FREE || r->state == REQUEST_FINISHED;
		if (usable && (!free_one || r->id < free_one->id))
			free_one = r;
	}
	if (!free_one)
		return NULL;
	buf_free_secret(&free_one->binding_key);
	*free_one = (struct acme_request){
	    .state = REQUEST_WAITING, .id = ++a->last_id, .kind = kind, .binding_key = {.max = 1024}};
	snprintf(free_one->label, sizeof free_one->label, "%s", label);
	return free_one;
}

static const char *ask_register(struct acme *a, const Sekisho__AcmeAdminAsk *ask, struct acme_request **out)
{
	SECRET_LOCAL(binding, 1024);
	struct slice typed = slice_of(ask->binding_key.data, ask->binding_key.len);
	if (strlen(ask->binding_id) >= ACME_NAME || !jose_is_clean(slice_str(ask->binding_id)) ||
	    jose_base64url_read(typed, &binding) != OK || !*ask->binding_id != !binding.n)
		return "the external account binding cannot be used";
	*out = request_new(a, KIND(REGISTER), "");
	if (!*out)
		return NULL;
	(*out)->agree = ask->accept_terms;
	snprintf((*out)->binding_id, ACME_NAME, "%s", ask->binding_id);
	buf_put(&(*out)->binding_key, buf_slice(&binding));
	return NULL;
}

static const char *ask_issue(struct acme *a, const Sekisho__AcmeAdminAsk *ask, struct acme_request **out)
{
	bool changed;
	for (size_t i = 0; i < ask->n_names; i++)
		if (strncmp(ask->names[i], "*.", 2) == 0 &&
		    a->settings->challenge != SEKISHO__ACME_CHALLENGE__DNS_01)
			return "a certificate for *.NAME needs acme_challenge = dns-01";
	struct acme_set *old = ask->n_names ? acme_set_find(a, ask->names[0]) : NULL;
	if (old && old->origin == SEKISHO__ACME_SET__ORIGIN__CONFIGURED)
		return "this certificate is configured: change acme_hosts";
	struct acme_set *s =
	    acme_set_put(a, SEKISHO__ACME_SET__ORIGIN__ASKED, ask->names, ask->n_names, &changed);
	if (!s)
		return "not names that a certificate can be had for, or too many";
	if (acme_save(a) != OK)
		return "the key store cannot be written";
	*out = request_new(a, KIND(ISSUE), s->label);
	return NULL;
}

static const char *ask_renew(struct acme *a, const Sekisho__AcmeAdminAsk *ask, struct acme_request **out)
{
	const char *label = ask->n_names ? ask->names[0] : a->sets_n ? a->sets[0]->label : "";
	if (!acme_set_find(a, label))
		return "no such certificate is wanted; see sekisho acme status";
	*out = request_new(a, KIND(ISSUE), label);
	return NULL;
}

static const char *ask_revoke(struct acme *a, const Sekisho__AcmeAdminAsk *ask, struct acme_request **out)
{
	const struct acme_set *s = ask->n_names ? acme_set_find(a, ask->names[0]) : NULL;
	if (!s || !*s->certificate)
		return "there is no certificate of that name from the authority";
	if (ask->reason > 10 || ask->reason == 7)
		return "the reason is none of RFC 5280's";
	*out = request_new(a, KIND(REVOKE), "");
	if (!*out)
		return NULL;
	(*out)->reason = ask->reason;
	snprintf((*out)->certificate, sizeof(*out)->certificate, "%s", s->certificate);
	return NULL;
}

static const char *ask_forget(struct acme *a, const Sekisho__AcmeAdminAsk *ask)
{
	struct acme_set *s = ask->n_names ? acme_set_find(a, ask->names[0]) : NULL;
	if (!s || s->origin == SEKISHO__ACME_SET__ORIGIN__CONFIGURED)
		return "no such certificate was asked for";
	acme_set_remove(a, s);
	return acme_save(a) == OK ? NULL : "the key store cannot be written";
}

static const char *ask_published(struct acme *a)
{
	if (!a->task.id || a->settings->challenge != SEKISHO__ACME_CHALLENGE__DNS_01 || !a->task.questions_n)
		return "nothing waits for records";
	a->task.published = true;
	return NULL;
}

/* NULL and what it became, or why not. */
static const char *act(struct acme *a, const Sekisho__AcmeAdminAsk *ask, struct acme_request **out)
{
	static const Sekisho__AcmeTask__Kind kinds[] = {[VERB(LOOK)] = KIND(LOOK),
	    [VERB(CONTACT)] = KIND(CONTACT),
	    [VERB(ROLLOVER)] = KIND(ROLLOVER),
	    [VERB(DEACTIVATE)] = KIND(DEACTIVATE)};
	if (!*a->settings->directory)
		return "acme_directory is not set";
	switch (ask->verb) {
	case VERB(LOOK):
	case VERB(CONTACT):
	case VERB(ROLLOVER):
	case VERB(DEACTIVATE):
		*out = request_new(a, kinds[ask->verb], "");
		return NULL;
	case VERB(REGISTER):
		return ask_register(a, ask, out);
	case VERB(ISSUE):
		return ask_issue(a, ask, out);
	case VERB(RENEW):
		return ask_renew(a, ask, out);
	case VERB(REVOKE):
		return ask_revoke(a, ask, out);
	case VERB(FORGET):
		return ask_forget(a, ask);
	case VERB(PUBLISHED):
		return ask_published(a);
	default:
		return "no such verb";
	}
}

static void show_records(struct acme *a, struct arena *arena, Sekisho__AcmeAdminAnswer *out)
{
	const struct acme_task *t = &a->task;
	if (a->settings->challenge != SEKISHO__ACME_CHALLENGE__DNS_01 || !t->questions_n)
		return;
	out->records = arena_array(arena, t->questions_n, sizeof *out->records);
	for (size_t i = 0; out->records && i < t->questions_n; i++) {
		BUF_LOCAL(name, 512);
		BUF_LOCAL(value, 128);
		Sekisho__AcmeRecord *r = arena_new(arena, Sekisho__AcmeRecord);
		if (!r)
			return;
		*r = (Sekisho__AcmeRecord)SEKISHO__ACME_RECORD__INIT;
		put_record(a, &t->questions[i], &name, &value);
		r->name = arena_z(arena, buf_slice(&name));
		r->value = arena_z(arena, buf_slice(&value));
		out->records[out->n_records++] = r;
	}
}

static void show_set(const struct acme_set *s, struct arena *arena, Sekisho__AcmeAdminAnswer *out)
{
	Sekisho__AcmeSet *to = arena_new(arena, Sekisho__AcmeSet);
	if (!to)
		return;
	acme_set_show(s, to);
	to->label = arena_z(arena, slice_str(s->label));
	to->why = arena_z(arena, slice_str(s->why));
	to->certificate = arena_z(arena, slice_str(s->certificate));
	to->names = arena_array(arena, s->names_n, sizeof *to->names);
	for (size_t i = 0; to->names && i < s->names_n; i++)
		to->names[i] = arena_z(arena, slice_str(s->names[i]));
	out->sets[out->n_sets++] = to;
}

static void show_state(struct acme *a, struct arena *arena, Sekisho__AcmeAdminAnswer *out)
{
	const struct acme_account *account = acme_account(a);
	out->directory = arena_z(arena, slice_str(a->settings->directory));
	out->account = arena_z(arena, slice_str(account ? account->url : ""));
	out->agreed = account && account->agreed;
	out->terms = arena_z(arena, slice_str(a->terms));
	out->caa = arena_z(arena, slice_str(a->caa));
	out->binding = a->binding;
	if (a->task.id)
		out->doing = arena_printf(
		    arena, "%s: %s", a->task.set ? a->task.set->label : "account", a->task.doing);
	out->sets = arena_array(arena, MAX(a->sets_n, 1), sizeof *out->sets);
	for (size_t i = 0; out->sets && i < a->sets_n; i++)
		show_set(a->sets[i], arena, out);
	show_records(a, arena, out);
}

static void show_outcome(struct acme *a, uint64_t id, struct arena *arena, Sekisho__AcmeAdminAnswer *out)
{
	out->request = id;
	out->finished = true;
	out->result = GONE;
	for (size_t i = 0; i < ACME_REQUESTS; i++) {
		const struct acme_request *r = &a->requests[i];
		if (!id || r->id != id)
			continue;
		out->finished = r->state == REQUEST_FINISHED;
		out->result = r->result;
		out->why = arena_z(arena, slice_str(r->why));
	}
}

static const char *const verb_names[] = {"status", "outcome", "look", "register", "contact", "rollover",
    "deactivate", "issue", "renew", "revoke", "forget", "published"};

void keys_on_acme_admin(struct ipc_turn *t)
{
	struct acme *a = acme_of(t);
	const Sekisho__AcmeAdminAsk *ask = t->ask;
	Sekisho__AcmeAdminAnswer answer = SEKISHO__ACME_ADMIN_ANSWER__INIT;
	struct acme_request *made = NULL;
	const char *why = NULL;
	bool acts = ask->verb > VERB(OUTCOME) && (unsigned)ask->verb < COUNT(verb_names);
	bool queued = acts && ask->verb != VERB(FORGET) && ask->verb != VERB(PUBLISHED);
	pthread_mutex_lock(&a->lock);
	if (acts)
		why = act(a, ask, &made);
	if (!why && queued && !made)
		why = "too many requests wait already";
	answer.request = made ? made->id : 0;
	if (ask->verb == VERB(OUTCOME))
		show_outcome(a, ask->request, &t->arena, &answer);
	show_state(a, &t->arena, &answer);
	pthread_mutex_unlock(&a->lock);
	if (acts)
		EVENT(ADMIN, KZ("verb", arena_printf(&t->arena, "acme %s", verb_names[ask->verb])),
		    KZ("who", ask->n_names ? ask->names[0] : ""), KZ("result", why ? "deny" : "ok"));
	if (ask->binding_key.len)
		explicit_bzero(ask->binding_key.data, ask->binding_key.len);
	if (why) {
		ipc_refuse(t, DENY, "%s", why);
		return;
	}
	if (acts && a->keys->acme_wanted)
		a->keys->acme_wanted(a->keys->context);
	if (arena_full(&t->arena))
		ipc_refuse(t, FULL, "too many names");
	else
		ipc_answer(t, &answer, NULL);
}
