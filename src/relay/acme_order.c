/* An order from its beginning to its certificate (RFC 8555 7.4, 7.5). */
#include "relay/acme_inner.h"
#include <poll.h>

#define POLL_LEAST_MS (2 * SECOND_MS)
#define POLL_FIRST_MS 200 /* many authorities have decided by then */
#define POLL_MOST_MS MINUTE_MS
#define BY_HAND_MS (6 * HOUR_MS) /* how long records are waited for that a person publishes */
#define LOOK_MS (10 * SECOND_MS)

static const char *const types[] = {"http-01", "tls-alpn-01", "dns-01"};

struct question {
	const char *authorization; /* its address */
	struct acme_authorization told;
	const char *record_name, *record_value;
	bool set; /* the record, by dynamic update */
};

struct order {
	struct acme_run *r;
	const char *url;
	struct acme_order told;
	struct question *questions; /* those that are to be answered */
	size_t n;
};

static const char *type_of(const struct acme_run *r)
{
	return types[(unsigned)r->task->challenge < COUNT(types) ? r->task->challenge : 0];
}

/* Before looking the i-th time. */
static void pause_before(const struct acme_reply *last, unsigned i)
{
	int64_t ms = i == 0 ? POLL_FIRST_MS : https_retry_after(&last->head, POLL_LEAST_MS, POLL_MOST_MS);
	poll(NULL, 0, (int)ms);
}

static enum result bad_answer(struct acme_run *r, enum result result, const char *what)
{
	return relay_acme_fail(r, LATER, "the authority's %s %s", what,
	    result == FULL ? "is longer than allowed" : "cannot be understood");
}

/* ---- authorizations ---- */

static enum result fetch_authorization(struct order *o, const char *url, struct acme_authorization *out)
{
	REPLY_LOCAL(reply);
	enum result done = relay_acme_post(o->r, SEKISHO__ACME_SIGN_ASK__STEP__FETCH, url, false, &reply);
	if (done != OK)
		return done;
	done = relay_acme_read_authorization(buf_slice(&reply.body), type_of(o->r), &o->r->arena, out);
	return done == OK ? OK : bad_answer(o->r, done, "authorization");
}

/* keys will answer it from now on. *published_out: the administrator says so. */
static enum result prepare(struct order *o, struct question *q, bool *published_out)
{
	struct acme_run *r = o->r;
	Sekisho__AcmeChallengeAsk ask = SEKISHO__ACME_CHALLENGE_ASK__INIT;
	Sekisho__AcmeChallengeAnswer *answer;
	ARENA_LOCAL(a, 65536);
	ask.task = r->task->id;
	ask.name = (char *)(uintptr_t)q->told.name;
	ask.token = (char *)(uintptr_t)q->told.challenge.token;
	if (ipc_call(r->keys, ASK_KEYS_ACME_CHALLENGE, &ask, NULL, &a, &answer, NULL) != OK)
		return relay_acme_fail(
		    r, LATER, "keys does not answer for %s: %s", q->told.name, r->keys->why);
	if (!q->record_name) {
		q->record_name = arena_z(&r->arena, slice_str(answer->record_name));
		q->record_value = arena_z(&r->arena, slice_str(answer->record_value));
	}
	*published_out = answer->published;
	return q->record_name && q->record_value ? OK : FULL;
}

static enum result open_questions(struct order *o)
{
	struct acme_run *r = o->r;
	bool published;
	o->questions = arena_array(&r->arena, MAX(o->told.authorizations_n, 1), sizeof *o->questions);
	for (size_t i = 0; o->questions && i < o->told.authorizations_n; i++) {
		struct question *q = &o->questions[o->n];
		q->authorization = o->told.authorizations[i];
		enum result done = fetch_authorization(o, q->authorization, &q->told);
		if (done != OK)
			return done;
		if (q->told.state == ACME_VALID)
			continue;
		if (q->told.state != ACME_PENDING)
			return relay_acme_fail(r, LATER, "%s: %s", q->told.name,
			    *q->told.problem.text ? q->told.problem.text : "the authorization is not open");
		if (!q->told.offered)
			return relay_acme_fail(
			    r, LATER, "%s: the authority does not offer %s", q->told.name, type_of(r));
		done = prepare(o, q, &published);
		if (done != OK)
			return done;
		o->n++;
	}
	return o->questions ? OK : FULL;
}

