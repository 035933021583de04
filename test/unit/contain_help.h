/*
 * contain_help: an organisation with a thief in it, for the tests of budgets and incidents. Networks of its table:
 * 198.51.100.0/24 in the country, 203.0.113.0/24 and 192.0.2.0/24 abroad; a login from none of them comes from an office.
 */
#ifndef CONTAIN_HELP_H
#define CONTAIN_HELP_H

#include "store_help.h"
#include "store/contain/alarm.h"
#include "store/contain/contain.h"
#include "store/inside.h"
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;
static struct geo *geo;
static int64_t taro, hanako;

static inline int set_up(void **state)
{
	char path[] = "/tmp/contain-geo-XXXXXX";
	const char *why;
	FD_LOCAL fd = mkstemp(path);
	if (fd < 0 ||
	    fd_write_all(fd,
		SLICE("198.51.100.0/24 JP 64500\n203.0.113.0/24 US 64501\n192.0.2.0/24 BR 64502\n")) != OK ||
	    geo_open(path, &geo, &why) != OK)
		return 1;
	unlink(path);
	store_kit_make(&kit);
	kit.settings.geo = geo;
	kit.settings.home_country = "JP";
	kit.settings.budget = budget_rules_default();
	kit.settings.alarm_mail = "boss@elsewhere.example taro@here.example";
	kit.settings.alarm_webhook = true;
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	store_kit_must(&kit, "access.add", "{\"action\":\"allow\",\"services\":\"smtp-auth\"}");
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\"}");
	hanako = store_kit_must(&kit, "account.add", "{\"address\":\"hanako@here.example\"}");
	return 0;
}

static inline int tear_down(void **state)
{
	clock_shift(0);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	geo_close(geo);
	arena_free(&mem);
	return 0;
}

/* A session that is judged so: from an office, from another network of the country, from abroad. */
static inline struct ipc login_from(int64_t account, enum context_kind from)
{
	static const char *const ips[CONTEXT_KINDS] = {
	    [CONTEXT_NEW_NETWORK] = "198.51.100.1", [CONTEXT_ABROAD] = "203.0.113.1"};
	kit.ip = ips[from];
	struct ipc c = store_kit_login(&kit, (uint64_t)account, "submission");
	kit.ip = NULL;
	assert_true(c.fd >= 0);
	return c;
}

static inline enum result send_to(
    struct ipc *c, const char *from, const char *to, const char *more, const char *text)
{
	static unsigned n;
	char message[600];
	snprintf(message, sizeof message,
	    "From: <%s>\r\nMessage-ID: <m%u@here.example>\r\nSubject: s %u\r\n\r\n%s\r\n", from, n, n,
	    text ? text : "hello");
	n++;
	return kit_deliver_text(&kit, c, &(struct kit_envelope){.from = from, .to = {to, more}}, message);
}

static inline enum result spam(struct ipc *c, const char *from, unsigned i)
{
	char to[60];
	snprintf(to, sizeof to, "victim%u@there.example", i);
	return send_to(c, from, to, NULL, NULL);
}

static inline json_t *ask(const char *verb, const char *args)
{
	enum result r;
	json_t *v = store_kit_admin(&kit, verb, args, &r);
	assert_int_equal(r, OK);
	return v;
}

static inline size_t count(const char *verb, const char *args)
{
	json_t *v = ask(verb, args);
	size_t n = json_array_size(v);
	json_decref(v);
	return n;
}

static inline json_int_t number(const char *verb, const char *args, const char *key)
{
	json_t *v = ask(verb, args);
	json_int_t n = json_integer_value(json_object_get(v, key));
	json_decref(v);
	return n;
}

static inline size_t waiting(void)
{
	json_t *v = ask("queue.list", "{\"domain\":\"there.example\"}"), *row;
	size_t n = 0, i;
	json_array_foreach(v, i, row) n +=
	    strcmp(json_string_value(json_object_get(row, "state")), "waiting") == 0;
	json_decref(v);
	return n;
}

