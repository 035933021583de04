/* What becomes of mail by who sent it: the rules, the administrator's list, trusted forwarders, the counts for reports. */
#include "store/queue/judge.h"
#include "store_help.h"

static struct store_kit kit;
static int64_t taro;

static int set_up(void **state)
{
	store_kit_make(&kit);
	kit.settings.arc_trusted = "lists.example  other.example";
	if (store_kit_begin(&kit) != OK)
		return 1;
	taro = store_kit_account(&kit, "taro@here.example");
	return 0;
}

static int tear_down(void **state)
{
	return store_help_end(&kit);
}

/* ---- what scan could have found ---- */

struct found {
	Sekisho__Trust trust;
	Sekisho__TrustDmarc dmarc;
	Sekisho__TrustSpf spf;
	Sekisho__TrustArc arc;
	Sekisho__TrustArcSet sets[2], *set_list[2];
	char *author;
};

static void find(struct found *f, const char *domain, Sekisho__TrustDmarc__Result result,
    Sekisho__TrustDmarc__Policy policy)
{
	sekisho__trust__init(&f->trust);
	sekisho__trust_dmarc__init(&f->dmarc);
	sekisho__trust_spf__init(&f->spf);
	sekisho__trust_arc__init(&f->arc);
	f->author = (char *)(uintptr_t)domain;
	f->trust.authors = &f->author;
	f->trust.n_authors = 1;
	f->trust.author = arena_printf(&mem, "someone@%s", domain);
	f->trust.dmarc = &f->dmarc;
	f->trust.spf = &f->spf;
	f->trust.arc = &f->arc;
	f->trust.proven = result == SEKISHO__TRUST_DMARC__RESULT__PASS;
	f->spf.result = "fail";
	f->arc.result = "none";
	f->trust.iprev = "fail";
	f->dmarc.result = result;
	f->dmarc.policy = policy;
	f->dmarc.author = f->author;
	f->dmarc.why = "for a test";
	if (result != SEKISHO__TRUST_DMARC__RESULT__NONE)
		f->dmarc.policy_domain = f->author;
}

#define FAIL SEKISHO__TRUST_DMARC__RESULT__FAIL
#define PASS SEKISHO__TRUST_DMARC__RESULT__PASS
#define NONE SEKISHO__TRUST_DMARC__RESULT__NONE
#define REJECT SEKISHO__TRUST_DMARC__POLICY__REJECT
#define QUARANTINE SEKISHO__TRUST_DMARC__POLICY__QUARANTINE
#define ACCEPT SEKISHO__TRUST_DMARC__POLICY__ACCEPT

static uint32_t messages_in(const char *mailbox)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "imap");
	uint32_t n = do_status(&c, mailbox)->messages;
	ipc_close(&c);
	return n;
}

/* "INBOX", "Junk", or the refusal. */
static const char *outcome(struct found *f, const char *from)
{
	static char why[300];
	const char *refusal;
	uint32_t inbox = messages_in("INBOX"), junk = messages_in("Junk");
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {.from = from, .to = {"taro@here.example"}, .trust = &f->trust};
	char *text = kit_message("judged", 100);
	struct kit_mail m = kit_mail_make(&kit, slice_str(text));
	enum result r = kit_deliver(&kit, &mx, &e, &m, &refusal);
	snprintf(why, sizeof why, "%s: %s", result_name(r), refusal);
	kit_mail_free(&m);
	free(text);
	ipc_close(&mx);
	if (r != OK)
		return why;
	return messages_in("INBOX") == inbox + 1 ? "INBOX" : messages_in("Junk") == junk + 1 ? "Junk" : "?";
}

static const char *plain(
    const char *domain, Sekisho__TrustDmarc__Result result, Sekisho__TrustDmarc__Policy policy)
{
	struct found f;
	find(&f, domain, result, policy);
	return outcome(&f, "x@elsewhere.example");
}

/* ---- tests ---- */

static void policies_are_followed(void **state)
{
	assert_string_equal(plain("bank.example", PASS, REJECT), "INBOX");
	assert_string_equal(plain("bank.example", NONE, ACCEPT), "INBOX");
	assert_string_equal(plain("bank.example", FAIL, ACCEPT), "INBOX");
	assert_string_equal(plain("bank.example", FAIL, QUARANTINE), "Junk");
	assert_non_null(strstr(plain("bank.example", FAIL, REJECT), "deny: 5.7.26 Mail from bank.example"));
	assert_string_equal(plain("bank.example", SEKISHO__TRUST_DMARC__RESULT__TEMPERROR, REJECT), "INBOX");
}

static void our_own_domains_need_proof(void **state)
{
	struct found f;
	assert_string_equal(plain("here.example", NONE, ACCEPT), "Junk");
	assert_string_equal(plain("sub.here.example", NONE, ACCEPT), "Junk");
	assert_string_equal(plain("nothere.example", NONE, ACCEPT), "INBOX");
	assert_string_equal(plain("here.example", PASS, ACCEPT), "INBOX");
	kit.settings.own_unproven = JUDGE_REFUSE;
	assert_non_null(strstr(plain("here.example", NONE, ACCEPT), "deny: 5.7.26"));
	find(&f, "here.example", NONE, ACCEPT);
	f.trust.temporary = true;
	assert_string_equal(outcome(&f, ""), "Junk");
	kit.settings.own_unproven = JUDGE_JUNK;
}

