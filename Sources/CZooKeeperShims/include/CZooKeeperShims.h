// A thin layer over libzookeeper_mt that Swift can call safely.
//
// It hides three things of <zookeeper/zookeeper.h>: the C library's global variables (ACLs, log level), its completion
// type per operation (here is one, `zks_reply`), and its pointers handed to callbacks. A callback of this layer carries an
// integer that Swift looks up, never a pointer: the library calls watchers for session events without unregistering
// them, and drops completions when a handle is closed, so there is no moment at which a retained pointer could be released.
//
// The library is never told of a chroot, and only of valid paths: `zoo_amulti` frees what it did not allocate where the
// preparation of one operation fails.

#ifndef CZOOKEEPERSHIMS_H
#define CZOOKEEPERSHIMS_H

#include <stdint.h>

/// A client with one session.
typedef struct zks_handle zks_handle;

typedef struct {
    int64_t czxid, mzxid, pzxid, ephemeral_owner;
    int32_t version, cversion, aversion, data_length, num_children;
} zks_stat;

/// The answer to one request. What an operation does not have is NULL or 0; all pointers end with the callback.
typedef struct {
    /// 0, or one of the codes in `enum ZOO_ERRORS`.
    int32_t code;
    /// create: the path as created.
    const char *path;
    /// get: the content; NULL where the node was created without any.
    const uint8_t *data;
    int32_t data_length;
    /// get, set, exists, children.
    const zks_stat *stat;
    /// children.
    const char *const *names;
    int32_t name_count;
} zks_reply;

typedef enum { ZKS_CREATED, ZKS_DELETED, ZKS_DATA_CHANGED, ZKS_CHILDREN_CHANGED, ZKS_SESSION, ZKS_OTHER_EVENT } zks_event;
typedef enum { ZKS_CONNECTED, ZKS_CONNECTING, ZKS_EXPIRED, ZKS_AUTH_FAILED, ZKS_OTHER_STATE } zks_state;
typedef enum { ZKS_PERSISTENT, ZKS_EPHEMERAL, ZKS_PERSISTENT_SEQUENTIAL, ZKS_EPHEMERAL_SEQUENTIAL } zks_mode;

/// Where everything arrives. `event` and `reply` come on the handle's own completion thread, in the order of the server;
/// `log` comes on any thread, with a line of the library's warnings and errors.
typedef struct {
    void (*event)(uint64_t session, zks_event event, zks_state state, const char *path);
    void (*reply)(uint64_t request, const zks_reply *reply);
    void (*log)(uint64_t session, const char *line);
} zks_callbacks;

/// Sets the callbacks of all handles of this process; to be called once, before anything else.
void zks_install(zks_callbacks callbacks);

/// A new client of the servers in `hosts`, numeric addresses `address:port[,…]` without chroot, that asks for a new
/// session with this timeout. NULL with `errno` where it cannot be made.
zks_handle *zks_open(const char *hosts, int32_t timeout_ms, uint64_t session);

/// Closes the session where a server is connected, and frees the handle. Blocks for up to 5 seconds; returns when the
/// handle's threads have ended. Not to be called from a callback.
void zks_close(zks_handle *handle);

/// Other servers from now on; leaves a connection to a server that is not among them.
int32_t zks_set_servers(zks_handle *handle, const char *hosts);

zks_state zks_current_state(zks_handle *handle);
int64_t zks_session_id(zks_handle *handle);
/// The negotiated session timeout.
int32_t zks_timeout_ms(zks_handle *handle);
/// The numeric address of the server connected to; 0 where there is none.
int zks_connected_server(zks_handle *handle, char *host, int32_t host_capacity, uint16_t *port);

// Requests. They return 0, and the reply will come (unless the handle is closed first); or a code, and it will not.
// A watch is reported to `event` with the handle's session.
int32_t zks_create(zks_handle *handle, const char *path, const uint8_t *data, int32_t length, zks_mode mode, uint64_t request);
int32_t zks_delete(zks_handle *handle, const char *path, int32_t version, uint64_t request);
int32_t zks_set(zks_handle *handle, const char *path, const uint8_t *data, int32_t length, int32_t version, uint64_t request);
int32_t zks_get(zks_handle *handle, const char *path, int watch, uint64_t request);
int32_t zks_exists(zks_handle *handle, const char *path, int watch, uint64_t request);
int32_t zks_children(zks_handle *handle, const char *path, int watch, uint64_t request);
int32_t zks_sync(zks_handle *handle, const char *path, uint64_t request);

/// A transaction. It owns its operations and their results, and must live until its reply has come or its handle is closed.
typedef struct zks_multi zks_multi;

/// A transaction of `count` operations, which must then be set one by one; each `path` and `data` is copied.
zks_multi *zks_multi_new(int32_t count);
void zks_multi_free(zks_multi *multi);
void zks_multi_check(zks_multi *multi, int32_t index, const char *path, int32_t version);
void zks_multi_create(zks_multi *multi, int32_t index, const char *path, const uint8_t *data, int32_t length, zks_mode mode);
void zks_multi_delete(zks_multi *multi, int32_t index, const char *path, int32_t version);
void zks_multi_set(zks_multi *multi, int32_t index, const char *path, const uint8_t *data, int32_t length, int32_t version);
int32_t zks_multi_submit(zks_handle *handle, zks_multi *multi, uint64_t request);

// The results of one operation, once the reply has come.
int32_t zks_multi_code(const zks_multi *multi, int32_t index);
const char *zks_multi_created_path(const zks_multi *multi, int32_t index);
zks_stat zks_multi_stat(const zks_multi *multi, int32_t index);

#endif
