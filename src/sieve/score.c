/* score: what a filter in front of this server wrote into the header, for RFC 5235. */
#include "sieve/inside.h"
#include "sieve/regex.h"

#define EXPRESSION_STEPS 1000000

bool sieve_score_pick(struct slice octets, struct slice where, struct arena *a, struct slice *out)
{
	struct slice expression = where, name = slice_trim(slice_split(&expression, ':')), groups[2];
	struct mail_field f;
	struct sieve_regex *re;
	size_t count = COUNT(groups);
	uint64_t steps = EXPRESSION_STEPS;
	if (!name.n || !mail_header_get(octets, name, &f))
		return false;
	struct slice value = mail_unfold(f.value, a);
	expression = slice_trim(expression);
	*out = value;
	if (!expression.n)
		return true;
	if (sieve_regex_compile(expression, SIEVE_FOLD_NONE, a, &re) ||
	    sieve_regex_match(re, value, groups, &count, &steps) != SIEVE_REGEX_YES || count < 2)
		return false;
	*out = groups[1];
	return true;
}

double sieve_score_number(struct slice s)
{
	double n = 0, unit = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' && unit == 0)
			unit = 1;
		else if (ascii_digit(s.p[i]))
			n = unit != 0 ? n + (s.p[i] - '0') * (unit /= 10) : n * 10 + (s.p[i] - '0');
		else if (i || (s.p[0] != '-' && s.p[0] != '+'))
			break;
	}
	return s.n && s.p[0] == '-' ? -n : n;
}

int sieve_score_percent(double score, double most)
{
	return score <= 0 ? 0 : score >= most ? 100 : (int)(score / most * 100 + 0.5);
}

static bool has_number(struct slice s)
{
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+');
	return i < s.n && (ascii_digit(s.p[i]) || s.p[i] == '.');
}

void sieve_scores_read(
    const struct sieve_message *m, const struct sieve_scores *how, struct arena *a, struct sieve_env *env)
{
	struct slice found, words = how->virus_words;
	if (sieve_score_pick(m->octets, how->spam_field, a, &found) && has_number(found)) {
		env->has_spam = true;
		env->spam_percent = sieve_score_percent(sieve_score_number(found), how->spam_full);
	}
	if (!sieve_score_pick(m->octets, how->virus_field, a, &found))
		return;
	size_t n = 0;
	while (n < found.n && ascii_alpha(found.p[n]))
		n++;
	for (int value = 1; value <= 5 && words.n; value++)
		if (slice_ieq(slice_split(&words, ' '), slice_sub(found, 0, n)))
			env->virus = value;
}
