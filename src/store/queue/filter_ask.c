/* The conversation with scan about one run. */
#include "mail/address.h"
#include "store/queue/filter.h"

#define INLINE_MOST 100000 /* octets of a job in the packet */
#define BULK_MOST ((uint64_t)1 << 30)
#define DEATHS 2
#define WAIT_MS 3000 /* for a new life of scan */

/* ---- the job ---- */

static ProtobufCBinaryData path_of(struct filter_run *run, struct slice local, struct slice domain)
{
	BUF_LOCAL(b, 2 * LIMIT_ADDRESS);
	mail_addr_put(&b, (struct mail_addr){local, domain});
	return octets_of(arena_dup(run->f->d->arena, buf_slice(&b)));
}

static Sekisho__SieveScript **scripts_of(struct filter_run *run)
{
	struct arena *a = run->f->d->arena;
	Sekisho__SieveScript **list = arena_array(a, run->n_scripts, sizeof *list);
	for (unsigned i = 0; list && i < run->n_scripts; i++) {
		list[i] = arena_new(a, Sekisho__SieveScript);
		if (!list[i])
			return NULL;
		sekisho__sieve_script__init(list[i]);
		list[i]->name = arena_z(a, run->scripts[i].name);
		list[i]->text = octets_of(run->scripts[i].text);
	}
	return list;
}

static Sekisho__Scores *scores_of(struct filter_run *run)
{
	const struct store_settings *c = run->f->store->settings;
	Sekisho__Scores *scores = arena_new(run->f->d->arena, Sekisho__Scores);
	if (!scores)
		return NULL;
	sekisho__scores__init(scores);
	scores->spam_field = (char *)(uintptr_t)c->sieve_spam_field;
	scores->spam_full = c->sieve_spam_full;
	scores->virus_field = (char *)(uintptr_t)c->sieve_virus_field;
	scores->virus_words = (char *)(uintptr_t)c->sieve_virus_words;
	return scores;
}

static void fill_items(struct filter_run *run, Sekisho__SieveJob *job)
{
	const struct store_settings *c = run->f->store->settings;
	struct arena *a = run->f->d->arena;
	job->items = arena_array(a, c->n_sieve_items + 1, sizeof *job->items);
	for (; job->items && job->n_items < c->n_sieve_items; job->n_items++) {
		Sekisho__SieveItem *item = arena_new(a, Sekisho__SieveItem);
		if (!item)
			return;
		sekisho__sieve_item__init(item);
		item->name = (char *)(uintptr_t)c->sieve_items[job->n_items].name;
		item->value = (char *)(uintptr_t)c->sieve_items[job->n_items].value;
		job->items[job->n_items] = item;
	}
}

static bool fill_job(struct filter_run *run, Sekisho__SieveJob *job)
{
	struct filtering *f = run->f;
	const struct store_settings *c = f->store->settings;
	const struct envelope_rcpt *rcpt = &f->e->rcpts[run->to->rcpt];
	struct arena *a = f->d->arena;
	sekisho__sieve_job__init(job);
	job->facts = octets_of(f->m->packed);
	job->scripts = scripts_of(run);
	job->n_scripts = run->n_scripts;
	job->from = path_of(run, f->e->from_local, f->e->from_domain);
	job->to = path_of(run, rcpt->local, rcpt->domain);
	job->own = arena_array(a, run->n_own, sizeof *job->own);
	for (job->n_own = 0; job->own && job->n_own < run->n_own; job->n_own++)
		job->own[job->n_own] = octets_of(run->own[job->n_own]);
	job->user_name = (char *)(uintptr_t)run->name;
	job->client = (Sekisho__Client *)(uintptr_t)f->e->client;
	job->domain = arena_z(a, run->to->domain);
	job->host = (char *)(uintptr_t)c->hostname;
	job->delimiters = octets_of(slice_str(c->delimiters));
	job->redirects = c->sieve_redirects;
	job->strip = f->d->strip;
	job->envid = arena_z(a, f->e->envid);
	job->notify_orcpt = arena_z(a, rcpt->orcpt);
	BUF_LOCAL(notify, 64);
	filter_put_notify(rcpt->notify, &notify);
	job->notify = arena_z(a, buf_slice(&notify));
	if (f->d->ret)
		job->ret = (char *)(uintptr_t)(f->d->ret == FILTER_RET_FULL ? "FULL" : "HDRS");
	job->scores = scores_of(run);
	fill_items(run, job);
	job->known = arena_array(a, LIMIT_SIEVE_ROUNDS, sizeof *job->known);
	return !arena_full(a);
}

