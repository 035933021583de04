/*
 * Passwords of applications: made here, of about 99 random bits, so that a MAC is enough to keep them by. They share the
 * salt of their login, so that SCRAM, whose server speaks before it knows which password is meant, works with each.
 */
#include "keys/credential.h"
#include "keys/inner.h"

#define LETTERS 20
#define USED_MS HOUR_MS /* the time of the last use is kept no finer */

unsigned app_service(struct slice service)
{
	static const struct {
		const char *name;
		unsigned bit;
	} all[] = {{"imap", SERVICE_IMAP}, {"imaps", SERVICE_IMAP}, {"pop3", SERVICE_POP3},
	    {"pop3s", SERVICE_POP3}, {"submission", SERVICE_SUBMISSION}, {"submissions", SERVICE_SUBMISSION},
	    {"sieve", SERVICE_SIEVE}};
	for (size_t i = 0; i < COUNT(all); i++)
		if (slice_eq(service, slice_str(all[i].name)))
			return all[i].bit;
	return 0;
}

bool app_opens(const struct credential *c, unsigned service)
{
	return c->kind == CREDENTIAL_APP && c->secret.n == APP_SECRET && (c->bits & service) &&
	       (!c->ends_ms || clock_utc_ms() < c->ends_ms);
}

const struct credential *app_find(
    struct keys *k, const struct credentials *all, struct slice password, unsigned service)
{
	char mac[CREDENTIAL_MAC];
	const struct credential *found = NULL;
	if (!all->n || !service)
		return NULL;
	code_mac(k, all->at[0].account, password, mac);
	for (size_t i = 0; i < all->n; i++)
		if (app_opens(&all->at[i], service) &&
		    slice_eq_secret(
			slice_sub(all->at[i].secret, 0, CREDENTIAL_MAC), slice_of(mac, sizeof mac)))
			found = &all->at[i];
	return found;
}

void app_scram(const struct credential *c, struct scram_keys *io)
{
	memcpy(io->stored, c->secret.p + CREDENTIAL_MAC, SCRAM_KEY);
	memcpy(io->server, c->secret.p + CREDENTIAL_MAC + SCRAM_KEY, SCRAM_KEY);
}

void app_used(struct keys *k, const struct credential *c)
{
	int64_t now = clock_utc_ms();
	if (now - c->used_ms < USED_MS)
		return;
	pthread_mutex_lock(&k->credentials_lock);
	struct credential changed = *c;
	changed.used_ms = now;
	result_ignore(credential_put(k, &changed)); /* the next use will try again */
	pthread_mutex_unlock(&k->credentials_lock);
}

void app_make(struct keys *k, const struct scram_keys *of_login, struct buf *text, char secret[APP_SECRET])
{
	struct scram_keys made = *of_login;
	code_make(text, LETTERS);
	scram_derive(buf_slice(text), slice_of(made.salt, SCRAM_SALT), &made);
	memcpy(secret + CREDENTIAL_MAC, made.stored, SCRAM_KEY);
	memcpy(secret + CREDENTIAL_MAC + SCRAM_KEY, made.server, SCRAM_KEY);
	explicit_bzero(&made, sizeof made);
}
