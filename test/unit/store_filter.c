/* Filters through the store's asks, with the real runner behind scan: where mail goes, what leaves, what is remembered. */
#include "store/inside.h"
#include "store/queue/srs.h"
#include "store_help.h"
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;
static int64_t taro, hana;

#define LETTER(id)                                                                                           \
	"From: x@far.example\r\nTo: taro@here.example\r\nSubject: letter\r\nMessage-ID: <" id                \
	">\r\n\r\nHello.\r\n"

static int set_up(void **state)
{
	store_kit_make(&kit);
	kit.settings.sieve_sends_per_hour = 3;
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\"}");
	hana = store_kit_must(&kit, "account.add", "{\"address\":\"hana@here.example\"}");
	return 0;
}

static int tear_down(void **state)
{
	clock_shift(0);
	store_kit_close(&kit);
	store_kit_remove(&kit);
	arena_free(&mem);
	return 0;
}

static void put_script(const char *who, const char *text)
{
	json_t *args = json_pack("{s:s,s:s,s:s}", "address", who, "name", "main", "text", text);
	char *packed = json_dumps(args, 0);
	store_kit_must(&kit, "sieve.put", packed);
	store_kit_must(&kit, "sieve.activate", packed);
	free(packed);
	json_decref(args);
}

static uint32_t messages(int64_t account, const char *mailbox)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)account, "imap");
	uint32_t n = do_status(&c, mailbox)->messages;
	ipc_close(&c);
	return n;
}

static bool comes(int64_t account, const char *mailbox, uint32_t wanted)
{
	for (int i = 0; i < 200; i++) {
		if (messages(account, mailbox) == wanted)
			return true;
		usleep(20000);
	}
	return false;
}

static Sekisho__ClaimAnswer *claim(struct ipc *relay)
{
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer = NULL;
	ask.most = ask.most_per_domain = 100;
	assert_int_equal(ASK(relay, CLAIM, &ask, &answer), OK);
	return answer;
}

static void mail_is_filed(void **state)
{
	put_script("taro@here.example",
	    "require [\"fileinto\"];\nif header :is \"subject\" \"letter\" { fileinto \"Archive\"; }\n");
	assert_int_equal(deliver(&kit, "x@far.example", "taro+tag@here.example", LETTER("a@far")), OK);
	assert_int_equal(
	    deliver(&kit, "x@far.example", "taro@here.example", "Subject: other\r\n\r\nx\r\n"), OK);
	assert_int_equal(messages(taro, "Archive"), 1);
	assert_int_equal(messages(taro, "INBOX"), 1);
}

static void a_missing_mailbox_is_no_loss(void **state)
{
	put_script("taro@here.example", "require \"fileinto\"; fileinto \"None\";");
	assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_int_equal(messages(taro, "INBOX"), 1);
}

static void a_broken_script_is_no_loss_and_told_once(void **state)
{
	put_script("taro@here.example", "this is no script");
	assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_true(comes(taro, "INBOX", 2)); /* it, and the note */
	assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("b@far")), OK);
	usleep(600000);
	assert_int_equal(messages(taro, "INBOX"), 3);
}

static void a_repeated_delivery_doubles_nothing(void **state)
{
	put_script("taro@here.example", "redirect \"y@out.example\"; keep;");
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {
	    .mail_id = "0123456789abcdef", .from = "x@far.example", .to = {"taro@here.example"}};
	assert_int_equal(kit_deliver_text(&kit, &c, &e, LETTER("a@far")), OK);
	assert_int_equal(kit_deliver_text(&kit, &c, &e, LETTER("a@far")), OK);
	ipc_close(&c);
	assert_int_equal(messages(taro, "INBOX"), 1);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	assert_int_equal(claim(&relay)->n_jobs, 1);
	ipc_close(&relay);
}

