/*
 * smtp: each sequence that the public smuggling scanners try as a false end of data (corpora/smtp-smuggling), by DATA and
 * by BDAT, with and without a second envelope behind it, with the input cut at each place: never two messages, and never
 * a command out of the text.
 */
#include "kit/corpora.h"
#include "kit/roles.h"
#include "smtp/smtp.h"
#include <jansson.h>
#include <stdio.h>

static struct roles *roles;
static struct smtp_service service;
static int runs, failures;

#define HELLO "EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<anna@our.example>\r\n"
#define FIRST "Subject: first\r\n\r\none"
#define SECOND "MAIL FROM:<evil@b.example>\r\nRCPT TO:<bob@our.example>\r\nDATA\r\nSubject: second\r\n\r\ntwo"

static unsigned count(struct slice text, struct slice what)
{
	unsigned n = 0;
	for (ptrdiff_t at; (at = slice_search(text, what)) >= 0; n++)
		text = slice_sub(text, (size_t)at + what.n, text.n);
	return n;
}

/* All sequences hold a bare CR, a bare LF or a NUL: none of them may be delivered at all. */
static void run(struct slice input, size_t cut, size_t step, const char *what)
{
	BUF_LOCAL(output, 1 << 20);
	struct slice parts[2] = {slice_sub(input, 0, cut), slice_sub(input, cut, input.n)};
	roles_reset(roles);
	struct stream *stream = stream_memory_parts(parts, 2, step, &output);
	struct session *session = smtp_session_new(&service, stream, "192.0.2.1", 1);
	while (session->ops->run(session) == SESSION_SLEEP)
		;
	session->ops->end(session);
	struct slice said = buf_slice(&output);
	runs++;
	bool ok = roles_asked(roles, ASK_STORE_DELIVER) == 0 && count(said, SLICE("\r\n550 5.6.0 ")) == 1 &&
		  count(said, SLICE("250 2.1.0 ")) == 1 &&
		  slice_iends(said, SLICE("221 2.0.0 until next time\r\n"));
	if (!ok) {
		printf("    %s, cut at %zu\n" SLICE_FMT, what, cut, SLICE_ARG(said));
		failures++;
	}
}

static void run_cuts(const struct buf *input, const char *what)
{
	run(buf_slice(input), 0, 0, what);
	run(buf_slice(input), 0, 1, what);
	for (size_t cut = 1; cut < input->n; cut++)
		run(buf_slice(input), cut, 0, what);
}

static void try_sequence(struct slice sequence, bool second)
{
	BUF_LOCAL(text, 10000);
	BUF_LOCAL(data, 10000);
	BUF_LOCAL(bdat, 10000);
	buf_puts(&text, FIRST);
	buf_put(&text, sequence);
	if (second)
		buf_puts(&text, SECOND);
	buf_puts(&text, "\r\n");
	buf_puts(&data, HELLO "DATA\r\n");
	buf_put(&data, buf_slice(&text));
	buf_puts(&data, ".\r\nQUIT\r\n");
	run_cuts(&data, "DATA");
	buf_printf(&bdat, HELLO "BDAT %zu LAST\r\n", text.n);
	buf_put(&bdat, buf_slice(&text));
	buf_puts(&bdat, "QUIT\r\n");
	run_cuts(&bdat, "BDAT");
}

static int try_all(json_t *list)
{
	int n = 0;
	const char *key;
	size_t i;
	json_t *sequence;
	if (json_is_object(list)) {
		json_object_foreach(list, key, sequence)
		{
			struct slice s = slice_of(json_string_value(sequence), json_string_length(sequence));
			try_sequence(s, true);
			try_sequence(s, false);
			n++;
		}
	}
	json_array_foreach(list, i, sequence)
	{
		struct slice s = slice_of(json_string_value(sequence), json_string_length(sequence));
		try_sequence(s, true);
		try_sequence(s, false);
		n++;
	}
	return n;
}

int main(void)
{
	event_start("test", EVENT_LOGFMT, EVENT_ERROR + 1);
	BUF_LOCAL(file, 1 << 20);
	if (!corpora_read("smtp-smuggling/sequences.json", &file))
		return KIT_SKIPPED;
	json_t *top = json_loadb(file.p, file.n, JSON_ALLOW_NUL, NULL);
	roles = roles_start();
	service = (struct smtp_service){.name = "smtp", .hostname = "mx.our.example"};
	smtp_service_defaults(&service);
	service.greeting_ms = 0;
	service.store = roles_store(roles, false);
	service.scan = roles_scan(roles, false);
	int sequences = 0;
	const char *key;
	json_t *list;
	json_object_foreach(top, key, list)
	{
		sequences += try_all(list);
	}
	json_decref(top);
	printf("%d sequences, %d sessions, %d failures\n", sequences, runs, failures);
	return failures || sequences < 26;
}
