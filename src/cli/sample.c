#include "cli/cli.h"
#include "cli/demo.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <time.h>
#include <unistd.h>

/*
 * The demo's first mails, handed in at its own port 25 as another server would. $TO, $DATE and $ID are filled in.
 * The third is in ISO-2022-JP, as much mail in Japan still is.
 */
#define PATIENCE_MS (30 * SECOND_MS)

struct sample {
	const char *from, *to; /* envelope; `to` is the local part */
	const char *text;
};
static const struct sample samples[] = {
    {"welcome@partner.example", "hana",
	"Date: $DATE\r\nFrom: =?UTF-8?B?6Zai5omA?= <welcome@partner.example>\r\nTo: <$TO>\r\n"
	"Message-ID: <$ID@partner.example>\r\nSubject: =?UTF-8?B?44KI44GG44GT44Gd44CB6Zai5omA44G4?=\r\n"
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: "
	"8bit\r\n\r\n"
	"花子さん\r\n\r\nようこそ。これは関所のデモです。\r\n"
	"このメールはポート 25 から届き、暗号化して保存され、いま IMAP か POP3 で読まれています。\r\n\r\n"
	"太郎さんに返事を書いてみてください。\r\n"},
    {"yamada@partner.example", "hana",
	"Date: $DATE\r\nFrom: =?UTF-8?B?5bGx55SwIOiKseWtkA==?= <yamada@partner.example>\r\nTo: <$TO>\r\n"
	"Message-ID: <$ID@partner.example>\r\nSubject: =?UTF-8?B?5pyI5qyh5aCx5ZGKKOWNgeS4gOaciCk=?=\r\n"
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"sample\"\r\n\r\n"
	"--sample\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	"お世話になっております。十一月の報告を添付します。\r\n\r\n山田\r\n"
	"--sample\r\nContent-Type: text/csv; charset=UTF-8\r\nContent-Transfer-Encoding: base64\r\n"
	"Content-Disposition: attachment; filename*=UTF-8''%E5%A3%B2%E4%B8%8A.csv\r\n\r\n"
	"5pyILOWjsuS4ig0K5Lmd5pyILDEyMDANCuWNgeaciCwxMzUwDQrljYHkuIDmnIgsMTQxMA0K\r\n--sample--\r\n"},
    {"soumu@partner.example", "taro",
	"Date: $DATE\r\nFrom: =?ISO-2022-JP?B?GyRCQW1MM0l0GyhC?= <soumu@partner.example>\r\nTo: <$TO>\r\n"
	"Message-ID: <$ID@partner.example>\r\n"
	"Subject: =?ISO-2022-JP?B?GyRCMnE1RDw8JE5NPUxzJEskRCQkJEYbKEI=?=\r\n"
	"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\n"
	"Content-Transfer-Encoding: 7bit\r\n\r\n"
	"\033$BAmL3It$G$9!#\033(B\r\n\r\n"
	"\033$BMh=5$N7nMKF|\033(B(\033$B8aA0==;~\033(B)\033$B$+$i!\"2q5D<<$NM=LsJ}K!$,JQ$o$j$^$9!#\033(B\r\n"
	"\033$B\?7$7$$<j=g$O<RFb%Z!<%8$r$4Mw$/$@$5$$!#\033(B\r\n\r\n"
	"\033$B$h$m$7$/$*4j$$$$$\?$7$^$9!#\033(B\r\n"},
};

static void put_date(struct buf *b)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(clock_utc_ms() / 1000);
	struct tm tm;
	gmtime_r(&now, &tm);
	buf_printf(b, "%.3s, %d %.3s %d %02d:%02d:%02d +0000", days + tm.tm_wday * 3, tm.tm_mday,
	    months + tm.tm_mon * 3, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The text with its three words filled in and its lines' first dots doubled (RFC 5321 4.5.2). */
static void put_message(struct buf *b, const char *text, const char *to, const char *id)
{
	for (const char *p = text; *p; p++) {
		if (*p == '.' && (p == text || p[-1] == '\n'))
			buf_putc(b, '.');
		struct slice rest = slice_str(p);
		if (slice_starts(rest, SLICE("$TO"))) {
			buf_puts(b, to);
			p += 2;
		} else if (slice_starts(rest, SLICE("$ID"))) {
			buf_puts(b, id);
			p += 2;
		} else if (slice_starts(rest, SLICE("$DATE"))) {
			put_date(b);
			p += 4;
		} else {
			buf_putc(b, *p);
		}
	}
}

/* Reads a whole reply; OK when its code begins with `kind`. */
static enum result expect(struct stream *s, char kind)
{
	struct slice line;
	do {
		enum result r = stream_line(s, LIMIT_SMTP_LINE, &line);
		if (r != OK)
			return r;
	} while (line.n > 3 && line.p[3] == '-');
	return line.n && line.p[0] == kind ? OK : DENY;
}

static enum result command(struct stream *s, char kind, const char *text)
{
	stream_puts(s, text);
	stream_puts(s, "\r\n");
	return expect(s, kind);
}

static enum result send_sample(struct stream *s, const struct sample *m, const char *domain)
{
	ARENA_LOCAL(a, 65536);
	BUF_LOCAL(id, 64);
	cli_make_password(&id);
	const char *to = arena_printf(&a, "%s@%s", m->to, domain);
	BUF_LOCAL(message, 65536);
	put_message(&message, m->text, to, buf_z(&id));
	enum result r = command(s, '2', arena_printf(&a, "MAIL FROM:<%s>", m->from));
	if (r == OK)
		r = command(s, '2', arena_printf(&a, "RCPT TO:<%s>", to));
	if (r == OK)
		r = command(s, '3', "DATA");
	stream_put(s, buf_slice(&message));
	return r == OK ? command(s, '2', ".") : r;
}

static struct stream *connect_port(uint16_t port)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) {
		fd_close(&fd);
		return NULL;
	}
	return stream_socket(fd);
}

/* One session for those that are not there yet. */
static enum result send_rest(uint16_t port, const char *domain, size_t *sent)
{
	struct stream *s = connect_port(port);
	if (!s)
		return GONE;
	stream_timeout(s, 30 * SECOND_MS);
	enum result r = expect(s, '2');
	if (r == OK)
		r = command(s, '2', "EHLO mail.partner.example");
	while (*sent < COUNT(samples) && r == OK) {
		r = send_sample(s, &samples[*sent], domain);
		*sent += r == OK;
	}
	if (r == OK)
		result_ignore(command(s, '2', "QUIT")); /* what was accepted is accepted */
	stream_close(s);
	return r;
}

/* A server that has just started may say "try again", as to anybody. */
enum result demo_send_samples(uint16_t port, const char *domain)
{
	size_t sent = 0;
	for (int64_t end = clock_mono_ms() + PATIENCE_MS;; usleep(200000)) {
		enum result r = send_rest(port, domain, &sent);
		if (r == OK || clock_mono_ms() >= end)
			return r;
	}
}
