/* What filters know of their account and its organisation, and what they must not do with it: real scripts through store. */
#include "store/inside.h"
#include "store_help.h"
#include <stdio.h>
#include <unistd.h>

static struct store_kit kit;
static int64_t taro, hana;

static int set_up(void **state)
{
	store_kit_make(&kit);
	kit.settings.sieve_spam_field = "X-Spam-Status: score=(-?[0-9.]+)";
	kit.settings.sieve_spam_full = 10;
	kit.settings.sieve_virus_field = "X-Virus";
	kit.settings.sieve_virus_words = "clean removed cured suspicious infected";
	if (store_kit_open(&kit, 4) != OK)
		return 1;
	store_kit_must(&kit, "domain.add", "{\"domain\":\"here.example\"}");
	taro = store_kit_must(&kit, "account.add", "{\"address\":\"taro@here.example\"}");
	hana = store_kit_must(&kit, "account.add", "{\"address\":\"hana@here.example\"}");
	store_kit_must(
	    &kit, "alias.add", "{\"address\":\"h.suzuki@here.example\",\"target\":[\"hana@here.example\"]}");
	store_kit_must(&kit, "group.add",
	    "{\"address\":\"team@here.example\",\"member\":[\"taro@here.example\",\"hana@here.example\","
	    "\"friend@far.example\"]}");
	return 0;
}

static int tear_down(void **state)
{
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

static void make(int64_t account, const char *mailbox)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)account, "imap");
	assert_int_equal(do_create(&c, mailbox, ""), OK);
	ipc_close(&c);
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

/* What leaves: all of it at once. */
static const Sekisho__ClaimAnswer *claim(void)
{
	struct ipc relay = store_kit_channel(&kit, PEER_RELAY);
	Sekisho__ClaimAsk ask = SEKISHO__CLAIM_ASK__INIT;
	Sekisho__ClaimAnswer *answer = NULL;
	ask.most = ask.most_per_domain = 100;
	assert_int_equal(ASK(&relay, CLAIM, &ask, &answer), OK);
	ipc_close(&relay);
	return answer;
}

/* A channel that has just ended may still hold what it claimed. */
static size_t leaving(size_t wanted)
{
	size_t n = claim()->n_jobs;
	for (int i = 0; i < 200 && n != wanted; i++) {
		usleep(20000);
		n = claim()->n_jobs;
	}
	return n;
}

static void mail(const char *from, const char *to, const char *message)
{
	assert_int_equal(deliver(&kit, from, to, message), OK);
}

#define LETTER "From: x@far.example\r\nTo: taro@here.example\r\nSubject: letter\r\n\r\nHello.\r\n"

/* ---- annotations ---- */

static void set_metadata(int64_t account, const char *mailbox, const char *entry, const char *value)
{
	struct ipc c = store_kit_login(&kit, (uint64_t)account, "imap");
	Sekisho__SetMetadataAsk ask = SEKISHO__SET_METADATA_ASK__INIT;
	Sekisho__MetadataEntry e = SEKISHO__METADATA_ENTRY__INIT, *list[] = {&e};
	e.name = (char *)(uintptr_t)entry;
	e.value = (ProtobufCBinaryData){strlen(value), (uint8_t *)(uintptr_t)value};
	e.has_value = true;
	ask.mailbox = (char *)(uintptr_t)mailbox;
	ask.entries = list;
	ask.n_entries = 1;
	assert_int_equal(ASK(&c, SET_METADATA, &ask, NULL), OK);
	ipc_close(&c);
}

