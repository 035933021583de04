/*
 * store: database, bodies, queue, decisions; see store/store.h. It ends as it would crash: what was acknowledged is on
 * the disk, and the next start takes it up from there.
 */
#include "store/store.h"
#include "role/run.h"
#include <sysexits.h>
#include <unistd.h>

#define STORE_THREADS 4
#define STORE_DESCRIPTORS 200000 /* a channel for each session of the fronts, segments, the database */

static const char *languages(const struct config *c)
{
	switch (c->dsn_language) {
	case CONFIG_JA:
		return "ja";
	case CONFIG_EN:
		return "en";
	default:
		return "ja en";
	}
}

static void disk_broken(void *arg)
{
	(void)arg;
	_exit(EX_IOERR);
}

void run_store(struct run *r)
{
	static struct store_settings s;
	struct store *store;
	const struct config *c = r->config;
	run_jail(r, STORE_DESCRIPTORS, 0);
	store_settings_default(&s);
	s.dir = run_directory(r);
	s.hostname = c->hostname;
	s.postmaster = c->postmaster;
	s.languages = languages(c);
	s.message_size = c->message_size + LIMIT_MESSAGE_ADDED;
	s.disk_reserve = c->disk_reserve;
	s.retry_first_ms = c->queue_retry_first;
	s.retry_most_ms = c->queue_retry_most;
	s.delay_notice_ms = c->queue_delay_notice;
	s.give_up_ms = c->queue_max_age;
	s.trace_keep_ms = c->trace_keep;
	memcpy(s.scan_seal, r->scan_seal, sizeof s.scan_seal);
	memcpy(s.login_grant, r->login_grant, sizeof s.login_grant);
	s.keys = r->trunks[ROLE_KEYS];
	s.scan = r->trunks[ROLE_SCAN];
	s.broken = disk_broken;
	enum result opened = store_open(&s, &store);
	if (opened != OK)
		_exit(opened == DENY ? EX_CONFIG : EX_IOERR);
	run_serve(r, store_handlers, STORE_THREADS, store);
	store_serve(store, r->server);
	run_ready(r);
	run_control(r);
}
