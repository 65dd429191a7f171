#include "CGRPCShims.h"

#include <grpc/support/log.h>
#include <stdlib.h>
#include <sys/prctl.h>

// Library

// absl::SetMutexDeadlockDetectionMode(kIgnore) of Debian 12's Abseil. Debian builds it without NDEBUG, so each lock that C-core
// takes is entered into a graph and searched for cycles, at one tenth of a server's CPU time. Where Abseil is another, the
// name is not there and nothing is done.
extern void _ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE(int mode) __attribute__((weak));
static const int ignore_deadlock_cycles = 0;

static void discard(gpr_log_func_args *args) { (void)args; }

void aviary_grpc_start(void) {
  if (getenv("GRPC_VERBOSITY") == NULL) gpr_set_log_function(discard);
  if (_ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE != NULL) {
    _ZN4absl7debian329SetMutexDeadlockDetectionModeENS0_15OnDeadlockCycleE(ignore_deadlock_cycles);
  }
  grpc_init();
}

void aviary_thread_set_name(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// Time

gpr_timespec aviary_deadline_after(int64_t nanoseconds) {
  if (nanoseconds < 0) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(nanoseconds, GPR_TIMESPAN));
}

int64_t aviary_nanoseconds_until(gpr_timespec deadline) {
  if (gpr_time_cmp(deadline, gpr_inf_future(deadline.clock_type)) == 0) return -1;
  gpr_timespec left = gpr_time_sub(deadline, gpr_now(deadline.clock_type));
  if (left.tv_sec < 0) return 0;
  // A client may name a deadline centuries away; nanoseconds in 64 bits end at 292 years.
  if (left.tv_sec > INT64_MAX / GPR_NS_PER_SEC - 1) return -1;
  return left.tv_sec * (int64_t)GPR_NS_PER_SEC + left.tv_nsec;
}

// Bytes

grpc_byte_buffer *aviary_message_create(size_t length, uint8_t **start) {
  grpc_slice slice = grpc_slice_malloc(length);
  grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
  // The buffer took a reference, and a copy of the bytes where the slice is small enough to hold them in itself.
  grpc_slice_unref(slice);
  *start = GRPC_SLICE_START_PTR(message->data.raw.slice_buffer.slices[0]);
  return message;
}

grpc_slice aviary_message_contents(grpc_byte_buffer *message) {
  if (message->data.raw.slice_buffer.count == 1 && message->data.raw.compression == GRPC_COMPRESS_NONE) {
    return grpc_slice_ref(message->data.raw.slice_buffer.slices[0]);
  }
  grpc_byte_buffer_reader reader;
  if (!grpc_byte_buffer_reader_init(&reader, message)) return grpc_empty_slice();
  grpc_slice contents = grpc_byte_buffer_reader_readall(&reader);
  grpc_byte_buffer_reader_destroy(&reader);
  return contents;
}

grpc_slice aviary_slice_create(size_t length) { return grpc_slice_malloc(length); }

uint8_t *aviary_slice_start(grpc_slice *slice) { return GRPC_SLICE_START_PTR(*slice); }

size_t aviary_slice_length(grpc_slice slice) { return GRPC_SLICE_LENGTH(slice); }

// Operations

static grpc_op send_initial_metadata(void) {
  grpc_op op = {.op = GRPC_OP_SEND_INITIAL_METADATA};
  return op;
}

static grpc_op send_message(grpc_byte_buffer *message) {
  grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
  op.data.send_message.send_message = message;
  return op;
}

static grpc_op receive_message(grpc_byte_buffer **message) {
  grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
  op.data.recv_message.recv_message = message;
  return op;
}

static grpc_op send_status(aviary_status *status) {
  grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
  op.data.send_status_from_server.status = status->code;
  op.data.send_status_from_server.trailing_metadata_count = status->metadata_count;
  op.data.send_status_from_server.trailing_metadata = status->metadata;
  op.data.send_status_from_server.status_details = status->code == GRPC_STATUS_OK ? NULL : &status->details;
  return op;
}

static grpc_op receive_close(int *cancelled) {
  grpc_op op = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
  op.data.recv_close_on_server.cancelled = cancelled;
  return op;
}

