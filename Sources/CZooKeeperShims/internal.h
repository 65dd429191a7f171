#ifndef CZOOKEEPERSHIMS_INTERNAL_H
#define CZOOKEEPERSHIMS_INTERNAL_H

#define THREADED 1
#include <zookeeper/zookeeper.h>

#include "CZooKeeperShims.h"

struct zks_handle {
    zhandle_t *zookeeper;
    int slot;
};

zks_stat zks_copy_stat(const struct Stat *stat);
int zks_create_flags(zks_mode mode);
void zks_deliver(const void *request, const zks_reply *reply);

#endif
