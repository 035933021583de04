/* chars: the character classes of RFC 3501 section 9. */
#ifndef IMAP_CHARS_H
#define IMAP_CHARS_H

#include <stdbool.h>

/* What may stand in a quoted string of ours as it is: printable ASCII. */
static inline bool imap_is_text(unsigned char c)
{
	return c >= 0x20 && c <= 0x7e;
}
static inline bool imap_is_atom(char c)
{
	switch (c) {
	case '(':
	case ')':
	case '{':
	case '%':
	case '*':
	case '"':
	case '\\':
	case ']':
		return false;
	default:
		return c > 0x20 && c < 0x7f;
	}
}
static inline bool imap_is_astring(char c)
{
	return c == ']' || imap_is_atom(c);
}
static inline bool imap_is_list(char c)
{
	return c == '%' || c == '*' || imap_is_astring(c);
}
static inline bool imap_is_tag(char c)
{
	return c != '+' && imap_is_astring(c);
}

#endif
