/* mail: the message that carries a report: RFC 9990 3.5.2, RFC 8460 5.3. */
#include "report/inner.h"
#include "mail/build.h"

void report_file_name(const struct report_about *about, bool tls, struct buf *b)
{
	buf_printf(b, SLICE_FMT "!" SLICE_FMT "!%lld!%lld!" SLICE_FMT "%s", SLICE_ARG(about->submitter),
	    SLICE_ARG(about->domain), (long long)about->begin_s, (long long)about->end_s,
	    SLICE_ARG(about->id), tls ? ".json.gz" : ".xml.gz");
}

static void put_to(const struct report_mail *m, struct buf *b)
{
	BUF_LOCAL(list, 8192);
	for (size_t i = 0; i < m->n_to; i++) {
		buf_puts(&list, i ? ", " : "");
		buf_put(&list, m->to[i]);
	}
	mail_put_raw(b, SLICE("To"), buf_slice(&list));
}

static void put_subject(const struct report_mail *m, struct buf *b)
{
	BUF_LOCAL(subject, 2000);
	buf_printf(&subject,
	    "Report Domain: " SLICE_FMT " Submitter: " SLICE_FMT " Report-ID: <" SLICE_FMT ">",
	    SLICE_ARG(m->about->domain), SLICE_ARG(m->about->submitter), SLICE_ARG(m->about->id));
	mail_put_text(b, SLICE("Subject"), buf_slice(&subject));
}

static void put_header(const struct report_mail *m, const char *boundary, struct buf *b)
{
	BUF_LOCAL(id, 600);
	buf_puts(&id, "<");
	mail_id_make(&id, m->host);
	buf_puts(&id, ">");
	mail_put_date(b, SLICE("Date"), (struct mail_date){.ms = m->now_ms});
	mail_put_raw(b, SLICE("From"), m->about->email);
	put_to(m, b);
	mail_put_raw(b, SLICE("Message-ID"), buf_slice(&id));
	put_subject(m, b);
	if (m->tls) {
		mail_put_raw(b, SLICE("TLS-Report-Domain"), m->about->domain);
		mail_put_raw(b, SLICE("TLS-Report-Submitter"), m->about->submitter);
		/* RFC 8689 5, as RFC 8460 5.3 wishes: the report must come through where TLS is what fails. */
		mail_put_raw(b, SLICE("TLS-Required"), SLICE("No"));
	}
	buf_puts(b, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
	buf_printf(b, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n",
	    m->tls ? "report; report-type=\"tlsrpt\"" : "mixed", boundary);
}

void report_mail_put(const struct report_mail *m, struct buf *b)
{
	char boundary[MAIL_BOUNDARY + 1];
	BUF_LOCAL(name, 2000);
	BUF_LOCAL(text, 2000);
	mail_boundary_make(boundary);
	put_header(m, boundary, b);
	mail_put_boundary(b, boundary, false);
	buf_printf(&text, "This is an aggregate %s report from " SLICE_FMT " about " SLICE_FMT ".\n",
	    m->tls ? "TLS" : "DMARC", SLICE_ARG(m->about->submitter), SLICE_ARG(m->about->domain));
	mail_put_text_part(b, SLICE("plain"), buf_slice(&text));
	mail_put_boundary(b, boundary, false);
	report_file_name(m->about, m->tls, &name);
	buf_printf(b, "Content-Type: application/%s", m->tls ? "tlsrpt+gzip" : "gzip");
	mail_put_param(b, SLICE("name"), buf_slice(&name));
	buf_puts(b, "\r\nContent-Disposition: attachment");
	mail_put_param(b, SLICE("filename"), buf_slice(&name));
	buf_puts(b, "\r\nContent-Transfer-Encoding: base64\r\n\r\n");
	mail_put_base64(b, m->packed);
	mail_put_boundary(b, boundary, true);
}
