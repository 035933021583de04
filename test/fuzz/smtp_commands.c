/* Arguments of commands. What was accepted can be written down again, and means the same. */
#include "smtp/parse.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_path(struct mail_addr m, struct arena *a, const char *word, bool rcpt)
{
	BUF_LOCAL(line, 4096);
	struct smtp_mail_args mail;
	struct smtp_rcpt_args to;
	buf_puts(&line, word);
	mail_path_put(&line, m);
	if ((rcpt && m.domain.n == 0) || m.local.n > LIMIT_ADDRESS / 3)
		return; /* <postmaster>; and quoting may lengthen it beyond the limit */
	if (!rcpt)
		buf_puts(&line, " SMTPUTF8");
	enum smtp_reply r = rcpt ? smtp_rcpt_parse(buf_slice(&line), true, a, &to)
				 : smtp_mail_parse(buf_slice(&line), true, a, &mail);
	if (r != REPLY_NONE || !mail_addr_eq(m, rcpt ? to.to : mail.from))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	ARENA_LOCAL(a, 1 << 20);
	struct slice line = slice_of(data, n), args, name, initial;
	struct smtp_mail_args mail;
	struct smtp_rcpt_args rcpt;
	uint64_t size;
	bool last;
	if (n > LIMIT_SMTP_LINE)
		return 0;
	switch (smtp_verb_parse(line, &args)) {
	case VERB_MAIL:
		if (smtp_mail_parse(args, true, &a, &mail) == REPLY_NONE)
			check_path(mail.from, &a, "FROM:", false);
		break;
	case VERB_RCPT:
		if (smtp_rcpt_parse(args, true, &a, &rcpt) == REPLY_NONE)
			check_path(rcpt.to, &a, "TO:", true);
		break;
	case VERB_BDAT:
		if (smtp_bdat_parse(args, &size, &last) == REPLY_NONE && size > INT64_MAX)
			abort();
		break;
	case VERB_AUTH:
		if (smtp_auth_parse(args, &name, &initial) == REPLY_NONE && !name.n)
			abort();
		break;
	case VERB_EHLO:
		if (smtp_helo_parse(args, &name) == REPLY_NONE && slice_find(name, ' ') >= 0)
			abort();
		break;
	default:
		break;
	}
	return 0;
}
