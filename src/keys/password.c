#include "keys/password.h"
#include "keys/vault.h"
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <unicode/usprep.h>
#include <unicode/ustring.h>

#define PASSES 2
#define MEMORY_KIB 19456
#define PARAMETERS "$argon2id$v=19$m=19456,t=2,p=1$" /* what the two above come to */

static_assert(PASSWORD_HASH == crypto_pwhash_argon2id_STRBYTES, "the room for a hash is the library's");

static UStringPrepProfile *profile;

void password_open(void)
{
	UErrorCode err = U_ZERO_ERROR;
	if (!profile)
		profile = usprep_openByType(USPREP_RFC4013_SASLPREP, &err);
	if (!profile || U_FAILURE(err) || sodium_init() < 0)
		abort();
}

/* Every character takes at most 18 times its room under NFKC (Unicode, annex 15). */
#define UNITS (LIMIT_LOGIN_NAME * 18)

static enum result prepare_unicode(struct slice typed, struct buf *out)
{
	UChar in[LIMIT_LOGIN_NAME + 1], done[UNITS];
	char text[UNITS];
	UErrorCode err = U_ZERO_ERROR;
	int32_t n = 0, done_n = 0, text_n = 0;
	u_strFromUTF8(in, (int32_t)COUNT(in), &n, typed.p, (int32_t)typed.n, &err);
	if (U_SUCCESS(err))
		done_n = usprep_prepare(profile, in, n, done, UNITS, USPREP_DEFAULT, NULL, &err);
	if (U_SUCCESS(err))
		u_strToUTF8(text, UNITS, &text_n, done, done_n, &err);
	if (U_SUCCESS(err))
		buf_put(out, slice_of(text, (size_t)text_n));
	explicit_bzero(in, sizeof in);
	explicit_bzero(done, sizeof done);
	explicit_bzero(text, sizeof text);
	return U_FAILURE(err) ? BAD : buf_result(out);
}

static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return true;
}

static enum result prepare(struct slice typed, size_t most, struct buf *out)
{
	if (typed.n > most)
		return FULL;
	if (is_plain(typed)) {
		buf_put(out, typed);
		return buf_result(out);
	}
	enum result r = slice_is_utf8(typed) ? prepare_unicode(typed, out) : BAD;
	if (r == BAD)
		buf_put(out, typed);
	return r == OK && out->n > most ? FULL : r;
}

enum result password_prepare(struct slice typed, struct buf *out)
{
	return prepare(typed, LIMIT_PASSWORD, out);
}

enum result login_prepare(struct slice typed, struct buf *out)
{
	enum result r = prepare(typed, LIMIT_LOGIN_NAME, out);
	for (size_t i = 0; i < out->n; i++)
		out->p[i] = ascii_lower(out->p[i]);
	return r;
}

void password_hash(struct slice prepared, char *out)
{
	if (crypto_pwhash_argon2id_str(out, prepared.p, prepared.n, PASSES, (size_t)MEMORY_KIB * 1024) != 0)
		abort();
}

enum result password_verify(struct slice prepared, const char *hash)
{
	return crypto_pwhash_argon2id_str_verify(hash, prepared.p, prepared.n) == 0 ? OK : DENY;
}

bool password_hash_is_old(const char *hash)
{
	return !slice_starts(slice_str(hash), SLICE(PARAMETERS));
}
