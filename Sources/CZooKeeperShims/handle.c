// Clients: opening and closing them, their events and log lines, and the single operations.

#include "internal.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static zks_callbacks installed;

// MARK: Log lines

// The library's log callback carries no context. Each handle gets one of these functions as its own, so that a line finds
// the session it is about, also with several nodes in one process. Handles beyond the last slot log nothing.
#define LOG_SLOTS 32

static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t slot_session[LOG_SLOTS];
static int slot_taken[LOG_SLOTS];

static void forward_log(int slot, const char *message) {
    pthread_mutex_lock(&slots_lock);
    uint64_t session = slot_session[slot];
    int taken = slot_taken[slot];
    pthread_mutex_unlock(&slots_lock);
    if (!taken) return;
    // "2026-01-01 00:00:00,000:pid(thread):ZOO_ERROR@function@line: text": the text is enough.
    const char *at = strstr(message, ":ZOO_");
    const char *text = at ? strstr(at, ": ") : NULL;
    installed.log(session, text ? text + 2 : message);
}

#define SLOT(n) \
    static void log_to_##n(const char *message) { forward_log(n, message); }
#define SLOTS(F) \
    F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15) F(16) F(17) F(18) F(19) F(20) \
    F(21) F(22) F(23) F(24) F(25) F(26) F(27) F(28) F(29) F(30) F(31)
SLOTS(SLOT)
#define SLOT_NAME(n) log_to_##n,
static const log_callback_fn slot_functions[LOG_SLOTS] = {SLOTS(SLOT_NAME)};

static void discard_log(const char *message) { (void)message; }

static int take_slot(uint64_t session) {
    int found = -1;
    pthread_mutex_lock(&slots_lock);
    for (int i = 0; i < LOG_SLOTS && found < 0; i++) {
        if (!slot_taken[i]) {
            slot_taken[i] = 1;
            slot_session[i] = session;
            found = i;
        }
    }
    pthread_mutex_unlock(&slots_lock);
    return found;
}

static void free_slot(int slot) {
    if (slot < 0) return;
    pthread_mutex_lock(&slots_lock);
    slot_taken[slot] = 0;
    pthread_mutex_unlock(&slots_lock);
}

// MARK: Events

static zks_state to_state(int state) {
    if (state == ZOO_CONNECTED_STATE) return ZKS_CONNECTED;
    if (state == ZOO_CONNECTING_STATE || state == ZOO_ASSOCIATING_STATE || state == 0) return ZKS_CONNECTING;
    if (state == ZOO_EXPIRED_SESSION_STATE) return ZKS_EXPIRED;
    if (state == ZOO_AUTH_FAILED_STATE) return ZKS_AUTH_FAILED;
    return ZKS_OTHER_STATE;
}

static zks_event to_event(int type) {
    if (type == ZOO_CREATED_EVENT) return ZKS_CREATED;
    if (type == ZOO_DELETED_EVENT) return ZKS_DELETED;
    if (type == ZOO_CHANGED_EVENT) return ZKS_DATA_CHANGED;
    if (type == ZOO_CHILD_EVENT) return ZKS_CHILDREN_CHANGED;
    if (type == ZOO_SESSION_EVENT) return ZKS_SESSION;
    return ZKS_OTHER_EVENT;
}

// The one watcher of a handle. Every watch is registered with it and the same context, so the library takes them for one
// and calls it once for a session event, however many watches there are.
static void watcher(zhandle_t *zookeeper, int type, int state, const char *path, void *context) {
    (void)zookeeper;
    installed.event((uint64_t)(uintptr_t)context, to_event(type), to_state(state), path ? path : "");
}

// MARK: The life of a handle

void zks_install(zks_callbacks callbacks) {
    installed = callbacks;
    // Information and debugging lines of the library are about its own workings.
    zoo_set_debug_level(ZOO_LOG_LEVEL_WARN);
}

zks_handle *zks_open(const char *hosts, int32_t timeout_ms, uint64_t session) {
    zks_handle *handle = calloc(1, sizeof *handle);
    if (!handle) return NULL;
    handle->slot = take_slot(session);
    handle->zookeeper = zookeeper_init2(
        hosts, watcher, timeout_ms, NULL, (void *)(uintptr_t)session, ZOO_NO_LOG_CLIENTENV,
        handle->slot < 0 ? discard_log : slot_functions[handle->slot]);
    if (!handle->zookeeper) {
        free_slot(handle->slot);
        free(handle);
        return NULL;
    }
    // The library would ask the resolver in each turn of its I/O loop, connected or not.
    zoo_set_servers_resolution_delay(handle->zookeeper, -1);
    return handle;
}

void zks_close(zks_handle *handle) {
    zookeeper_close(handle->zookeeper);
    free_slot(handle->slot);
    free(handle);
}

int32_t zks_set_servers(zks_handle *handle, const char *hosts) { return zoo_set_servers(handle->zookeeper, hosts); }

