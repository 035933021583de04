#include "store/domain/tls.h"
#include "mail/address.h"
#include "store/handlers.h"

static const struct {
	const char *name, *en, *ja;
} levels[] = {
    [SEKISHO__ATTEMPT__SECURED__PLAIN] = {"plain", "sent in plaintext", "暗号化なし"},
    [SEKISHO__ATTEMPT__SECURED__TLS] = {"tls", "sent encrypted", "暗号化"},
    [SEKISHO__ATTEMPT__SECURED__NAMED] = {"named", "sent encrypted, certificate verified",
	"暗号化、証明書を確認"},
    [SEKISHO__ATTEMPT__SECURED__STS] = {"sts", "sent encrypted, verified by MTA-STS",
	"暗号化、MTA-STS で確認"},
    [SEKISHO__ATTEMPT__SECURED__DANE] = {"dane", "sent encrypted, verified by DANE", "暗号化、DANE で確認"},
};

const char *tls_secured_name(unsigned secured)
{
	return secured < COUNT(levels) ? levels[secured].name : "?";
}

const char *tls_secured_text(const char *name, bool ja)
{
	for (size_t i = 0; i < COUNT(levels); i++)
		if (strcmp(levels[i].name, name) == 0)
			return ja ? levels[i].ja : levels[i].en;
	return name;
}

void tls_policy_fill(struct db *db, struct arena *a, Sekisho__Job *job)
{
	struct slice ascii;
	if (mail_domain_ascii(slice_str(job->domain), a, &ascii) != OK)
		return;
	DB_ROWS q = DB_QUERY(db, TLS_POLICY_GET, DT(ascii));
	if (!db_next(&q))
		return;
	job->tls = (Sekisho__Job__Tls)db_int(&q, 0);
	job->tls_names = arena_z(a, db_octets(&q, 1));
}

/* ---- what became of messages and sessions ---- */

void tls_tally_start(struct tls_tally *t, struct arena *a, const Sekisho__ReportAsk *ask)
{
	*t = (struct tls_tally){
	    .ask = ask, .arena = a, .sent = arena_array(a, ask->n_attempts + 1, sizeof *t->sent)};
}

void tls_tally_sent(struct tls_tally *t, struct slice domain, const Sekisho__Attempt *at)
{
	size_t i = 0;
	if (!t->sent || (!slice_is_ascii(domain) && mail_domain_ascii(domain, t->arena, &domain) != OK))
		return;
	while (i < t->n && !(t->sent[i].last->secured == at->secured && slice_eq(t->sent[i].domain, domain)))
		i++;
	if (i == t->n)
		t->sent[t->n++] = (struct tls_sent){.domain = domain};
	t->sent[i].last = at;
	t->sent[i].times++;
}

/* A name of the policy's text for the key of its row. */
static int64_t hash_text(const char *z)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (; *z; z++)
		h = (h ^ (uint8_t)*z) * 0x100000001b3u;
	return (int64_t)(h >> 1);
}

static void put_session(struct db *db, int64_t day, const Sekisho__TlsSession *s)
{
	int64_t policy = hash_text(s->policy_text);
	DB_RUN(db, TLS_DAY_ADD, DI(day), DZ(s->domain), DI(s->policy), DI(policy), DZ(s->policy_text),
	    DI(s->result ? 0 : s->count), DI(s->result ? s->count : 0));
	if (s->result)
		DB_RUN(db, TLS_FAILURE_ADD, DI(day), DZ(s->domain), DI(s->policy), DI(policy), DI(s->result),
		    DZ(s->mx), DZ(s->ip), DZ(s->helo), DZ(s->reason), DI(s->count));
}

void tls_tally_apply(const struct tls_tally *t, struct db *db)
{
	int64_t now = clock_utc_ms();
	for (size_t i = 0; i < t->n; i++)
		DB_RUN(db, TLS_REACHED_ADD, DT(t->sent[i].domain), DI(t->sent[i].last->secured),
		    DI(t->sent[i].times), DI(now), DZ(t->sent[i].last->host), DZ(t->sent[i].last->tls));
	for (size_t i = 0; i < t->ask->n_sessions; i++)
		put_session(db, now / DAY_MS, t->ask->sessions[i]);
}

/* ---- policies of MTA-STS ---- */

void ask_sts_get(struct ipc_turn *t)
{
	const Sekisho__StsAsk *ask = t->ask;
	Sekisho__StsPolicy answer = SEKISHO__STS_POLICY__INIT;
	bool found = false;
	{
		READER r = reader_begin(store_of(t));
		if (!r.db) {
			refuse(t, LATER);
			return;
		}
		DB_ROWS q = DB_QUERY(r.db, STS_GET, DZ(ask->domain));
		found = db_next(&q);
		if (found) {
			answer.domain = ask->domain;
			answer.id = arena_z(&t->arena, db_octets(&q, 0));
			answer.mode = arena_z(&t->arena, db_octets(&q, 1));
			answer.text = arena_z(&t->arena, db_octets(&q, 2));
			answer.fetched_ms = db_int(&q, 3);
			answer.expires_ms = db_int(&q, 4);
		}
	}
	if (!found)
		ipc_refuse(t, GONE, "no policy is kept for it");
	else if (arena_full(&t->arena))
		refuse(t, LATER);
	else
		ipc_answer(t, &answer, NULL);
}

struct putting {
	struct job job; /* first */
	struct ipc_turn *turn;
};

static enum result apply_put(struct job *j, struct db *db)
{
	const Sekisho__StsPolicy *p = ((struct putting *)j)->turn->ask;
	DB_RUN(db, STS_PUT, DZ(p->domain), DZ(p->id), DZ(p->mode), DI(p->fetched_ms), DI(p->expires_ms),
	    DZ(p->text));
	return OK;
}

static void done_put(struct job *j, enum result r)
{
	struct ipc_turn *t = ((struct putting *)j)->turn;
	if (r == OK)
		ipc_answer(t, NULL, NULL);
	else
		refuse(t, r);
}

void ask_sts_put(struct ipc_turn *t)
{
	struct putting *p = arena_new(&t->arena, struct putting);
	if (!p) {
		refuse(t, LATER);
		return;
	}
	*p = (struct putting){
	    .job = {.store = store_of(t), .apply = apply_put, .done = done_put, .durable = true}, .turn = t};
	writer_put(store_of(t)->writer, &p->job);
}

/* ---- forgetting ---- */

static enum result apply_forget(struct job *j, struct db *db)
{
	int64_t now = clock_utc_ms();
	DB_RUN(db, STS_FORGET, DI(now));
	DB_RUN(db, TLS_DAYS_FORGET, DI(now / DAY_MS - TLS_DAYS_KEPT));
	DB_RUN(db, TLS_FAILURES_FORGET, DI(now / DAY_MS - TLS_DAYS_KEPT));
	return OK;
}

void tls_forget(struct store *s)
{
	struct job j = {.store = s, .apply = apply_forget};
	result_ignore(writer_wait(s->writer, &j)); /* the next hour comes */
}
