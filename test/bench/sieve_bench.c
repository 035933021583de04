/* What a filter of so many rules costs: compiling and running it on a message with 40 fields, thread CPU time. */
#include "sieve/sieve.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

int main(void)
{
	unsigned rules = 100, rounds = 2000;
	BUF_LOCAL(script, 1 << 20);
	BUF_LOCAL(message, 1 << 20);
	buf_puts(
	    &script, "require [\"fileinto\", \"envelope\", \"variables\", \"imap4flags\", \"regex\"];\n");
	for (unsigned i = 0; i < rules; i++) {
		if (i % 4 == 0)
			buf_printf(&script,
			    "if header :contains [\"subject\", \"list-id\"] [\"topic-%u\", \"news\"]", i);
		else if (i % 4 == 1)
			buf_printf(
			    &script, "if address :is :domain [\"from\", \"sender\"] \"host-%u.example\"", i);
		else if (i % 4 == 2)
			buf_printf(&script, "if header :matches \"subject\" \"[team%u] *\"", i);
		else
			buf_printf(&script, "if anyof (exists \"x-rule-%u\", size :over 50M)", i);
		buf_printf(&script, " { addflag \"r%u\"; fileinto \"Folder/%u\"; stop; }\n", i, i);
	}
	for (unsigned i = 0; i < 35; i++)
		buf_printf(
		    &message, "X-Header-%u: some value of usual length, number %u, with words\r\n", i, i);
	buf_puts(&message,
	    "From: \"A. Person\" <person@company.example>\r\nTo: me@example.com, you@example.com\r\n"
	    "Subject: =?utf-8?B?6KuL5rGC5pu4?= for the meeting on Monday\r\nList-Id: "
	    "<all.company.example>\r\n"
	    "Message-ID: <123@company.example>\r\n\r\n");
	for (unsigned i = 0; i < 200; i++)
		buf_puts(&message, "A line of text in the body of the message, as people write them.\r\n");
	ARENA_LOCAL(facts_arena, (size_t)16 << 20);
	Sekisho__Facts *facts;
	if (mail_facts_extract(buf_slice(&message), &facts_arena, &facts) != OK)
		return 1;
	struct sieve_message m = {buf_slice(&message), facts};
	struct sieve_env env = {.has_envelope = true,
	    .from = SLICE("person@company.example"),
	    .to = SLICE("me@example.com"),
	    .limits = sieve_limits_default()};
	struct sieve_options how = {.limits = env.limits};
	double compile = 0, run = 0;
	for (unsigned i = 0; i < rounds; i++) {
		ARENA_LOCAL(a, (size_t)16 << 20);
		struct sieve_errors errors;
		struct sieve_script *s;
		struct sieve_result result;
		double start = cpu_us();
		if (sieve_compile(buf_slice(&script), &how, &a, &errors, &s) != OK)
			return 1;
		double compiled = cpu_us();
		sieve_run(s, &m, &env, &a, &result);
		double done = cpu_us();
		compile += compiled - start;
		run += done - compiled;
		if (result.end != SIEVE_DONE || result.action_count != 1)
			return 1;
	}
	printf("%u rules: compile %.1f us, run %.1f us, together %.1f us of CPU\n", rules, compile / rounds,
	    run / rounds, (compile + run) / rounds);
	return 0;
}
