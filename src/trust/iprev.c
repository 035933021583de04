#include "trust/iprev.h"
#include "trust/name.h"
#include <sys/socket.h>

#define NAMES_MOST 10

const char *iprev_result_name(enum iprev_result r)
{
	static const char *const names[] = {"fail", "pass", "temperror", "permerror"};
	return (unsigned)r < COUNT(names) ? names[r] : "?";
}

static enum iprev_result leads_back(
    const struct dns_ip *ip, const char *name, struct dns *dns, struct arena *a)
{
	struct dns_answer answer;
	if (!trust_name_ok(slice_str(name)))
		return IPREV_FAIL;
	dns_ask(dns, slice_str(name), ip->family == AF_INET ? DNS_A : DNS_AAAA, a, &answer);
	for (size_t i = 0; i < answer.n; i++)
		if (slice_eq(answer.rdata[i], slice_of(ip->octets, ip->family == AF_INET ? 4 : 16)))
			return IPREV_PASS;
	return dns_is_temporary(answer.status) ? IPREV_TEMPERROR : IPREV_FAIL;
}

enum iprev_result iprev_check(
    const struct dns_ip *ip, struct dns *dns, struct arena *a, const char **name_out)
{
	struct dns_name_list list;
	enum iprev_result worst = IPREV_FAIL;
	dns_ptr(dns, ip, a, &list);
	*name_out = list.n ? list.name[0] : NULL;
	if (dns_is_temporary(list.status))
		return IPREV_TEMPERROR;
	if (list.n == 0)
		return IPREV_PERMERROR;
	for (size_t i = 0; i < MIN(list.n, (size_t)NAMES_MOST); i++) {
		enum iprev_result r = leads_back(ip, list.name[i], dns, a);
		if (r == IPREV_PASS) {
			*name_out = list.name[i];
			return r;
		}
		if (r == IPREV_TEMPERROR)
			worst = r;
	}
	return worst;
}
