#include "keys/totp.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

void totp_code(struct slice key, uint64_t step, char out[TOTP_DIGITS])
{
	unsigned char text[8], mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (unsigned char)(step >> (56 - 8 * i));
	if (!HMAC(EVP_sha1(), key.p, (int)key.n, text, sizeof text, mac, &n) || n != 20)
		abort();
	unsigned at = mac[19] & 15; /* RFC 4226 5.3 */
	uint32_t number = (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
			  (uint32_t)mac[at + 2] << 8 | mac[at + 3];
	for (size_t i = TOTP_DIGITS; i-- > 0; number /= 10)
		out[i] = (char)('0' + number % 10);
}

enum result totp_check(
    struct slice key, struct slice typed, int64_t now_ms, uint64_t last, uint64_t *step_out)
{
	BUF_LOCAL(digits, 32);
	uint64_t now = (uint64_t)(now_ms / TOTP_STEP_MS);
	enum result r = DENY;
	for (size_t i = 0; i < typed.n; i++)
		if (typed.p[i] != ' ')
			buf_putc(&digits, typed.p[i]);
	if (buf_result(&digits) != OK || digits.n != TOTP_DIGITS)
		return DENY;
	for (uint64_t step = now - (now > 0); step <= now + 1; step++) {
		char code[TOTP_DIGITS];
		totp_code(key, step, code);
		if (slice_eq_secret(slice_of(code, sizeof code), buf_slice(&digits)) && step > last) {
			*step_out = step;
			r = OK;
		}
	}
	return r;
}
