#include "relay/syslog.h"
#include "relay/inner.h"
#include "tls/tls.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECT_MS (10 * SECOND_MS)
#define WRITE_MS (30 * SECOND_MS)
#define IDLE_MS SECOND_MS
#define RETRY_FIRST_MS SECOND_MS
#define RETRY_MOST_MS MINUTE_MS
#define ACKED_MS (10 * SECOND_MS) /* for the other kernel to say that it has it */
#define ACK_LOOK_MS 20
#define STANDS_MS 100 /* a server that is going down has closed by then */

/* RFC 5424 table 1 and 2: facility "log audit", severities "warning" and "informational". */
#define PRI_REFUSED (13 * 8 + 4)
#define PRI_DONE (13 * 8 + 6)
#define MSGID_MOST 32
#define HOSTNAME_MOST 255

/* ---- messages ---- */

static void put_time(struct buf *b, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm;
	char text[32];
	if (gmtime_r(&s, &tm) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
		buf_printf(b, "%s.%03uZ", text, (unsigned)(ms % 1000));
	else
		buf_putc(b, '-');
}

/* PRINTUSASCII of at most that length, or the nil value. */
static void put_word(struct buf *b, const char *text, size_t most)
{
	size_t n = 0;
	for (; text[n] && n < most; n++)
		buf_putc(b, text[n] > 32 && text[n] < 127 ? text[n] : '?');
	if (!n)
		buf_putc(b, '-');
}

void syslog_put(struct buf *out, const char *hostname, const Sekisho__AuditLine *line)
{
	BUF_LOCAL(b, strlen(line->text) + 1024);
	buf_printf(&b, "<%d>1 ", line->refused ? PRI_REFUSED : PRI_DONE);
	put_time(&b, line->at_ms);
	buf_putc(&b, ' ');
	put_word(&b, hostname, HOSTNAME_MOST);
	buf_puts(&b, " sekisho - ");
	put_word(&b, line->act, MSGID_MOST);
	/* sequenceId goes from 1 to 2147483647 and then begins again (RFC 5424 7.3.1). */
	buf_printf(&b, " [meta sequenceId=\"%lld\"] ", (long long)((line->number - 1) % INT32_MAX + 1));
	buf_puts(&b, line->text);
	buf_printf(out, "%zu ", b.n);
	buf_put(out, buf_slice(&b));
}

/* ---- the connection ---- */

struct sender {
	const struct syslog_settings *settings;
	struct stream *stream; /* NULL: there is none */
	int64_t sent;    /* the log server has all up to here, and store does not know yet; 0: nothing */
	int64_t wait_ms; /* before the next attempt */
	bool failing;    /* told already */
};

static void failed(struct sender *s, const char *why)
{
	if (!s->failing)
		EVENT(AUDIT_UNSENT, KZ("host", s->settings->host), KZ("why", why));
	s->failing = true;
	if (s->stream)
		stream_close(s->stream);
	s->stream = NULL;
	poll(NULL, 0, (int)s->wait_ms);
	s->wait_ms = MIN(s->wait_ms * 2, RETRY_MOST_MS);
}

/* NULL: OK. */
static const char *handshake(struct sender *s, int fd)
{
	s->stream = stream_socket(fd);
	stream_timeout(s->stream, WRITE_MS);
	if (stream_tls_connect(s->stream, s->settings->verified, s->settings->host) != OK)
		return "no TLS, or its certificate is of no known authority";
	return tls_peer_is(stream_ssl(s->stream), s->settings->host) ? NULL
								     : "its certificate is for another name";
}

static const char *connect_to(struct sender *s)
{
	ARENA_LOCAL(a, 262144);
	const struct syslog_settings *c = s->settings;
	struct dns_ip_list ips = {0};
	struct dns_ip literal;
	int fd = -1, err = 0;
	if (dns_ip_read(slice_str(c->host), &literal) == OK) {
		fd = link_connect(&literal, c->port, CONNECT_MS, &err);
	} else {
		dns_ips(c->dns, slice_str(c->host), &a, &ips);
		for (size_t i = 0; i < ips.n && fd < 0; i++)
			fd = link_connect(&ips.ip[i], c->port, CONNECT_MS, &err);
	}
	if (fd < 0)
		return err ? strerrordesc_np(err) : "it has no address";
	return handshake(s, fd);
}

/* The other kernel has every octet, and nobody has closed. */
static bool arrived(struct stream *stream)
{
	int64_t end = clock_mono_ms() + ACKED_MS;
	for (;;) {
		struct tcp_info info = {0};
		socklen_t n = sizeof info;
		if (getsockopt(stream_fd(stream), IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
			return false;
		if (!info.tcpi_unacked && !info.tcpi_retrans)
			break;
		if (clock_mono_ms() > end)
			return false;
		poll(NULL, 0, ACK_LOOK_MS);
	}
	/* A log server says nothing (RFC 5425 4.4): whatever comes is its end. */
	return stream_wait(stream, STANDS_MS) == LATER;
}

static bool send_batch(struct sender *s, const Sekisho__AuditTakeAnswer *batch)
{
	BUF_LOCAL(text, (size_t)LIMIT_IPC_PACKET * 2);
	for (size_t i = 0; i < batch->n_lines; i++)
		syslog_put(&text, s->settings->hostname, batch->lines[i]);
	if (buf_result(&text) != OK)
		return false;
	stream_put(s->stream, buf_slice(&text));
	return stream_flush(s->stream) == OK && arrived(s->stream);
}

/* ---- the thread ---- */

static enum result take(struct sender *s, struct arena *a, Sekisho__AuditTakeAnswer **out)
{
	Sekisho__AuditTakeAsk ask = SEKISHO__AUDIT_TAKE_ASK__INIT;
	struct ipc *store = ipc_thread(s->settings->store);
	ask.sent = s->sent;
	enum result r = store ? ipc_call(store, ASK_STORE_AUDIT_TAKE, &ask, NULL, a, out, NULL) : LATER;
	if (r == OK)
		s->sent = 0;
	return r;
}

static void turn(struct sender *s)
{
	ARENA_LOCAL(a, (size_t)LIMIT_IPC_PACKET * 4);
	Sekisho__AuditTakeAnswer *batch = NULL;
	if (take(s, &a, &batch) != OK || !batch->n_lines) {
		poll(NULL, 0, IDLE_MS);
		return;
	}
	const char *why = s->stream ? NULL : connect_to(s);
	if (!why && !send_batch(s, batch))
		why = "the connection was lost";
	if (why) {
		failed(s, why);
		return;
	}
	s->sent = batch->lines[batch->n_lines - 1]->number;
	s->wait_ms = RETRY_FIRST_MS;
	s->failing = false;
	EVENT(AUDIT_SENT, KN("rows", batch->n_lines), KN("last", s->sent));
}

static void *work(void *arg)
{
	struct sender s = {.settings = arg, .wait_ms = RETRY_FIRST_MS};
	for (;;)
		turn(&s);
	return NULL;
}

void relay_syslog_start(const struct syslog_settings *settings)
{
	pthread_t t;
	if (pthread_create(&t, NULL, work, (void *)(uintptr_t)settings) != 0)
		abort();
	pthread_setname_np(t, "syslog");
	pthread_detach(t);
}
