/* signin_context: where a session comes from, and how familiar that is to its account (signins.h). */
#ifndef STORE_ACCOUNT_SIGNIN_CONTEXT_H
#define STORE_ACCOUNT_SIGNIN_CONTEXT_H

#include "geo/geo.h"

enum signin_familiarity {
	SIGNIN_FAMILIAR,
	SIGNIN_NEW_ASN,     /* another network of a country that is known, or another credential */
	SIGNIN_NEW_COUNTRY, /* or a place where people are not: hosting, VPN, Tor, a source of spraying */
};
/* Why; "first" means on fewer than three days before (of a country: fourteen). Kept in the database. */
enum signin_reason {
	SIGNIN_FIRST_COUNTRY = 1,
	SIGNIN_FIRST_ASN = 2, /* without geo data: the prefix */
	SIGNIN_FIRST_CREDENTIAL = 4,
	SIGNIN_FIRST_DEVICE = 8, /* says nothing of the familiarity, only a sign */
	SIGNIN_YOUNG = 16,       /* an account of less than 14 days, in a network nobody confirmed */
	SIGNIN_HOSTING = 32,
	SIGNIN_VPN = 64,
	SIGNIN_TOR = 128,
	SIGNIN_FLAGGED = 256, /* a source that took part in spraying */
	SIGNIN_GUESSED = 512, /* many different wrong passwords came before */
	SIGNIN_NO_GEO = 1024, /* nobody knows where it is */
	SIGNIN_MOBILE = 2048,
	SIGNIN_ODD_HOUR = 4096, /* the account is never used at this time of the day; a sign only */
	SIGNIN_FIRST_PREFIX =
	    8192, /* a program that was never seen, from an address of a network that was: not these */
};

struct signin_context {
	struct geo_place place;
	struct ip ip;
	struct ip_net prefix;
	int64_t credential, device;
	enum signin_familiarity familiarity;
	unsigned reasons;
};

#endif
