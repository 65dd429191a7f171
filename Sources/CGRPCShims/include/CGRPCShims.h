// gRPC C-core for Swift: the headers, and the few things that Swift cannot say (unions, macros, variadic logging).
//
// Nothing here decides anything. Each function fills the operations of one batch and starts it; the caller owns all memory
// that is passed by pointer and keeps it until the batch's tag comes back from the completion queue.

#ifndef AVIARY_CGRPC_SHIMS_H
#define AVIARY_CGRPC_SHIMS_H

// Before gRPC's headers: they define macros that change what glibc declares, and fd_set would clash with Swift's Glibc module.
#include <features.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <stddef.h>
#include <stdint.h>

// Library

/// Starts C-core. Its log stays silent unless the environment sets GRPC_VERBOSITY.
void aviary_grpc_start(void);

/// Names the calling thread for debuggers and `top -H`; the kernel keeps 15 bytes.
void aviary_thread_set_name(const char *name);

// Time

/// The moment `nanoseconds` from now; a negative length means never.
gpr_timespec aviary_deadline_after(int64_t nanoseconds);

/// Nanoseconds from now until `deadline`, at least 0; -1 where it is never.
int64_t aviary_nanoseconds_until(gpr_timespec deadline);

// Bytes

/// A message of `length` bytes that the caller fills in at `*start` before it is sent.
grpc_byte_buffer *aviary_message_create(size_t length, uint8_t **start);

/// The message's bytes in one piece, copied only where they are in several. Release with grpc_slice_unref.
grpc_slice aviary_message_contents(grpc_byte_buffer *message);

/// A slice of `length` bytes, for the caller to fill through aviary_slice_start.
grpc_slice aviary_slice_create(size_t length);

/// Where the slice's bytes are; small slices hold them in themselves, so the pointer is good while `*slice` stays put.
uint8_t *aviary_slice_start(grpc_slice *slice);

size_t aviary_slice_length(grpc_slice slice);

// Either side of a call

grpc_call_error aviary_call_send_message(grpc_call *call, grpc_byte_buffer *message, void *tag);

// Server side

/// How a call ends. `metadata` and the slices belong to the caller, also after the batch.
typedef struct {
  grpc_status_code code;
  grpc_slice details;
  size_t metadata_count;
  grpc_metadata metadata[2];
} aviary_status;

/// A unary call on its way through the server. `cancelled` is filled in at the call's end.
typedef struct {
  grpc_call *call;
  gpr_timespec deadline;
  grpc_metadata_array request_metadata;
  grpc_byte_buffer *request;
  grpc_byte_buffer *response;
  aviary_status status;
  int cancelled;
} aviary_server_call;

/// A streaming call, or one of a method that is not registered, on its way through the server.
typedef struct {
  grpc_call *call;
  grpc_call_details details;
  grpc_metadata_array request_metadata;
  grpc_byte_buffer *received;
  grpc_byte_buffer *sent;
  aviary_status status;
  int cancelled;
} aviary_server_stream;

/// Waits for the next call of a registered method, with its request.
grpc_call_error aviary_server_request_call(grpc_server *server, void *method, aviary_server_call *call,
                                           grpc_completion_queue *queue, void *tag);

/// Waits for the call's end: its status is sent, or the client is gone.
grpc_call_error aviary_server_receive_close(aviary_server_call *call, void *tag);

/// Sends the response, where there is one, and the status. `with_close` also waits for the call's end, in the same batch.
grpc_call_error aviary_server_reply(aviary_server_call *call, int with_close, void *tag);

/// Waits for the next call of a method that is not registered.
grpc_call_error aviary_stream_request(grpc_server *server, aviary_server_stream *stream, grpc_completion_queue *queue,
                                      void *tag);

grpc_call_error aviary_stream_receive_close(aviary_server_stream *stream, void *tag);
grpc_call_error aviary_stream_send_initial_metadata(aviary_server_stream *stream, void *tag);
/// The message comes in `received`, which is NULL where there are no more.
grpc_call_error aviary_stream_receive_message(aviary_server_stream *stream, void *tag);
/// Sends `sent`.
grpc_call_error aviary_stream_send_message(aviary_server_stream *stream, void *tag);
grpc_call_error aviary_stream_send_status(aviary_server_stream *stream, void *tag);

// Client side

/// A call on its way through the client.
typedef struct {
  grpc_call *call;
  grpc_byte_buffer *request;
  grpc_byte_buffer *response;
  grpc_metadata_array initial_metadata;
  grpc_metadata_array trailing_metadata;
  grpc_status_code status;
  grpc_slice details;
} aviary_client_call;

/// The whole of a unary call in one batch.
grpc_call_error aviary_client_unary(aviary_client_call *call, void *tag);

grpc_call_error aviary_client_send_initial_metadata(aviary_client_call *call, void *tag);
grpc_call_error aviary_client_receive_initial_metadata(aviary_client_call *call, void *tag);
/// The message comes in `response`, which is NULL where there are no more.
grpc_call_error aviary_client_receive_message(aviary_client_call *call, void *tag);
grpc_call_error aviary_client_receive_status(aviary_client_call *call, void *tag);
grpc_call_error aviary_client_send_close(aviary_client_call *call, void *tag);

#endif