zks_state zks_current_state(zks_handle *handle) { return to_state(zoo_state(handle->zookeeper)); }

int64_t zks_session_id(zks_handle *handle) { return zoo_client_id(handle->zookeeper)->client_id; }

int32_t zks_timeout_ms(zks_handle *handle) { return zoo_recv_timeout(handle->zookeeper); }

int zks_connected_server(zks_handle *handle, char *host, int32_t host_capacity, uint16_t *port) {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char service[8];
    if (!zookeeper_get_connected_host(handle->zookeeper, (struct sockaddr *)&address, &length)) return 0;
    if (getnameinfo(
            (struct sockaddr *)&address, length, host, (socklen_t)host_capacity, service, sizeof service,
            NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return 0;
    *port = (uint16_t)atoi(service);
    return 1;
}

// MARK: Requests

zks_stat zks_copy_stat(const struct Stat *stat) {
    return (zks_stat){
        .czxid = stat->czxid,
        .mzxid = stat->mzxid,
        .pzxid = stat->pzxid,
        .ephemeral_owner = stat->ephemeralOwner,
        .version = stat->version,
        .cversion = stat->cversion,
        .aversion = stat->aversion,
        .data_length = stat->dataLength,
        .num_children = stat->numChildren,
    };
}

void zks_deliver(const void *request, const zks_reply *reply) { installed.reply((uint64_t)(uintptr_t)request, reply); }

static void *as_context(uint64_t number) { return (void *)(uintptr_t)number; }

static void string_done(int code, const char *value, const void *request) {
    zks_deliver(request, &(zks_reply){.code = code, .path = value});
}

static void void_done(int code, const void *request) { zks_deliver(request, &(zks_reply){.code = code}); }

static void stat_done(int code, const struct Stat *stat, const void *request) {
    zks_stat copy = {0};
    if (stat) copy = zks_copy_stat(stat);
    zks_deliver(request, &(zks_reply){.code = code, .stat = stat ? &copy : NULL});
}

static void data_done(int code, const char *value, int length, const struct Stat *stat, const void *request) {
    zks_stat copy = {0};
    if (stat) copy = zks_copy_stat(stat);
    // A node without content, as opposed to empty content, has length -1.
    zks_deliver(
        request,
        &(zks_reply){
            .code = code,
            .data = length > 0 ? (const uint8_t *)value : NULL,
            .data_length = length > 0 ? length : 0,
            .stat = stat ? &copy : NULL,
        });
}

static void children_done(int code, const struct String_vector *names, const struct Stat *stat, const void *request) {
    zks_stat copy = {0};
    if (stat) copy = zks_copy_stat(stat);
    zks_deliver(
        request,
        &(zks_reply){
            .code = code,
            .stat = stat ? &copy : NULL,
            .names = names ? (const char *const *)names->data : NULL,
            .name_count = names ? names->count : 0,
        });
}

int zks_create_flags(zks_mode mode) {
    switch (mode) {
    case ZKS_PERSISTENT: return ZOO_PERSISTENT;
    case ZKS_EPHEMERAL: return ZOO_EPHEMERAL;
    case ZKS_PERSISTENT_SEQUENTIAL: return ZOO_PERSISTENT_SEQUENTIAL;
    case ZKS_EPHEMERAL_SEQUENTIAL: return ZOO_EPHEMERAL_SEQUENTIAL;
    }
    abort();
}

int32_t zks_create(zks_handle *handle, const char *path, const uint8_t *data, int32_t length, zks_mode mode, uint64_t request) {
    return zoo_acreate(
        handle->zookeeper, path, (const char *)data, length, &ZOO_OPEN_ACL_UNSAFE, zks_create_flags(mode), string_done,
        as_context(request));
}

int32_t zks_delete(zks_handle *handle, const char *path, int32_t version, uint64_t request) {
    return zoo_adelete(handle->zookeeper, path, version, void_done, as_context(request));
}

int32_t zks_set(zks_handle *handle, const char *path, const uint8_t *data, int32_t length, int32_t version, uint64_t request) {
    return zoo_aset(handle->zookeeper, path, (const char *)data, length, version, stat_done, as_context(request));
}

int32_t zks_get(zks_handle *handle, const char *path, int watch, uint64_t request) {
    return zoo_aget(handle->zookeeper, path, watch, data_done, as_context(request));
}

int32_t zks_exists(zks_handle *handle, const char *path, int watch, uint64_t request) {
    return zoo_aexists(handle->zookeeper, path, watch, stat_done, as_context(request));
}

int32_t zks_children(zks_handle *handle, const char *path, int watch, uint64_t request) {
    return zoo_aget_children2(handle->zookeeper, path, watch, children_done, as_context(request));
}

int32_t zks_sync(zks_handle *handle, const char *path, uint64_t request) {
    return zoo_async(handle->zookeeper, path, string_done, as_context(request));
}
