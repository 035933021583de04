/*
 * draft: a message on its way into a mailbox: what APPEND and REPLACE collect from literals and from other messages.
 *
 * Its octets stand in a memory file. What arrives as text is put into the form that is kept: lines that end in a bare LF
 * get CRLF and a NUL becomes 80, so that all offsets are those of what is served later; bare CRs stay. What arrives as
 * literal8 (RFC 3516) is taken as it is; once scan has told the structure, binary parts become base64 and the rest text.
 */
#ifndef IMAP_DRAFT_H
#define IMAP_DRAFT_H

#include "session.h"

struct imap_draft {
	int fd;
	uint64_t octets; /* as they came */
	bool cr;         /* the last one was a CR */
	bool binary;     /* some came as literal8 */
	bool failed;     /* our own trouble: what came went nowhere */
};

void imap_draft_begin(struct imap_draft *d);
void imap_draft_end(struct imap_draft *d);
void imap_draft_put(struct imap_draft *d, struct slice octets, bool raw);
/* n octets from the client. GONE when it left. */
NODISCARD enum result imap_draft_read(struct imap *s, struct imap_draft *d, uint64_t n, bool raw);
/*
 * Seals it and has it scanned: the facts' answer is in the arena; got is the caller's to close. LATER: our own
 * trouble; FULL: larger than this server takes, now that its parts are encoded.
 */
NODISCARD enum result imap_draft_finish(struct imap *s, struct imap_draft *d, struct arena *a,
    Sekisho__ScanAnswer **answer_out, struct ipc_fds *got);

#endif
