/*
 * access: who may sign in from where, to which service: rules in order, the first that fits decides.
 *
 * A rule says: allow or deny; at these doors; whom (everybody, an account, the members of a group, those with a role, the
 * accounts of a domain); from where (anywhere, networks, countries, or all but these countries). What no rule decides is
 * allowed, but for the preset: with a home country and data on where addresses are, mail programs send from that country, from
 * networks of the organisation's own, or from this machine only.
 *
 * Nothing here knows a database: whoever asks brings a function that says whether somebody is among those a rule names.
 */
#ifndef POLICY_ACCESS_H
#define POLICY_ACCESS_H

#include "base/ip.h"
#include "policy/door.h"

enum access_who { ACCESS_EVERYBODY, ACCESS_ACCOUNT, ACCESS_GROUP, ACCESS_ROLE, ACCESS_DOMAIN };
enum access_action { ACCESS_ALLOW, ACCESS_DENY };

struct access_rule {
	int64_t id;
	enum access_action action;
	unsigned doors; /* bits of enum door */
	enum access_who who;
	struct slice name;    /* of the account, group, role or domain */
	struct slice place;   /* as it was read */
	struct ip_nets nets;  /* all three empty: anywhere */
	struct slice in, out; /* countries, two letters each without anything between; out: all but these */
};

struct access_ask {
	enum door door;
	struct ip ip;
	const char *country; /* "": not known */
	bool home;           /* a network of our own, or this machine */
	/* Whether the one who signs in is among those. */
	bool (*is)(void *context, enum access_who who, struct slice name);
	void *context;
};

struct access_rules {
	struct access_rule *at; /* in order */
	size_t n;
	const char *home_country; /* for the preset; "": none */
	bool geo;                 /* it is known where addresses are */
};

enum access_step { STEP_DOOR, STEP_WHO, STEP_PLACE, STEP_FITS };
struct access_verdict {
	bool allowed;
	const struct access_rule *rule; /* NULL: the preset, or none */
	bool preset;
};
void access_judge(const struct access_rules *rules, const struct access_ask *ask, struct access_verdict *out);
/* What a rule did not fit by; STEP_FITS: it does. */
enum access_step access_try(const struct access_rule *rule, const struct access_ask *ask);
const char *access_step_name(enum access_step step);

/*
 * Reads "any", "192.0.2.0/24, 2001:db8::/32", "JP, KR", "!JP" into rule->place, nets, in and out; their octets are the
 * caller's text. BAD: *wrong_out is the part that is none of these. The caller frees with access_rule_free.
 */
NODISCARD enum result access_place_read(struct slice text, struct access_rule *rule, struct slice *wrong_out);
/* "everybody", "account:taro@here.example", "group:...", "role:system", "domain:here.example". */
NODISCARD enum result access_who_read(struct slice text, enum access_who *who_out, struct slice *name_out);
void access_who_put(enum access_who who, struct slice name, struct buf *out);
void access_rule_free(struct access_rule *rule);
const char *access_action_name(enum access_action a);

#endif
