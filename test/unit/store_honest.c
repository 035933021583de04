/*
 * A month of honest people, lived through the store itself with a clock of its own: how often they are bothered. They write to
 * new customers, misspell addresses, invite outsiders, announce, travel while their computer at home goes on fetching, buy
 * telephones, and move to another office.
 */
#include "contain_help.h"

#define LIGHT 80  /* of a hundred mailboxes; */
#define MEDIUM 15 /* the rest sell */
#define LEARNING 12
#define MONTH 30

struct person {
	int64_t account;
	char address[60];
	unsigned mails, fresh;   /* a day, and how many of a hundred recipients are new */
	unsigned met;            /* people he has written to */
	enum context_kind place; /* today */
};

static uint64_t dice_state = 20261122;

static unsigned dice(unsigned below)
{
	dice_state = dice_state * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)((dice_state >> 33) % below);
}

static unsigned people(void)
{
	return getenv("SEKISHO_SLOW") ? 10 : 100;
}

static void name_someone(const struct person *p, unsigned number, char out[60])
{
	snprintf(out, 60, "c%u.%lld@there.example", number, (long long)p->account);
}

/* Somebody new, or somebody met before; one in 150 new addresses is misspelt. */
static void choose(struct person *p, bool is_new, char out[60])
{
	if (!is_new && p->met) {
		name_someone(p, dice(p->met), out);
		return;
	}
	if (dice(150) == 0)
		snprintf(out, 60, "typo%u.%lld@there.example", p->met, (long long)p->account);
	else
		name_someone(p, p->met++, out);
}

static void write_mail(struct person *p, struct ipc *c, char to[][60], size_t n)
{
	static unsigned mails;
	char text[600];
	struct kit_envelope e = {.from = p->address};
	for (size_t i = 0; i < n; i++)
		e.to[i] = to[i];
	int at = snprintf(text, sizeof text,
	    "From: <%s>\r\nMessage-ID: <h%u@here.example>\r\nSubject: s\r\n\r\n", p->address, mails);
	for (unsigned i = 0; i < 12; i++) /* no two say the same */
		at += snprintf(text + at, sizeof text - (size_t)at, "%x ", dice(1u << 30));
	snprintf(text + at, sizeof text - (size_t)at, "\r\n");
	mails++;
	assert_int_equal(kit_deliver_text(&kit, c, &e, text), OK);
}

static void ordinary_mail(struct person *p, struct ipc *c)
{
	char to[3][60];
	size_t n = 1 + (dice(10) < 3);
	for (size_t i = 0; i < n; i++)
		choose(p, dice(100) < p->fresh, to[i]);
	if (dice(4) == 0) /* a colleague in copy */
		snprintf(to[n++], 60, "p%u@here.example", dice(people()));
	write_mail(p, c, to, n);
}

static void many_at_once(struct person *p, struct ipc *c, unsigned fresh, unsigned known)
{
	char to[KIT_RCPTS][60];
	size_t n = 0;
	for (unsigned i = 0; i < fresh; i++)
		choose(p, true, to[n++]);
	for (unsigned i = 0; i < known && i < p->met; i++)
		name_someone(p, i, to[n++]);
	write_mail(p, c, to, n);
}

/* Everything that is due goes; what is misspelt comes back. */
static void relay_day(struct ipc *relay)
{
	for (;;) {
		Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
		Sekisho__ClaimAnswer *answer = NULL;
		Sekisho__ReportAsk report = SEKISHO__REPORT_ASK__INIT;
		Sekisho__Attempt attempts[500], *list[500];
		ask.most = 5;
		ask.most_per_domain = 5;
		assert_int_equal(ASK(relay, CLAIM, &ask, &answer), OK);
		if (!answer->n_jobs)
			return;
		for (size_t i = 0; i < answer->n_jobs; i++)
			for (size_t k = 0; k < answer->jobs[i]->n_rcpts && report.n_attempts < COUNT(list);
			     k++) {
				const Sekisho__JobRcpt *r = answer->jobs[i]->rcpts[k];
				Sekisho__Attempt *a = &attempts[report.n_attempts];
				bool bad = slice_starts(slice_of_octets(r->addr->local), SLICE("typo"));
				sekisho__attempt__init(a);
				a->row = r->row;
				a->outcome =
				    bad ? SEKISHO__ATTEMPT__OUTCOME__FAILED : SEKISHO__ATTEMPT__OUTCOME__SENT;
				a->code = bad ? 550 : 250;
				a->status = (char *)(uintptr_t)(bad ? "5.1.1" : "2.0.0");
				list[report.n_attempts++] = a;
			}
		report.attempts = list;
		assert_int_equal(ASK(relay, REPORT, &report, NULL), OK);
		arena_reset(&mem);
	}
}

static void sign_in(const struct person *p, enum context_kind from, const char *service)
{
	static const char *const ips[CONTEXT_KINDS] = {
	    [CONTEXT_NEW_NETWORK] = "198.51.100.20", [CONTEXT_ABROAD] = "203.0.113.20"};
	kit.ip = ips[from];
	struct ipc c = store_kit_login(&kit, (uint64_t)p->account, service);
	kit.ip = NULL;
	assert_true(c.fd >= 0);
	ipc_close(&c);
}

