/* The counts of a day about one domain, as the XML of an aggregate report. */
#include "store/domain/reports.h"

#define PAGE 200
#define ROWS_MOST 50000
#define RECORD_MOST 65536
#define LATE_DAYS 2

struct page {
	Sekisho__DmarcCount *c[PAGE];
	int64_t times[PAGE];
	size_t n;
	int64_t last;
};

/* Counts that do not open are left out. */
static void read_page(struct report_out *o, struct db *db, struct arena *a, struct page *p)
{
	p->n = 0;
	size_t seen = 0;
	DB_ROWS q = DB_QUERY(db, TRUST_COUNTS_ABOUT, DI(o->day), DI(o->token), DI(p->last), DI(PAGE));
	while (db_next(&q)) {
		seen++;
		p->last = db_int(&q, 0);
		p->times[p->n] = db_int(&q, 1);
		if (judge_count_open(o->s, o->day, db_octets(&q, 2), a, &p->c[p->n]) == OK)
			p->n++;
	}
	if (seen < PAGE)
		p->last = INT64_MAX;
}

static void put_page(const struct page *p, struct report_gzip *g)
{
	for (size_t i = 0; i < p->n; i++) {
		BUF_LOCAL(xml, RECORD_MOST);
		report_dmarc_record(p->c[i], (uint64_t)p->times[i], &xml);
		if (buf_result(&xml) == OK)
			report_gzip_put(g, buf_slice(&xml));
	}
}

static enum result put_all(struct report_out *o, struct db *db, struct page *p)
{
	BUF_LOCAL(xml, RECORD_MOST);
	struct report_gzip *g = report_gzip_new(&o->packed);
	size_t rows = p->n;
	report_dmarc_begin(&o->about, o->to, &xml);
	report_gzip_put(g, buf_slice(&xml));
	put_page(p, g);
	while (p->last < INT64_MAX && rows < ROWS_MOST) {
		ARENA_LOCAL(a, (size_t)16 << 20);
		read_page(o, db, &a, p);
		put_page(p, g);
		rows += p->n;
	}
	buf_clear(&xml);
	report_dmarc_end(&xml);
	report_gzip_put(g, buf_slice(&xml));
	enum result r = report_gzip_end(g);
	return r == OK ? db_result(db) : r;
}

enum result reports_dmarc_make(struct report_out *o, struct db *db)
{
	struct page *p = arena_new(o->arena, struct page);
	if (!p)
		return LATER;
	*p = (struct page){.last = -1};
	read_page(o, db, o->arena, p);
	if (db_result(db) != OK || arena_full(o->arena))
		return LATER;
	if (!p->n)
		return GONE;
	o->domain = slice_str(p->c[0]->policy_domain);
	o->about.domain = o->domain;
	enum result r = reports_targets(o, p->c[0]->record, o->day < clock_utc_ms() / DAY_MS - LATE_DAYS);
	if (r != OK)
		return r;
	return o->to->n_targets ? put_all(o, db, p) : GONE;
}
