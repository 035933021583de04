#include "cli/cli.h"

int verb_trace(struct cli *c)
{
	return verb_admin(c);
}
