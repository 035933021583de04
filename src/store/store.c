#include "store/store.h"
#include "store/mailbox/cards.h"
#include "store/contain/contain.h"
#include "store/queue/courier.h"
#include "store/domain/domains.h"
#include "store/account/entry.h"
#include "store/mailbox/facts_cache.h"
#include "store/handlers.h"
#include "store/db/migrate.h"
#include "store/account/people.h"
#include "store/queue/queue.h"
#include "store/mailbox/recent.h"
#include "store/domain/reports.h"
#include "store/search/search.h"
#include "store/domain/signing.h"
#include "store/account/signins.h"
#include "store/tasks.h"
#include "store/queue/trace.h"
#include "store/mailbox/uid_cache.h"
#include <openssl/crypto.h>
#include <poll.h>
#include <stdlib.h>

#define KEYS_WAIT_MS (30 * SECOND_MS)
#define CLEAN_GAP (1 << 20)

ipc_handler *const store_handlers[ASK_MAX] = {
    [ASK_STORE_SENDER] = ask_sender,
    [ASK_STORE_RCPT] = ask_rcpt,
    [ASK_STORE_DELIVER] = ask_deliver,
    [ASK_STORE_LOGIN] = ask_login,
    [ASK_STORE_MAILBOXES] = ask_mailboxes,
    [ASK_STORE_WATCH] = ask_watch,
    [ASK_STORE_WATCHED] = ask_watched,
    [ASK_STORE_STATUS] = ask_status,
    [ASK_STORE_CREATE] = ask_create,
    [ASK_STORE_DELETE] = ask_delete,
    [ASK_STORE_RENAME] = ask_rename,
    [ASK_STORE_SUBSCRIBE] = ask_subscribe,
    [ASK_STORE_UNSUBSCRIBE] = ask_unsubscribe,
    [ASK_STORE_SELECT] = ask_select,
    [ASK_STORE_UNSELECT] = ask_unselect,
    [ASK_STORE_SYNC] = ask_sync,
    [ASK_STORE_FETCH] = ask_fetch,
    [ASK_STORE_BODY] = ask_body,
    [ASK_STORE_CARDS] = ask_cards,
    [ASK_STORE_FLAGS] = ask_flags,
    [ASK_STORE_SEARCH] = ask_search,
    [ASK_STORE_EXPUNGE] = ask_expunge,
    [ASK_STORE_COPY] = ask_copy,
    [ASK_STORE_APPEND] = ask_append,
    [ASK_STORE_RIGHTS] = ask_rights,
    [ASK_STORE_SET_RIGHTS] = ask_set_rights,
    [ASK_STORE_STAGE] = ask_stage,
    [ASK_STORE_UNSTAGE] = ask_unstage,
    [ASK_STORE_ENTER] = ask_enter,
    [ASK_STORE_IMPORT] = ask_import,
    [ASK_STORE_IMPORTED] = ask_imported,
    [ASK_STORE_QUOTA] = ask_quota,
    [ASK_STORE_METADATA] = ask_metadata,
    [ASK_STORE_SET_METADATA] = ask_set_metadata,
    [ASK_STORE_ALARM_NEXT] = ask_alarm_next,
    [ASK_STORE_ALARM_DONE] = ask_alarm_done,
    [ASK_STORE_SMS_NEXT] = ask_sms_next,
    [ASK_STORE_SMS_DONE] = ask_sms_done,
    [ASK_STORE_CLAIM] = ask_claim,
    [ASK_STORE_OUTBODY] = ask_outbody,
    [ASK_STORE_REPORT] = ask_report,
    [ASK_STORE_SIGNATURE] = ask_signature,
    [ASK_STORE_STS_GET] = ask_sts_get,
    [ASK_STORE_STS_PUT] = ask_sts_put,
    [ASK_STORE_SCRIPTS] = ask_scripts,
    [ASK_STORE_SCRIPT_GET] = ask_script_get,
    [ASK_STORE_SCRIPT_PUT] = ask_script_put,
    [ASK_STORE_SCRIPT_ACTIVATE] = ask_script_change,
    [ASK_STORE_SCRIPT_DELETE] = ask_script_change,
    [ASK_STORE_SCRIPT_RENAME] = ask_script_change,
    [ASK_STORE_SCRIPT_SPACE] = ask_script_space,
    [ASK_STORE_ADMIN] = ask_admin,
    [ASK_STORE_API] = ask_api,
    [ASK_STORE_AUDIT_TAKE] = ask_audit_take,
    [ASK_STORE_GAUGES] = ask_gauges,
    [ASK_STORE_REFUSED] = ask_refused,
    [ASK_STORE_RECEIPT] = ask_receipt,
    [ASK_STORE_DOMAINS] = ask_domains,
    [ASK_STORE_SETUP] = ask_setup,
    [ASK_STORE_REPORT_POST] = ask_report_post,
    [ASK_STORE_REPORT_POSTED] = ask_report_posted,
    [ASK_STORE_SIGNIN] = ask_signin,
    [ASK_STORE_TOKEN] = ask_token,
    [ASK_STORE_OAUTH] = ask_oauth,
};

