/* A message's card: every part is read back as it was put, and no beginning of one is taken for more than it is. */
#include "mail/mail.h"
#include <stdlib.h>

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void read_back(const struct mail_card *made)
{
	BUF_LOCAL(first, 1 << 20);
	BUF_LOCAL(again, 1 << 20);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		struct mail_card read = {0};
		buf_clear(&first);
		buf_clear(&again);
		mail_card_put(made, i, &first);
		check(mail_card_get(buf_slice(&first), i, &read));
		mail_card_put(&read, i, &again);
		check(slice_eq(buf_slice(&first), buf_slice(&again)));
	}
}

/* Base subjects are their own base. */
static void subjects(struct slice text)
{
	BUF_LOCAL(once, 1 << 20);
	BUF_LOCAL(twice, 1 << 20);
	mail_subject_base(text, &once);
	mail_subject_base(buf_slice(&once), &twice);
	check(slice_eq(buf_slice(&once), buf_slice(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	ARENA_LOCAL(a, (size_t)64 << 20);
	struct slice input = slice_of(data, size);
	Sekisho__Facts *facts;
	struct mail_card card = {0};
	if (size > 65536)
		return 0;
	if (mail_facts_extract(input, &a, &facts) == OK && mail_card_make(facts, &a, &card))
		read_back(&card);
	subjects(input);
	for (unsigned i = 0; i < MAIL_CARD_PARTS; i++) {
		struct mail_card any = {0};
		if (mail_card_get(input, i, &any))
			read_back(&any);
	}
	struct mail_card_list list = mail_card_list_of(input);
	while (mail_card_list_next(&list))
		check(list.record.n <= size);
	return 0;
}
