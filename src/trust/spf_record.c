/* spf_record: the grammar of an SPF record, RFC 7208 12. */
#include "trust/spf_inside.h"
#include <sys/socket.h>

static bool is_name_octet(char c)
{
	return ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_' || c == '.';
}

static bool is_alphanum(char c)
{
	return ascii_alpha(c) || ascii_digit(c);
}

bool spf_is_record(struct slice text)
{
	struct slice version = SLICE("v=spf1");
	return slice_istarts(text, version) && (text.n == version.n || text.p[version.n] == ' ');
}

/* ---- macro-strings ---- */

static bool is_delimiter(char c)
{
	return c == '.' || c == '-' || c == '+' || c == ',' || c == '/' || c == '_' || c == '=';
}

/* What stands between "%{" and "}". */
static bool macro_inside_valid(struct slice s, bool explanation)
{
	struct cursor c = cursor_of(s);
	int letter = cursor_take(&c);
	const char *letters = explanation ? "slodiphcrtv" : "slodiphv";
	if (letter <= 0 || !strchr(letters, ascii_lower((char)letter)))
		return false;
	struct slice digits = cursor_while(&c, ascii_digit);
	bool zero = digits.n > 0;
	for (size_t i = 0; i < digits.n; i++)
		zero = zero && digits.p[i] == '0';
	if (!cursor_try(&c, 'r'))
		(void)cursor_try(&c, 'R');
	(void)cursor_while(&c, is_delimiter);
	return !zero && cursor_done(&c) == OK;
}

/* Takes one macro-expand or macro-literal; *macro_out: it was an expand. */
static bool macro_piece(struct slice *rest, bool explanation, bool *macro_out)
{
	char c = rest->p[0];
	*macro_out = c == '%';
	if (c != '%') {
		bool fine = (c > ' ' && c <= '~') || (explanation && c == ' ');
		*rest = slice_sub(*rest, 1, rest->n);
		return fine;
	}
	char next = rest->n > 1 ? rest->p[1] : '\0';
	if (next == '%' || next == '_' || next == '-') {
		*rest = slice_sub(*rest, 2, rest->n);
		return true;
	}
	ptrdiff_t end = slice_find(*rest, '}');
	if (next != '{' || end < 0 || !macro_inside_valid(slice_sub(*rest, 2, (size_t)end - 2), explanation))
		return false;
	*rest = slice_sub(*rest, (size_t)end + 1, rest->n);
	return true;
}

bool spf_macro_valid(struct slice s, bool explanation)
{
	bool macro;
	while (s.n)
		if (!macro_piece(&s, explanation, &macro))
			return false;
	return true;
}

static bool is_toplabel(struct slice s)
{
	bool alpha = false, hyphen = false;
	for (size_t i = 0; i < s.n; i++) {
		if (!is_alphanum(s.p[i]) && s.p[i] != '-')
			return false;
		alpha |= ascii_alpha(s.p[i]);
		hyphen |= s.p[i] == '-';
	}
	return s.n > 0 && s.p[0] != '-' && s.p[s.n - 1] != '-' && (alpha || hyphen);
}

bool spf_domain_spec_valid(struct slice s)
{
	bool macro = false;
	struct slice rest = s;
	if (s.n == 0)
		return false;
	while (rest.n)
		if (!macro_piece(&rest, false, &macro))
			return false;
	if (macro)
		return true;
	if (s.p[s.n - 1] == '.')
		s.n--;
	ptrdiff_t dot = slice_rfind(s, '.');
	return dot >= 0 && is_toplabel(slice_sub(s, (size_t)dot + 1, s.n));
}

/* ---- terms ---- */

/* The decimal number at the end of *s behind this mark, which are cut off; false when there is none. */
static bool cut_cidr(struct slice *s, struct slice mark, unsigned most, unsigned *out, bool *wrong)
{
	size_t digits = 0;
	while (digits < s->n && ascii_digit(s->p[s->n - 1 - digits]))
		digits++;
	struct slice number = slice_sub(*s, s->n - digits, digits);
	struct slice before = slice_sub(*s, 0, s->n - digits);
	if (digits == 0 ||
	    !(before.n >= mark.n && slice_eq(slice_sub(before, before.n - mark.n, mark.n), mark)))
		return false;
	uint32_t value;
	if (digits > 3 || (digits > 1 && number.p[0] == '0') || num_u32(number, most, &value) != OK) {
		*wrong = true;
		return false;
	}
	*out = value;
	*s = slice_sub(before, 0, before.n - mark.n);
	return true;
}

