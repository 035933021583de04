/* Networks that no stranger's name has any business with: the registries of RFC 6890. */
#include "https/https.h"
#include <arpa/inet.h>

struct network {
	unsigned char octets[16];
	unsigned bits;
};

static const struct network four[] = {
    {{0}, 8}, {{10}, 8}, {{100, 64}, 10}, {{127}, 8}, {{169, 254}, 16}, {{172, 16}, 12}, {{192, 0, 0}, 24},
    {{192, 0, 2}, 24}, {{192, 88, 99}, 24}, {{192, 168}, 16}, {{198, 18}, 15}, {{198, 51, 100}, 24},
    {{203, 0, 113}, 24}, {{224}, 3}, /* multicast, reserved, broadcast */
};
/* Of 2000::/3, where all global addresses are; the rest is not public. */
static const struct network six[] = {
    {{0x20, 0x01, 0x00}, 23},       /* protocol assignments; Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4: an IPv4 address in disguise */
    {{0x3f, 0xff, 0x00}, 20},       /* documentation */
};

static bool within(const unsigned char *octets, const struct network *n)
{
	unsigned whole = n->bits / 8, left = n->bits % 8;
	if (memcmp(octets, n->octets, whole) != 0)
		return false;
	return !left || (octets[whole] >> (8 - left)) == (n->octets[whole] >> (8 - left));
}

static bool four_is_public(const unsigned char *octets)
{
	for (size_t i = 0; i < COUNT(four); i++)
		if (within(octets, &four[i]))
			return false;
	return true;
}

bool https_address_is_public(const struct dns_ip *ip)
{
	static const struct network mapped = {.octets = {[10] = 0xff, [11] = 0xff}, .bits = 96};
	static const struct network nat64 = {.octets = {0x00, 0x64, 0xff, 0x9b}, .bits = 96};
	static const struct network global = {.octets = {0x20}, .bits = 3};
	if (ip->family == AF_INET)
		return four_is_public(ip->octets);
	if (ip->family != AF_INET6)
		return false;
	if (within(ip->octets, &mapped) || within(ip->octets, &nat64))
		return four_is_public(ip->octets + 12);
	if (!within(ip->octets, &global))
		return false;
	for (size_t i = 0; i < COUNT(six); i++)
		if (within(ip->octets, &six[i]))
			return false;
	return true;
}
