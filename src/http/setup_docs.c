/* The documents, and what is read of requests for them. Pure. */
#include "setup.h"
#include <openssl/sha.h>

/* ---- XML ---- */

/* XML 1.0 2.2: of the controls only tab, LF and CR; no U+FFFE and U+FFFF. */
static bool is_character(struct slice c)
{
	unsigned char first = (unsigned char)c.p[0];
	if (c.n == 1)
		return first >= 0x20 || first == '\t' || first == '\n' || first == '\r';
	return !(c.n == 3 && first == 0xef && (unsigned char)c.p[1] == 0xbf && (unsigned char)c.p[2] >= 0xbe);
}

static struct slice next_character(struct slice s)
{
	unsigned char first = (unsigned char)s.p[0];
	size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	struct slice c = slice_sub(s, 0, n);
	return slice_is_utf8(c) ? c : SLICE_NONE;
}

void http_put_xml(struct buf *b, struct slice text)
{
	while (text.n) {
		struct slice c = next_character(text);
		if (!c.n || !is_character(c))
			buf_puts(b, "\xef\xbf\xbd");
		else if (c.p[0] == '&')
			buf_puts(b, "&amp;");
		else if (c.p[0] == '<')
			buf_puts(b, "&lt;");
		else if (c.p[0] == '>')
			buf_puts(b, "&gt;");
		else if (c.p[0] == '"')
			buf_puts(b, "&quot;");
		else
			buf_put(b, c);
		text = slice_sub(text, c.n ? c.n : 1, text.n);
	}
}

static void put_element(struct buf *b, const char *name, struct slice text)
{
	buf_printf(b, "<%s>", name);
	http_put_xml(b, text);
	buf_printf(b, "</%s>\n", name);
}

static void put_number(struct buf *b, const char *name, unsigned n)
{
	buf_printf(b, "<%s>%u</%s>\n", name, n, name);
}

