#include "policy/access.h"
#include <stdlib.h>

#define COUNTRIES 300

static const char *const who_words[] = {
    [ACCESS_EVERYBODY] = "everybody",
    [ACCESS_ACCOUNT] = "account",
    [ACCESS_GROUP] = "group",
    [ACCESS_ROLE] = "role",
    [ACCESS_DOMAIN] = "domain",
};

const char *access_action_name(enum access_action a)
{
	return a == ACCESS_ALLOW ? "allow" : "deny";
}

const char *access_step_name(enum access_step step)
{
	static const char *const names[] = {"another service", "somebody else", "another place", "fits"};
	return names[step];
}

/* ---- judging ---- */

static bool names_country(struct slice list, const char *country)
{
	for (size_t i = 0; i + 1 < list.n; i += 2)
		if (list.p[i] == country[0] && list.p[i + 1] == country[1])
			return true;
	return false;
}

static bool place_fits(const struct access_rule *r, const struct access_ask *ask)
{
	if (!r->nets.n && !r->in.n && !r->out.n)
		return true;
	if (ip_nets_have(&r->nets, &ask->ip))
		return true;
	if (r->in.n && *ask->country && names_country(r->in, ask->country))
		return true;
	/* "All but these": who comes from nowhere known is not from these. */
	return r->out.n && !(*ask->country && names_country(r->out, ask->country));
}

enum access_step access_try(const struct access_rule *r, const struct access_ask *ask)
{
	if (!(r->doors & DOOR_BIT(ask->door)))
		return STEP_DOOR;
	if (!place_fits(r, ask))
		return STEP_PLACE;
	/* Last: it may have to be looked up. */
	if (r->who != ACCESS_EVERYBODY && !ask->is(ask->context, r->who, r->name))
		return STEP_WHO;
	return STEP_FITS;
}

static bool preset_denies(const struct access_rules *rules, const struct access_ask *ask)
{
	return ask->door == DOOR_SMTP_AUTH && rules->geo && *rules->home_country && !ask->home &&
	       strcmp(rules->home_country, ask->country) != 0;
}

void access_judge(const struct access_rules *rules, const struct access_ask *ask, struct access_verdict *out)
{
	*out = (struct access_verdict){.allowed = true};
	for (size_t i = 0; i < rules->n; i++)
		if (access_try(&rules->at[i], ask) == STEP_FITS) {
			out->rule = &rules->at[i];
			out->allowed = rules->at[i].action == ACCESS_ALLOW;
			return;
		}
	if (preset_denies(rules, ask))
		*out = (struct access_verdict){.allowed = false, .preset = true};
}

/* ---- reading ---- */

static bool is_country(struct slice s)
{
	return s.n == 2 && ascii_alpha(s.p[0]) && ascii_alpha(s.p[1]) && s.p[0] <= 'Z' && s.p[1] <= 'Z';
}

/* A word of the place: a country, or not one, or a network. False: none of these. */
static bool take_word(struct slice word, char in[], size_t *in_n, char out[], size_t *out_n, struct buf *nets)
{
	bool not = word.n && word.p[0] == '!';
	struct slice country = slice_sub(word, not, word.n);
	if (!is_country(country)) {
		if (not )
			return false;
		buf_put(nets, word);
		buf_putc(nets, ' ');
		return true;
	}
	char *list = not ? out : in;
	size_t *n = not ? out_n : in_n;
	if (*n + 2 > (size_t)COUNTRIES * 2)
		return false;
	memcpy(list + *n, country.p, 2);
	*n += 2;
	return true;
}

static struct slice keep(const char *p, size_t n)
{
	char *copy = n ? malloc(n) : NULL;
	if (n && !copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	return slice_of(copy, n);
}

enum result access_place_read(struct slice text, struct access_rule *rule, struct slice *wrong_out)
{
	char in[COUNTRIES * 2], out[COUNTRIES * 2];
	size_t in_n = 0, out_n = 0;
	BUF_LOCAL(nets, (size_t)LIMIT_NETWORKS * IP_NET_TEXT);
	*wrong_out = SLICE_NONE;
	if (slice_ieq(slice_trim_blank(text), SLICE("any"))) {
		rule->place = SLICE("any");
		return OK;
	}
	struct slice rest = text, word;
	while ((word = ip_list_word(&rest)).n) {
		if (!take_word(word, in, &in_n, out, &out_n, &nets)) {
			*wrong_out = word;
			return BAD;
		}
	}
	if (buf_result(&nets) != OK || (!nets.n && !in_n && !out_n) ||
	    ip_nets_read(buf_slice(&nets), LIMIT_NETWORKS, &rule->nets, wrong_out) != OK) {
		*wrong_out = text;
		return BAD;
	}
	rule->place = text;
	rule->in = keep(in, in_n);
	rule->out = keep(out, out_n);
	return OK;
}

void access_rule_free(struct access_rule *rule)
{
	free(rule->nets.at);
	free((void *)(uintptr_t)rule->in.p);
	free((void *)(uintptr_t)rule->out.p);
	rule->nets = (struct ip_nets){0};
	rule->in = rule->out = SLICE_NONE;
}

enum result access_who_read(struct slice text, enum access_who *who_out, struct slice *name_out)
{
	struct slice name = slice_trim(text), word = slice_split(&name, ':');
	for (size_t i = 0; i < COUNT(who_words); i++)
		if (slice_eq(word, slice_str(who_words[i]))) {
			*who_out = (enum access_who)i;
			*name_out = name;
			return (name.n != 0) == (i != ACCESS_EVERYBODY) ? OK : BAD;
		}
	return BAD;
}

void access_who_put(enum access_who who, struct slice name, struct buf *out)
{
	buf_puts(out, who_words[who]);
	if (name.n) {
		buf_putc(out, ':');
		buf_put(out, name);
	}
}