static grpc_op send_close(void) {
  grpc_op op = {.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT};
  return op;
}

static grpc_op receive_initial_metadata(aviary_client_call *call) {
  grpc_op op = {.op = GRPC_OP_RECV_INITIAL_METADATA};
  op.data.recv_initial_metadata.recv_initial_metadata = &call->initial_metadata;
  return op;
}

static grpc_op receive_status(aviary_client_call *call) {
  grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
  op.data.recv_status_on_client.trailing_metadata = &call->trailing_metadata;
  op.data.recv_status_on_client.status = &call->status;
  op.data.recv_status_on_client.status_details = &call->details;
  return op;
}

static grpc_call_error start(grpc_call *call, grpc_op op, void *tag) { return grpc_call_start_batch(call, &op, 1, tag, NULL); }

// Either side of a call

grpc_call_error aviary_call_send_message(grpc_call *call, grpc_byte_buffer *message, void *tag) {
  return start(call, send_message(message), tag);
}

// Server side

grpc_call_error aviary_server_request_call(grpc_server *server, void *method, aviary_server_call *call,
                                           grpc_completion_queue *queue, void *tag) {
  return grpc_server_request_registered_call(server, method, &call->call, &call->deadline, &call->request_metadata,
                                             &call->request, queue, queue, tag);
}

grpc_call_error aviary_server_receive_close(aviary_server_call *call, void *tag) {
  return start(call->call, receive_close(&call->cancelled), tag);
}

grpc_call_error aviary_server_reply(aviary_server_call *call, int with_close, void *tag) {
  grpc_op ops[4];
  size_t count = 0;
  ops[count++] = send_initial_metadata();
  if (call->response != NULL) ops[count++] = send_message(call->response);
  ops[count++] = send_status(&call->status);
  if (with_close) ops[count++] = receive_close(&call->cancelled);
  return grpc_call_start_batch(call->call, ops, count, tag, NULL);
}

grpc_call_error aviary_stream_request(grpc_server *server, aviary_server_stream *stream, grpc_completion_queue *queue,
                                      void *tag) {
  return grpc_server_request_call(server, &stream->call, &stream->details, &stream->request_metadata, queue, queue, tag);
}

grpc_call_error aviary_stream_receive_close(aviary_server_stream *stream, void *tag) {
  return start(stream->call, receive_close(&stream->cancelled), tag);
}

grpc_call_error aviary_stream_send_initial_metadata(aviary_server_stream *stream, void *tag) {
  return start(stream->call, send_initial_metadata(), tag);
}

grpc_call_error aviary_stream_receive_message(aviary_server_stream *stream, void *tag) {
  return start(stream->call, receive_message(&stream->received), tag);
}

grpc_call_error aviary_stream_send_message(aviary_server_stream *stream, void *tag) {
  return start(stream->call, send_message(stream->sent), tag);
}

grpc_call_error aviary_stream_send_status(aviary_server_stream *stream, void *tag) {
  return start(stream->call, send_status(&stream->status), tag);
}

// Client side

grpc_call_error aviary_client_unary(aviary_client_call *call, void *tag) {
  grpc_op ops[] = {
      send_initial_metadata(),        send_message(call->request),      send_close(),
      receive_initial_metadata(call), receive_message(&call->response), receive_status(call),
  };
  return grpc_call_start_batch(call->call, ops, sizeof ops / sizeof *ops, tag, NULL);
}

grpc_call_error aviary_client_send_initial_metadata(aviary_client_call *call, void *tag) {
  return start(call->call, send_initial_metadata(), tag);
}

grpc_call_error aviary_client_receive_initial_metadata(aviary_client_call *call, void *tag) {
  return start(call->call, receive_initial_metadata(call), tag);
}

grpc_call_error aviary_client_receive_message(aviary_client_call *call, void *tag) {
  return start(call->call, receive_message(&call->response), tag);
}

grpc_call_error aviary_client_receive_status(aviary_client_call *call, void *tag) {
  return start(call->call, receive_status(call), tag);
}

grpc_call_error aviary_client_send_close(aviary_client_call *call, void *tag) { return start(call->call, send_close(), tag); }
