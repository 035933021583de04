/* The way to p=reject: the next step, and whether the reports allow it. */
#include "store/domain/domains.h"

#define DAYS 28
#define DAYS_LEAST 14
#define MAIL_LEAST 50
#define SHARE_LEAST 98.0 /* per cent of the mail in our name that passes */
#define SOURCES_MOST 20

enum step { STEP_PUBLISH, STEP_WAIT, STEP_MEND, STEP_QUARANTINE, STEP_REJECT, STEP_STAY, STEP_CHECK };
static const struct {
	const char *name, *en, *ja;
} steps[] = {
    {"publish", "Publish a DMARC record first (p=none): `sekisho dns check` shows it.",
	"まず DMARC レコード(p=none)を公開してください。`sekisho dns check` が内容を示します。"},
    {"wait",
	"There are not enough reports yet to advise a stricter policy. Leave it and look again in some days.",
	"厳しいポリシーを勧められるだけの報告がまだありません。このまま数日待ってください。"},
    {"mend",
	"Some mail in your name does not pass yet. Look at the sources below: what is yours needs SPF or "
	"DKIM, what is "
	"not yours may be ignored.",
	"御社を名乗るメールの一部がまだ認証に通っていません。下の送信元のうち自社のものに SPF か DKIM "
	"を設定してください。"
	"心当たりのないものは無視してかまいません。"},
    {"quarantine", "Nearly all mail in your name passes: change p=none to p=quarantine.",
	"御社を名乗るメールのほぼすべてが認証に通っています。p=none を p=quarantine に変えてください。"},
    {"reject", "Nearly all mail in your name passes: change p=quarantine to p=reject.",
	"御社を名乗るメールのほぼすべてが認証に通っています。p=quarantine を p=reject に変えてください。"},
    {"stay", "The policy is reject: there is nothing further to do.",
	"ポリシーは reject です。これ以上することはありません。"},
    {"check", "The domain was not checked yet: `sekisho dns check`.",
	"まだ点検していません。`sekisho dns check` を実行してください。"},
};

struct ready {
	int64_t aligned, failed, days;
};

static enum step step_from(const char *policy, const struct ready *r)
{
	int64_t all = r->aligned + r->failed;
	if (!policy)
		return STEP_CHECK;
	if (strcmp(policy, "missing") == 0)
		return STEP_PUBLISH;
	if (strcmp(policy, "reject") == 0)
		return STEP_STAY;
	if (r->days < DAYS_LEAST || all < MAIL_LEAST)
		return STEP_WAIT;
	if ((double)r->aligned * 100 < SHARE_LEAST * (double)all)
		return STEP_MEND;
	return strcmp(policy, "quarantine") == 0 ? STEP_REJECT : STEP_QUARANTINE;
}

/* By what the last check said; NULL: there was none. */
static const char *policy_of(struct admin *a, struct db *db, struct slice domain)
{
	static const struct {
		const char *code, *policy;
	} codes[] = {{"dmarc_missing", "missing"}, {"dmarc_several", "missing"}, {"dmarc_bad", "missing"},
	    {"dmarc_none", "none"}, {"dmarc_quarantine", "quarantine"}};
	int64_t at;
	Sekisho__AssistAnswer *answer;
	if (domains_last(a, db, domain, &at, &answer) != OK)
		return NULL;
	for (size_t i = 0; i < answer->n_findings; i++)
		for (size_t j = 0; j < COUNT(codes); j++)
			if (strcmp(answer->findings[i]->code, codes[j].code) == 0)
				return codes[j].policy;
	return "reject";
}

static json_t *sources_json(struct db *db, struct slice domain, int64_t since)
{
	json_t *out = json_array();
	DB_ROWS q = DB_QUERY(db, DMARC_SOURCES, DT(domain), DI(since), DI(SOURCES_MOST));
	while (db_next(&q))
		json_array_append_new(
		    out, json_pack("{s:o,s:I,s:I}", "source", admin_string(db_octets(&q, 0)), "aligned",
			     (json_int_t)db_int(&q, 1), "failed", (json_int_t)db_int(&q, 2)));
	return out;
}

enum result admin_dmarc_advice(struct admin *a, struct db *db)
{
	struct slice domain;
	struct ready ready = {0};
	int64_t since = clock_utc_ms() / DAY_MS - DAYS;
	enum result r = admin_dns_domain(a, &domain);
	if (r != OK)
		return r;
	{
		DB_ROWS q = DB_QUERY(db, DMARC_SUM, DT(domain), DI(since));
		if (db_next(&q))
			ready = (struct ready){db_int(&q, 0), db_int(&q, 1), db_int(&q, 2)};
	}
	const char *policy = policy_of(a, db, domain);
	enum step step = step_from(policy, &ready);
	int64_t all = ready.aligned + ready.failed;
	a->why = NULL;
	a->answer = json_pack("{s:o,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:o}", "domain", admin_string(domain),
	    "policy", policy ? policy : "unknown", "step", steps[step].name, "en", steps[step].en, "ja",
	    steps[step].ja, "days_with_reports", (json_int_t)ready.days, "messages", (json_int_t)all,
	    "aligned", (json_int_t)ready.aligned, "share",
	    all ? json_real((double)ready.aligned / (double)all) : json_null(), "sources",
	    sources_json(db, domain, since));
	return OK;
}
