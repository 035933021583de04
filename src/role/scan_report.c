/* scan's part in reports about mail: reading those that come, and where those that go are wanted. */
#include "mail/mail.h"
#include "report/report.h"
#include "role/scan.h"
#include "trust/trust.h"

#define INLINE_MOST 65536
#define PACKED_MOST ((size_t)64 << 20)
#define NAMES_MOST 50 /* sources whose names are asked for */
#define NAMES_MS (10 * SECOND_MS)
#define TARGETS_MS (15 * SECOND_MS)

static struct dns *resolver_of(struct ipc_turn *t, int64_t ms, struct dns_trunk *dns)
{
	const struct run *r = ipc_server_context(t);
	dns_trunk_init(dns, r->trunks[ROLE_RESOLVER]);
	dns->until_ms = clock_mono_ms() + ms;
	return &dns->dns;
}

/* ---- names of sources ---- */

static void name_source(struct ipc_turn *t, struct dns *dns, Sekisho__DmarcSource *s)
{
	struct dns_ip ip;
	const char *name;
	if (*s->host || dns_ip_read(slice_str(s->ip), &ip) != OK ||
	    iprev_check(&ip, dns, &t->arena, &name) != IPREV_PASS)
		return;
	s->host = arena_z(&t->arena, slice_str(name));
	s->organisation = arena_z(&t->arena, dmarc_listed_organisation(slice_str(name)));
}

/* Those that do not pass come first: they are whom somebody will ask about. */
static void name_sources(struct ipc_turn *t, Sekisho__DmarcReport *d)
{
	struct dns_trunk trunk;
	struct dns *dns = resolver_of(t, NAMES_MS, &trunk);
	unsigned asked = 0;
	for (int passing = 0; passing <= 1; passing++)
		for (size_t i = 0; i < d->n_sources && asked < NAMES_MOST && clock_mono_ms() < trunk.until_ms;
		     i++) {
			Sekisho__DmarcSource *s = d->sources[i];
			if ((s->spf_aligned || s->dkim_aligned) == passing && *s->ip) {
				name_source(t, dns, s);
				asked++;
			}
		}
}

/* ---- reading ---- */

static void answer_report(struct ipc_turn *t, const Sekisho__Report *report)
{
	Sekisho__ReadReportAnswer answer = SEKISHO__READ_REPORT_ANSWER__INIT;
	BUF_LOCAL(packed, PACKED_MOST);
	ipc_pack(report, &packed);
	if (arena_full(&t->arena) || buf_result(&packed) != OK) {
		ipc_refuse(t, FULL, "the report says too much");
		return;
	}
	if (packed.n <= INLINE_MOST) {
		answer.report = (ProtobufCBinaryData){packed.n, (uint8_t *)packed.p};
		ipc_answer(t, &answer, NULL);
		return;
	}
	FD_LOCAL fd = fd_memory("report");
	if (fd < 0 || fd_write_all(fd, buf_slice(&packed)) != OK || fd_seal(fd) != OK) {
		ipc_refuse(t, LATER, "no memory for the report");
		return;
	}
	answer.in_fd = true;
	struct ipc_fds fds = {.fd = {fd}, .n = 1};
	ipc_answer(t, &answer, &fds);
}

void scan_report(struct ipc_turn *t)
{
	struct slice message;
	Sekisho__Facts *facts;
	Sekisho__Report *report = NULL;
	if (!scan_map_message(t, &message))
		return;
	scan_hand_take();
	enum result r = mail_facts_extract(message, &t->arena, &facts);
	if (r == OK)
		r = report_read(message, facts, &t->arena, &report);
	scan_hand_give();
	fd_unmap(&message);
	if (r == OK && report->kind == SEKISHO__REPORT__KIND__DMARC)
		name_sources(t, report->dmarc);
	if (r == OK)
		answer_report(t, report);
	else
		ipc_refuse(t, r, "the message cannot be analysed");
}

void scan_report_targets(struct ipc_turn *t)
{
	struct dns_trunk trunk;
	Sekisho__ReportTargetsAnswer answer;
	if (report_targets(t->ask, resolver_of(t, TARGETS_MS, &trunk), &t->arena, &answer))
		ipc_answer(t, &answer, NULL);
	else
		ipc_refuse(t, LATER, "no memory");
}
