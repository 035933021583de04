/* Scopes and redirect addresses. Pure. */
#include "store/account/oauth.h"

static const struct {
	const char *word;
	int64_t bit;
} scopes[] = {
#define X(name, bit, word, en, ja) {word, bit},
#include "store/account/oauth_scopes.def"
#undef X
};

int64_t oauth_scopes_read(struct slice text)
{
	int64_t bits = 0;
	while (text.n) {
		struct slice word = slice_split(&text, ' ');
		for (size_t i = 0; i < COUNT(scopes); i++)
			if (slice_eq(word, slice_str(scopes[i].word)))
				bits |= scopes[i].bit;
	}
	return bits;
}

void oauth_scopes_put(struct buf *b, int64_t bits)
{
	const char *blank = "";
	for (size_t i = 0; i < COUNT(scopes); i++)
		if (bits & scopes[i].bit) {
			buf_printf(b, "%s%s", blank, scopes[i].word);
			blank = " ";
		}
}

/* Cuts "http://127.0.0.1:1234/path" into host and path; false where it leads to another machine. */
static bool loopback(struct slice uri, struct slice *host_out, struct slice *path_out)
{
	static const char *const hosts[] = {"http://127.0.0.1", "http://[::1]", "http://localhost"};
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct slice host = slice_str(hosts[i]), rest;
		if (!slice_starts(uri, host))
			continue;
		rest = slice_sub(uri, host.n, SIZE_MAX);
		if (rest.n && rest.p[0] == ':') {
			size_t n = 1;
			while (n < rest.n && ascii_digit(rest.p[n]))
				n++;
			if (n < 2 || n > 6)
				return false;
			rest = slice_sub(rest, n, SIZE_MAX);
		}
		if (rest.n && rest.p[0] != '/' && rest.p[0] != '?')
			continue;
		*host_out = host;
		*path_out = rest;
		return true;
	}
	return false;
}

static bool has_own_scheme(struct slice uri)
{
	struct slice rest = uri, scheme = slice_split(&rest, ':');
	if (!scheme.n || !ascii_alpha(scheme.p[0]) || slice_find(scheme, '.') < 0 || !rest.n)
		return false;
	for (size_t i = 0; i < scheme.n; i++)
		if (!ascii_alpha(scheme.p[i]) && !ascii_digit(scheme.p[i]) && !strchr("+-.", scheme.p[i]))
			return false;
	return true;
}

static bool is_web(struct slice uri)
{
	struct slice rest = slice_sub(uri, 8, SIZE_MAX);
	return slice_starts(uri, SLICE("https://")) && rest.n && rest.p[0] != '/' && rest.p[0] != '?' &&
	       slice_find(slice_split(&rest, '/'), '@') < 0;
}

bool oauth_redirect_ok(struct slice uri)
{
	struct slice host, path;
	if (!uri.n || uri.n > LIMIT_OAUTH_TEXT)
		return false;
	for (size_t i = 0; i < uri.n; i++)
		if (uri.p[i] <= ' ' || uri.p[i] > '~' || strchr("#\"<>\\^`{|}*", uri.p[i]))
			return false;
	return is_web(uri) || loopback(uri, &host, &path) || has_own_scheme(uri);
}

bool oauth_redirect_fits(struct slice registered, struct slice uri)
{
	struct slice host, path, one_host, one_path;
	bool here = loopback(uri, &host, &path);
	if (!oauth_redirect_ok(uri))
		return false;
	while (registered.n) {
		struct slice one = slice_split(&registered, ' ');
		if (slice_eq(one, uri) || (here && loopback(one, &one_host, &one_path) &&
					      slice_eq(host, one_host) && slice_eq(path, one_path)))
			return true;
	}
	return false;
}

bool oauth_redirect_is_native(struct slice uri)
{
	return !is_web(uri);
}
