"""Rules over one workload: who it runs as, what it may use, how it is asked whether it is well."""

import re
from collections.abc import Iterator

from scripts.deploy.manifests import Document, Workload, matches
from scripts.deploy.quantities import parse_quantity, wrong_quantities


def workload_problems(workload: Workload) -> Iterator[str]:
    """What is wrong with a workload and its containers, a sentence each."""
    for problem in (*_pod(workload), *_volumes(workload)):
        yield f"{workload.name}: {problem}"
    for container in workload.containers:
        asked = () if workload.kind == "Job" else _probes(container)
        for problem in (*_image(container), *_resources(container), *_security(container), *asked):
            yield f"{workload.name}, container {container['name']}: {problem}"


def _pod(workload: Workload) -> Iterator[str]:
    pod = workload.pod
    context = pod.get("securityContext", {})
    if not (context.get("runAsNonRoot") is True and context.get("runAsUser", 0) > 0):
        yield "expected runAsNonRoot and a user other than 0"
    if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "expected seccompProfile RuntimeDefault"
    if pod.get("automountServiceAccountToken") is not False:
        yield "expected automountServiceAccountToken: false"
    for banned in {"hostNetwork", "hostPID", "hostIPC"} & set(pod):
        yield f"{banned} is not for a service"
    if workload.kind != "Job" and not matches(workload.document["spec"]["selector"]["matchLabels"], workload.labels):
        yield "its selector does not match its own pods"


def _volumes(workload: Workload) -> Iterator[str]:
    pod = workload.pod
    claims = workload.document["spec"].get("volumeClaimTemplates", ())
    volumes = {volume["name"] for volume in pod.get("volumes", ())} | {claim["metadata"]["name"] for claim in claims}
    mounts = {mount["name"] for container in workload.containers for mount in container.get("volumeMounts", ())}
    for name in sorted(volumes ^ mounts):
        yield f"volume {name} is {'mounted nowhere' if name in volumes else 'not there'}"


def _image(container: Document) -> Iterator[str]:
    name, _, tag = container.get("image", "").rpartition(":")
    if not name or not re.fullmatch(r"[\w][\w.-]*", tag) or tag == "latest":
        yield f"image {container.get('image')}: expected a version's tag"


def _resources(container: Document) -> Iterator[str]:
    resources = container.get("resources", {})
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    for name in {"cpu", "memory"} - set(requests):
        yield f"no request of {name}"
    if "memory" not in limits:
        yield "no limit of memory"
    wrong = [*wrong_quantities("request of", requests), *wrong_quantities("limit of", limits)]
    yield from wrong
    for name in set(requests) & set(limits) if not wrong else ():
        if parse_quantity(requests[name]) > parse_quantity(limits[name]):
            yield f"the request of {name} is above its limit"


def _security(container: Document) -> Iterator[str]:
    context = container.get("securityContext", {})
    expected = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    for name, value in expected.items():
        if context.get(name) != value:
            yield f"expected securityContext.{name}: {value}"
    if context.get("privileged"):
        yield "privileged is not for a service"


def _probes(container: Document) -> Iterator[str]:
    ports = {port.get("name") for port in container.get("ports", ())}
    for name, path in (("livenessProbe", "/live"), ("readinessProbe", "/ready")):
        asked = container.get(name, {}).get("httpGet", {})
        if asked.get("path") != path or asked.get("port") not in ports:
            yield f"expected {name} to get {path} at a named port"
