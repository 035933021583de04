/* Looking things up in a request. */
#include "parse.h"

const char *http_method_name(enum http_method m)
{
	static const char *const names[HTTP_METHODS] = {
#define X(name) [HTTP_##name] = #name,
#include "methods.def"
#undef X
	};
	return m < HTTP_METHODS ? names[m] : "?";
}

struct slice http_header(const struct http_request *q, struct slice name)
{
	for (size_t i = 0; i < q->field_n; i++)
		if (slice_ieq(q->fields[i].name, name))
			return q->fields[i].value;
	return SLICE_NONE;
}

struct slice http_param(const struct http_request *q, struct slice name)
{
	for (size_t i = 0; i < q->param_n; i++)
		if (slice_eq(q->params[i].name, name))
			return q->params[i].value;
	return SLICE_NONE;
}

bool http_header_lists(const struct http_request *q, struct slice name, struct slice token)
{
	for (size_t i = 0; i < q->field_n; i++) {
		if (!slice_ieq(q->fields[i].name, name))
			continue;
		for (struct slice rest = q->fields[i].value; rest.n;)
			if (slice_ieq(slice_trim_blank(slice_split(&rest, ',')), token))
				return true;
	}
	return false;
}

/* qvalue, RFC 9110 12.4.2, in thousandths; what is malformed counts as 0. */
static unsigned parse_quality(struct slice s)
{
	struct cursor c = cursor_of(s);
	unsigned q = (unsigned)cursor_u64(&c, 1) * 1000, place = 100;
	if (cursor_try(&c, '.'))
		for (; place && !cursor_end(&c); place /= 10) {
			int digit = cursor_take(&c);
			if (digit < '0' || digit > '9')
				return 0;
			q += (unsigned)(digit - '0') * place;
		}
	return cursor_done(&c) == OK && q <= 1000 ? q : 0;
}

/* The weight that Accept gives to this very media type; 0 when it does not name it. */
static unsigned accept_weight(const struct http_request *q, struct slice type)
{
	unsigned best = 0;
	for (struct slice rest = http_header(q, SLICE("Accept")); rest.n;) {
		struct slice params = slice_split(&rest, ',');
		if (!slice_ieq(slice_trim_blank(slice_split(&params, ';')), type))
			continue;
		unsigned weight = 1000;
		while (params.n) {
			struct slice value = slice_trim_blank(slice_split(&params, ';'));
			if (slice_istarts(value, SLICE("q=")))
				weight = parse_quality(slice_sub(value, 2, SIZE_MAX));
		}
		best = MAX(best, weight);
	}
	return best;
}

bool http_wants_json(const struct http_request *q)
{
	unsigned json = accept_weight(q, SLICE("application/json"));
	return json && json >= accept_weight(q, SLICE("text/plain"));
}

struct http_query http_query_of(const struct http_request *q)
{
	return (struct http_query){q->query, q->arena};
}

bool http_query_next(struct http_query *it, struct slice *name_out, struct slice *value_out)
{
	while (it->rest.n) {
		struct slice value = slice_split(&it->rest, '&');
		if (!value.n)
			continue;
		*name_out = http_decode(slice_split(&value, '='), true, it->arena);
		*value_out = http_decode(value, true, it->arena);
		return true;
	}
	return false;
}
