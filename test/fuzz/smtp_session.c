/*
 * A whole SMTP session with the other roles answering. The first octet chooses the service and how the input is cut; 0xfe ends
 * what the client says before it waits (a handshake can stand there).
 *
 * Whatever comes in: answers are well-formed lines, what was promised was delivered, and nothing is held in the end.
 */
#include "kit/roles.h"
#include "smtp/smtp.h"
#include <stdlib.h>

#define PARTS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct roles *roles;
static SSL_CTX *tls;
static struct smtp_budget budget = {.most = 100000};

static void start(void)
{
	if (roles)
		return;
	event_start("fuzz", EVENT_LOGFMT, EVENT_ERROR + 1);
	roles = roles_start();
	tls = SSL_CTX_new(TLS_server_method());
}

static size_t cut(struct slice input, struct slice parts[PARTS])
{
	size_t n = 0;
	while (input.n && n < PARTS)
		parts[n++] = slice_split(&input, '\xfe');
	return n;
}

static void check_line(struct slice line)
{
	bool ok = line.n >= 4 && line.n <= 512 && line.p[line.n - 1] == '\r' && line.p[0] >= '2' &&
		  line.p[0] <= '5' && ascii_digit(line.p[1]) && ascii_digit(line.p[2]) &&
		  (line.p[3] == ' ' || line.p[3] == '-');
	for (size_t i = 0; i + 1 < line.n; i++)
		ok = ok && line.p[i] >= ' ' && line.p[i] < 0x7f;
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n < 1 || n > 65536)
		return 0;
	start();
	BUF_LOCAL(output, 1 << 24);
	struct slice parts[PARTS];
	size_t count = cut(slice_of(data + 1, n - 1), parts);
	struct smtp_service service = {
	    .name = "fuzz", .hostname = "mx.our.example", .submission = data[0] & 1, .tls = tls};
	smtp_service_defaults(&service);
	service.implicit_tls = data[0] & 2;
	service.greeting_ms = 0;
	service.message_size = 20000;
	service.rcpts = 20;
	service.store = roles_store(roles, service.submission);
	service.scan = roles_scan(roles, service.submission);
	service.keys = roles_keys(roles);
	service.budget = &budget;
	roles_reset(roles);
	struct stream *stream = stream_memory_parts(parts, count, data[0] >> 2 & 15, &output);
	struct session *session = smtp_session_new(&service, stream, "192.0.2.1", 1);
	while (session->ops->run(session) == SESSION_SLEEP)
		;
	session->ops->end(session);
	unsigned kept = 0;
	for (struct slice rest = buf_slice(&output); rest.n;) {
		struct slice line = slice_split(&rest, '\n');
		check_line(line);
		kept += slice_starts(line, SLICE("250 2.0.0 kept as "));
	}
	if (kept != roles_asked(roles, ASK_STORE_DELIVER) || budget.used ||
	    slice_search(roles_log(roles), SLICE("\nstore deliver BROKEN")) >= 0)
		abort();
	return 0;
}
