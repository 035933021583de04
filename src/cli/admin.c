#include "cli/cli.h"
#include "ipc/ipc.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ANSWER_MOST (256 * 1024 * 1024)
#define ARGS_IN_PACKET ((size_t)LIMIT_IPC_PACKET / 2) /* longer ones go in a sealed file */

static const char *config_file(struct cli *c)
{
	if (c->config_path)
		return c->config_path;
	return c->data ? arena_printf(&c->arena, "%s/sekisho.conf", c->data) : "/etc/sekisho/sekisho.conf";
}

int cli_config(struct cli *c)
{
	if (c->config)
		return EX_OK;
	const char *path = config_file(c);
	BUF_LOCAL(why, 65536);
	switch (config_load(path, CONFIG_DEMO, &why, &c->config)) {
	case OK:
		c->config_path = path;
		return EX_OK;
	case GONE:
		return cli_fail(c, EX_NOINPUT, "%s", buf_z(&why));
	default:
		return cli_fail(c, EX_CONFIG, "%s", buf_z(&why));
	}
}

static int connect_to(struct cli *c, const char *socket, struct ipc *out)
{
	int code = cli_config(c);
	if (code != EX_OK)
		return code;
	const char *path = arena_printf(&c->arena, "%s/run/%s", c->config->data_dir, socket);
	if (ipc_connect(path, out) == OK)
		return EX_OK;
	return cli_fail(c, EX_UNAVAILABLE,
	    CLI_TEXT(c, "the server does not answer on %s: %s", "サーバーが %s で応答しません: %s"), path,
	    strerrordesc_np(errno));
}

static int answer_failed(struct cli *c, const struct ipc *ipc, enum result r)
{
	if (ipc->fd < 0)
		return cli_fail(c, EX_UNAVAILABLE, "%s",
		    CLI_TEXT(c, "the server ended before it answered", "応答の前にサーバーが終了しました"));
	return cli_fail(c, cli_exit_code(r), "%s", ipc->why[0] ? ipc->why : result_name(r));
}

/* The JSON text comes in as many packets as it needs. */
static enum result collect(struct ipc *ipc, Sekisho__AdminAsk *ask, struct arena *a, struct buf *text)
{
	FD_LOCAL file = -1;
	struct slice args = slice_str(ask->args);
	if (args.n > ARGS_IN_PACKET) {
		file = fd_memory("args");
		if (file < 0 || fd_write_all(file, args) != OK || fd_seal(file) != OK)
			return LATER;
		ask->args = (char *)(uintptr_t) "";
	}
	struct ipc_fds fds = {.fd = {file}, .n = file >= 0};
	Sekisho__AdminAnswer *answer = NULL;
	enum result r = ipc_call(ipc, ASK_STORE_ADMIN, ask, &fds, a, &answer, NULL);
	while (r == OK) {
		buf_puts(text, answer->json);
		if (!ipc->more)
			break;
		r = ipc_more(ipc, a, &answer, NULL);
	}
	return r;
}

int cli_admin(struct cli *c, const char *verb, const json_t *args, json_t **out)
{
	struct ipc ipc = {.fd = -1, .why = ""};
	int code = connect_to(c, "admin.sock", &ipc);
	if (code != EX_OK)
		return code;
	char *text = args ? json_dumps(args, JSON_COMPACT) : NULL;
	Sekisho__AdminAsk ask = SEKISHO__ADMIN_ASK__INIT;
	ask.verb = (char *)(uintptr_t)verb;
	ask.args = text ? text : (char *)(uintptr_t) "{}";
	BUF_LOCAL(answer, ANSWER_MOST);
	ARENA_LOCAL(a, ANSWER_MOST);
	enum result r = collect(&ipc, &ask, &a, &answer);
	free(text);
	if (r != OK)
		code = answer_failed(c, &ipc, r);
	ipc_close(&ipc);
	if (r != OK)
		return code;
	*out = json_loadb(answer.n ? answer.p : "null", answer.n ? answer.n : 4, JSON_DECODE_ANY, NULL);
	return *out ? EX_OK : cli_fail(c, EX_PROTOCOL, "the server's answer is not JSON");
}

int cli_keys_ask(struct cli *c, enum ipc_ask kind, const void *ask, struct arena *a, void *answer_out)
{
	struct ipc ipc = {.fd = -1, .why = ""};
	int code = connect_to(c, "keys.sock", &ipc);
	if (code != EX_OK)
		return code;
	enum result r = ipc_call(&ipc, kind, ask, NULL, a, answer_out, NULL);
	if (r != OK)
		code = answer_failed(c, &ipc, r);
	ipc_close(&ipc);
	return code;
}