static void several_from_fields_are_refused(void **state)
{
	struct found f;
	find(&f, "x.example", PASS, ACCEPT);
	f.trust.flags = 2;
	assert_non_null(strstr(outcome(&f, "x@x.example"), "deny: 5.6.0"));
}

static void the_list_spares(void **state)
{
	static const char *const spared[] = {"bank.example", "example", "someone@bank.example",
	    "x@elsewhere.example", "192.0.2.1", "192.0.2.128/24"};
	for (size_t i = 0; i < COUNT(spared); i++) {
		char args[200];
		snprintf(args, sizeof args, "{\"what\":\"%s\"}", spared[i]);
		store_kit_must(&kit, "dmarc.override.add", args);
		assert_string_equal(plain("bank.example", FAIL, REJECT), "INBOX");
		store_kit_must(&kit, "dmarc.override.remove", args);
		assert_non_null(strstr(plain("bank.example", FAIL, REJECT), "5.7.26"));
	}
	store_kit_must(&kit, "dmarc.override.add", "{\"what\":\"192.0.3.0/24\"}");
	assert_non_null(strstr(plain("bank.example", FAIL, REJECT), "5.7.26"));
	enum result r;
	json_decref(store_kit_admin(&kit, "dmarc.override.add", "{\"what\":\"not a name\"}", &r));
	assert_int_equal(r, BAD);
	json_decref(store_kit_admin(&kit, "dmarc.override.remove", "{\"what\":\"unknown.example\"}", &r));
	assert_int_equal(r, GONE);
}

static const char *forwarded(const char *newest, bool newest_vouches, const char *older, bool older_vouches)
{
	struct found f;
	find(&f, "bank.example", FAIL, REJECT);
	f.arc.result = "pass";
	f.arc.sets = f.set_list;
	f.arc.n_sets = older ? 2 : 1;
	for (size_t i = 0; i < 2; i++) {
		sekisho__trust_arc_set__init(&f.sets[i]);
		f.set_list[i] = &f.sets[i];
	}
	f.sets[0].domain = (char *)(uintptr_t)newest;
	f.sets[0].vouches = newest_vouches;
	f.sets[1].domain = (char *)(uintptr_t)(older ? older : "");
	f.sets[1].vouches = older_vouches;
	return outcome(&f, "list@lists.example");
}

static void trusted_forwarders_vouch(void **state)
{
	assert_string_equal(forwarded("lists.example", true, NULL, false), "INBOX");
	assert_string_equal(forwarded("lists.example", false, "other.example", true), "INBOX");
	assert_non_null(strstr(forwarded("lists.example", false, NULL, false), "5.7.26"));
	assert_non_null(strstr(forwarded("evil.example", true, "lists.example", true), "5.7.26"));
	assert_non_null(strstr(forwarded("lists.example", false, "evil.example", true), "5.7.26"));
}

static void forged_findings_are_refused(void **state)
{
	struct found f;
	find(&f, "x.example", PASS, ACCEPT);
	struct ipc mx = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {.from = "x@x.example", .to = {"taro@here.example"}, .trust = &f.trust};
	char *one = kit_message("one", 100), *two = kit_message("two", 100);
	struct kit_mail m = kit_mail_make(&kit, slice_str(one)), other = kit_mail_make(&kit, slice_str(two));
	int fd = m.fd;
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), OK);
	m.fd = other.fd; /* facts and findings of another message */
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), BAD);
	m.fd = fd;
	m.digest[0] ^= 1; /* findings of another message */
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), BAD);
	m.digest[0] ^= 1;
	e.unsealed = true;
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), BAD);
	e.unsealed = false;
	assert_int_equal(kit_deliver(&kit, &mx, &e, &m, NULL), OK);
	kit_mail_free(&m);
	kit_mail_free(&other);
	free(one);
	free(two);
	ipc_close(&mx);
}

/* How many rows of a day there are, and how many messages they count. */
static void count_rows(size_t *rows_out, int64_t *times_out)
{
	int64_t day = clock_utc_ms() / DAY_MS;
	READER r = reader_begin(kit.store);
	*rows_out = 0;
	*times_out = 0;
	DB_ROWS q = DB_QUERY(r.db, TRUST_COUNTS_OF, DI(day), DI(-1), DI(1000));
	while (db_next(&q)) {
		Sekisho__DmarcCount *c;
		ARENA_LOCAL(a, 1 << 20);
		assert_int_equal(judge_count_open(kit.store, day, db_octets(&q, 2), &a, &c), OK);
		assert_true(*c->policy_domain && *c->header_from && !strcmp(c->source_ip, "192.0.2.1"));
		++*rows_out;
		*times_out += db_int(&q, 1);
	}
}

static void what_was_done_is_counted(void **state)
{
	size_t rows, after;
	int64_t times, later;
	count_rows(&rows, &times);
	for (int i = 0; i < 3; i++)
		assert_non_null(strstr(plain("counted.example", FAIL, REJECT), "5.7.26"));
	assert_string_equal(plain("counted.example", PASS, REJECT), "INBOX");
	assert_string_equal(plain("counted.example", NONE, ACCEPT), "INBOX");
	count_rows(&after, &later);
	assert_int_equal(after, rows + 2);
	assert_int_equal(later, times + 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(policies_are_followed),
	    cmocka_unit_test(our_own_domains_need_proof),
	    cmocka_unit_test(several_from_fields_are_refused),
	    cmocka_unit_test(the_list_spares),
	    cmocka_unit_test(trusted_forwarders_vouch),
	    cmocka_unit_test(forged_findings_are_refused),
	    cmocka_unit_test(what_was_done_is_counted),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