/* dual-cidr-length behind a and mx */
static bool cut_dual(struct slice *s, struct spf_term *t)
{
	bool wrong = false;
	cut_cidr(s, SLICE("//"), 128, &t->cidr6, &wrong);
	if (!wrong)
		cut_cidr(s, SLICE("/"), 32, &t->cidr4, &wrong);
	return !wrong;
}

/* ":domain-spec", when it must be there or is. */
static bool take_spec(struct slice s, bool must, struct spf_term *t)
{
	if (s.n == 0)
		return !must;
	t->spec = slice_sub(s, 1, s.n);
	return s.p[0] == ':' && spf_domain_spec_valid(t->spec);
}

static bool take_ip(struct slice s, int family, struct spf_term *t)
{
	bool wrong = false;
	if (s.n == 0 || s.p[0] != ':')
		return false;
	s = slice_sub(s, 1, s.n);
	if (family == AF_INET)
		cut_cidr(&s, SLICE("/"), 32, &t->cidr4, &wrong);
	else
		cut_cidr(&s, SLICE("/"), 128, &t->cidr6, &wrong);
	return !wrong && dns_ip_read(s, &t->ip) == OK && t->ip.family == family;
}

static bool take_mechanism(struct slice name, struct slice rest, struct spf_term *t)
{
	static const struct {
		struct slice name;
		enum spf_kind kind;
	} kinds[] = {{SLICE("all"), SPF_KIND_ALL}, {SLICE("include"), SPF_KIND_INCLUDE},
	    {SLICE("a"), SPF_KIND_A}, {SLICE("mx"), SPF_KIND_MX}, {SLICE("ptr"), SPF_KIND_PTR},
	    {SLICE("ip4"), SPF_KIND_IP4}, {SLICE("ip6"), SPF_KIND_IP6}, {SLICE("exists"), SPF_KIND_EXISTS}};
	size_t i = 0;
	while (i < COUNT(kinds) && !slice_ieq(name, kinds[i].name))
		i++;
	if (i == COUNT(kinds))
		return false;
	t->kind = kinds[i].kind;
	switch (t->kind) {
	case SPF_KIND_ALL:
		return rest.n == 0;
	case SPF_KIND_INCLUDE:
	case SPF_KIND_EXISTS:
		return take_spec(rest, true, t);
	case SPF_KIND_PTR:
		return take_spec(rest, false, t);
	case SPF_KIND_A:
	case SPF_KIND_MX:
		return cut_dual(&rest, t) && take_spec(rest, false, t);
	case SPF_KIND_IP4:
		return take_ip(rest, AF_INET, t);
	case SPF_KIND_IP6:
		return take_ip(rest, AF_INET6, t);
	}
	return false;
}

static bool take_modifier(struct slice name, struct slice value, struct spf_record *r)
{
	struct slice *known = slice_ieq(name, SLICE("redirect")) ? &r->redirect
			      : slice_ieq(name, SLICE("exp"))    ? &r->exp
								 : NULL;
	if (!known)
		return spf_macro_valid(value, false);
	if (known->n || !spf_domain_spec_valid(value))
		return false;
	*known = value;
	return true;
}

static bool take_term(struct slice text, struct spf_record *r)
{
	struct spf_term t = {.text = text, .cidr4 = 32, .cidr6 = 128, .match = SPF_PASS};
	struct cursor c = cursor_of(text);
	bool qualified = true;
	if (cursor_try(&c, '-'))
		t.match = SPF_FAIL;
	else if (cursor_try(&c, '~'))
		t.match = SPF_SOFTFAIL;
	else if (cursor_try(&c, '?'))
		t.match = SPF_NEUTRAL;
	else
		qualified = cursor_try(&c, '+');
	struct slice name = cursor_while(&c, is_name_octet);
	if (name.n == 0 || !ascii_alpha(name.p[0]))
		return false;
	if (cursor_peek(&c) == '=')
		return !qualified && take_modifier(name, slice_sub(c.rest, 1, c.rest.n), r);
	if (!take_mechanism(name, c.rest, &t))
		return false;
	r->terms[r->n++] = t;
	return true;
}

enum result spf_record_parse(struct slice text, struct arena *a, struct spf_record *r)
{
	size_t most = 1;
	for (size_t i = 0; i < text.n; i++)
		most += text.p[i] == ' ';
	*r = (struct spf_record){.terms = arena_array(a, most, sizeof *r->terms)};
	if (!r->terms)
		return FULL;
	slice_split(&text, ' ');
	while (text.n) {
		struct slice term = slice_split(&text, ' ');
		if (term.n == 0 || take_term(term, r))
			continue;
		r->wrong = term;
		return BAD;
	}
	return OK;
}