int cli_keys_ask_parts(
    struct cli *c, enum ipc_ask kind, const void *ask, void (*each)(void *arg, const void *answer), void *arg)
{
	struct ipc ipc = {.fd = -1, .why = ""};
	int code = connect_to(c, "keys.sock", &ipc);
	if (code != EX_OK)
		return code;
	ARENA_LOCAL(a, ANSWER_MOST);
	const void *answer = NULL;
	enum result r = ipc_call(&ipc, kind, ask, NULL, &a, &answer, NULL);
	while (r == OK) {
		each(arg, answer);
		if (!ipc.more)
			break;
		r = ipc_more(&ipc, &a, &answer, NULL);
	}
	if (r != OK)
		code = answer_failed(c, &ipc, r);
	ipc_close(&ipc);
	return code;
}

static int keys_ask(struct cli *c, enum ipc_ask kind, const void *ask)
{
	ARENA_LOCAL(a, LIMIT_IPC_PACKET * 4);
	return cli_keys_ask(c, kind, ask, &a, NULL);
}

static ProtobufCBinaryData octets(struct slice s)
{
	return (ProtobufCBinaryData){s.n, (uint8_t *)(uintptr_t)s.p};
}

static int give_receipt(struct cli *c, ProtobufCBinaryData receipt)
{
	struct ipc ipc = {.fd = -1, .why = ""};
	ARENA_LOCAL(a, LIMIT_IPC_PACKET * 2);
	Sekisho__ReceiptAsk ask = SEKISHO__RECEIPT_ASK__INIT;
	int code = connect_to(c, "admin.sock", &ipc);
	if (code != EX_OK)
		return code;
	ask.receipt = receipt;
	enum result r = ipc_call(&ipc, ASK_STORE_RECEIPT, &ask, NULL, &a, NULL, NULL);
	if (r != OK)
		code = answer_failed(c, &ipc, r);
	ipc_close(&ipc);
	return code;
}

int cli_set_password(struct cli *c, const char *address, struct slice password)
{
	ARENA_LOCAL(a, LIMIT_IPC_PACKET * 4);
	BUF_LOCAL(warrant, 4096);
	json_t *args = json_pack("{s:s}", "address", address), *answer = NULL;
	int code = cli_admin(c, "account.password", args, &answer);
	json_decref(args);
	const char *text = json_string_value(json_object_get(answer, "warrant"));
	if (code == EX_OK && base64_decode(slice_str(text), &warrant) != OK)
		code = cli_fail(c, EX_PROTOCOL, "the server gave no warrant");
	json_decref(answer);
	Sekisho__WarrantedAsk ask = SEKISHO__WARRANTED_ASK__INIT;
	Sekisho__WarrantedAnswer *done = NULL;
	ask.warrant = octets(buf_slice(&warrant));
	ask.secret = octets(password);
	if (code == EX_OK)
		code = cli_keys_ask(c, ASK_KEYS_WARRANTED, &ask, &a, &done);
	return code == EX_OK ? give_receipt(c, done->receipt) : code;
}

int cli_remove_login(struct cli *c, const char *login)
{
	Sekisho__LoginNameAsk ask = SEKISHO__LOGIN_NAME_ASK__INIT;
	ask.login = (char *)(uintptr_t)login;
	return keys_ask(c, ASK_KEYS_REMOVE_LOGIN, &ask);
}

int cli_install_certificate(struct cli *c, struct slice chain_pem, struct slice key_pem)
{
	Sekisho__InstallCertificateAsk ask = SEKISHO__INSTALL_CERTIFICATE_ASK__INIT;
	ask.chain_pem = octets(chain_pem);
	ask.key_pem = octets(key_pem);
	return keys_ask(c, ASK_KEYS_INSTALL_CERTIFICATE, &ask);
}

/* "account list" -> "account.list", with the parsed words as they are: what they mean is store's to say. */
int verb_admin(struct cli *c)
{
	char *name = arena_z(&c->arena, slice_str(c->verb->words));
	for (char *p = name; *p; p++)
		if (*p == ' ')
			*p = '.';
	json_t *answer = NULL;
	int code = cli_admin(c, name, c->args, &answer);
	if (code == EX_OK && !json_is_null(answer))
		code = cli_print(c, answer);
	else if (code == EX_OK)
		code = c->json ? cli_print(c, answer) : EX_OK;
	json_decref(answer);
	return code;
}