static inline json_int_t open_incident(const char *step)
{
	for (int i = 0; i < 1000; i++) {
		json_t *v = ask("incident.list", "{\"open\":true}"), *first = json_array_get(v, 0);
		json_int_t id = json_integer_value(json_object_get(first, "id"));
		bool there = first && strcmp(json_string_value(json_object_get(first, "step")), step) == 0;
		json_decref(v);
		if (there)
			return id;
		usleep(10000);
	}
	fail_msg("no incident came to \"%s\"", step);
	return 0;
}

static inline void end(json_int_t id, const char *verb, const char *more)
{
	char args[100];
	snprintf(args, sizeof args, "{\"id\":%lld%s}", (long long)id, more);
	json_decref(ask(verb, args));
}

static inline void empty_queue(void)
{
	json_t *v = ask("queue.list", "{}"), *row;
	size_t i;
	json_array_foreach(v, i, row)
	{
		char args[60];
		enum result r;
		snprintf(args, sizeof args, "{\"mail\":[\"%s\"]}",
		    json_string_value(json_object_get(row, "mail")));
		json_decref(store_kit_admin(&kit, "queue.remove", args, &r));
	}
	json_decref(v);
	assert_int_equal(waiting(), 0);
}

/* Everything that is due is sent; to how many recipients. */
static inline unsigned relay_all(struct ipc *relay)
{
	unsigned sent = 0;
	for (;;) {
		Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
		Sekisho__ClaimAnswer *answer = NULL;
		Sekisho__ReportAsk report = SEKISHO__REPORT_ASK__INIT;
		Sekisho__Attempt attempts[64], *list[64];
		ask.most = 10;
		ask.most_per_domain = 10;
		assert_int_equal(ASK(relay, CLAIM, &ask, &answer), OK);
		if (!answer->n_jobs)
			return sent;
		for (size_t i = 0; i < answer->n_jobs; i++)
			for (size_t k = 0; k < answer->jobs[i]->n_rcpts; k++) {
				Sekisho__Attempt *a = &attempts[report.n_attempts];
				sekisho__attempt__init(a);
				a->row = answer->jobs[i]->rcpts[k]->row;
				a->outcome = SEKISHO__ATTEMPT__OUTCOME__SENT;
				a->code = 250;
				list[report.n_attempts++] = a;
				sent += strcmp(answer->jobs[i]->domain, "there.example") == 0;
			}
		report.attempts = list;
		assert_int_equal(ASK(relay, REPORT, &report, NULL), OK);
	}
}

struct attack {
	const char *who;
	enum context_kind from;
	int64_t every_s, pause_s; /* pause after so many */
	unsigned mails, before_pause;
	const char *text;
};

struct damage {
	unsigned sent, first_day, accepted;
	int64_t stopped_s; /* after the first mail; 0: never */
};

static inline struct damage play(const struct attack *x, int64_t start_s)
{
	static unsigned victims = 100000;
	struct damage d = {0};
	char address[60], args[120];
	snprintf(address, sizeof address, "%s@here.example", x->who);
	snprintf(args, sizeof args, "{\"address\":\"%s\"}", address);
	int64_t account = store_kit_must(&kit, "account.add", args), at = start_s;
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	clock_shift(start_s);
	struct ipc c = login_from(account, x->from);
	for (unsigned i = 0; i < x->mails; i++) {
		char to[60];
		clock_shift(at);
		snprintf(to, sizeof to, "victim%u@there.example", victims++);
		if (send_to(&c, address, to, NULL, x->text) != OK) {
			d.stopped_s = at - start_s;
			break;
		}
		d.accepted++;
		d.sent += relay_all(&relay);
		if (at - start_s < 86400)
			d.first_day = d.sent;
		at += x->every_s;
		if (x->before_pause && (i + 1) % x->before_pause == 0)
			at += x->pause_s;
	}
	clock_shift(at + 3600);
	d.sent += relay_all(&relay);
	ipc_close(&c);
	ipc_close(&relay);
	print_message("%s: %u of %u reached, %u in the first day, stopped after %lld s\n", x->who, d.sent,
	    d.accepted, d.first_day, (long long)d.stopped_s);
	return d;
}

static const char offer[] =
    "Please look at this offer: it ends today, and it is only for you. Click on the address below now.";

#endif
