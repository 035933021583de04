#include "cli/cli.h"
#include "role/role.h"

/* The roles parse the very text that was judged here. */
int verb_serve(struct cli *c)
{
	const char *path = c->config_path ? c->config_path
			   : c->data      ? arena_printf(&c->arena, "%s/sekisho.conf", c->data)
					  : "/etc/sekisho/sekisho.conf";
	enum config_mode mode = cli_flag(c, "demo") ? CONFIG_DEMO : CONFIG_PRODUCTION;
	BUF_LOCAL(why, 65536);
	BUF_LOCAL(text, 2 * 1048576);
	enum result r = config_load_text(path, mode, &why, &text, &c->config);
	if (r != OK)
		return cli_fail(c, r == GONE ? EX_NOINPUT : EX_CONFIG, "%s", buf_z(&why));
	int code = cli_make_directories(c, c->config->data_dir);
	return code != EX_OK ? code : role_serve(c->config, buf_slice(&text));
}
