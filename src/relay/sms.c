#include "relay/sms.h"

static void put_json(char c, struct buf *out)
{
	if (c == '"' || c == '\\')
		buf_printf(out, "\\%c", c);
	else if ((unsigned char)c < 0x20 || c == 0x7f)
		buf_printf(out, "\\u%04x", (unsigned char)c);
	else
		buf_putc(out, c);
}

static void put_form(char c, struct buf *out)
{
	if (ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~", c)))
		buf_putc(out, c);
	else
		buf_printf(out, "%%%02X", (unsigned char)c);
}

static void put_word(struct slice s, enum sms_escape how, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		if (how == SMS_JSON)
			put_json(s.p[i], out);
		else if (how == SMS_FORM)
			put_form(s.p[i], out);
		else if ((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f)
			buf_putc(out, s.p[i]);
	}
}

void sms_fill(struct slice template, enum sms_escape how, const struct sms_words *w, struct buf *out)
{
	const struct {
		struct slice name, word;
	} words[] = {{SLICE("{to}"), w->to}, {SLICE("{text}"), w->text}, {SLICE("{secret}"), w->secret}};
	while (template.n) {
		size_t i = 0;
		while (i < COUNT(words) && !slice_starts(template, words[i].name))
			i++;
		if (i < COUNT(words))
			put_word(words[i].word, how, out);
		else
			buf_putc(out, template.p[0]);
		template = slice_sub(template, i < COUNT(words) ? words[i].name.n : 1, template.n);
	}
}