static void put_start(struct buf *b)
{
	buf_puts(b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
}

/* ---- Thunderbird ---- */

static void put_server(struct buf *b, const struct setup_for *f, const char *element, const char *type,
    unsigned port, const char *socket)
{
	if (!port)
		return;
	buf_printf(b, "<%s type=\"%s\">\n", element, type);
	put_element(b, "hostname", slice_str(f->setup->hostname));
	put_number(b, "port", port);
	put_element(b, "socketType", slice_str(socket));
	if (f->setup->issuer)
		put_element(b, "authentication", SLICE("OAuth2"));
	put_element(b, "authentication", SLICE("password-cleartext"));
	put_element(b, "username", SLICE("%EMAILADDRESS%"));
	buf_printf(b, "</%s>\n", element);
}

/* Programs that know no such server take the next way of authentication. */
static void put_oauth2(struct buf *b, const struct http_setup *s)
{
	BUF_LOCAL(url, 1024);
	if (!s->issuer)
		return;
	buf_puts(b, "<oAuth2>\n");
	put_element(b, "issuer", slice_str(s->issuer));
	put_element(b, "scope", SLICE("imap pop smtp sieve offline_access"));
	buf_printf(&url, "%s/oauth/authorize", s->issuer);
	put_element(b, "authURL", buf_slice(&url));
	buf_clear(&url);
	buf_printf(&url, "%s/oauth/token", s->issuer);
	put_element(b, "tokenURL", buf_slice(&url));
	buf_puts(b, "</oAuth2>\n");
}

void setup_put_autoconfig(struct buf *b, const struct setup_for *f)
{
	const struct http_setup *s = f->setup;
	struct slice domain = slice_str(f->domain);
	put_start(b);
	buf_puts(b, "<clientConfig version=\"1.1\">\n<emailProvider id=\"");
	http_put_xml(b, domain);
	buf_puts(b, "\">\n");
	put_element(b, "domain", domain);
	put_element(b, "displayName", domain);
	put_element(b, "displayShortName", domain);
	put_server(b, f, "incomingServer", "imap", s->imaps, "SSL");
	put_server(b, f, "incomingServer", "imap", s->imap, "STARTTLS");
	put_server(b, f, "incomingServer", "pop3", s->pop3s, "SSL");
	put_server(b, f, "incomingServer", "pop3", s->pop3, "STARTTLS");
	put_server(b, f, "outgoingServer", "smtp", s->submissions, "SSL");
	put_server(b, f, "outgoingServer", "smtp", s->submission, "STARTTLS");
	buf_puts(b, "</emailProvider>\n");
	put_oauth2(b, s);
	buf_puts(b, "</clientConfig>\n");
}

/* ---- Outlook ---- */

static void put_protocol(struct buf *b, const struct setup_for *f, const char *type, unsigned port)
{
	if (!port)
		return;
	buf_puts(b, "<Protocol>\n");
	put_element(b, "Type", slice_str(type));
	put_element(b, "Server", slice_str(f->setup->hostname));
	put_number(b, "Port", port);
	put_element(b, "DomainRequired", SLICE("off"));
	put_element(b, "LoginName", f->address);
	put_element(b, "SPA", SLICE("off"));
	put_element(b, "SSL", SLICE("on"));
	put_element(b, "Encryption", SLICE("SSL"));
	put_element(b, "AuthRequired", SLICE("on"));
	if (strcmp(type, "SMTP") == 0) {
		put_element(b, "UsePOPAuth", SLICE("on"));
		put_element(b, "SMTPLast", SLICE("off"));
	}
	buf_puts(b, "</Protocol>\n");
}

void setup_put_autodiscover(struct buf *b, const struct setup_for *f)
{
	put_start(b);
	buf_puts(b,
	    "<Autodiscover "
	    "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006\">\n"
	    "<Response "
	    "xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\">\n"
	    "<User>\n");
	put_element(b, "DisplayName", f->address);
	buf_puts(b, "</User>\n<Account>\n");
	put_element(b, "AccountType", SLICE("email"));
	put_element(b, "Action", SLICE("settings"));
	put_protocol(b, f, "IMAP", f->setup->imaps);
	put_protocol(b, f, "POP3", f->setup->pop3s);
	put_protocol(b, f, "SMTP", f->setup->submissions);
	buf_puts(b, "</Account>\n</Response>\n</Autodiscover>\n");
}

static void put_unescaped(struct slice s, struct buf *out)
{
	static const struct {
		const char *name;
		char c;
	} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&apos;", '\''}, {"&quot;", '"'}};
	while (s.n) {
		size_t taken = 0;
		for (size_t i = 0; i < COUNT(entities) && !taken; i++)
			if (slice_starts(s, slice_str(entities[i].name))) {
				buf_putc(out, entities[i].c);
				taken = strlen(entities[i].name);
			}
		if (!taken)
			buf_putc(out, s.p[0]);
		s = slice_sub(s, taken ? taken : 1, s.n);
	}
}

/*
 * One element's text is all that matters of the request, so it is looked for and nothing else is understood: no entities of
 * the document's own, no namespaces' prefixes.
 */
enum result setup_read_autodiscover(struct slice body, struct arena *a, struct slice *out)
{
	static const struct slice tag = SLICE("<EMailAddress>");
	ptrdiff_t from = slice_search(body, tag);
	BUF_LOCAL(address, LIMIT_ADDRESS);
	if (from < 0)
		return BAD;
	body = slice_sub(body, (size_t)from + tag.n, body.n);
	ptrdiff_t end = slice_find(body, '<');
	if (end < 0)
		return BAD;
	put_unescaped(slice_trim(slice_sub(body, 0, (size_t)end)), &address);
	*out = arena_dup(a, buf_slice(&address));
	return buf_result(&address) == OK && setup_domain_of(*out).n ? OK : BAD;
}

/* ---- names ---- */

struct slice setup_domain_of(struct slice address)
{
	ptrdiff_t at = slice_rfind(address, '@');
	if (at <= 0 || address.n > LIMIT_ADDRESS || !slice_is_utf8(address))
		return SLICE_NONE;
	for (size_t i = 0; i < address.n; i++)
		if ((unsigned char)address.p[i] < 0x20 || address.p[i] == 0x7f)
			return SLICE_NONE;
	return slice_sub(address, (size_t)at + 1, address.n);
}

struct slice setup_domain_at(struct slice host, const char *label)
{
	struct slice name = slice_split(&host, ':');
	if (slice_istarts(name, slice_str(label)))
		name = slice_sub(name, strlen(label), name.n);
	return name;
}

/* ---- Apple ---- */

/* RFC 9562 5.8: the same for the same address, so that a second profile takes the place of the first. */
static void put_uuid(struct buf *b, const struct setup_for *f, const char *what)
{
	unsigned char d[SHA256_DIGEST_LENGTH];
	BUF_LOCAL(name, 1024);
	BUF_LOCAL(hex, 2 * sizeof d);
	buf_printf(&name, "%s %s " SLICE_FMT, f->setup->hostname, what, SLICE_ARG(f->address));
	SHA256((const unsigned char *)name.p, name.n, d);
	d[6] = (unsigned char)((d[6] & 0x0f) | 0x80);
	d[8] = (unsigned char)((d[8] & 0x3f) | 0x80);
	buf_hex(&hex, slice_of(d, 16));
	buf_printf(b, "%.8s-%.4s-%.4s-%.4s-%.12s", hex.p, hex.p + 8, hex.p + 12, hex.p + 16, hex.p + 20);
}

static void put_key(struct buf *b, const char *key)
{
	buf_printf(b, "<key>%s</key>", key);
}

static void put_string(struct buf *b, const char *key, struct slice value)
{
	put_key(b, key);
	put_element(b, "string", value);
}

static void put_integer(struct buf *b, const char *key, unsigned value)
{
	put_key(b, key);
	put_number(b, "integer", value);
}

static void put_true(struct buf *b, const char *key)
{
	put_key(b, key);
	buf_puts(b, "<true/>\n");
}

/* What every payload says of itself. */
static void put_payload(struct buf *b, const struct setup_for *f, const char *type, const char *what)
{
	put_string(b, "PayloadType", slice_str(type));
	put_integer(b, "PayloadVersion", 1);
	put_string(b, "PayloadDisplayName", slice_str(f->domain));
	put_key(b, "PayloadIdentifier");
	buf_puts(b, "<string>");
	http_put_xml(b, slice_str(f->setup->hostname));
	buf_printf(b, ".%s.", what);
	put_uuid(b, f, what);
	buf_puts(b, "</string>\n");
	put_key(b, "PayloadUUID");
	buf_puts(b, "<string>");
	put_uuid(b, f, what);
	buf_puts(b, "</string>\n");
}

static void put_account(struct buf *b, const struct setup_for *f)
{
	const struct http_setup *s = f->setup;
	struct slice host = slice_str(s->hostname);
	buf_puts(b, "<dict>\n");
	put_payload(b, f, "com.apple.mail.managed", "mail");
	put_string(b, "EmailAccountDescription", f->address);
	put_string(b, "EmailAccountType", s->imaps ? SLICE("EmailTypeIMAP") : SLICE("EmailTypePOP"));
	put_string(b, "EmailAddress", f->address);
	put_string(b, "IncomingMailServerAuthentication", SLICE("EmailAuthPassword"));
	put_string(b, "IncomingMailServerHostName", host);
	put_integer(b, "IncomingMailServerPortNumber", s->imaps ? s->imaps : s->pop3s);
	put_true(b, "IncomingMailServerUseSSL");
	put_string(b, "IncomingMailServerUsername", f->address);
	put_string(b, "OutgoingMailServerAuthentication", SLICE("EmailAuthPassword"));
	put_string(b, "OutgoingMailServerHostName", host);
	put_integer(b, "OutgoingMailServerPortNumber", s->submissions);
	put_true(b, "OutgoingMailServerUseSSL");
	put_string(b, "OutgoingMailServerUsername", f->address);
	put_true(b, "OutgoingPasswordSameAsIncomingPassword");
	buf_puts(b, "</dict>\n");
}

void setup_put_mobileconfig(struct buf *b, const struct setup_for *f)
{
	put_start(b);
	buf_puts(b, "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
		    "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n<dict>\n");
	put_payload(b, f, "Configuration", "profile");
	put_string(b, "PayloadOrganization", slice_str(f->domain));
	put_key(b, "PayloadContent");
	buf_puts(b, "<array>\n");
	put_account(b, f);
	buf_puts(b, "</array>\n</dict>\n</plist>\n");
}
