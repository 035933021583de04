#include "cli/cli.h"
#include <stdio.h>

/*
 * The manual pages, from the tables: what the program takes is what the page says. The build writes them to
 * build/doc; test/check-docs renders them.
 */

#define PAGE_MOST 1048576

/* Text for troff: backslashes doubled, hyphens as typed, no line that begins with a request. */
static void put_roff(struct buf *b, const char *text)
{
	for (const char *p = text; *p; p++) {
		if (p == text && (*p == '.' || *p == '\''))
			buf_puts(b, "\\&");
		if (*p == '\\')
			buf_puts(b, "\\e");
		else if (*p == '-')
			buf_puts(b, "\\-");
		else
			buf_putc(b, *p);
	}
}

static void put_head(const struct cli *c, struct buf *b, const char *page, const char *section,
    const char *english, const char *japanese)
{
	buf_printf(b, ".TH %s %s \"\" \"Sekisho %s\" \"\"\n.ad l\n.SH %s\n%s \\- ", page, section,
	    SEKISHO_VERSION, CLI_TEXT(c, "NAME", "名前"), page);
	put_roff(b, CLI_TEXT(c, english, japanese));
	buf_putc(b, '\n');
}

static void put_section(const struct cli *c, struct buf *b, const char *english, const char *japanese)
{
	buf_printf(b, ".SH %s\n", CLI_TEXT(c, english, japanese));
}

static void put_paragraph(const struct cli *c, struct buf *b, const char *english, const char *japanese)
{
	buf_puts(b, ".PP\n");
	put_roff(b, CLI_TEXT(c, english, japanese));
	buf_putc(b, '\n');
}

static void put_item(struct buf *b, const char *bold, const char *rest, const char *text)
{
	buf_puts(b, ".TP\n\\fB");
	put_roff(b, bold);
	buf_puts(b, "\\fR ");
	put_roff(b, rest);
	buf_putc(b, '\n');
	put_roff(b, text);
	buf_putc(b, '\n');
}

struct code {
	int number;
	const char *english, *japanese;
};
static const struct code codes[] = {
    {EX_OK, "done", "成功"},
    {EX_USAGE, "the words of the command are wrong", "コマンドの書き方の誤り"},
    {EX_DATAERR, "what was given is malformed", "与えられた内容の誤り"},
    {EX_NOINPUT, "there is no such file, account or message", "ファイル、アカウント、メッセージがない"},
    {EX_UNAVAILABLE, "the server does not answer", "サーバーが応答しない"},
    {EX_SOFTWARE, "a fault in the program itself", "プログラム自身の不具合"},
    {EX_OSERR, "the system refused something", "システムが拒否した"},
    {EX_CANTCREAT, "something cannot be created, or exists already", "作成できない、または既にある"},
    {EX_TEMPFAIL, "it cannot be done now; trying later may help", "今はできないが、後で可能かもしれない"},
    {EX_NOPERM, "it is not allowed", "許可されていない"},
    {EX_CONFIG, "the configuration is wrong", "設定の誤り"},
};

static void put_codes(const struct cli *c, struct buf *b)
{
	put_section(c, b, "EXIT STATUS", "終了コード");
	for (size_t i = 0; i < COUNT(codes); i++) {
		BUF_LOCAL(number, 16);
		buf_printf(&number, "%d", codes[i].number);
		put_item(b, buf_z(&number), "", CLI_TEXT(c, codes[i].english, codes[i].japanese));
	}
}

static void put_command_page(const struct cli *c, struct buf *b)
{
	put_head(c, b, "sekisho", "1", "a mail server for an organisation", "組織のためのメールサーバー");
	put_section(c, b, "SYNOPSIS", "書式");
	buf_puts(b, ".B sekisho\n\\fIverb\\fR ... [\\-\\-json] [\\-\\-lang en|ja] [\\-\\-data \\fIDIR\\fR] "
		    "[\\-\\-config \\fIFILE\\fR]\n");
	put_section(c, b, "DESCRIPTION", "説明");
	put_paragraph(c, b,
	    "Receives, sends, keeps and serves the mail of an organisation. This one program is the server "
	    "and the command "
	    "with which its administrator works: the verbs below talk to the running server through sockets "
	    "in its data "
	    "directory that only its owner may open.",
	    "組織のメールを受け取り、送り、保管し、提供します。このプログラムはサーバーであり、管理者が使うコ"
	    "マンドでもあります。以下のコマンドは、所有者だけが開けるデータディレクトリ内のソケットを通して動"
	    "作中のサーバーと話します。");
	put_section(c, b, "VERBS", "コマンド");
	for (size_t i = 0; i < cli_verb_count; i++)
		put_item(b, cli_verbs[i].words, cli_verbs[i].synopsis,
		    CLI_TEXT(c, cli_verbs[i].english, cli_verbs[i].japanese));
	put_section(c, b, "OPTIONS", "オプション");
	put_item(b, "--json", "", CLI_TEXT(c, "Prints one JSON value.", "JSON で出力します。"));
	put_item(b, "--lang", "en|ja",
	    CLI_TEXT(
		c, "The language; the default is that of the environment.", "言語。既定は環境の言語です。"));
	put_item(b, "--data", "DIR",
	    CLI_TEXT(c, "The server whose data is there; its configuration is DIR/sekisho.conf.",
		"そのデータを持つサーバー。設定は DIR/sekisho.conf です。"));
	put_item(b, "--config", "FILE",
	    CLI_TEXT(c, "Its configuration file; the default is /etc/sekisho/sekisho.conf.",
		"設定ファイル。既定は /etc/sekisho/sekisho.conf です。"));
	put_codes(c, b);
	put_section(c, b, "SEE ALSO", "関連項目");
	buf_puts(b, ".BR sekisho.conf (5),\n.BR sekisho-events (7)\n");
}