static void annotations_are_the_accounts_own(void **state)
{
	make(taro, "Work");
	make(taro, "1");
	make(taro, "2");
	set_metadata(taro, "Work", "/private/vendor/x/colour", "blue");
	set_metadata(taro, "Work", "/shared/comment", "all see it");
	set_metadata(taro, "", "/private/comment", "mine");
	set_metadata(hana, "", "/private/comment", "hers");
	put_script("taro@here.example", "require [\"mboxmetadata\", \"servermetadata\", \"fileinto\"];\n"
					"if allof (metadata \"Work\" \"/PRIVATE/vendor/x/colour\" \"blue\",\n"
					"  metadata :contains \"Work\" \"/shared/comment\" \"see\",\n"
					"  servermetadata :contains \"/shared/admin\" \"mailto:\",\n"
					"  servermetadata \"/private/comment\" \"mine\",\n"
					"  not metadataexists \"Work\" [\"/private/none\"],\n"
					"  not metadataexists \"Missing\" [\"/private/vendor/x/colour\"])\n"
					"  { fileinto \"1\"; } else { fileinto \"2\"; }");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_int_equal(messages(taro, "1"), 1);
}

/* ---- lists ---- */

static const char by_list[] =
    "require [\"extlists\", \"fileinto\", \"variables\"];\n"
    "if not valid_ext_list [\":addrbook:default\", \"group:team@here.example\"] { stop; }\n"
    "if valid_ext_list \"group:taro@here.example\" { stop; }\n"
    "if address :list \"from\" \"group:team@here.example\" { fileinto \"Team\"; stop; }\n"
    "if address :list [\"from\", \"to\"] \":addrbook:default\" { fileinto \"${0}\"; stop; }\n"
    "if header :list \"subject\" \"group:team@here.example\" { fileinto \"Team\"; }\n";

static void lists_are_groups_and_the_organisation(void **state)
{
	make(taro, "Team");
	make(taro, "taro@here.example");
	put_script("taro@here.example", by_list);
	mail("x@far.example", "taro@here.example", "From: H.Suzuki@here.example\r\n\r\nx\r\n");
	mail("x@far.example", "taro@here.example", "From: hana+x@here.example\r\n\r\nx\r\n");
	mail("x@far.example", "taro@here.example", "From: Friend@Far.example\r\n\r\nx\r\n");
	assert_int_equal(messages(taro, "Team"), 3);
	mail("x@far.example", "taro@here.example", LETTER); /* nobody but taro is of ours */
	assert_int_equal(messages(taro, "taro@here.example"), 1);
	mail("x@far.example", "taro@here.example", "From: x@far.example\r\nSubject: none\r\n\r\nx\r\n");
	assert_int_equal(messages(taro, "INBOX"), 1);
}

/* However many addresses a sender writes into a message, it is one question. */
static void a_crowd_in_the_header_is_no_failure(void **state)
{
	BUF_LOCAL(text, 1 << 20);
	make(taro, "Team");
	put_script("taro@here.example", "require [\"extlists\", \"fileinto\"]; if address :list \"to\" "
					"\"group:team@here.example\" { fileinto "
					"\"Team\"; }");
	buf_puts(&text, "From: x@far.example\r\nTo: a@far.example");
	for (int i = 0; i < 500; i++)
		buf_printf(&text, ",\r\n p%d@far.example", i);
	buf_puts(&text, ",\r\n hana@here.example\r\n\r\nx\r\n");
	mail("x@far.example", "taro@here.example", buf_z(&text));
	assert_int_equal(messages(taro, "Team"), 1);
}

static void forwards_to_a_list_reach_its_people(void **state)
{
	put_script("taro@here.example",
	    "require [\"extlists\", \"copy\"]; redirect :list :copy \"group:team@here.example\";\n"
	    "redirect :list :copy \":addrbook:default\";");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_true(comes(hana, "INBOX", 1));
	size_t jobs = 0;
	for (int i = 0; i < 200 && !jobs; i++, usleep(20000)) /* the queue hears of it after the mailbox */
		jobs = claim()->n_jobs;
	assert_int_equal(jobs, 1);
}

/* ---- scores ---- */