/* ---- dns-01 ---- */

static bool record_is_seen(struct order *o, const struct question *q)
{
	ARENA_LOCAL(a, 1 << 20);
	struct dns_text_list list;
	dns_txt(o->r->settings->dns, slice_str(q->record_name), &a, &list);
	for (size_t i = 0; i < list.n; i++)
		if (slice_eq(list.text[i], slice_str(q->record_value)))
			return true;
	return false;
}

static enum result wait_for_records(struct order *o)
{
	struct acme_run *r = o->r;
	for (int64_t end = clock_mono_ms() + BY_HAND_MS; clock_mono_ms() < end; poll(NULL, 0, LOOK_MS / 10)) {
		size_t seen = 0;
		bool published = false;
		enum result done = prepare(o, &o->questions[0], &published);
		if (done != OK || published)
			return done;
		while (seen < o->n && record_is_seen(o, &o->questions[seen]))
			seen++;
		if (seen == o->n)
			return OK;
		relay_acme_waiting(r, "the record %s IN TXT \"%s\" is not published yet",
		    o->questions[seen].record_name, o->questions[seen].record_value);
	}
	return relay_acme_fail(r, LATER, "the records were not published in time");
}

static enum result publish(struct order *o)
{
	struct acme_run *r = o->r;
	enum result done = OK;
	if (r->task->challenge != SEKISHO__ACME_CHALLENGE__DNS_01 || o->n == 0)
		return OK;
	if (!r->settings->update_key)
		return wait_for_records(o);
	for (size_t i = 0; i < o->n && done == OK; i++) {
		struct question *q = &o->questions[i];
		q->set = true; /* also where the answer is lost: it is taken back */
		done = relay_acme_record(r, q->record_name, q->record_value, false);
	}
	if (done != OK)
		return done;
	relay_acme_waiting(r, "the records are published, and all name servers of the zone are waited for");
	poll(NULL, 0, (int)r->settings->update_wait_ms);
	return OK;
}

/* One that stays because of a failure harms nobody: its value is never asked for again. */
static void withdraw(struct order *o)
{
	char why[ACME_WHY];
	memcpy(why, o->r->why, sizeof why);
	for (size_t i = 0; i < o->n; i++)
		if (o->questions[i].set)
			result_ignore(relay_acme_record(
			    o->r, o->questions[i].record_name, o->questions[i].record_value, true));
	memcpy(o->r->why, why, sizeof why);
}

/* ---- answering ---- */

static enum result wait_for_authorization(struct order *o, const struct question *q)
{
	struct acme_run *r = o->r;
	REPLY_LOCAL(reply);
	for (unsigned i = 0; i < LIMIT_ACME_POLLS; i++) {
		struct acme_authorization told;
		pause_before(&reply, i);
		enum result done =
		    relay_acme_post(r, SEKISHO__ACME_SIGN_ASK__STEP__FETCH, q->authorization, false, &reply);
		if (done == OK)
			done = relay_acme_read_authorization(
			    buf_slice(&reply.body), type_of(r), &r->arena, &told);
		if (done != OK)
			return *r->why ? LATER : bad_answer(r, done, "authorization");
		if (told.state == ACME_VALID)
			return OK;
		if (told.state != ACME_PENDING && told.state != ACME_PROCESSING)
			return relay_acme_fail(r, LATER, "%s: %s", q->told.name,
			    *told.problem.text ? told.problem.text : "the authority was not convinced");
	}
	return relay_acme_fail(r, LATER, "%s: the authority does not decide", q->told.name);
}

static enum result answer_questions(struct order *o)
{
	struct acme_run *r = o->r;
	enum result done = OK;
	for (size_t i = 0; i < o->n && done == OK; i++) {
		REPLY_LOCAL(reply);
		relay_acme_waiting(r, "%s is asked for %s", o->questions[i].told.name, type_of(r));
		done = relay_acme_post(r, SEKISHO__ACME_SIGN_ASK__STEP__READY,
		    o->questions[i].told.challenge.url, false, &reply);
	}
	for (size_t i = 0; i < o->n && done == OK; i++)
		done = wait_for_authorization(o, &o->questions[i]);
	return done;
}

/* ---- the order ---- */

