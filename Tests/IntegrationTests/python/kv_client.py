"""A newcomer's client: generated from the project's proto by grpcio-tools, nothing of Aviary's own.

Usage: kv_client.py HOST:PORT
Prints one line for each thing that it checked; exits non-zero at the first that is wrong.
"""

import sys

import grpc
from aviary.v1 import cluster_pb2, cluster_pb2_grpc, kv_pb2, kv_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def main(address: str) -> None:
    channel = grpc.insecure_channel(address)
    grpc.channel_ready_future(channel).result(timeout=30)
    kv = kv_pb2_grpc.KVStub(channel)

    every_byte = bytes(range(256))
    values = {b"": None, b"plain": b"value", every_byte: every_byte, b"empty": b"", b"big": b"x" * (1 << 20), b"k" * 1024: b"long key"}
    for key, value in values.items():
        if value is None:
            continue
        kv.Put(kv_pb2.PutRequest(key=key, value=value), timeout=20)
        got = kv.Get(kv_pb2.GetRequest(key=key), timeout=20)
        assert got.found and got.value == value, key[:20]
        print("ok put get", len(key), len(value))

    assert not kv.Get(kv_pb2.GetRequest(key=b"absent"), timeout=20).found
    assert kv.Delete(kv_pb2.DeleteRequest(key=b"plain"), timeout=20).existed
    assert not kv.Delete(kv_pb2.DeleteRequest(key=b"plain"), timeout=20).existed
    assert not kv.Get(kv_pb2.GetRequest(key=b"plain"), timeout=20).found
    print("ok delete")

    for request, limit in [
        (kv_pb2.PutRequest(key=b"", value=b"x"), "1024"),
        (kv_pb2.PutRequest(key=b"k" * 1025, value=b"x"), "1024"),
        (kv_pb2.PutRequest(key=b"k", value=b"x" * ((1 << 20) + 1)), "1048576"),
    ]:
        try:
            kv.Put(request, timeout=20)
            raise AssertionError("a bad request was taken")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
            assert limit in error.details(), error.details()
    print("ok invalid arguments")

    status = cluster_pb2_grpc.ClusterStub(channel).Status(cluster_pb2.StatusRequest(), timeout=20)
    assert status.coordinated and status.master.number > 0
    print("ok status", [group.name for group in status.groups])

    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="aviary.v1.KV"), timeout=20)
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    print("ok health")

    services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert "aviary.v1.KV" in services and "aviary.v1.Cluster" in services, services
    print("ok reflection", sorted(services))


if __name__ == "__main__":
    main(sys.argv[1])
