#include "cli/cli.h"
#include <stdio.h>

/* What an administrator can do about a reply, by its enhanced status code (RFC 3463); the longest beginning wins. */
static const struct hint {
	const char *status, *english, *japanese;
} hints[] = {
    {"5.1.1", "No such address there: check its spelling.",
	"相手側にそのアドレスはありません。つづりを確かめてください。"},
    {"5.1.2", "No such mail domain: check its spelling.",
	"そのドメインはメールを受け取りません。つづりを確かめてください。"},
    {"5.1.10", "The domain says that it takes no mail.",
	"そのドメインはメールを受け取らないと宣言しています。"},
    {"4.2.2", "The mailbox there is full; it will be tried again.",
	"相手のメールボックスがいっぱいです。再送を続けます。"},
    {"5.2.2", "The mailbox there is full: tell the recipient by another way.",
	"相手のメールボックスがいっぱいです。別の方法で相手に知らせてください。"},
    {"5.3.4", "Too large for them: send the attachment in another way.",
	"相手側には大きすぎます。添付ファイルは別の方法で送ってください。"},
    {"4.4", "Their server cannot be reached now; it is tried again by itself.",
	"相手のサーバーに今は届きません。自動的に再送します。"},
    {"5.4.4", "No server for that domain can be found: check its spelling.",
	"そのドメインのサーバーが見つかりません。つづりを確かめてください。"},
    {"5.4.6", "The mail goes round in a circle: look at aliases and forwards.",
	"メールが循環しています。別名や転送の設定を見直してください。"},
    {"4.7", "They put us off, as many do with a sender they do not know yet; nothing has to be done.",
	"相手が一時的に受け取りを見合わせています。初めての送信元にはよくあることで、対処は不要です。"},
    {"5.7", "They refuse by their policy: show this reply to their administrator.",
	"相手の方針で拒否されました。この応答を相手の管理者に見せてください。"},
};

/* The status code of a step: a field of its own, or what its reply begins with. */
static struct slice status_of(const json_t *step)
{
	const json_t *status = json_object_get(step, "status");
	if (json_is_string(status))
		return slice_str(json_string_value(status));
	struct slice reply = slice_str(json_string_value(json_object_get(step, "reply")));
	return slice_split(&reply, ' ');
}

static bool begins(struct slice status, struct slice code)
{
	return slice_starts(status, code) && (status.n == code.n || status.p[code.n] == '.');
}

static const struct hint *find_hint(const json_t *step)
{
	struct slice status = status_of(step);
	const struct hint *best = NULL;
	for (size_t i = 0; i < COUNT(hints); i++)
		if (begins(status, slice_str(hints[i].status)) &&
		    (!best || strlen(hints[i].status) > strlen(best->status)))
			best = &hints[i];
	return best;
}

static bool has_hint(const json_t *step)
{
	struct slice name = slice_str(json_string_value(json_object_get(step, "step")));
	return slice_eq(name, SLICE("deferred")) || slice_eq(name, SLICE("failed"));
}

static void show_step(const struct cli *c, const json_t *step)
{
	ARENA_LOCAL(a, 4096);
	const char *text =
	    json_string_value(json_object_get(step, c->lang == CLI_JAPANESE ? "text_ja" : "text"));
	BUF_LOCAL(line, 65536);
	cli_put_safe(&line, slice_str(text));
	cli_say(
	    c, "  %s  %s\n", cli_time(&a, json_integer_value(json_object_get(step, "at_ms"))), buf_z(&line));
	const struct hint *hint = has_hint(step) ? find_hint(step) : NULL;
	if (hint)
		cli_say(c, "      %s\n", CLI_TEXT(c, hint->english, hint->japanese));
}

static void show_mail(const struct cli *c, const json_t *mail)
{
	size_t i;
	const json_t *step;
	cli_say(c, "%s %s\n", CLI_TEXT(c, "message", "メッセージ"),
	    json_string_value(json_object_get(mail, "mail")));
	json_array_foreach(json_object_get(mail, "steps"), i, step) show_step(c, step);
}

int verb_trace(struct cli *c)
{
	json_t *answer = NULL;
	int code = cli_admin(c, "trace", c->args, &answer);
	if (code == EX_OK && (c->json || json_array_size(answer) == 0)) {
		code = cli_print(c, answer);
	} else if (code == EX_OK) {
		size_t i;
		const json_t *mail;
		json_array_foreach(answer, i, mail) show_mail(c, mail);
	}
	json_decref(answer);
	return code;
}