static enum result look_at_order(struct order *o, struct acme_reply *reply)
{
	enum result done = relay_acme_post(o->r, SEKISHO__ACME_SIGN_ASK__STEP__FETCH, o->url, false, reply);
	if (done != OK)
		return done;
	done = relay_acme_read_order(buf_slice(&reply->body), &o->r->arena, &o->told);
	return done == OK ? OK : bad_answer(o->r, done, "order");
}

/* Until the order has come so far. */
static enum result wait_for_order(struct order *o, enum acme_state wanted)
{
	struct acme_run *r = o->r;
	REPLY_LOCAL(reply);
	for (unsigned i = 0; i < LIMIT_ACME_POLLS; i++) {
		if (o->told.state == wanted || o->told.state == ACME_VALID)
			return OK;
		if (o->told.state == ACME_INVALID)
			return relay_acme_fail(r, LATER, "%s",
			    *o->told.problem.text ? o->told.problem.text : "the authority refuses the order");
		pause_before(&reply, i);
		enum result done = look_at_order(o, &reply);
		if (done != OK)
			return done;
	}
	return relay_acme_fail(r, LATER, "the authority does not come to an end with the order");
}

/* What is replaced is told where the authority knows of it (RFC 9773 5); one that does not like it gets the order plain. */
static enum result place_order(struct order *o)
{
	struct acme_run *r = o->r;
	REPLY_LOCAL(reply);
	bool replaces = *r->directory.renewal_info && *r->task->certificate;
	enum result done =
	    relay_acme_post(r, SEKISHO__ACME_SIGN_ASK__STEP__ORDER, r->directory.new_order, replaces, &reply);
	if (done != OK && replaces && reply.problem.type && *reply.problem.type)
		done = relay_acme_post(
		    r, SEKISHO__ACME_SIGN_ASK__STEP__ORDER, r->directory.new_order, false, &reply);
	if (done == OK)
		done = relay_acme_location(r, &reply, &o->url);
	if (done != OK)
		return done;
	done = relay_acme_read_order(buf_slice(&reply.body), &r->arena, &o->told);
	return done == OK ? OK : bad_answer(r, done, "order");
}

static enum result finalize(struct order *o)
{
	struct acme_run *r = o->r;
	REPLY_LOCAL(reply);
	enum result done = wait_for_order(o, ACME_READY);
	if (done != OK)
		return done;
	if (o->told.state == ACME_READY) {
		relay_acme_waiting(r, "the certificate is being made");
		done = relay_acme_post(
		    r, SEKISHO__ACME_SIGN_ASK__STEP__FINALIZE, o->told.finalize, false, &reply);
		if (done == OK && relay_acme_read_order(buf_slice(&reply.body), &r->arena, &o->told) != OK)
			done = bad_answer(r, BAD, "order");
	}
	return done == OK ? wait_for_order(o, ACME_VALID) : done;
}

static enum result fetch_certificate(struct order *o)
{
	struct acme_run *r = o->r;
	REPLY_LOCAL(reply);
	BUF_LOCAL(chain, 65536);
	Sekisho__AcmeInstallAsk ask = SEKISHO__ACME_INSTALL_ASK__INIT;
	ARENA_LOCAL(a, 65536);
	enum result done =
	    relay_acme_post(r, SEKISHO__ACME_SIGN_ASK__STEP__FETCH, o->told.certificate, false, &reply);
	if (done != OK)
		return done;
	if (relay_acme_read_chain(buf_slice(&reply.body), &chain) != OK)
		return bad_answer(r, BAD, "certificate");
	ask.task = r->task->id;
	ask.chain_pem = (ProtobufCBinaryData){chain.n, (uint8_t *)chain.p};
	if (ipc_call(r->keys, ASK_KEYS_ACME_INSTALL, &ask, NULL, &a, NULL, NULL) != OK)
		return relay_acme_fail(r, LATER, "the certificate cannot be used: %s", r->keys->why);
	return OK;
}

enum result relay_acme_issue(struct acme_run *r)
{
	struct order o = {.r = r};
	enum result done = relay_acme_account(r);
	if (done == OK)
		done = place_order(&o);
	if (done == OK && o.told.state == ACME_PENDING)
		done = open_questions(&o);
	if (done == OK)
		done = publish(&o);
	if (done == OK)
		done = answer_questions(&o);
	withdraw(&o);
	if (done == OK)
		done = finalize(&o);
	return done == OK ? fetch_certificate(&o) : done;
}
