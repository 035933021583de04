#include "cli/cli.h"
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

/* 58 letters and digits without look-alikes; 4 groups of 5 are typed without a mistake. */
void cli_make_password(struct buf *b)
{
	static const char letters[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
	unsigned limit = 256 - 256 % (sizeof letters - 1); /* above it letters would not be equally likely */
	for (size_t made = 0; made < 20;) {
		unsigned char octet;
		if (RAND_bytes(&octet, 1) != 1)
			abort();
		if (octet >= limit)
			continue;
		if (made && made % 5 == 0)
			buf_putc(b, '-');
		buf_putc(b, letters[octet % (sizeof letters - 1)]);
		made++;
	}
}

/* One line from stdin without its end; an empty line is no password. */
static int read_line(struct cli *c, struct buf *b)
{
	int ch;
	while ((ch = getchar()) != EOF && ch != '\n')
		buf_putc(b, (char)ch);
	if (b->n && b->p[b->n - 1] == '\r')
		b->n--;
	if (b->n == 0 || buf_result(b) != OK)
		return cli_fail(c, EX_DATAERR, "%s",
		    CLI_TEXT(c, "no password, or one that is too long", "パスワードが空か、長すぎます"));
	return EX_OK;
}

static int prompt(struct cli *c, const char *text, struct buf *b)
{
	struct termios old, quiet;
	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return cli_fail(c, EX_IOERR, "cannot prompt");
	quiet = old;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	fputs(text, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	int code = read_line(c, b);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputc('\n', stderr);
	return code;
}

int cli_new_password(struct cli *c, struct buf *password, bool *made_out)
{
	*made_out = false;
	if (cli_flag(c, "password_stdin"))
		return read_line(c, password);
	if (cli_flag(c, "generate") || !isatty(STDIN_FILENO)) {
		cli_make_password(password);
		*made_out = true;
		return EX_OK;
	}
	int code = prompt(c, CLI_TEXT(c, "New password: ", "新しいパスワード: "), password);
	if (code != EX_OK)
		return code;
	__attribute__((cleanup(buf_free_secret))) struct buf again = {.max = LIMIT_PASSWORD};
	code = prompt(c, CLI_TEXT(c, "Once more: ", "もう一度: "), &again);
	if (code == EX_OK && !slice_eq_secret(buf_slice(password), buf_slice(&again)))
		return cli_fail(
		    c, EX_DATAERR, "%s", CLI_TEXT(c, "the two are not the same", "二つが一致しません"));
	return code;
}

/* The login as the account spells it. */
static int find_account(struct cli *c, const char *address, const char **login_out)
{
	json_t *args = json_pack("{s:s}", "address", address), *answer = NULL;
	int code = cli_admin(c, "account.show", args, &answer);
	json_decref(args);
	if (code != EX_OK)
		return code;
	const char *login = json_string_value(json_object_get(answer, "address"));
	*login_out = arena_z(&c->arena, slice_str(login ? login : address));
	json_decref(answer);
	return EX_OK;
}

int cli_add_account(struct cli *c, const char *address, const char *name, struct slice password)
{
	json_t *args = json_pack("{s:s,s:s*}", "address", address, "name", name), *answer = NULL;
	int code = cli_admin(c, "account.add", args, &answer);
	if (code == EX_OK) {
		code = cli_set_password(c, address, password);
		json_decref(answer);
		/* An account nobody can log in to is worse than none: the whole act failed. */
		json_t *gone = NULL;
		if (code != EX_OK && cli_admin(c, "account.remove", args, &gone) == EX_OK)
			json_decref(gone);
	}
	json_decref(args);
	return code;
}

int cli_give_role(struct cli *c, const char *address, const char *role)
{
	json_t *args = json_pack("{s:s,s:s}", "address", address, "role", role), *answer = NULL;
	int code = cli_admin(c, "role.give", args, &answer);
	json_decref(args);
	json_decref(answer);
	return code;
}

static int print_account(struct cli *c, const char *address, struct slice password, bool made)
{
	json_t *out = json_pack("{s:s}", "address", address);
	if (made)
		json_object_set_new(out, "password", json_stringn(password.p, password.n));
	int code = cli_print(c, out);
	json_decref(out);
	return code;
}

int verb_account_add(struct cli *c)
{
	__attribute__((cleanup(buf_free_secret))) struct buf password = {.max = LIMIT_PASSWORD};
	bool made;
	const char *address = cli_arg(c, "address");
	int code = cli_new_password(c, &password, &made);
	if (code == EX_OK)
		code = cli_add_account(c, address, cli_arg(c, "name"), buf_slice(&password));
	return code == EX_OK ? print_account(c, address, buf_slice(&password), made) : code;
}

int verb_account_passwd(struct cli *c)
{
	__attribute__((cleanup(buf_free_secret))) struct buf password = {.max = LIMIT_PASSWORD};
	bool made;
	const char *login;
	int code = find_account(c, cli_arg(c, "address"), &login);
	if (code == EX_OK)
		code = cli_new_password(c, &password, &made);
	if (code == EX_OK)
		code = cli_set_password(c, login, buf_slice(&password));
	return code == EX_OK ? print_account(c, login, buf_slice(&password), made) : code;
}

/* The login goes first: whatever happens then, nobody enters an account that is being removed. */
int verb_account_remove(struct cli *c)
{
	const char *login;
	int code = find_account(c, cli_arg(c, "address"), &login);
	if (code == EX_OK)
		code = cli_remove_login(c, login);
	return code == EX_OK ? verb_admin(c) : code;
}
