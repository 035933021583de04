/*
 * metrics: the text exposition format 0.0.4 of Prometheus. Names begin with "sekisho_", units are base units, each event
 * of base/events.def is a counter sekisho_NAME_total with a label `role`.
 */
#ifndef HTTP_METRICS_H
#define HTTP_METRICS_H

#include "http.h"

#define HTTP_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* gauges: what the store said, NULL when it said nothing. */
void http_metrics_put(struct buf *b, const struct http_monitor *m, const Sekisho__GaugesAnswer *gauges);

#endif
