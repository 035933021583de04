/*
 * NOTIFY (RFC 5465): what a client says behind "n NOTIFY SET ", then everything that can happen to mailboxes, with none
 * selected and with one. After NOTIFY NONE nothing is heard of any of it.
 */
#include "imap/imap.h"
#include "kit/mailboxes.h"
#include "kit/samples.h"
#include <stdlib.h>

#define HAPPENS                                                                                              \
	"e STATUS \"!append Work\" (MESSAGES)\r\ne STATUS \"!flag Work 1 3\" (MESSAGES)\r\n"                 \
	"e STATUS \"!keyword INBOX 1 $x\" (MESSAGES)\r\ne STATUS \"!expunge Work 1\" (MESSAGES)\r\n"         \
	"e STATUS \"!create New\" (MESSAGES)\r\ne STATUS \"!rename New Newer\" (MESSAGES)\r\n"               \
	"e STATUS \"!annotate Work /shared/comment\" (MESSAGES)\r\n"                                         \
	"e STATUS \"!append INBOX\" (MESSAGES)\r\ne STATUS \"!delete Newer\" (MESSAGES)\r\ne NOOP\r\n"
#define ENDING "NothingMore"

static struct mailboxes *boxes;
static struct imap_service service;

static void begin(void)
{
	if (!boxes) {
		event_start("fuzz", EVENT_LOGFMT, EVENT_ERROR + 1);
		boxes = mailboxes_start();
		imap_service_defaults(&service);
		service.implicit_tls = true;
		service.tls = SSL_CTX_new(TLS_server_method());
		service.store = mailboxes_store(boxes);
		service.keys = mailboxes_keys(boxes);
		service.scan = mailboxes_scan(boxes);
	}
	mailboxes_reset(boxes);
	mailboxes_add(boxes, "INBOX", sample_find(SLICE("plain")), 0, 1000);
	mailboxes_add(boxes, "Sent", sample_find(SLICE("nested")), 1, 2000);
}

static void check_silence(struct slice out)
{
	static const char *const told[] = {"* STATUS", "* LIST", "* METADATA", "* LSUB"};
	ptrdiff_t at = slice_search(out, SLICE(ENDING " OK"));
	struct slice rest = slice_sub(out, (size_t)MAX(at, 0), out.n);
	for (size_t i = 0; at >= 0 && i < COUNT(told); i++)
		if (slice_search(rest, slice_str(told[i])) >= 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	BUF_LOCAL(out, 64 << 20);
	struct slice said = slice_of(data, n);
	const struct slice parts[] = {SLICE("a LOGIN user pencil\r\nb CREATE Work\r\nb CREATE Work/Sub\r\n"
					    "b SUBSCRIBE Work\r\nn NOTIFY SET "),
	    said,
	    SLICE("\r\n" HAPPENS "f SELECT INBOX\r\n" HAPPENS "g UNSELECT\r\n" ENDING
		  " NOTIFY NONE\r\n" HAPPENS)};
	begin();
	struct stream *stream = stream_memory_parts(parts, COUNT(parts), 0, &out);
	struct session *s = imap_session_new(&service, stream, "192.0.2.7", 1);
	while (s->ops->run(s) == SESSION_SLEEP)
		;
	s->ops->end(s);
	if (slice_search(said, SLICE(ENDING)) < 0)
		check_silence(buf_slice(&out));
	return 0;
}