void store_settings_default(struct store_settings *s)
{
	*s = (struct store_settings){
	    .hostname = "localhost",
	    .postmaster = "",
	    .languages = "ja en",
	    .message_size = LIMIT_MESSAGE_SIZE + LIMIT_MESSAGE_ADDED,
	    .disk_reserve = (uint64_t)256 << 20,
	    .retry_first_ms = 5 * MINUTE_MS,
	    .retry_most_ms = 4 * HOUR_MS,
	    .delay_notice_ms = 4 * HOUR_MS,
	    .give_up_ms = 5 * DAY_MS,
	    .trace_keep_ms = 90 * DAY_MS,
	    .dkim_service = "",
	    .home_country = "",
	    .signin_keep_ms = 90 * DAY_MS,
	    .access_confirm_ms = 5 * MINUTE_MS,
	    .dkim_rotate_ms = 180 * DAY_MS,
	    .dkim_overlap_ms = 7 * DAY_MS,
	    .delimiters = "+",
	    .sieve_redirects = 4,
	    .sieve_sends_per_hour = 300,
	    .sieve_spam_field = "",
	    .sieve_spam_full = 100,
	    .sieve_virus_field = "",
	    .sieve_virus_words = "",
	    .object_rest_ms = DAY_MS,
	    .dmarc_reject = JUDGE_REFUSE,
	    .dmarc_quarantine = JUDGE_JUNK,
	    .own_unproven = JUDGE_JUNK,
	    .arc_trusted = "",
	    .session_idle_ms = HOUR_MS,
	    .session_most_ms = 12 * HOUR_MS,
	    .administrator_grace_ms = DAY_MS,
	    .organisation = "",
	    .reports = {.contact = "", .keep_ms = 400 * DAY_MS, .after_ms = 30 * MINUTE_MS},
	    .dns = {.reports_to = ""},
	    .budget = budget_rules_default(),
	    .alarm_mail = "",
	};
}

/* ---- what handlers share ---- */

struct reader reader_begin(struct store *s)
{
	return (struct reader){s, db_borrow(s->readers)};
}

void reader_end(struct reader *r)
{
	db_give_back(r->store->readers, r->db);
	r->db = NULL;
}

struct login *session_of(struct ipc_turn *t)
{
	struct login *s = ipc_conn_data(t->conn);
	if (s && !atomic_load(&s->over))
		return s;
	ipc_refuse(t, STOP, "The sessions of this account were ended");
	return NULL;
}

void refuse(struct ipc_turn *t, enum result r)
{
	switch (r) {
	case BAD:
		ipc_refuse(t, BAD, "not understood");
		break;
	case DENY:
		ipc_refuse(t, DENY, "not allowed");
		break;
	case FULL:
		ipc_refuse(t, FULL, "4.3.1 There is no room now");
		break;
	case GONE:
		if (!atomic_load(&store_of(t)->broken)) {
			ipc_refuse(t, GONE, "no such thing");
			break;
		}
		/* fall through */
	default:
		ipc_refuse(t, LATER, "4.3.0 The store cannot do it now");
	}
}

void store_broken(struct store *s)
{
	atomic_store(&s->broken, true);
	EVENT(STORE_ERROR, KZ("what", "disk"), KZ("why", "what was written cannot be relied on"));
	if (s->settings->broken)
		s->settings->broken(s->settings->broken_arg);
}

/* ---- opening ---- */

static enum result ask_data_key(
    struct store *s, struct slice wrapped, struct arena *a, Sekisho__DataKeyAnswer **out)
{
	Sekisho__DataKeyAsk ask = SEKISHO__DATA_KEY_ASK__INIT;
	ask.wrapped = octets_of(wrapped);
	for (int64_t end = clock_mono_ms() + KEYS_WAIT_MS;;) {
		struct ipc *c = ipc_thread(s->settings->keys);
		enum result r = c ? ipc_call(c, ASK_KEYS_DATA_KEY, &ask, NULL, a, out, NULL) : LATER;
		if (r == OK)
			return (*out)->key.len == SEAL_KEY ? OK : BAD;
		if ((r != LATER && r != GONE) || clock_mono_ms() > end)
			return r == GONE ? LATER : r;
		poll(NULL, 0, 50);
	}
}

static enum result keep_organisation(struct store *s, struct slice wrapped)
{
	db_begin(s->writing);
	DB_RUN(s->writing, ORGANISATION_ADD, DI(ORGANISATION), DZ(""), DB(wrapped));
	enum result r = db_commit(s->writing);
	return r == OK ? db_flush(s->writing) : r;
}