static void live(struct person *p, unsigned who, unsigned day)
{
	int64_t morning = clock_shifted();
	bool moved = who % 10 == 3 && day >= LEARNING + 10; /* a tenth, to a new office */
	unsigned place = dice(1000);
	p->place = place < 2 ? CONTEXT_ABROAD : moved || place < 32 ? CONTEXT_NEW_NETWORK : CONTEXT_FAMILIAR;
	if (dice(60) == 0) /* a new telephone, at home */
		sign_in(p, CONTEXT_NEW_NETWORK, "imap");
	if (p->place == CONTEXT_ABROAD && dice(2)) /* his computer is still on */
		sign_in(p, CONTEXT_FAMILIAR, "imap");
	struct ipc c = login_from(p->account, p->place);
	unsigned mails = p->mails / 2 + dice(p->mails + 1);
	for (unsigned i = 0; i < mails; i++) {
		clock_shift(morning + (int64_t)i * 28800 / mails); /* over eight hours */
		ordinary_mail(p, &c);
	}
	if (dice(60) == 0)
		many_at_once(p, &c, 20, 20); /* an announcement */
	if (dice(150) == 0)
		many_at_once(p, &c, 30, 0); /* outsiders are invited */
	if (dice(20) == 0)
		many_at_once(p, &c, 0, 30); /* an answer to all */
	if (who % 50 == 1 && day % 30 == 5)
		many_at_once(
		    p, &c, day < LEARNING ? 60 : 5, day < LEARNING ? 0 : 55); /* a letter to the customers */
	ipc_close(&c);
}

/* Whose mail is held says that it was he; how many there were. */
static unsigned count_held(unsigned day)
{
	unsigned held = 0;
	json_t *open = ask("incident.list", "{\"open\":true}"), *one;
	size_t i;
	json_array_foreach(open, i, one)
	{
		char args[200];
		snprintf(args, sizeof args, "{\"address\":\"%s\"}",
		    json_string_value(json_object_get(one, "account")));
		size_t mails = count("hold.list", args);
		json_t *state = ask("budget.show", args);
		print_message("day %u: %s, level %s, %zu messages held\n", day,
		    json_string_value(json_object_get(one, "account")),
		    json_string_value(json_object_get(state, "level")), mails);
		json_decref(state);
		held += mails > 0;
		end(json_integer_value(json_object_get(one, "id")), "incident.false-alarm", "");
	}
	json_decref(open);
	return held;
}

static void honest_people_are_rarely_held(void **state)
{
	static struct person all[100];
	unsigned holds = 0, n = people();
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	for (unsigned i = 0; i < n; i++) {
		char args[120];
		snprintf(all[i].address, sizeof all[i].address, "p%u@here.example", i);
		snprintf(args, sizeof args, "{\"address\":\"%s\"}", all[i].address);
		all[i].account = store_kit_must(&kit, "account.add", args);
		unsigned kind = i * 100 / n;
		all[i].mails = kind < LIGHT ? 2 : kind < LIGHT + MEDIUM ? 6 : 20;
		all[i].fresh = kind < LIGHT ? 20 : kind < LIGHT + MEDIUM ? 20 : 35;
	}
	for (unsigned day = 0; day < LEARNING + MONTH; day++) {
		if (day % 7 > 4)
			continue;
		for (unsigned i = 0; i < n; i++) {
			clock_shift((200 + day) * 86400 + i * 60); /* each at his hour, and always the same */
			live(&all[i], i, day);
			if (i % 10 == 9)
				relay_day(&relay);
		}
		clock_shift((200 + day) * 86400 + 40000);
		relay_day(&relay);
		unsigned held = count_held(day);
		holds += day >= LEARNING ? held : 0;
	}
	print_message("%u mailboxes, %u days: %u holds\n", n, MONTH, holds);
	assert_true(holds <= 2);
	ipc_close(&relay);
}

/* Five addresses that do not exist, and a program that was never seen: a bad day, and no more. */
static void a_bad_day_is_no_theft(void **state)
{
	static const char who[] = "{\"address\":\"clumsy@here.example\"}";
	struct person p = {
	    .account = store_kit_must(&kit, "account.add", who), .address = "clumsy@here.example"};
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	clock_shift(300 * 86400);
	sign_in(&p, CONTEXT_NEW_NETWORK, "imap");
	struct ipc c = login_from(p.account, CONTEXT_FAMILIAR);
	for (unsigned i = 0; i < 5; i++) {
		char to[1][60];
		snprintf(to[0], 60, "typo%u@there.example", i);
		write_mail(&p, &c, to, 1);
	}
	relay_day(&relay);
	for (unsigned i = 0; i < 4; i++)
		many_at_once(&p, &c, 1, 0);
	assert_int_equal(count("hold.list", who), 0);
	assert_int_equal(count("incident.list", who), 0);
	ipc_close(&c);
	ipc_close(&relay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(honest_people_are_rarely_held),
	    cmocka_unit_test(a_bad_day_is_no_theft),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
