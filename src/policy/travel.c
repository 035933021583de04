#include "policy/travel.h"

bool travel_impossible(int km, int64_t ms)
{
	if (km <= TRAVEL_LEAST_KM || ms < 0)
		return false;
	return ms < (int64_t)km * HOUR_MS / TRAVEL_KM_H;
}
