/* text: what a text must have, and must not, with the line of the test that says so. After cmocka.h. */
#ifndef KIT_TEXT_H
#define KIT_TEXT_H

#include <string.h>

#define HAS(text, part) kit_text_has((text), (part), __LINE__)
#define HAS_NOT(text, part) kit_text_has_not((text), (part), __LINE__)

static inline void kit_text_has(const char *text, const char *part, int line)
{
	if (!strstr(text, part))
		fail_msg("line %d: %s is not in %s", line, part, text);
}
static inline void kit_text_has_not(const char *text, const char *part, int line)
{
	if (strstr(text, part))
		fail_msg("line %d: %s is in %s", line, part, text);
}

#endif