/* ---- one round ---- */

static enum result ask_once(struct filter_run *run, const Sekisho__SieveJob *job)
{
	struct filtering *f = run->f;
	struct ipc *c = ipc_thread(f->store->settings->scan);
	if (!c)
		return LATER;
	Sekisho__SieveRunAsk ask = SEKISHO__SIEVE_RUN_ASK__INIT;
	BUF_LOCAL(packed, (size_t)64 << 20);
	ipc_pack(job, &packed);
	struct ipc_fds send = {.fd = {f->m->fd}, .n = 1}, got = {0};
	FD_LOCAL fd = -1;
	if (packed.n <= INLINE_MOST) {
		ask.job = octets_of(buf_slice(&packed));
	} else {
		fd = fd_memory("job");
		if (buf_result(&packed) != OK || fd < 0 || fd_write_all(fd, buf_slice(&packed)) != OK ||
		    fd_seal(fd) != OK)
			return LATER;
		ask.in_fd = true;
		send.fd[send.n++] = fd;
	}
	enum result r = ipc_call(c, ASK_SCAN_SIEVE_RUN, &ask, &send, f->d->arena, &run->answer, &got);
	if (r == OK && run->answer->n_bodies)
		r = got.n == 1 && fd_map_sealed(got.fd[0], BULK_MOST, &run->bulk) == OK ? OK : LATER;
	ipc_fds_close(&got);
	return r;
}

/* As SMTP does with messages: what kills two lives of scan is not tried a third time. */
static enum result ask_patiently(struct filter_run *run, const Sekisho__SieveJob *job)
{
	struct ipc_trunk *scan = run->f->store->settings->scan;
	enum result r = GONE;
	for (int deaths = 0; r == GONE && deaths < DEATHS;) {
		/* That a channel from before has broken may be another message's doing, and long ago. */
		bool stood = ipc_thread_stands(scan);
		uint64_t life = ipc_trunk_life(scan);
		r = ask_once(run, job);
		if (r != GONE || (stood && !ipc_thread_stands(scan)))
			continue;
		if (++deaths < DEATHS && !ipc_trunk_wait(scan, life, WAIT_MS))
			return LATER;
	}
	return r == OK || r == LATER ? r : r == GONE ? DENY : FULL;
}

/* ---- rounds ---- */

static Sekisho__SieveKnown *answer_of(struct filter_run *run, const Sekisho__SieveKnown *question)
{
	Sekisho__SieveKnown *k = arena_new(run->f->d->arena, Sekisho__SieveKnown);
	if (!k)
		return NULL;
	*k = *question; /* its texts are in the same arena */
	k->yes = false;
	k->value = octets_of(SLICE_NONE);
	filter_know(run, k);
	return k;
}

/* FULL: more questions than a script may put. */
static enum result converse(struct filter_run *run, Sekisho__SieveJob *job)
{
	for (;;) {
		enum result r = ask_patiently(run, job);
		if (r != OK || run->answer->end != SEKISHO__SIEVE_RUN_ANSWER__END__ASKS)
			return r;
		if (!run->answer->question || job->n_known == LIMIT_SIEVE_ROUNDS)
			return FULL;
		Sekisho__SieveKnown *k = answer_of(run, run->answer->question);
		if (!k || arena_full(run->f->d->arena) || db_result(run->f->db) != OK)
			return LATER;
		job->known[job->n_known++] = k;
		job->steps = run->answer->steps;
	}
}

enum result filter_ask(struct filter_run *run)
{
	Sekisho__SieveJob job;
	if (run->f->m->fd < 0 || !fill_job(run, &job))
		return LATER;
	enum result r = converse(run, &job);
	if (r != OK)
		return r;
	run->bodies = arena_array(run->f->d->arena, run->answer->n_bodies + 1, sizeof *run->bodies);
	return run->bodies ? OK : LATER;
}