static void put_option(const struct cli *c, struct buf *b, const struct config_option *o)
{
	BUF_LOCAL(range, 1024);
	config_put_range(&range, o);
	put_item(b, o->name, config_type_name(o->type), CLI_TEXT(c, o->english, o->japanese));
	buf_puts(b, ".br\n");
	put_roff(b, CLI_TEXT(c, "Default: ", "既定: "));
	put_roff(b, o->standard[0] ? o->standard : "-");
	if (range.n) {
		put_roff(b, CLI_TEXT(c, "; allowed: ", "、範囲: "));
		put_roff(b, buf_z(&range));
	}
	buf_putc(b, '\n');
}

static void put_config_page(const struct cli *c, struct buf *b)
{
	put_head(c, b, "sekisho.conf", "5", "the configuration of sekisho", "sekisho の設定");
	put_section(c, b, "DESCRIPTION", "説明");
	put_paragraph(c, b,
	    "One option a line, as name = value; text after # is a comment. Lists stand in braces: {\"a\", "
	    "\"b\"}. "
	    "Durations are written 30s, 5m, 4h or 5d, sizes 512K or 50M. Everything has a default. An "
	    "unknown option is an "
	    "error, with its line. The file is read once at the start; a change takes effect after a "
	    "restart.",
	    "一行に一つ、名前 = 値 の形で書きます。# の後は注釈です。リストは {\"a\", \"b\"} "
	    "と書きます。時間は 30s、5m、4h、5d、"
	    "サイズは 512K、50M "
	    "のように書きます。すべてに既定値があります。未知の設定は行番号付きのエラーになります。"
	    "ファイルは起動時に一度だけ読まれ、変更は再起動後に有効になります。");
	put_section(c, b, "OPTIONS", "設定項目");
	for (size_t i = 0; i < config_option_count; i++)
		put_option(c, b, &config_options[i]);
	put_section(c, b, "SEE ALSO", "関連項目");
	buf_puts(b, ".BR sekisho (1)\n");
}

static const struct {
	const char *name, *level, *meaning, *fields;
} events[] = {
#define X(name, level, meaning, fields) {#name, #level, meaning, fields},
#include "base/events.def"
#undef X
};

static void put_lower(struct buf *b, const char *text)
{
	for (; *text; text++)
		buf_putc(b, ascii_lower(*text));
}

static void put_events_page(const struct cli *c, struct buf *b)
{
	put_head(c, b, "sekisho-events", "7", "what sekisho logs and counts", "sekisho が記録し数えること");
	put_section(c, b, "DESCRIPTION", "説明");
	put_paragraph(c, b,
	    "Events are written to standard error, one a line, as logfmt or JSON (log_format): time, level, "
	    "role, event, "
	    "session where there is one, and the event's own fields. Every event is counted, whether it is "
	    "written or not "
	    "(log_level); /metrics shows the counts.",
	    "イベントは一行に一つ、logfmt か "
	    "JSON(log_format)で標準エラーに書かれます。時刻、レベル、ロール、イベント名、"
	    "セッション(あれば)、イベントごとの項目が並びます。書かれないもの(log_level)"
	    "も含めてすべて数えられ、/metrics で見られます。");
	put_section(c, b, "EVENTS", "イベント");
	for (size_t i = 0; i < COUNT(events); i++) {
		BUF_LOCAL(name, 64);
		BUF_LOCAL(rest, 1024);
		put_lower(&name, events[i].name);
		buf_puts(&rest, "(");
		put_lower(&rest, events[i].level);
		buf_printf(&rest, ") %s", events[i].fields);
		put_item(b, buf_z(&name), buf_z(&rest), events[i].meaning);
	}
	put_section(c, b, "SEE ALSO", "関連項目");
	buf_puts(b, ".BR sekisho (1),\n.BR sekisho.conf (5)\n");
}

int verb_man(struct cli *c)
{
	const char *page = cli_arg(c, "page");
	BUF_LOCAL(text, PAGE_MOST);
	if (strcmp(page, "sekisho.1") == 0)
		put_command_page(c, &text);
	else if (strcmp(page, "sekisho.conf.5") == 0)
		put_config_page(c, &text);
	else if (strcmp(page, "sekisho-events.7") == 0)
		put_events_page(c, &text);
	else
		return cli_fail(c, EX_USAGE, "there are sekisho.1, sekisho.conf.5 and sekisho-events.7");
	return fwrite(text.p, 1, text.n, stdout) == text.n && !fflush(stdout) ? EX_OK : EX_IOERR;
}
