#include "samples.h"
#include <stdlib.h>

static const struct {
	const char *name, *text; /* LF becomes CRLF */
} samples[] = {
    {"plain",
	"From: Anna <anna@our.example>\nTo: \"Bob, the Builder\" <bob@our.example>\nSubject: Hello there\n"
	"Date: Mon, 01 Jan 2024 10:00:00 +0900\nMessage-ID: <1@our.example>\nX-Color: deep blue\n\nFirst "
	"line\n"
	"Second line\n"},
    {"multi", "From: anna@our.example\nTo: team: bob@our.example, eve@our.example;\nSubject: "
	      "=?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
	      "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b1\"\n\npreamble\n--b1\n"
	      "Content-Type: text/plain; charset=utf-8\n\nbody text\n--b1\nContent-Type: application/pdf; "
	      "name=\"a.pdf\"\n"
	      "Content-Disposition: attachment; filename=\"a.pdf\"\nContent-Transfer-Encoding: base64\n"
	      "Content-ID: <pdf@our.example>\nContent-Description: a paper\n\naGVsbG8=\n--b1--\nepilogue\n"},
    {"nested",
	"From: anna@our.example\nSubject: outer\nMIME-Version: 1.0\nContent-Type: multipart/mixed; "
	"boundary=o\n\n--o\n\n"
	"see below\n--o\nContent-Type: message/rfc822\n\nFrom: eve@other.example\nSubject: inner\n"
	"MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=i\n\n--i\n\ninner text\n--i\n"
	"Content-Type: text/html\n\n<p>inner html</p>\n--i--\n--o--\n"},
    {"japanese", "From: =?iso-2022-jp?b?GyRCO3NFRBsoQg==?= <yamada@our.example>\nTo: anna@our.example\n"
		 "Subject: =?iso-2022-jp?b?GyRCMnE1RBsoQg==?=\nDate: Tue, 02 Jan 2024 23:30:00 -0500\n"
		 "Content-Type: text/plain; charset=iso-2022-jp\n\n\x1b$B2q5D\x1b(B\n"},
    {"dots", "Subject: dots\n\n.\n..\n.x\nlast without end"},
};

/* 250,000 octets, so that it comes in pieces. */
static struct slice large(void)
{
	static struct buf b = {.max = 1 << 20};
	if (b.n)
		return buf_slice(&b);
	buf_puts(&b, "Subject: large\r\n\r\n");
	for (unsigned i = 0; i < 12500; i++)
		buf_printf(&b, "line %012u\r\n", i);
	return buf_slice(&b);
}

static struct slice with_crlf(const char *text)
{
	BUF_LOCAL(b, 1 << 16);
	for (; *text; text++)
		buf_puts(&b, *text == '\n' ? "\r\n" : (const char[]){*text, 0});
	char *copy = malloc(b.n);
	if (!copy)
		abort();
	memcpy(copy, b.p, b.n);
	return slice_of(copy, b.n);
}

struct slice sample_find(struct slice name)
{
	static struct slice made[COUNT(samples)];
	if (slice_eq(name, SLICE("large")))
		return large();
	for (size_t i = 0; i < COUNT(samples); i++) {
		if (!slice_eq(name, slice_str(samples[i].name)))
			continue;
		if (!made[i].p)
			made[i] = with_crlf(samples[i].text);
		return made[i];
	}
	return SLICE_NONE;
}
