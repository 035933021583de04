/* A whole session: what a client says after login, or (first octet 'n') from the greeting on. */
#include "kit/mailboxes.h"
#include "managesieve/managesieve.h"

static struct mailboxes *boxes;
static struct managesieve_service service;

static void begin(void)
{
	if (!boxes) {
		event_start("fuzz", EVENT_LOGFMT, EVENT_ERROR + 1);
		boxes = mailboxes_start();
		managesieve_service_defaults(&service);
		service.tls = SSL_CTX_new(TLS_server_method());
		service.extensions = SLICE("fileinto");
		service.notify = SLICE("mailto");
		service.store = mailboxes_store(boxes);
		service.keys = mailboxes_keys(boxes);
		service.issuer = "https://mx.our.example";
		service.scan = mailboxes_scan(boxes);
	}
	mailboxes_reset(boxes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	BUF_LOCAL(out, 64 << 20);
	struct slice said = slice_of(data, n);
	const struct slice parts[] = {
	    SLICE("STARTTLS\r\n"), SLICE("AUTHENTICATE \"PLAIN\" \"AHVzZXIAcGVuY2ls\"\r\n"), said};
	bool raw = n && data[0] == 'n';
	begin();
	struct stream *stream = stream_memory_parts(raw ? parts + 2 : parts, raw ? 1 : 3, 0, &out);
	struct session *s = managesieve_session_new(&service, stream, "192.0.2.7", 1);
	while (s->ops->run(s) == SESSION_SLEEP)
		;
	s->ops->end(s);
	return 0;
}
