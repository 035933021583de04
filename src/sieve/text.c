/* text: strings of a script: encoded characters (RFC 5228 2.4.2.4) and variables (RFC 5229 3) in them. */
#include "mail/utf8.h"
#include "sieve/inside.h"

bool sieve_text_check(struct sieve_compiler *c, struct sieve_text *t)
{
	(void)c;
	(void)t;
	return true;
}

struct slice sieve_value(struct sieve_runner *r, const struct sieve_text *t)
{
	(void)r;
	return t->text;
}