/* Whom an unproven sender names may never have written: what a forward comes to is told where it was made. */
static void a_forward_of_an_unproven_sender_fails_at_home(void **state)
{
	put_script("taro@here.example", "redirect \"Y@out.example\";");
	assert_int_equal(deliver(&kit, "forged@far.example", "taro@here.example", LETTER("a@far")), OK);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	const Sekisho__ClaimAnswer *jobs = claim(&relay);
	assert_int_equal(jobs->n_jobs, 1);
	const Sekisho__Job *job = jobs->jobs[0];
	assert_true(slice_eq(slice_of_octets(job->sender->local), SLICE("taro")));
	assert_true(slice_eq(slice_of_octets(job->sender->domain), SLICE("here.example")));
	Sekisho__ReportAsk ask = SEKISHO__REPORT_ASK__INIT;
	Sekisho__Attempt attempt = SEKISHO__ATTEMPT__INIT, *list[] = {&attempt};
	attempt.row = job->rcpts[0]->row;
	attempt.outcome = SEKISHO__ATTEMPT__OUTCOME__FAILED;
	attempt.code = 550;
	attempt.status = "5.1.1";
	attempt.text = "no";
	ask.attempts = list;
	ask.n_attempts = 1;
	assert_int_equal(ASK(&relay, REPORT, &ask, NULL), OK);
	assert_true(comes(taro, "INBOX", 1)); /* past the filter, which would send it to the same place */
	assert_int_equal(claim(&relay)->n_jobs, 0);
	ipc_close(&relay);
}