static void scores_come_from_the_filter_in_front(void **state)
{
	make(taro, "Sick");
	put_script("taro@here.example",
	    "require [\"spamtestplus\", \"virustest\", \"relational\", \"comparator-i;ascii-numeric\", "
	    "\"fileinto\"];\n"
	    "if virustest :value \"ge\" :comparator \"i;ascii-numeric\" \"4\" { fileinto \"Sick\"; stop; }\n"
	    "if spamtest :percent :value \"ge\" :comparator \"i;ascii-numeric\" \"75\" { fileinto \"Junk\"; "
	    "}\n");
	mail("x@far.example", "taro@here.example", "X-Spam-Status: Yes, score=7.6 required=5\r\n" LETTER);
	mail("x@far.example", "taro@here.example",
	    "X-Spam-Status: No, score=-1.0\r\nX-Virus: clean\r\n" LETTER);
	mail("x@far.example", "taro@here.example", "X-Virus: Infected (Eicar)\r\n" LETTER);
	assert_int_equal(messages(taro, "Junk"), 1);
	assert_int_equal(messages(taro, "Sick"), 1);
	assert_int_equal(messages(taro, "INBOX"), 1);
}

/* ---- forwards and answers ---- */

static void forwards_say_what_the_sender_wants_to_hear(void **state)
{
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {.from = "x@far.example", .to = {"taro@here.example"}, .notify = 5, .ret = 1};
	put_script("taro@here.example",
	    "require [\"redirect-dsn\", \"envelope\", \"envelope-dsn\", \"copy\"];\n"
	    "if envelope \"notify\" \"SUCCESS,DELAY\" { redirect :copy \"a@out.example\"; }\n"
	    "if envelope \"ret\" \"full\" { redirect :notify \"never\" :ret \"HDRS\" :copy "
	    "\"b@out2.example\"; }\n"
	    "redirect :notify \"FAILURE,DELAY\" \"c@out3.example\";");
	assert_int_equal(kit_deliver_text(&kit, &c, &e, LETTER), OK);
	ipc_close(&c);
	const Sekisho__ClaimAnswer *jobs = claim();
	assert_int_equal(jobs->n_jobs, 3);
	for (size_t i = 0; i < 3; i++) {
		const Sekisho__Job *job = jobs->jobs[i];
		char who = (char)job->rcpts[0]->addr->local.data[0];
		assert_int_equal(job->rcpts[0]->notify, who == 'a' ? 4 : who == 'b' ? 8 : 6);
		assert_int_equal(job->ret, who == 'b' ? 2 : 1);
	}
}

static void an_answer_is_filed_where_the_script_says(void **state)
{
	put_script("taro@here.example",
	    "require [\"vacation\", \"enotify\", \"fcc\", \"mailbox\"];\n"
	    "vacation :fcc \"Sent\" \"Away\";\n"
	    "notify :fcc \"Told\" :create \"mailto:p@out.example,q@out.example\";\n");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_int_equal(messages(taro, "Sent"), 1);
	assert_int_equal(messages(taro, "Told"), 1);
	mail("x@far.example", "taro@here.example", LETTER); /* no second answer, so no second copy */
	assert_int_equal(messages(taro, "Sent"), 1);
	put_script(
	    "taro@here.example", "require [\"vacation\", \"fcc\"]; vacation :fcc \"None\" \"Still away\";");
	mail("y@far.example", "taro@here.example",
	    "From: y@far.example\r\nTo: taro@here.example\r\n\r\nx\r\n");
	assert_int_equal(messages(taro, "INBOX"), 3);
}

/* A member of a group is not the group: he does not answer for it, nor in its name. */
static void nobody_answers_for_a_group(void **state)
{
	put_script("taro@here.example", "require \"vacation\"; vacation \"Away\";");
	put_script(
	    "hana@here.example", "require \"vacation\"; vacation :from \"team@here.example\" \"Away\";");
	mail("x@far.example", "team@here.example",
	    "From: x@far.example\r\nTo: team@here.example\r\n\r\nx\r\n");
	const Sekisho__ClaimAnswer *jobs = claim();
	assert_int_equal(jobs->n_jobs, 1); /* the member outside */
	assert_string_equal(jobs->jobs[0]->domain, "far.example");
	assert_int_equal(jobs->jobs[0]->rcpts[0]->addr->local.data[0], 'f');
	mail("x@far.example", "taro+tag@here.example",
	    "From: x@far.example\r\nTo: taro+tag@here.example\r\n\r\nx\r\n");
	assert_int_equal(claim()->n_jobs, 2); /* what was not reported on, and an answer */
}

