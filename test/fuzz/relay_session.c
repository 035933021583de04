/*
 * relay: whatever a server answers, a message over one connection ends: each recipient is decided or open with a reason,
 * the octets are the same however the answers arrive, and no bare CR or LF is ever said. The first octet says what the
 * server is able to.
 */
#include "relay/inner.h"
#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define TEXT "Subject: x\r\n\r\n.dot\r\n..\r\nlast"

static void check_lines(struct slice said)
{
	for (size_t i = 0; i < said.n; i++) {
		assert(said.p[i] != '\n' || (i > 0 && said.p[i - 1] == '\r'));
		assert(said.p[i] != '\r' || i + 1 == said.n || said.p[i + 1] == '\n');
	}
}

static void check_outcomes(const struct delivery *d)
{
	size_t done = 0;
	for (size_t i = 0; i < d->job->rcpts_n; i++) {
		const struct rcpt *r = &d->job->rcpts[i];
		assert(r->state != RCPT_ACCEPTED);
		assert(r->state == RCPT_DONE || r->why.status[0] || d->why.status[0]);
		done += r->state == RCPT_DONE;
	}
	assert(done == d->outcomes_n);
}

static void run(uint8_t able, struct slice answers, size_t step, struct buf *said)
{
	struct relay_settings settings = {.hostname = "relay.test"};
	Sekisho__Addr sender = SEKISHO__ADDR__INIT,
		      to[3] = {SEKISHO__ADDR__INIT, SEKISHO__ADDR__INIT, SEKISHO__ADDR__INIT};
	Sekisho__JobRcpt rcpt_msgs[3];
	struct rcpt rcpts[3];
	Sekisho__Job msg = SEKISHO__JOB__INIT;
	for (int i = 0; i < 3; i++) {
		rcpt_msgs[i] = (Sekisho__JobRcpt)SEKISHO__JOB_RCPT__INIT;
		to[i].local = (ProtobufCBinaryData){1, (uint8_t *)"abc" + i};
		to[i].domain = (ProtobufCBinaryData){8, (uint8_t *)"one.test"};
		rcpt_msgs[i].addr = &to[i];
		rcpts[i] = (struct rcpt){.msg = &rcpt_msgs[i]};
	}
	msg.sender = &sender;
	msg.has_data = true;
	msg.data = (ProtobufCBinaryData){sizeof TEXT - 1, (uint8_t *)TEXT};
	msg.size = msg.data.len;
	msg.smtputf8 = able & 64;
	struct job job = {.msg = &msg, .rcpts = rcpts, .rcpts_n = 3};
	struct delivery d = {.settings = &settings, .job = &job};
	d.outcomes_end = &d.outcomes;
	arena_init(&d.arena, 1 << 20);
	struct link l = {.stream = stream_memory(answers, step, said), .host = "mx.test", .ip = "192.0.2.1"};
	l.caps = (struct caps){.ehlo = true,
	    .pipelining = able & 1,
	    .chunking = able & 2,
	    .dsn = able & 4,
	    .size = able & 8,
	    .eightbit = able & 16,
	    .rcptmax = able & 32 ? 2 : 0,
	    .smtputf8 = able & 128};
	send_message(&d, &l);
	check_outcomes(&d);
	stream_close(l.stream);
	for (struct outcome *o; (o = d.outcomes); free(o))
		d.outcomes = o->next;
	arena_free(&d.arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 2 || n > 4096)
		return 0;
	BUF_LOCAL(whole, 1 << 20);
	BUF_LOCAL(pieces, 1 << 20);
	run(data[0], slice_of(data + 2, n - 2), 0, &whole);
	run(data[0], slice_of(data + 2, n - 2), (size_t)data[1] % 16 + 1, &pieces);
	check_lines(buf_slice(&whole));
	check_lines(buf_slice(&pieces));
	return 0;
}
