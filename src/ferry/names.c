#include "ferry/inner.h"
#include "imap/utf7.h"
#include <openssl/sha.h>

#define NAME_MOST (LIMIT_MAILBOX_NAME - 20) /* room for a hash */

/* ---- names the store takes ---- */

static void put_level(struct buf *out, struct slice level)
{
	BUF_LOCAL(utf8, level.n * 2 + 1);
	if (!slice_is_utf8(level)) { /* Latin-1, the likeliest */
		for (size_t i = 0; i < level.n; i++) {
			unsigned char ch = (unsigned char)level.p[i];
			if (ch >= 0x80)
				buf_putc(&utf8, (char)(0xc0 | ch >> 6));
			buf_putc(&utf8, ch >= 0x80 ? (char)(0x80 | (ch & 0x3f)) : (char)ch);
		}
		level = buf_slice(&utf8);
	}
	if (!level.n)
		buf_putc(out, '_');
	for (size_t i = 0; i < level.n; i++) {
		bool bad = (unsigned char)level.p[i] < ' ' || level.p[i] == 0x7f || level.p[i] == '/';
		buf_putc(out, bad ? '_' : level.p[i]);
	}
}

/* Cut where a character begins; what names the whole is added. */
static void cut(struct buf *name)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	if (name->n <= NAME_MOST)
		return;
	SHA256((const uint8_t *)name->p, name->n, digest);
	size_t n = NAME_MOST - 1;
	while (n && ((unsigned char)name->p[n] & 0xc0) == 0x80)
		n--;
	while (n && name->p[n - 1] == '/')
		n--;
	name->n = n;
	buf_putc(name, '~');
	buf_hex(name, slice_of(digest, 8));
}

void ferry_name(struct buf *out, const char *into, const struct slice *levels, size_t n)
{
	BUF_LOCAL(name, 65536);
	unsigned depth = 0;
	bool inbox = n && slice_ieq(levels[0], SLICE("INBOX"));
	if (into) {
		buf_puts(&name, into);
		for (const char *p = into; *p; p++)
			depth += *p == '/';
		depth++;
	}
	for (size_t i = into && inbox ? 1 : 0; i < n; i++) {
		if (name.n)
			buf_putc(&name, depth < LIMIT_MAILBOX_LEVELS ? '/' : '_');
		depth++;
		if (i == 0 && inbox)
			buf_puts(&name, "INBOX");
		else
			put_level(&name, levels[i]);
	}
	if (!name.n)
		buf_puts(&name, "INBOX");
	cut(&name);
	buf_put(out, buf_slice(&name));
}

/* ---- modified UTF-7 ---- */

/* "&AC4-" is '.', which a strict decoder refuses: printable ASCII needs no shift. Maildir has a use for it. */
static void plain_dots(struct slice name, struct buf *out)
{
	while (name.n) {
		if (slice_starts(name, SLICE("&AC4-"))) {
			buf_putc(out, '.');
			name = slice_sub(name, 5, name.n);
		} else {
			buf_putc(out, name.p[0]);
			name = slice_sub(name, 1, name.n);
		}
	}
}

void ferry_utf7(struct slice name, struct buf *utf8)
{
	BUF_LOCAL(dots, name.n + 1);
	size_t start = utf8->n;
	plain_dots(name, &dots);
	if (imap_utf7_decode(buf_slice(&dots), utf8) == OK)
		return;
	utf8->n = start;
	utf8->over = false;
	buf_put(utf8, name);
}

void ferry_put_maildir_level(struct buf *out, struct slice level)
{
	BUF_LOCAL(utf7, level.n * 4 + 16);
	imap_utf7_encode(level, &utf7);
	for (size_t i = 0; i < utf7.n; i++)
		if (utf7.p[i] == '.')
			buf_puts(out, "&AC4-");
		else if (utf7.p[i] == '/')
			buf_putc(out, '_');
		else
			buf_putc(out, utf7.p[i]);
}

/* ---- names of files ---- */

void ferry_put_file_name(struct buf *out, struct slice level)
{
	for (size_t i = 0; i < level.n; i++) {
		unsigned char ch = (unsigned char)level.p[i];
		bool bad = ch < ' ' || ch == 0x7f || ch == '/' || ch == '%' || (ch == '.' && i == 0);
		if (bad)
			buf_printf(out, "%%%02X", ch);
		else
			buf_putc(out, (char)ch);
	}
}

void ferry_get_file_name(struct slice name, struct buf *out)
{
	for (size_t i = 0; i < name.n; i++) {
		BUF_LOCAL(one, 1);
		if (name.p[i] == '%' && i + 2 < name.n && hex_decode(slice_sub(name, i + 1, 2), &one) == OK) {
			buf_put(out, buf_slice(&one));
			i += 2;
		} else {
			buf_putc(out, name.p[i]);
		}
	}
}
