#include "store/body/segment_inside.h"
#include <stdlib.h>

struct segments {
	struct files *files;
	struct objects *objects; /* NULL: none are configured */
	bool to_objects;
};

enum result segments_open(const char *dir, const struct s3_settings *objects, bool to_objects,
    int64_t rest_ms, struct segments **out)
{
	struct segments *s = calloc(1, sizeof *s);
	if (!s)
		abort();
	enum result r = files_open(dir, &s->files);
	if (r != OK) {
		free(s);
		return r;
	}
	if (objects)
		s->objects = objects_open(objects, rest_ms);
	s->to_objects = to_objects && objects;
	*out = s;
	return OK;
}

void segments_close(struct segments *s)
{
	if (!s)
		return;
	files_close(s->files);
	objects_close(s->objects);
	free(s);
}

enum result segments_reserve(struct segments *s, uint64_t n, int64_t *id_out, uint64_t *place_out)
{
	return s->to_objects ? objects_reserve(s->objects, n, id_out, place_out)
			     : files_reserve(s->files, n, id_out, place_out);
}

enum result segments_write(struct segments *s, int64_t id, uint64_t place, struct slice octets)
{
	return segment_is_object(id) ? objects_write(s->objects, id, place, octets)
				     : files_write(s->files, id, place, octets);
}

void segments_wrote(struct segments *s, int64_t id, uint64_t place, uint64_t reserved, uint64_t used)
{
	if (segment_is_object(id))
		objects_wrote(s->objects, id, place, reserved, used);
}

void segments_release(struct segments *s, int64_t id)
{
	if (segment_is_object(id))
		objects_release(s->objects, id);
	else
		files_release(s->files, id);
}

enum result segments_flush(struct segments *s)
{
	enum result r = files_flush(s->files);
	return r == OK && s->objects ? objects_flush(s->objects) : r;
}

bool segments_good(struct segments *s, int64_t id)
{
	return segment_is_object(id) ? objects_good(s->objects, id) : files_good(s->files, id);
}

enum result segments_read(struct segments *s, int64_t id, uint64_t place, void *p, size_t n)
{
	if (!segment_is_object(id))
		return files_read(s->files, id, place, p, n);
	if (s->objects)
		return objects_read(s->objects, id, place, p, n);
	EVENT(STORE_ERROR, KZ("what", "body"), KZ("why", "it is in an object store, and none is configured"));
	return LATER;
}

void segments_forget(struct segments *s, int64_t id)
{
	if (segment_is_object(id) && s->objects)
		objects_forget(s->objects, id);
}

bool segments_up(struct segments *s)
{
	return !s->to_objects || objects_up(s->objects);
}

bool segments_to_objects(const struct segments *s)
{
	return s->to_objects;
}

int64_t segments_current(struct segments *s)
{
	return files_current(s->files);
}

bool segments_idle(struct segments *s, int64_t id)
{
	if (segment_is_object(id))
		return s->objects && objects_idle(s->objects, id);
	return id < files_current(s->files) && !files_held(s->files, id);
}

uint64_t segments_size(struct segments *s, int64_t id)
{
	if (!segment_is_object(id))
		return files_size(s->files, id);
	return s->objects ? objects_size(s->objects, id) : 0;
}

enum result segments_remove(struct segments *s, int64_t id)
{
	if (!segment_is_object(id))
		return files_remove(s->files, id);
	return s->objects ? objects_remove(s->objects, id) : LATER;
}

void segments_list(struct segments *s, void (*each)(void *arg, int64_t id), void *arg)
{
	files_list(s->files, each, arg);
}

void segments_list_objects(struct segments *s, void (*each)(void *arg, int64_t id), void *arg)
{
	if (s->objects)
		objects_list_some(s->objects, each, arg);
}

uint64_t segments_disk_free(struct segments *s)
{
	return files_disk_free(s->files);
}
