/*
 * mail_explain: for the tests on public message sets. One JSON object a line for each file named:
 * {"file", "us", "memory", "explain": mail_explain_json, "facts": mail_explain_facts_json}
 *
 *   mail_explain [--crlf] FILE...     --crlf: bare LF becomes CRLF first, as SMTP would have it
 *   mail_explain --time N FILE...     CPU time of one extraction of facts, the mean of N, for each file
 */
#include "mail/mail.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool file_read(const char *name, bool crlf, struct buf *out)
{
	FILE *f = fopen(name, "rbe");
	if (!f)
		return false;
	int last = 0;
	for (int c; (c = getc(f)) != EOF; last = c) {
		if (crlf && c == '\n' && last != '\r')
			buf_putc(out, '\r');
		buf_putc(out, (char)c);
	}
	fclose(f);
	return !out->over;
}

static void explain(const char *name, bool crlf)
{
	BUF_LOCAL(message, (size_t)256 << 20);
	BUF_LOCAL(explained, (size_t)1 << 30);
	if (!file_read(name, crlf, &message)) {
		fprintf(stderr, "cannot read %s\n", name);
		exit(1);
	}
	ARENA_LOCAL(a, (size_t)64 << 20);
	Sekisho__Facts *facts;
	int64_t start = clock_mono_us();
	enum result r = mail_facts_extract(buf_slice(&message), &a, &facts);
	int64_t us = clock_mono_us() - start;
	if (r != OK || mail_explain_json(buf_slice(&message), &explained) != OK) {
		fprintf(stderr, "%s: no facts\n", name);
		exit(1);
	}
	printf("{\"file\":\"%s\",\"us\":%lld,\"memory\":%zu,\"explain\":", name, (long long)us, a.used);
	fwrite(explained.p, 1, explained.n, stdout);
	buf_clear(&explained);
	mail_explain_facts_json(facts, &explained);
	printf(",\"facts\":");
	fwrite(explained.p, 1, explained.n, stdout);
	printf("}\n");
}

static void time_it(const char *name, unsigned rounds)
{
	BUF_LOCAL(message, (size_t)256 << 20);
	if (!file_read(name, true, &message) || rounds == 0)
		exit(1);
	clock_t start = clock();
	for (unsigned i = 0; i < rounds; i++) {
		ARENA_LOCAL(a, (size_t)64 << 20);
		Sekisho__Facts *facts;
		if (mail_facts_extract(buf_slice(&message), &a, &facts) != OK)
			exit(1);
	}
	double us = (double)(clock() - start) * 1e6 / CLOCKS_PER_SEC / rounds;
	printf("%8.1f us %9zu octets %s\n", us, message.n, name);
}

int main(int argc, char **argv)
{
	uint32_t rounds = 0;
	if (argc > 3 && strcmp(argv[1], "--time") == 0) {
		if (num_u32(slice_str(argv[2]), 1000000, &rounds) != OK)
			return 1;
		for (int i = 3; i < argc; i++)
			time_it(argv[i], rounds);
		return 0;
	}
	bool crlf = argc > 1 && strcmp(argv[1], "--crlf") == 0;
	for (int i = crlf ? 2 : 1; i < argc; i++)
		explain(argv[i], crlf);
	return ferror(stdout) ? 1 : 0;
}