static enum result open_seal(struct store *s)
{
	ARENA_LOCAL(a, 65536);
	struct slice wrapped = SLICE_NONE;
	{
		DB_ROWS q = DB_QUERY(s->writing, ORGANISATION_KEY, DI(ORGANISATION));
		if (db_next(&q))
			wrapped = arena_dup(&a, db_octets(&q, 0));
	}
	Sekisho__DataKeyAnswer *answer;
	enum result r = ask_data_key(s, wrapped, &a, &answer);
	if (r != OK)
		return r;
	if (!wrapped.n)
		r = keep_organisation(s, slice_of_octets(answer->wrapped));
	if (r == OK)
		s->seal = seal_new(answer->key.data);
	OPENSSL_cleanse(answer->key.data, answer->key.len);
	return r;
}

/*
 * Flag changes are not flushed one by one. After a power failure some that a client has seen may be gone, and their
 * modification sequences must not be given to others: every counter jumps ahead unless the last close was clean. Where
 * every commit is flushed, none of this is needed.
 */
static enum result mark_open(struct store *s)
{
	struct db *db = s->writing;
	if (db_is_durable(db))
		return OK;
	db_begin(db);
	if (DB_NUMBER(db, 0, NUMBER_GET, DZ(MIGRATING))) {
		db_rollback(db);
		EVENT(STORE_ERROR, KZ("what", "database"),
		    KZ("why", "`sekisho migrate database` into it is not finished"));
		return DENY;
	}
	if (!DB_NUMBER(db, 1, NUMBER_GET, DZ("clean")))
		DB_RUN(db, MODSEQ_GAP, DI(CLEAN_GAP));
	DB_RUN(db, NUMBER_SET, DZ("clean"), DI(0));
	enum result r = db_commit(db);
	return r == OK ? db_flush(db) : r;
}

static void mark_clean(struct store *s)
{
	struct db *db = s->writing;
	if (db_is_durable(db))
		return;
	db_begin(db);
	DB_RUN(db, NUMBER_SET, DZ("clean"), DI(1));
	if (db_commit(db) == OK && db_flush(db) == OK)
		db_checkpoint(db);
}

static enum result open_all(struct store *s)
{
	const struct store_settings *c = s->settings;
	s->place = c->database;
	s->place.dir = c->dir;
	enum result r = db_open(&s->place, true, &s->writing);
	if (r == OK)
		r = nodes_number(s, &s->node);
	if (r == OK)
		r = open_seal(s);
	if (r == OK)
		r = mark_open(s);
	if (r == OK)
		r = cards_check(s->writing);
	if (r == OK)
		r = blob_open(c, s->seal, &s->blob);
	if (r != OK)
		return r;
	s->readers = db_pool_new(&s->place);
	s->sessions = sessions_new();
	s->signins = signins_new(s);
	s->gate = entry_new();
	r = entry_load(s);
	if (r != OK)
		return r;
	s->recent = recent_new();
	s->uids = uid_cache_new();
	s->facts = facts_cache_new();
	s->tasks = tasks_new(2);
	s->queue = queue_new(s);
	trace_load_recent(s, s->writing);
	s->writer = writer_new(s, s->writing);
	s->cards = cards_new(s);
	s->courier = courier_new(s);
	r = nodes_join(s);
	if (r != OK)
		return r;
	READER reader = reader_begin(s);
	r = reader.db ? queue_load(s->queue, reader.db) : LATER;
	if (r != OK)
		return r;
	s->nodes = nodes_new(s);
	if (s->node && !s->nodes)
		return LATER;
	struct keeper *keeper = keeper_new(s);
	s->keeper = keeper;
	s->search = search_new(s);
	s->lately = signed_lately_new();
	s->signing = signing_new(s);
	s->watch = domains_new(s);
	s->reports = reports_new(s);
	s->contain = contain_new(s);
	s->people = people_new(s);
	return keeper ? OK : LATER;
}

enum result store_open(const struct store_settings *settings, struct store **store_out)
{
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	s->settings = settings;
	s->stats = stats_new();
	enum result r = open_all(s);
	if (r != OK) {
		store_close(s);
		return r;
	}
	*store_out = s;
	return OK;
}

void store_serve(struct store *s, struct ipc_server *server)
{
	s->server = server;
}

void store_close(struct store *s)
{
	bool opened = s->keeper != NULL;
	signing_free(s->signing);
	keeper_end(s->keeper);
	reports_free(s->reports);
	contain_free(s->contain);
	s->contain = NULL;
	people_free(s->people);
	domains_free(s->watch);
	cards_end(s->cards);
	search_end(s->search);
	nodes_free(s->nodes);
	courier_free(s->courier);
	if (opened)
		signins_tick(s);
	writer_free(s->writer);
	tasks_free(s->tasks);
	cards_free(s->cards);
	keeper_free(s->keeper);
	stats_free(s->stats);
	search_free(s->search);
	signed_lately_free(s->lately);
	if (opened && !atomic_load(&s->broken))
		mark_clean(s);
	queue_end(s->queue);
	facts_cache_free(s->facts);
	uid_cache_free(s->uids);
	recent_free(s->recent);
	signins_free(s->signins);
	entry_free(s->gate);
	sessions_free(s->sessions);
	db_pool_free(s->readers);
	db_close(s->writing);
	blob_close(s->blob);
	seal_free(s->seal);
	free(s->tidying);
	free(s);
}
