/*
 * setup: what mail programs fetch to set themselves up, and what other servers fetch before they send us mail.
 *
 *   Thunderbird   /mail/config-v1.1.xml at autoconfig.DOMAIN, /.well-known/autoconfig/mail/config-v1.1.xml at DOMAIN
 *   Outlook       /autodiscover/autodiscover.xml and .json at autodiscover.DOMAIN
 *   Apple         /mail/apple.mobileconfig?emailaddress=...
 *   others        /.well-known/mta-sts.txt at mta-sts.DOMAIN (RFC 8461)
 *
 * Answered for our own domains only (STORE_SETUP says which). Nobody is looked up: the same answer for every address of a
 * domain. TLS from the first octet comes first (RFC 8314). The documents are made here and nowhere else; every text in
 * them passes http_put_xml.
 */
#ifndef HTTP_SETUP_H
#define HTTP_SETUP_H

#include "http.h"

/* For whom and what: all names and addresses as the client gave them, domain as the store keeps it. */
struct setup_for {
	const struct http_setup *setup;
	const char *domain;
	struct slice address; /* empty: not known */
};

/* Text of XML 1.0: what has a meaning there is escaped, what cannot stand there becomes U+FFFD. */
void http_put_xml(struct buf *b, struct slice text);

void setup_put_autoconfig(struct buf *b, const struct setup_for *f);
void setup_put_autodiscover(struct buf *b, const struct setup_for *f);
void setup_put_mobileconfig(struct buf *b, const struct setup_for *f);

/* The address that an Autodiscover request is about, without the XML's escapes, in the arena. BAD: there is none. */
NODISCARD enum result setup_read_autodiscover(struct slice body, struct arena *a, struct slice *out);
/* The domain of an address that could be one; empty otherwise. */
struct slice setup_domain_of(struct slice address);
/* A Host field without its port, and without the label (such as "autoconfig.") when it begins with it. */
struct slice setup_domain_at(struct slice host, const char *label);

http_handler setup_get_autoconfig, setup_post_autodiscover, setup_get_autodiscover_json,
    setup_get_mobileconfig, setup_get_sts;

#define SETUP_ROUTES                                                                                         \
	{HTTP_IS(GET), "/mail/config-v1.1.xml", setup_get_autoconfig, 0, 0},                                 \
	    {HTTP_IS(GET), "/.well-known/autoconfig/mail/config-v1.1.xml", setup_get_autoconfig, 0, 0},      \
	    {HTTP_IS(POST), "/autodiscover/autodiscover.xml", setup_post_autodiscover, 0,                    \
		LIMIT_SETUP_REQUEST},                                                                        \
	    {HTTP_IS(POST), "/Autodiscover/Autodiscover.xml", setup_post_autodiscover, 0,                    \
		LIMIT_SETUP_REQUEST},                                                                        \
	    {HTTP_IS(POST), "/AutoDiscover/AutoDiscover.xml", setup_post_autodiscover, 0,                    \
		LIMIT_SETUP_REQUEST},                                                                        \
	    {HTTP_IS(GET), "/autodiscover/autodiscover.json", setup_get_autodiscover_json, 0, 0},            \
	    {HTTP_IS(GET), "/autodiscover/autodiscover.json/v1.0/{address}", setup_get_autodiscover_json, 0, \
		0},                                                                                          \
	    {HTTP_IS(GET), "/mail/apple.mobileconfig", setup_get_mobileconfig, 0, 0},                        \
	{                                                                                                    \
		HTTP_IS(GET), "/.well-known/mta-sts.txt", setup_get_sts, 0, 0                                \
	}

#endif