static void a_forward_has_our_sender(void **state)
{
	put_script("taro@here.example", "redirect \"Y@out.example\";");
	assert_int_equal(deliver_proven(&kit, "X.y@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_int_equal(messages(taro, "INBOX"), 0);
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	const Sekisho__ClaimAnswer *jobs = claim(&relay);
	assert_int_equal(jobs->n_jobs, 1);
	const Sekisho__Job *job = jobs->jobs[0];
	struct slice sender = slice_of_octets(job->sender->local), data = slice_of_octets(job->data);
	assert_true(slice_starts(sender, SLICE("SRS0=")));
	assert_true(slice_iends(sender, SLICE("=far.example=X.y")));
	assert_true(slice_eq(slice_of_octets(job->sender->domain), SLICE("here.example")));
	assert_true(slice_eq(slice_of_octets(job->rcpts[0]->addr->local), SLICE("Y")));
	assert_true(slice_starts(data, SLICE("Delivered-To: taro@here.example\r\nFrom: ")));
	/* What comes back goes on to the original sender. */
	char *address = arena_printf(&mem, SLICE_FMT "@here.example", SLICE_ARG(sender));
	assert_int_equal(deliver(&kit, "", address, "Subject: back\r\n\r\nx\r\n"), OK);
	jobs = claim(&relay);
	assert_int_equal(jobs->n_jobs, 1);
	assert_true(slice_eq(slice_of_octets(jobs->jobs[0]->rcpts[0]->addr->local), SLICE("X.y")));
	assert_string_equal(jobs->jobs[0]->domain, "far.example");
	ipc_close(&relay);
}

static void forwards_inside_run_the_next_filter(void **state)
{
	put_script("taro@here.example", "redirect \"hana@here.example\";");
	put_script("hana@here.example", "require \"fileinto\"; fileinto \"Archive\";");
	assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_true(comes(hana, "Archive", 1));
	assert_int_equal(messages(taro, "INBOX"), 0);
}

static void circles_end_where_they_began(void **state)
{
	put_script("taro@here.example", "redirect \"hana@here.example\";");
	put_script("hana@here.example", "redirect \"taro@here.example\";");
	assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_true(comes(taro, "INBOX", 1));
	assert_int_equal(messages(hana, "INBOX"), 0);
}

/* Three an hour, as set_up says: what is over stays. */
static void too_many_forwards_stay(void **state)
{
	put_script("taro@here.example", "redirect \"y@out.example\";");
	for (int i = 0; i < 5; i++)
		assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_int_equal(messages(taro, "INBOX"), 2);
	clock_shift(2 * 3600);
	assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_int_equal(messages(taro, "INBOX"), 2);
}

static void the_organisation_comes_first(void **state)
{
	store_kit_must(&kit, "sieve.put",
	    "{\"address\":\"*\",\"name\":\"before\",\"text\":\"require \\\"fileinto\\\"; if header :is "
	    "\\\"subject\\\""
	    " \\\"letter\\\" { fileinto \\\"Junk\\\"; }\"}");
	put_script("taro@here.example", "discard;");
	assert_int_equal(deliver(&kit, "x@far.example", "taro@here.example", LETTER("a@far")), OK);
	assert_int_equal(
	    deliver(&kit, "x@far.example", "taro@here.example", "Subject: other\r\n\r\nx\r\n"), OK);
	assert_int_equal(deliver(&kit, "x@far.example", "hana@here.example", LETTER("a@far")), OK);
	assert_int_equal(messages(taro, "Junk"), 1);
	assert_int_equal(messages(taro, "INBOX"), 0);
	assert_int_equal(messages(hana, "Junk"), 1);
}

static void versions_are_kept(void **state)
{
	put_script("taro@here.example", "keep;");
	put_script("taro@here.example", "discard;");
	enum result r;
	json_t *now =
	    store_kit_admin(&kit, "sieve.show", "{\"address\":\"taro@here.example\",\"name\":\"main\"}", &r);
	json_t *before = store_kit_admin(
	    &kit, "sieve.show", "{\"address\":\"taro@here.example\",\"name\":\"main\",\"version\":1}", &r);
	assert_string_equal(json_string_value(json_object_get(now, "text")), "discard;");
	assert_string_equal(json_string_value(json_object_get(before, "text")), "keep;");
	assert_int_equal(json_array_size(json_object_get(now, "versions")), 2);
	json_decref(now);
	json_decref(before);
}

/* ---- sender addresses ---- */

static const uint8_t data_key[SEAL_KEY] = "a data key for the store's tests";

static void check_back(
    const struct seal *s, struct slice made, int64_t now, const char *local, const char *domain)
{
	BUF_LOCAL(room, SRS_MOST);
	struct slice l, d;
	assert_int_equal(srs_reverse(s, made, now, &room, &l, &d), OK);
	assert_true(slice_ieq(l, slice_str(local)));
	assert_true(slice_ieq(d, slice_str(domain)));
}

static void rewritten_senders_lead_back(void **state)
{
	struct seal *s = seal_new(data_key);
	int64_t now = 20000 * DAY_MS;
	BUF_LOCAL(one, SRS_MOST);
	BUF_LOCAL(again, SRS_MOST);
	BUF_LOCAL(third, SRS_MOST);
	BUF_LOCAL(room, SRS_MOST);
	struct slice l, d;
	assert_int_equal(srs_forward(s, SLICE("an=na+x"), SLICE("far.example"), now, &one), OK);
	check_back(s, buf_slice(&one), now, "an=na+x", "far.example");
	check_back(s, buf_slice(&one), now + SRS_DAYS * DAY_MS, "an=na+x", "far.example");
	assert_int_equal(srs_reverse(s, buf_slice(&one), now + (SRS_DAYS + 1) * DAY_MS, &room, &l, &d), DENY);
	/* Another server forwards what we forwarded, and we forward that; the first is known in each. */
	assert_int_equal(srs_forward(s, buf_slice(&one), SLICE("first.example"), now, &again), OK);
	assert_true(slice_starts(buf_slice(&again), SLICE("SRS1=")));
	check_back(s, buf_slice(&again), now, one.p ? buf_z(&one) : "", "first.example");
	assert_int_equal(srs_forward(s, buf_slice(&again), SLICE("second.example"), now, &third), OK);
	check_back(s, buf_slice(&third), now, buf_z(&one), "first.example");
	for (size_t i = 0; i < one.n; i++) {
		char was = one.p[i];
		one.p[i] = was == 'q' ? 'r' : 'q';
		if (ascii_lower(was) != one.p[i])
			assert_int_equal(srs_reverse(s, buf_slice(&one), now, &room, &l, &d), DENY);
		one.p[i] = ascii_upper(was);
		check_back(s, buf_slice(&one), now, "an=na+x", "far.example");
		one.p[i] = was;
	}
	seal_free(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(mail_is_filed),
	    TEST(a_missing_mailbox_is_no_loss),
	    TEST(a_broken_script_is_no_loss_and_told_once),
	    TEST(a_repeated_delivery_doubles_nothing),
	    TEST(a_forward_has_our_sender),
	    TEST(a_forward_of_an_unproven_sender_fails_at_home),
	    TEST(forwards_inside_run_the_next_filter),
	    TEST(circles_end_where_they_began),
	    TEST(too_many_forwards_stay),
	    TEST(the_organisation_comes_first),
	    TEST(versions_are_kept),
	    cmocka_unit_test(rewritten_senders_lead_back),
	};
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
