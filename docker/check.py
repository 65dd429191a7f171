#!/usr/bin/env python3
"""Checks what can be checked of compose.yaml and the Dockerfiles without a Docker engine.

That the file parses, and that everything it names is there: build contexts, files that are copied, volumes, services,
hosts in addresses, settings that the programs know, health checks, users that are not root, ports that do not clash.
Needs PyYAML. Prints one line for each fault; exit code 1 if there is one.

    check.py [another compose file, read as if it were here]
"""

import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
faults = []


def expect(condition, fault):
    if not condition:
        faults.append(fault)
    return condition


def instructions(dockerfile):
    """The instructions of a Dockerfile, as (name, rest of the line), with continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", dockerfile.read_text(), flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def check_dockerfile(dockerfile, context):
    lines = instructions(dockerfile)
    names = [name for name, _ in lines]
    expect("HEALTHCHECK" in names, f"{dockerfile}: no HEALTHCHECK")
    expect("ENTRYPOINT" in names, f"{dockerfile}: no ENTRYPOINT")
    users = [rest for name, rest in lines if name == "USER"]
    expect(users and users[-1].split(":")[0] not in ("root", "0"), f"{dockerfile}: runs as root")
    stages = [rest.split(" AS ")[1] for name, rest in lines if name == "FROM" and " AS " in rest]
    ignore = dockerfile.with_name(dockerfile.name + ".dockerignore")
    allowed = [line[1:] for line in ignore.read_text().splitlines() if line.startswith("!")] if ignore.exists() else None
    for name, rest in lines:
        if name != "COPY":
            continue
        words = rest.split()
        if words[0].startswith("--from="):
            expect(words[0][7:] in stages, f"{dockerfile}: COPY from the unknown stage {words[0][7:]}")
            continue
        for source in words[:-1]:
            expect((context / source).exists(), f"{dockerfile}: copies {source}, which is not in {context}")
            expect(allowed is None or source in allowed, f"{dockerfile}: copies {source}, which {ignore.name} leaves out")


def hosts_of(text):
    """The host names in `host:port,host:port/path` or in `server.1=host:port:port` entries."""
    return [entry.split("=")[-1].split(":")[0] for entry in re.split(r"[,\s]+", text.split("/")[0])]


def check_environment(name, environment, services):
    zookeeper = "ZOO_MY_ID" in environment
    if zookeeper:
        known = set(re.findall(r"\bZOO_[A-Z0-9_]+\b", (HERE / "zookeeper/entrypoint.sh").read_text()))
        hosts = hosts_of(environment["ZOO_SERVERS"])
        own = f"server.{environment['ZOO_MY_ID']}={name}:"
        expect(own in environment["ZOO_SERVERS"], f"{name}: ZOO_SERVERS has no entry {own}…")
    else:
        known = {"zooaddr", "serverip", "serverport", "name", "dbfile", "rbfile", "sessiontimeout"}
        hosts = hosts_of(environment["zooaddr"]) + [environment["serverip"]]
        expect(environment["serverip"] == name, f"{name}: serverip is {environment['serverip']}, not its own name")
    for variable, value in environment.items():
        expect(variable in known, f"{name}: nothing knows the setting {variable}")
        expect(isinstance(value, str), f"{name}: {variable} is not a string")
    for host in hosts:
        expect(host in services, f"{name}: names the host {host}, which is no service")


def check_service(name, service, compose, published):
    build = service["build"]
    context = (HERE / build["context"]).resolve()
    dockerfile = context / build.get("dockerfile", "Dockerfile")
    if not expect(dockerfile.is_file(), f"{name}: no Dockerfile {dockerfile}"):
        return
    check_dockerfile(dockerfile, context)
    expect("image" in service, f"{name}: its image has no name")
    expect(service.get("healthcheck", {}).get("test", [""])[0] == "CMD", f"{name}: no health check")
    expect(service.get("user") not in ("root", "0"), f"{name}: runs as root")
    for dependency in service.get("depends_on", []):
        expect(dependency in compose["services"], f"{name}: depends on {dependency}, which is no service")
    for volume in service.get("volumes", []):
        source, target = volume.split(":")[:2]
        expect(source in compose["volumes"], f"{name}: mounts the volume {source}, which is not declared")
        declared = [rest for key, rest in instructions(dockerfile) if key == "VOLUME"]
        expect(target in declared, f"{name}: mounts {target}, which the image does not declare")
    for port in service.get("ports", []):
        host_port = port.rsplit(":", 1)[0]
        expect(host_port not in published, f"{name}: publishes {host_port}, as {published.get(host_port)} does")
        published[host_port] = name
    check_environment(name, service.get("environment", {}), compose["services"])


def main():
    file = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "compose.yaml"
    compose = yaml.safe_load(file.read_text())
    services = compose["services"]
    expected = ["zoo1", "zoo2", "zoo3", "server1", "server2", "server3", "zdata1a", "zdata1b", "zdata2a", "zdata2b"]
    expect(list(services) == expected, f"the services are {', '.join(services)}")
    published = {}
    for name, service in services.items():
        check_service(name, service, compose, published)
    mounted = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])}
    for volume in compose["volumes"]:
        expect(volume in mounted, f"nothing mounts the volume {volume}")
    for fault in faults:
        print(fault)
    sys.exit(1 if faults else 0)


main()
