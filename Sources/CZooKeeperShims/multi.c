// Transactions. The library writes the results of each operation into memory of the caller, some time before it calls the
// completion of the whole, so all of it lives in one object.

#include "internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    char *path;
    char *data;
    // Where the library writes what a create was called in the end.
    char *created;
    int created_capacity;
    struct Stat stat;
} multi_storage;

struct zks_multi {
    int32_t count;
    zoo_op_t *operations;
    zoo_op_result_t *results;
    multi_storage *storage;
};

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) abort();
    return memory;
}

static char *copy_bytes(const void *bytes, size_t length) {
    char *copy = allocate(length, 1);
    if (length) memcpy(copy, bytes, length);
    return copy;
}

zks_multi *zks_multi_new(int32_t count) {
    zks_multi *multi = allocate(1, sizeof *multi);
    multi->count = count;
    multi->operations = allocate((size_t)count, sizeof *multi->operations);
    multi->results = allocate((size_t)count, sizeof *multi->results);
    multi->storage = allocate((size_t)count, sizeof *multi->storage);
    return multi;
}

void zks_multi_free(zks_multi *multi) {
    for (int32_t i = 0; i < multi->count; i++) {
        free(multi->storage[i].path);
        free(multi->storage[i].data);
        free(multi->storage[i].created);
    }
    free(multi->operations);
    free(multi->results);
    free(multi->storage);
    free(multi);
}

static multi_storage *store_path(zks_multi *multi, int32_t index, const char *path) {
    multi_storage *storage = &multi->storage[index];
    storage->path = copy_bytes(path, strlen(path) + 1);
    return storage;
}

void zks_multi_check(zks_multi *multi, int32_t index, const char *path, int32_t version) {
    multi_storage *storage = store_path(multi, index, path);
    zoo_check_op_init(&multi->operations[index], storage->path, version);
}

void zks_multi_create(zks_multi *multi, int32_t index, const char *path, const uint8_t *data, int32_t length, zks_mode mode) {
    multi_storage *storage = store_path(multi, index, path);
    storage->data = copy_bytes(data, (size_t)length);
    // A sequential node's name grows by at most eleven characters.
    storage->created_capacity = (int)strlen(path) + 16;
    storage->created = allocate((size_t)storage->created_capacity, 1);
    zoo_create_op_init(
        &multi->operations[index], storage->path, storage->data, length, &ZOO_OPEN_ACL_UNSAFE, zks_create_flags(mode),
        storage->created, storage->created_capacity);
}

void zks_multi_delete(zks_multi *multi, int32_t index, const char *path, int32_t version) {
    multi_storage *storage = store_path(multi, index, path);
    zoo_delete_op_init(&multi->operations[index], storage->path, version);
}

void zks_multi_set(zks_multi *multi, int32_t index, const char *path, const uint8_t *data, int32_t length, int32_t version) {
    multi_storage *storage = store_path(multi, index, path);
    storage->data = copy_bytes(data, (size_t)length);
    zoo_set_op_init(&multi->operations[index], storage->path, storage->data, length, version, &storage->stat);
}

static void multi_done(int code, const void *request) { zks_deliver(request, &(zks_reply){.code = code}); }

int32_t zks_multi_submit(zks_handle *handle, zks_multi *multi, uint64_t request) {
    return zoo_amulti(
        handle->zookeeper, multi->count, multi->operations, multi->results, multi_done, (void *)(uintptr_t)request);
}

int32_t zks_multi_code(const zks_multi *multi, int32_t index) { return multi->results[index].err; }

const char *zks_multi_created_path(const zks_multi *multi, int32_t index) {
    const char *created = multi->storage[index].created;
    return created ? created : "";
}

zks_stat zks_multi_stat(const zks_multi *multi, int32_t index) { return zks_copy_stat(&multi->storage[index].stat); }
