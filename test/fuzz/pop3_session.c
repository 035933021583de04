/* A whole session: what a client says after login, or (first octet 'n') from the greeting on. */
#include "pop3/pop3.h"
#include "kit/mailboxes.h"
#include "kit/samples.h"

static struct mailboxes *boxes;
static struct pop3_service service;

static void begin(void)
{
	if (!boxes) {
		event_start("fuzz", EVENT_LOGFMT, EVENT_ERROR + 1);
		boxes = mailboxes_start();
		pop3_service_defaults(&service);
		service.implicit_tls = true;
		service.tls = SSL_CTX_new(TLS_server_method());
		service.store = mailboxes_store(boxes);
		service.keys = mailboxes_keys(boxes);
		service.issuer = "https://mx.our.example";
	}
	mailboxes_reset(boxes);
	mailboxes_add(boxes, "INBOX", sample_find(SLICE("plain")), 0, 1000);
	mailboxes_add(boxes, "INBOX", sample_find(SLICE("nested")), 1, 2000);
	mailboxes_add(boxes, "INBOX", sample_find(SLICE("dots")), 4, 3000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	BUF_LOCAL(out, 64 << 20);
	struct slice said = slice_of(data, n);
	const struct slice parts[] = {SLICE("USER user\r\nPASS pencil\r\n"), said};
	bool raw = n && data[0] == 'n';
	begin();
	struct stream *stream = stream_memory_parts(raw ? parts + 1 : parts, raw ? 1 : 2, 0, &out);
	struct session *s = pop3_session_new(&service, stream, "192.0.2.7", 1);
	while (s->ops->run(s) == SESSION_SLEEP)
		;
	s->ops->end(s);
	return 0;
}