static struct slice sent(size_t i)
{
	const Sekisho__ClaimAnswer *jobs = claim();
	assert_true(jobs->n_jobs > i);
	return slice_of_octets(jobs->jobs[i]->data);
}

/* What a script gives as MIME has MIME fields only, and lines end as they must. */
static void an_answer_has_one_author(void **state)
{
	put_script("taro@here.example", "require [\"vacation\", \"encoded-character\"];\n"
					"vacation :mime \"From: boss@here.example\r\nBcc: "
					"v@out.example\r\nContent-Type: text/plain\r\n\r\n"
					"one${hex:0a}.${hex:0a}two${hex:0d}three\";");
	mail("x@far.example", "taro@here.example", LETTER);
	struct slice text = sent(0);
	assert_true(slice_search(text, SLICE("boss@here")) < 0);
	assert_true(slice_search(text, SLICE("Bcc")) < 0);
	assert_true(
	    slice_search(text, SLICE("Content-Type: text/plain\r\n\r\none\r\n.\r\ntwo\r\nthree")) > 0);
}

static void a_forward_keeps_its_author(void **state)
{
	put_script("taro@here.example",
	    "require [\"editheader\"]; deleteheader \"From\"; addheader \"From\" \"boss@here.example\";\n"
	    "redirect \"hana@here.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_int_equal(messages(taro, "INBOX"), 1);
	put_script("taro@here.example", "require [\"editheader\", \"replace\"]; addheader \"X-Mine\" \"1\"; "
					"replace :subject \"s\" \"t\";\n"
					"redirect \"hana@here.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_true(comes(hana, "INBOX", 1));
	put_script("taro@here.example", "require [\"replace\"]; replace :from \"boss@here.example\" \"t\"; "
					"redirect \"hana@here.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_int_equal(messages(taro, "INBOX"), 2);
}

/* What a person's filter says is not said by the server. */
static void a_notification_is_from_its_person(void **state)
{
	put_script(
	    "taro@here.example", "require \"enotify\"; notify :message \"pay\" \"mailto:p@out.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	struct slice text = sent(0);
	assert_true(slice_search(text, SLICE("From: taro@here.example\r\n")) > 0);
	assert_true(slice_search(text, SLICE("MAILER-DAEMON")) < 0);
}

/* ---- Dovecot's own ---- */

static void a_report_leaves_as_its_person(void **state)
{
	put_script("taro@here.example",
	    "require [\"vnd.dovecot.report\", \"fileinto\"]; fileinto \"Junk\"; report \"abuse\" \"unasked\" "
	    "\"abuse@far.example\"; report :headers_only \"abuse\" \"again\" \"abuse@far.example\"; "
	    "report \"abuse\" \"me\" \"taro@here.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	const Sekisho__ClaimAnswer *jobs = claim();
	assert_int_equal(jobs->n_jobs, 1);
	const Sekisho__Job *job = jobs->jobs[0];
	struct slice text = slice_of_octets(job->data);
	assert_int_equal(job->sender->local.len, 0); /* nobody is told when it cannot be delivered */
	assert_true(slice_search(text, SLICE("From: taro@here.example\r\n")) > 0);
	assert_true(slice_search(text, SLICE("To: <abuse@far.example>\r\n")) > 0);
	assert_true(slice_search(text, SLICE("Auto-Submitted: auto-generated (report)\r\n")) > 0);
	assert_true(slice_search(text, SLICE("Feedback-Type: abuse\r\n")) > 0);
	assert_true(slice_search(text, SLICE("Original-Mail-From: <x@far.example>\r\n")) > 0);
	assert_true(slice_search(text, SLICE("Dovecot-Reporting-User: <taro@here.example>\r\n")) > 0);
	assert_true(slice_search(text, SLICE("\r\n\r\nFrom: x@far.example\r\n")) > 0);
	assert_true(slice_search(text, SLICE("Hello.")) > 0);
	assert_int_equal(messages(taro, "Junk"), 1);
	assert_int_equal(messages(taro, "INBOX"), 0);
}

/* A report counts as a redirect, and in the hour. */
static void reports_have_the_limits_of_redirects(void **state)
{
	kit.settings.sieve_redirects = 1;
	put_script("taro@here.example",
	    "require \"vnd.dovecot.report\"; report \"abuse\" \"a\" \"p@out.example\"; redirect "
	    "\"q@out.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_int_equal(claim()->n_jobs, 0);
	assert_true(comes(taro, "INBOX", 2)); /* it, and the note that the filter failed */
	kit.settings.sieve_redirects = 4;
	kit.settings.sieve_sends_per_hour = 2; /* the note is one of them */
	put_script(
	    "taro@here.example", "require \"vnd.dovecot.report\"; report \"abuse\" \"a\" \"p@out.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	mail("x@far.example", "taro@here.example", LETTER);
	assert_int_equal(claim()->n_jobs, 1);
	assert_int_equal(messages(taro, "INBOX"), 4);
}

static void a_filter_knows_what_the_administrator_says(void **state)
{
	static const struct store_item items[] = {{"helpdesk", "Work"}, {"other", "x"}};
	kit.settings.sieve_items = items;
	kit.settings.n_sieve_items = COUNT(items);
	make(taro, "Work");
	put_script("taro@here.example",
	    "require [\"vnd.dovecot.environment\", \"variables\", \"fileinto\", \"vnd.dovecot.debug\"];\n"
	    "debug_log \"for ${env.vnd.dovecot.username}\";\n"
	    "if environment \"vnd.dovecot.config.other\" \"x\" {\n"
	    "  fileinto \"${env.vnd.dovecot.config.helpdesk}\"; }");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_int_equal(messages(taro, "Work"), 1);
	enum result r;
	json_t *v = store_kit_admin(&kit, "trace.find", "{\"from\":\"x@far.example\"}", &r);
	char *said = json_dumps(v, 0);
	assert_non_null(strstr(said, "(line 2) says: for taro@here.example"));
	free(said);
	json_decref(v);
}

/* ---- refusing ---- */

/* What scan could have found out about the sender. */
struct found {
	Sekisho__Trust trust;
	Sekisho__TrustSpf spf;
	Sekisho__TrustDmarc dmarc;
	Sekisho__TrustDkim dkim, *dkim_list[1];
};

static Sekisho__Trust *find(struct found *f, const char *spf, const char *signer, bool dmarc_fails)
{
	sekisho__trust__init(&f->trust);
	sekisho__trust_spf__init(&f->spf);
	sekisho__trust_dmarc__init(&f->dmarc);
	sekisho__trust_dkim__init(&f->dkim);
	f->spf.result = (char *)(uintptr_t)spf;
	f->dmarc.result =
	    dmarc_fails ? SEKISHO__TRUST_DMARC__RESULT__FAIL : SEKISHO__TRUST_DMARC__RESULT__NONE;
	f->dmarc.why = "for a test";
	f->dkim.result = "pass";
	f->dkim.domain = (char *)(uintptr_t)signer;
	f->dkim_list[0] = &f->dkim;
	f->trust.spf = &f->spf;
	f->trust.dmarc = &f->dmarc;
	f->trust.dkim = f->dkim_list;
	f->trust.n_dkim = *signer ? 1 : 0;
	return &f->trust;
}

static enum result deliver_to_both(Sekisho__Trust *trust)
{
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {
	    .from = "x@far.example", .to = {"taro@here.example", "hana@here.example"}, .trust = trust};
	enum result r = kit_deliver_text(&kit, &c, &e, LETTER);
	ipc_close(&c);
	return r;
}

/* The victim of a forged sender hears nothing: what cannot be refused in the conversation is kept. */
static void a_refusal_makes_no_backscatter(void **state)
{
	const struct {
		const char *spf, *signer;
		bool dmarc_fails, notice;
	} senders[] = {{"none", "", false, false}, {"softfail", "", false, false}, {"fail", "", false, false},
	    {"neutral", "other.example", false, false}, {"pass", "", true, false},
	    {"none", "r.example", false, false}, {"pass", "", false, true},
	    {"fail", "far.example", false, true}, {"none", "EXAMPLE", false, true}};
	const char *const verbs[] = {"reject", "ereject"};
	uint32_t kept = 0;
	for (size_t k = 0; k < COUNT(verbs); k++) {
		put_script("taro@here.example",
		    arena_printf(&mem, "require \"%s\"; %s \"no\";", verbs[k], verbs[k]));
		for (size_t i = 0; i < COUNT(senders); i++) {
			struct found f;
			assert_int_equal(deliver_to_both(find(
					     &f, senders[i].spf, senders[i].signer, senders[i].dmarc_fails)),
			    OK);
			kept += !senders[i].notice;
			if (messages(taro, "INBOX") != kept)
				fail_msg("%s %zu: %u messages", verbs[k], i, messages(taro, "INBOX"));
		}
	}
	assert_int_equal(messages(hana, "INBOX"), 2 * COUNT(senders));
	assert_int_equal(leaving(6), 6);
}

static void when_all_refuse_the_client_hears_it(void **state)
{
	struct found f;
	put_script("taro@here.example", "require \"reject\"; reject \"no\";");
	put_script("hana@here.example", "require \"ereject\"; ereject \"nor I\";");
	assert_int_equal(deliver_to_both(find(&f, "fail", "", false)), DENY);
	assert_int_equal(deliver_to_both(find(&f, "pass", "", false)), DENY);
	assert_int_equal(messages(taro, "INBOX"), 0);
	assert_int_equal(messages(hana, "INBOX"), 0);
	assert_int_equal(claim()->n_jobs, 0);
}

/* What is known of a sender goes along with what is passed on to a filter that refuses it. */
static void a_forward_is_refused_to_proven_senders_only(void **state)
{
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	put_script("taro@here.example", "redirect \"hana@here.example\";");
	put_script("hana@here.example", "require \"reject\"; reject \"no\";");
	for (uint32_t proven = 0; proven < 2; proven++) {
		struct found f;
		struct kit_envelope e = {.from = "x@far.example",
		    .to = {"taro@here.example"},
		    .trust = find(&f, proven ? "pass" : "softfail", "", false)};
		assert_int_equal(kit_deliver_text(&kit, &c, &e, LETTER), OK);
		assert_true(comes(hana, "INBOX", 1));
		assert_int_equal(leaving(proven), proven);
	}
	ipc_close(&c);
	usleep(200000);
	assert_int_equal(messages(hana, "INBOX"), 1);
	assert_int_equal(messages(taro, "INBOX"), 0);
}

static void an_automatic_reply_goes_to_no_victim(void **state)
{
	const struct {
		const char *spf, *signer;
		bool dmarc_fails, answer;
	} senders[] = {{"fail", "", false, false}, {"none", "", true, false}, {"pass", "", true, false},
	    {"none", "", false, true}, {"softfail", "", false, true}, {"pass", "", false, true}};
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	put_script("taro@here.example", "require \"vacation\"; vacation \"Away\";");
	unsigned answers = 0;
	for (size_t i = 0; i < COUNT(senders); i++) {
		struct found f;
		const char *from = arena_printf(&mem, "x%zu@far.example", i);
		struct kit_envelope e = {.from = from,
		    .to = {"taro@here.example"},
		    .trust = find(&f, senders[i].spf, senders[i].signer, senders[i].dmarc_fails)};
		assert_int_equal(kit_deliver_text(&kit, &c, &e, LETTER), OK);
		answers += senders[i].answer;
		assert_int_equal(leaving(answers), answers);
	}
	ipc_close(&c);
	assert_int_equal(messages(taro, "INBOX"), COUNT(senders));
}

static void a_refusal_nobody_hears_of_is_none(void **state)
{
	struct found f;
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {.from = "x@far.example",
	    .to = {"taro@here.example", "hana@here.example"},
	    .trust = find(&f, "pass", "", false)};
	kit.settings.sieve_sends_per_hour = 2;
	put_script("taro@here.example", "require \"reject\"; reject \"no\";");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(kit_deliver_text(&kit, &c, &e, LETTER), OK);
	ipc_close(&c);
	assert_int_equal(messages(hana, "INBOX"), 4);
	assert_int_equal(messages(taro, "INBOX"), 2);
}

static void a_reason_is_said_as_the_client_can_read_it(void **state)
{
	struct ipc c = store_kit_channel(&kit, PEER_MX);
	struct kit_envelope e = {.from = "x@far.example", .to = {"taro@here.example"}};
	struct kit_mail m = kit_mail_make(&kit, SLICE(LETTER));
	const char *why = NULL;
	put_script("taro@here.example", "require \"ereject\"; ereject \"不要です\";");
	assert_int_equal(kit_deliver(&kit, &c, &e, &m, &why), DENY);
	assert_true(slice_is_ascii(slice_str(why)));
	put_script("taro@here.example", "require \"ereject\"; ereject \"no thanks\";");
	assert_int_equal(kit_deliver(&kit, &c, &e, &m, &why), DENY);
	assert_non_null(strstr(why, "no thanks"));
	kit_mail_free(&m);
	ipc_close(&c);
}

/* ---- circles ---- */

static void a_script_cannot_hide_where_mail_has_been(void **state)
{
	const char *const ways[] = {
	    "require \"editheader\"; deleteheader \"Delivered-To\"; deleteheader \"Received\";\n",
	    "require \"enclose\"; enclose \"look\";\n", "require \"replace\"; replace \"gone\";\n"};
	for (size_t i = 0; i < COUNT(ways); i++) {
		char *a = arena_printf(&mem, "%sredirect \"hana@here.example\";", ways[i]);
		char *b = arena_printf(&mem, "%sredirect \"taro@here.example\";", ways[i]);
		put_script("taro@here.example", a);
		put_script("hana@here.example", b);
		mail("x@far.example", "taro@here.example", LETTER);
		assert_true(comes(taro, "INBOX", (uint32_t)i + 1));
	}
	assert_int_equal(messages(hana, "INBOX"), 0);
}

/* An organisation's script that encloses and a user's that forwards: trace fields stay outside. */
static void an_enclosed_message_ends_its_circle_too(void **state)
{
	store_kit_must(&kit, "sieve.put",
	    "{\"address\":\"*\",\"name\":\"before\",\"text\":\"require \\\"enclose\\\"; enclose "
	    "\\\"Beware\\\";\"}");
	put_script("taro@here.example", "redirect \"hana+x@here.example\";");
	put_script("hana@here.example", "redirect \"taro+y@here.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_true(comes(taro, "INBOX", 1));
	assert_int_equal(messages(hana, "INBOX"), 0);
}

/* What else a filter sends is no copy of a message that could not be forwarded. */
static void a_circle_that_tells_somebody_loses_nothing(void **state)
{
	put_script("taro@here.example",
	    "require \"enotify\"; redirect \"friend@far.example\"; notify \"mailto:p@out.example\";");
	mail("x@far.example", "taro@here.example", "Delivered-To: taro@here.example\r\n" LETTER);
	assert_int_equal(claim()->n_jobs, 1);
	assert_int_equal(messages(taro, "INBOX"), 1);
}

static void a_forward_to_oneself_arrives_once(void **state)
{
	store_kit_must(
	    &kit, "alias.add", "{\"address\":\"t@here.example\",\"target\":[\"taro@here.example\"]}");
	put_script("taro@here.example", "redirect \"t@here.example\"; redirect \"taro+x@here.example\";");
	mail("x@far.example", "taro@here.example", LETTER);
	assert_true(comes(taro, "INBOX", 2));
	usleep(300000);
	assert_int_equal(messages(taro, "INBOX"), 2);
}

static void answers_are_not_answered(void **state)
{
	put_script("taro@here.example", "require \"vacation\"; vacation \"Away\";");
	put_script("hana@here.example", "require \"vacation\"; vacation \"Away too\";");
	mail("taro@here.example", "hana@here.example",
	    "From: taro@here.example\r\nTo: hana@here.example\r\n\r\nx\r\n");
	assert_true(comes(taro, "INBOX", 1));
	usleep(300000);
	assert_int_equal(messages(taro, "INBOX"), 1);
	assert_int_equal(messages(hana, "INBOX"), 1);
}

/* Work is counted over all rounds: a script that works hard and then asks cannot do so for each question anew. */
static void rounds_share_their_steps(void **state)
{
	BUF_LOCAL(script, 1 << 16);
	buf_puts(&script, "require [\"variables\", \"mailbox\", \"regex\", \"fileinto\"];\nset \"a\" \"");
	for (int i = 0; i < 3900; i++)
		buf_putc(&script, 'a');
	buf_puts(&script, "\";\n");
	for (int i = 0; i < 60; i++)
		buf_printf(&script,
		    "if anyof (mailboxexists \"B%d\", string :regex \"${a}\" \"^(a?){600}b\") { stop; }\n",
		    i);
	buf_puts(&script, "discard;");
	put_script("taro@here.example", buf_z(&script));
	mail("x@far.example", "taro@here.example", LETTER);
	assert_true(comes(taro, "INBOX", 2)); /* it, and the note that the filter failed */
}

static void details_are_divided_as_configured(void **state)
{
	kit.settings.delimiters = "-";
	struct ipc c = store_kit_login(&kit, (uint64_t)taro, "submission");
	const char *const names[] = {"taro-x", "taro+x"};
	for (size_t i = 0; i < COUNT(names); i++) {
		Sekisho__SenderAsk ask = SEKISHO__SENDER_ASK__INIT;
		Sekisho__SenderAnswer *answer = NULL;
		Sekisho__Addr a = SEKISHO__ADDR__INIT;
		a.local = (ProtobufCBinaryData){strlen(names[i]), (uint8_t *)(uintptr_t)names[i]};
		a.domain = (ProtobufCBinaryData){12, (uint8_t *)(uintptr_t) "here.example"};
		ask.sender = &a;
		assert_int_equal(ASK(&c, SENDER, &ask, &answer), i ? DENY : OK);
	}
	ipc_close(&c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(annotations_are_the_accounts_own),
	    TEST(lists_are_groups_and_the_organisation),
	    TEST(a_crowd_in_the_header_is_no_failure),
	    TEST(forwards_to_a_list_reach_its_people),
	    TEST(scores_come_from_the_filter_in_front),
	    TEST(forwards_say_what_the_sender_wants_to_hear),
	    TEST(an_answer_is_filed_where_the_script_says),
	    TEST(nobody_answers_for_a_group),
	    TEST(an_answer_has_one_author),
	    TEST(a_forward_keeps_its_author),
	    TEST(a_notification_is_from_its_person),
	    TEST(a_refusal_nobody_hears_of_is_none),
	    TEST(a_reason_is_said_as_the_client_can_read_it),
	    TEST(a_script_cannot_hide_where_mail_has_been),
	    TEST(an_enclosed_message_ends_its_circle_too),
	    TEST(a_refusal_makes_no_backscatter),
	    TEST(when_all_refuse_the_client_hears_it),
	    TEST(a_forward_is_refused_to_proven_senders_only),
	    TEST(an_automatic_reply_goes_to_no_victim),
	    TEST(a_circle_that_tells_somebody_loses_nothing),
	    TEST(a_report_leaves_as_its_person),
	    TEST(reports_have_the_limits_of_redirects),
	    TEST(a_filter_knows_what_the_administrator_says),
	    TEST(a_forward_to_oneself_arrives_once),
	    TEST(answers_are_not_answered),
	    TEST(rounds_share_their_steps),
	    TEST(details_are_divided_as_configured),
	};
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
