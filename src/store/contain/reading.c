#include "store/contain/reading.h"
#include "store/account/signins.h"
#include "store/contain/contain.h"
#include <pthread.h>
#include <stdlib.h>

#define SLOTS 1024
#define LOOK_EVERY 20 /* messages between two looks at how many there are */

/* What sessions of one account fetched within an hour. Who takes another's slot begins anew, as his neighbour then does. */
struct slot {
	int64_t account, since_ms;
	uint64_t messages, octets, looked_at;
	bool told;
};
struct reading {
	pthread_mutex_t lock;
	struct slot slots[SLOTS];
};

struct reading *reading_new(void)
{
	struct reading *r = calloc(1, sizeof *r);
	if (!r)
		abort();
	pthread_mutex_init(&r->lock, NULL);
	return r;
}

void reading_free(struct reading *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Counts; how many messages it is by now when somebody has to look whether that is much, else 0. */
static uint64_t count(
    struct reading *r, int64_t account, uint64_t messages, uint64_t octets, int64_t now, bool *much_out)
{
	struct slot *s = &r->slots[(uint64_t)account % SLOTS];
	uint64_t look = 0;
	pthread_mutex_lock(&r->lock);
	if (s->account != account || now - s->since_ms > HOUR_MS || now < s->since_ms)
		*s = (struct slot){.account = account, .since_ms = now};
	s->messages += messages;
	s->octets += octets;
	*much_out = !s->told && s->octets > READING_OCTETS;
	if (!s->told && s->messages >= READING_LEAST && s->messages - s->looked_at >= LOOK_EVERY) {
		s->looked_at = s->messages;
		look = s->messages;
	}
	s->told |= *much_out;
	pthread_mutex_unlock(&r->lock);
	return look;
}

static bool is_much(struct store *s, int64_t account, uint64_t messages)
{
	READER r = reader_begin(s);
	if (!r.db)
		return false;
	DB_ROWS q = DB_QUERY(r.db, QUOTA_USED, DI(account));
	return db_next(&q) && messages * READING_SHARE > (uint64_t)db_int(&q, 1);
}

void reading_note(struct store *s, const struct login *user, uint64_t messages, uint64_t octets)
{
	bool much;
	if ((!messages && !octets) || !signin_is_strange(&user->context))
		return;
	struct reading *r = contain_reading(s);
	if (!r)
		return;
	uint64_t look = count(r, user->account, messages, octets, clock_utc_ms(), &much);
	if (!much && (!look || !is_much(s, user->account, look)))
		return;
	pthread_mutex_lock(&r->lock);
	r->slots[(uint64_t)user->account % SLOTS].told = true;
	pthread_mutex_unlock(&r->lock);
	signin_sign(s, user->account, SIGNAL_BULK_READ);
}
